"""Why a company has its score: down to the filings, from one date to another, and how much is not disclosed."""

from kifactors.explanation._change import Change, Step, explain_change
from kifactors.explanation._coverage import Coverage, coverage_report
from kifactors.explanation._explanation import Explanation, explain
from kifactors.explanation._node import Node, Source

__all__ = [
    "Change",
    "Coverage",
    "Explanation",
    "Node",
    "Source",
    "Step",
    "coverage_report",
    "explain",
    "explain_change",
]
