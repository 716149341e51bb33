"""Why a company has its score: down to the filings, from one date to another, and how much is not disclosed."""

from kifactors.explanation._change import Change, Step, explain_change
from kifactors.explanation._explanation import Explanation, explain
from kifactors.explanation._node import Node, Source

__all__ = ["Change", "Explanation", "Node", "Source", "Step", "explain", "explain_change"]
