"""AI infrastructure exposure of listed companies: an open, dated, auditable equity factor.

>>> import kifactors as kf
>>> scores = kf.AIInfrastructureExposure().compute(kf.load_bundled(), dates=kf.month_ends("2026-09", "2026-10"))
>>> scores.at("2026-10-31").top(2)["ticker"].to_list()
['ORCL', 'NVDA']
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kifactors import calendar, definition, schema
from kifactors.bundle import load_bundled
from kifactors.calendar import month_ends
from kifactors.definition import FactorDefinition
from kifactors.errors import KifactorsError
from kifactors.io import read_scores, read_tables, write_scores
from kifactors.schema import Tables
from kifactors.scores import Scores

if TYPE_CHECKING:
    from kifactors import asof, cross_section, graph, pillars
    from kifactors.factor import AIInfrastructureExposure

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

# What computes loads numpy and the kernels, a third of the import time: at first use.
_AT_FIRST_USE = {
    "AIInfrastructureExposure": "kifactors.factor",
    "asof": "kifactors.asof",
    "cross_section": "kifactors.cross_section",
    "graph": "kifactors.graph",
    "pillars": "kifactors.pillars",
}


def __getattr__(name: str) -> Any:
    if name not in _AT_FIRST_USE:
        raise AttributeError(f"module 'kifactors' has no attribute {name!r}")
    module = import_module(_AT_FIRST_USE[name])
    value = getattr(module, name) if name == "AIInfrastructureExposure" else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
