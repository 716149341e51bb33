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
        network,
        pillars,
        portfolio,
        scenarios,
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
    from kifactors.io import (
        read_scores,
        read_scores_adbc,
        read_tables,
        read_tables_adbc,
        write_scores,
        write_scores_adbc,
    )
    from kifactors.scenarios import scenario, sensitivity
    from kifactors.schema import Tables
    from kifactors.scores import Scores
    from kifactors.store import open_store, update_store
    from kifactors.udf import arrow_udf
    from kifactors.versions import show_versions

__all__ = [
    "AIInfrastructureExposure",
    "FactorDefinition",
    "KifactorsError",
    "Scores",
    "Tables",
    "arrow_udf",
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
    "network",
    "open_store",
    "pillars",
    "portfolio",
    "read_scores",
    "read_scores_adbc",
    "read_tables",
    "read_tables_adbc",
    "scenario",
    "scenarios",
    "schema",
    "screen",
    "sensitivity",
    "show_versions",
    "sources",
    "store",
    "update_store",
    "versions",
    "write_scores",
    "write_scores_adbc",
]

__version__ = "0.1.0"

# Everything stands on polars and numpy, which take longer to load than all of ours: loaded at first use.
_ROOM_OF = {
    "AIInfrastructureExposure": "factor",
    "FactorDefinition": "definition",
    "Scores": "scores",
    "Tables": "schema",
    "arrow_udf": "udf",
    "coverage_report": "explanation",
    "evaluate": "evaluation",
    "explain": "explanation",
    "explain_change": "explanation",
    "ingest_sec": "ingest",
    "load_bundled": "bundle",
    "month_ends": "calendar",
    "open_store": "store",
    "read_scores": "io",
    "read_scores_adbc": "io",
    "read_tables": "io",
    "read_tables_adbc": "io",
    "scenario": "scenarios",
    "sensitivity": "scenarios",
    "show_versions": "versions",
    "update_store": "store",
    "write_scores": "io",
    "write_scores_adbc": "io",
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
