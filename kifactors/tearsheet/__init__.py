"""Evaluation for people: pictures, and a tear sheet of one HTML file (extra ``report``)."""

from kifactors.tearsheet._page import write_html
from kifactors.tearsheet._plots import Plots

__all__ = ["Plots", "write_html"]
