"""The scores table, as data: the columns of METHODOLOGY section 9 with their units and ranges."""

import polars as pl

from kifactors.schema._declared import Column, TableSchema

__all__ = ["DESCRIPTORS", "ROLES", "SCORES"]

ROLES = ("pioneer", "tool_supplier", "both", "index_only", "none", "unknown")
FRACTION = {"unit": "fraction", "low": 0.0, "high": 1.0}
Z = {"unit": "cross-sectional units"}


def _number(name: str, doc: str, **options: object) -> Column:
    return Column(name=name, dtype=pl.Float64, doc=doc, nullable=True, **options)  # type: ignore[arg-type]


_DESCRIPTORS = (
    _number("capex_to_revenue", "p: AI share of capex over own revenue", **FRACTION),
    _number(
        "abnormal_capex", "a: log of capex intensity over its mean of three years, times theta", unit="log"
    ),
    _number("capex_pool_share", "q: share of everybody's AI capex", **FRACTION),
    _number("guided_capex", "g: announced over trailing capex, minus one, times theta", unit="ratio"),
    _number("ai_revenue", "r: AI-attributable share of revenue, lower bound", **FRACTION),
    _number("ai_revenue_low", "lower bound of the same", **FRACTION),
    _number("ai_revenue_high", "upper bound: what is not disclosed counted as AI", **FRACTION),
    _number("demand_growth", "d: abnormal capex of the customers, seen from the supplier", unit="log"),
    _number(
        "index_relevance", "c: relevance of the indices that hold the asset, itself left out", **FRACTION
    ),
)

DESCRIPTORS: tuple[str, ...] = tuple(column.name for column in _DESCRIPTORS)

SCORES = TableSchema(
    name="scores",
    doc="AI infrastructure exposure per date and asset.",
    key=("date", "asset_id"),
    columns=(
        Column(name="date", dtype=pl.Date, doc="score date; nothing after it was used"),
        Column(name="asset_id", dtype=pl.String, doc="stable key of the company, not a ticker"),
        Column(name="ticker", dtype=pl.String, doc="label on that date", nullable=True),
        _number("exposure", "e: economic exposure, 1 - (1 - p)(1 - r); additive in a portfolio", **FRACTION),
        _number("exposure_low", "e from the lower bound of r", **FRACTION),
        _number("exposure_high", "e from the upper bound of r", **FRACTION),
        _number("score", "F: centred and scaled composite", **Z),
        _number("neutral_score", "F less its fit on industry and size", **Z),
        _number("score_fitted", "that fit; an imputation for hand-off only, never a score", **Z),
        _number("score_capex_intensity", "A: pillar of the pioneers", **Z),
        _number("score_supplier_ties", "B: pillar of the tool suppliers", **Z),
        _number("score_index_membership", "C: pillar of the indices", **Z),
        _number("tools_minus_pioneers", "B - A", **Z),
        *_DESCRIPTORS,
        _number("coverage", "weight of the pillars that are known", **FRACTION),
        Column(name="role", dtype=pl.String, doc="what the company is in the theme", allowed=ROLES),
    ),
)
