"""The main figures of an evaluation, one a row."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from kifactors.evaluation._evaluation import Evaluation

__all__ = ["SPREADS", "sessions", "spread_for", "summary_of"]

SPREADS = {"quantiles": "highest less lowest quantile", "exposed": "exposed less unexposed"}

SCHEMA = {
    "metric": pl.String, "value": pl.Float64, "low": pl.Float64, "high": pl.Float64, "t": pl.Float64, "note": pl.String,
}  # fmt: skip


def summary_of(evaluation: "Evaluation") -> pl.DataFrame:
    """Return metric, value, confidence interval, Newey-West t and what it counts."""
    return pl.DataFrame(list(_rows(evaluation)), schema=SCHEMA, orient="row")


def _rows(evaluation: "Evaluation") -> Iterator[tuple[object, ...]]:
    stability = evaluation.stability
    there = stability.filter(pl.col("exposed") > 0)
    yield "score dates", float(stability.height), None, None, None, "with at least one scored asset"
    yield "dates with exposed names", float(there.height), None, None, None, "of these"
    yield "exposed names", there["exposed"].median(), None, None, None, "median over these"
    yield "names with a value", there["n"].median(), None, None, None, "median over these"
    rank = evaluation.ic_summary.filter(method="spearman")
    for row in rank.iter_rows(named=True):
        note = f"{row['names']}, {row['dates']} dates, Newey-West lag {row['lag']}"
        yield f"rank IC, {sessions(row['horizon'])}", row["mean"], row["low"], row["high"], row["t_hac"], note
    for row in evaluation.spread_summary.iter_rows(named=True):
        note = f"{SPREADS[row['spread']]}, {row['weighting']} weights, {row['dates']} dates"
        yield f"spread, {sessions(row['horizon'])}", row["mean"], row["low"], row["high"], row["t_hac"], note
    factor = evaluation.factor_summary.filter(pl.col("factor") == evaluation.settings["column"])
    for row in factor.iter_rows(named=True):
        note = f"cross-sectional regressions, {row['periods']} periods"
        yield "factor return a period", row["mean"], None, None, row["t_fm"], note
    once = evaluation.stability_summary.row(0, named=True)
    yield "rank autocorrelation", once["rank_autocorrelation"], None, None, None, "mean, date to date"
    yield "half-life of a lead in rank", once["half_life_days"], None, None, None, "days"


def spread_for(column: str) -> str:
    """Return the spread that a column is judged by: of exposed names only where it is the exposure itself."""
    return "exposed" if column == "exposure" else "quantiles"


def sessions(horizon: int) -> str:
    """Return a horizon in words."""
    return "1 session" if horizon == 1 else f"{horizon} sessions"
