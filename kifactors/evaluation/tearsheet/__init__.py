"""Evaluation for people: pictures, and a tear sheet of one HTML file (extra ``report``)."""

from kifactors.evaluation.tearsheet._page import write_html
from kifactors.evaluation.tearsheet._plots import Plots

__all__ = ["Plots", "write_html"]
