"""Screens: which assets of which dates pass a condition, and why the others do not.

Conditions are made from factors (numbers), classifiers (names) and flags, in zipline's vocabulary, and combined with
``&``, ``|`` and ``~``; `select` evaluates them on scores, a few dates at a time.
"""

from kifactors.screen._conditions import Classifier, Condition, Factor, classifier, factor
from kifactors.screen._select import select

__all__ = [
    "Classifier",
    "Condition",
    "Factor",
    "classifier",
    "coverage",
    "exposure",
    "factor",
    "industry",
    "market_cap",
    "role",
    "score",
    "select",
]

exposure = factor("exposure")
score = factor("score")
coverage = factor("coverage")
market_cap = factor("market_cap")
role = classifier("role")
industry = classifier("industry")
