"""AI infrastructure exposure of listed companies: an open, dated, auditable equity factor.

>>> import kifactors as kf
>>> scores = kf.AIInfrastructureExposure().compute(kf.load_bundled(), dates=kf.month_ends("2026-09", "2026-10"))
>>> scores.at("2026-10-31").top(2)["ticker"].to_list()
['ORCL', 'NVDA']
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kifactors.errors import KifactorsError

if TYPE_CHECKING:
    from kifactors import (
        asof,
        calendar,
        cross_section,
        definition,
        evaluation,
        explanation,
        graph,
        index_rules,
        pillars,
        portfolio,
        schema,
        sources,
        store,
        versions,
    )
    from kifactors.bundle import load_bundled
    from kifactors.calendar import month_ends
    from kifactors.definition import FactorDefinition
    from kifactors.evaluation import evaluate
    from kifactors.explanation import coverage_report, explain, explain_change
    from kifactors.factor import AIInfrastructureExposure
    from kifactors.ingest import ingest_sec
    from kifactors.io import read_scores, read_tables, write_scores
    from kifactors.schema import Tables
    from kifactors.scores import Scores
    from kifactors.store import open_store, update_store
    from kifactors.versions import show_versions

__all__ = [
    "AIInfrastructureExposure",
    "FactorDefinition",
    "KifactorsError",
    "Scores",
    "Tables",
    "asof",
    "calendar",
    "coverage_report",
    "cross_section",
    "definition",
    "evaluate",
    "evaluation",
    "explain",
    "explain_change",
    "explanation",
    "graph",
    "index_rules",
    "ingest_sec",
    "load_bundled",
    "month_ends",
    "open_store",
    "pillars",
    "portfolio",
    "read_scores",
    "read_tables",
    "schema",
    "screen",
    "show_versions",
    "sources",
    "store",
    "update_store",
    "versions",
    "write_scores",
]

__version__ = "0.1.0"

# Everything stands on polars and numpy, which take longer to load than all of ours: loaded at first use.
_ROOM_OF = {
    "AIInfrastructureExposure": "factor",
    "FactorDefinition": "definition",
    "Scores": "scores",
    "Tables": "schema",
    "coverage_report": "explanation",
    "evaluate": "evaluation",
    "explain": "explanation",
    "explain_change": "explanation",
    "ingest_sec": "ingest",
    "load_bundled": "bundle",
    "month_ends": "calendar",
    "open_store": "store",
    "read_scores": "io",
    "read_tables": "io",
    "show_versions": "versions",
    "update_store": "store",
    "write_scores": "io",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'kifactors' has no attribute {name!r}")
    room = import_module(f"kifactors.{_ROOM_OF.get(name, name)}")
    value = getattr(room, name) if name in _ROOM_OF else room
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
