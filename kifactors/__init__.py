"""AI infrastructure exposure of listed companies: an open, dated, auditable equity factor.

>>> import kifactors as kf
>>> scores = kf.AIInfrastructureExposure().compute(kf.load_bundled(), dates=kf.month_ends("2026-09", "2026-10"))
>>> scores.at("2026-10-31").top(2)["ticker"].to_list()
['ORCL', 'NVDA']
"""

from kifactors import asof, calendar, cross_section, definition, graph, pillars, schema
from kifactors.bundle import load_bundled
from kifactors.calendar import month_ends
from kifactors.definition import FactorDefinition
from kifactors.errors import KifactorsError
from kifactors.factor import AIInfrastructureExposure
from kifactors.io import read_scores, read_tables, write_scores
from kifactors.schema import Tables
from kifactors.scores import Scores

__all__ = [
    "AIInfrastructureExposure",
    "FactorDefinition",
    "KifactorsError",
    "Scores",
    "Tables",
    "asof",
    "calendar",
    "cross_section",
    "definition",
    "graph",
    "load_bundled",
    "month_ends",
    "pillars",
    "read_scores",
    "read_tables",
    "schema",
    "write_scores",
]

__version__ = "0.1.0"
