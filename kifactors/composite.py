"""From descriptors to pillars, composite, neutral score and role (METHODOLOGY sections 8 and 9)."""

from dataclasses import dataclass

import polars as pl

from kifactors.cross_section import composite_standardize, neutralize, style_score
from kifactors.definition import FactorDefinition
from kifactors.pillars import economic_exposure
from kifactors.schema import ROLES

__all__ = ["Combined", "combine"]

P, R, C = pl.col("capex_to_revenue"), pl.col("ai_revenue"), pl.col("index_relevance")
NO_INDUSTRIES = "the universe has no industries"


@dataclass(frozen=True, slots=True)
class Combined:
    """Result of `combine`.

    frame : the scored panel with every output column except labels.
    reasons : (date, neutral_score), why a date has no neutral score, or ``"fitted"``.
    """

    frame: pl.DataFrame
    reasons: pl.DataFrame


def combine(panel: pl.DataFrame, definition: FactorDefinition, *, n_threads: int | None = None) -> Combined:
    """Scale the descriptors, add up the pillars, centre and scale the composite, neutralize it.

    Parameters
    ----------
    panel : polars.DataFrame
        Eligible assets, sorted on (date, asset_id): the descriptors; `market_cap`, `industry` and
        `estimation` where the universe has them.
    definition : FactorDefinition

    Returns
    -------
    Combined

    Notes
    -----
    With s*() the scaled descriptor and all weights those of the definition:

    - ``score_capex_intensity`` A = mean of s*(p), s*(a), s*(q), s*(g), weights renormalised over the known;
      null if p is null
    - ``score_supplier_ties`` B = weighted mean of s*(r) and s*(d); null if r is null
    - ``score_index_membership`` C = s*(c)
    - ``score`` F = w_A A + w_B B + w_C C with a null pillar as 0, less its cap-weighted mean, over the root
      mean square of that among assets with e != 0, clipped; null if e is null, and for a date whose estimation universe knows nobody
    - ``neutral_score`` = residual of F on industries and ln(market cap), weights sqrt(market cap)

    Examples
    --------
    p scales by sqrt((0.3**2 + 0.1**2) / 2) = 0.2236, r by 0.5; q, a, g and d are 0 or unknown. For x,
    A = 0.45 * 1.3416 / 0.85 = 0.7103 (g is unknown) and F_raw = 0.4 * A = 0.2841; for y, F_raw = 0.45 * 0.75.

    >>> panel = pl.DataFrame({"date": [1, 1, 1], "asset_id": ["w", "x", "y"],
    ...     "capex_to_revenue": [0.1, 0.3, 0.0], "abnormal_capex": [0.0] * 3, "capex_pool_share": [0.0] * 3,
    ...     "guided_capex": [None, None, 0.0], "ai_revenue": [None, 0.0, 0.5], "ai_revenue_low": [None, 0.0, 0.5],
    ...     "ai_revenue_high": [None, 0.0, 0.6], "demand_growth": [None, 0.0, 0.0], "index_relevance": [0.0] * 3})
    >>> found = combine(panel, kf.FactorDefinition()).frame
    >>> found["score_capex_intensity"].round(4).to_list()
    [0.2368, 0.7103, 0.0]
    >>> found["score_supplier_ties"].to_list()
    [None, 0.0, 0.75]
    >>> found["exposure_high"].round(3).to_list(), found["role"].to_list()
    ([0.1, 0.3, 0.6], ['pioneer', 'pioneer', 'tool_supplier'])
    >>> found["coverage"].round(2).to_list()
    [0.55, 1.0, 1.0]
    """
    panel = panel.with_columns(
        exposure=economic_exposure(P, R),
        exposure_low=economic_exposure(P, pl.col("ai_revenue_low")),
        exposure_high=economic_exposure(P, pl.col("ai_revenue_high")),
        in_estimation=_estimation(panel),
    )
    panel = panel.with_columns(_pillars(panel, definition, n_threads)).with_columns(_raw(definition))
    score = composite_standardize(
        panel.with_columns(exposed=pl.col("exposure") != 0),
        "raw",
        exposed="exposed",
        weights=_weights(panel),
        estimation="in_estimation",
        clip=definition.scaling.clip,
        n_threads=n_threads,
    )
    panel = panel.with_columns(score.alias("score"), tools_minus_pioneers=_difference())
    panel, reasons = _with_neutral_score(panel, n_threads)
    return Combined(panel.with_columns(_coverage(definition), _role(definition)), reasons)


def _estimation(panel: pl.DataFrame) -> pl.Expr:
    inside = pl.col("estimation") if "estimation" in panel.columns else pl.lit(value=True)
    return inside & pl.col("market_cap").is_not_null() if "market_cap" in panel.columns else inside


def _weights(panel: pl.DataFrame) -> str | None:
    return "market_cap" if "market_cap" in panel.columns else None


def _pillars(panel: pl.DataFrame, definition: FactorDefinition, n_threads: int | None) -> list[pl.Expr]:
    """Return A, B and C, weighted means of the scaled descriptors that are known; null without the first."""
    a, b = definition.capex_intensity, definition.supplier_ties
    capex = {
        "capex_to_revenue": a.capex_to_revenue,
        "abnormal_capex": a.abnormal_capex,
        "capex_pool_share": a.capex_pool_share,
        "guided_capex": a.guided_capex,
    }
    ties = {"ai_revenue": b.ai_revenue, "demand_growth": b.demand_growth}
    A, B, C = (
        pl.lit(_mean_of_scaled(panel, weights, definition, n_threads))
        for weights in (capex, ties, {"index_relevance": 1.0})
    )
    return [
        pl.when(P.is_not_null()).then(A).alias("score_capex_intensity"),
        pl.when(R.is_not_null()).then(B).alias("score_supplier_ties"),
        C.alias("score_index_membership"),
    ]


def _mean_of_scaled(
    panel: pl.DataFrame, weights: dict[str, float], definition: FactorDefinition, n_threads: int | None
) -> pl.Series:
    spec = definition.scaling
    used = {name: weight for name, weight in weights.items() if weight > 0}
    return style_score(
        panel, used, sparse=tuple(used) if spec.method == "sparse" else (), market_cap=_weights(panel),
        estimation="in_estimation", low=spec.winsorize_low, high=spec.winsorize_high, clip=spec.dense_clip,
        sparse_clip=spec.clip, min_assets=spec.min_assets, restandardize=False, n_threads=n_threads,
    ).score  # fmt: skip


def _pillar_weights(definition: FactorDefinition) -> dict[str, float]:
    spec = definition.composite
    return {
        "score_capex_intensity": spec.capex_intensity,
        "score_supplier_ties": spec.supplier_ties,
        "score_index_membership": spec.index_membership,
    }


def _raw(definition: FactorDefinition) -> pl.Expr:
    total = pl.sum_horizontal(w * pl.col(n).fill_null(0.0) for n, w in _pillar_weights(definition).items())
    return pl.when(pl.col("exposure").is_not_null()).then(total).alias("raw")


def _difference() -> pl.Expr:
    gap = pl.col("score_supplier_ties").fill_null(0.0) - pl.col("score_capex_intensity").fill_null(0.0)
    return pl.when(pl.col("exposure").is_not_null()).then(gap)


def _coverage(definition: FactorDefinition) -> pl.Expr:
    known = [w * pl.col(n).is_not_null().cast(pl.Float64) for n, w in _pillar_weights(definition).items()]
    return pl.sum_horizontal(known).clip(0.0, 1.0).alias("coverage")


def _role(definition: FactorDefinition) -> pl.Expr:
    threshold = definition.composite.role_threshold
    spends = (threshold <= P).fill_null(value=False)
    earns = (threshold <= R).fill_null(value=False)

    def named(role: str) -> pl.Expr:
        # Codes while the choice is made; texts for millions of rows cost more than all the rest.
        return pl.lit(role, pl.Enum(ROLES))

    return (
        pl.when(pl.col("exposure").is_null())
        .then(named("unknown"))
        .when(spends & earns)
        .then(named("both"))
        .when(spends)
        .then(named("pioneer"))
        .when(earns)
        .then(named("tool_supplier"))
        .when((C > 0).fill_null(value=False))
        .then(named("index_only"))
        .otherwise(named("none"))
        .alias("role")
    )


def _with_neutral_score(panel: pl.DataFrame, n_threads: int | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    dates = panel.select(pl.col("date").unique(maintain_order=True))
    if "industry" not in panel.columns:
        nothing = pl.lit(None, pl.Float64)
        return panel.with_columns(neutral_score=nothing, score_fitted=nothing), dates.with_columns(
            neutral_score=pl.lit(NO_INDUSTRIES)
        )
    if "market_cap" in panel.columns:
        cap = pl.col("market_cap")
        found = neutralize(
            panel.with_columns(ln_market_cap=cap.log(), regression_weight=cap.sqrt()),
            "score", industry="industry", controls=("ln_market_cap",), weights="regression_weight",
            estimation="in_estimation", n_threads=n_threads,
        )  # fmt: skip
    else:
        found = neutralize(
            panel, "score", industry="industry", estimation="in_estimation", n_threads=n_threads
        )
    panel = panel.with_columns(found.residual.alias("neutral_score"), found.fitted.alias("score_fitted"))
    return panel, dates.with_columns(found.reasons.alias("neutral_score"))
