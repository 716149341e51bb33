"""Pillar A: how much of its revenue a company spends on AI infrastructure (METHODOLOGY section 5)."""

import numpy as np
import polars as pl

from kifactors import asof
from kifactors.cross_section import date_offsets
from kifactors.definition import FactorDefinition
from kifactors.panel import KEY, Rows, attach
from kifactors.schema import Tables

__all__ = ["capex_intensity", "intensity"]

THETA = pl.col("theta")
ROUNDING = 1e-12


def capex_intensity(
    tables: Tables,
    live: pl.DataFrame,
    dates: pl.Series,
    definition: FactorDefinition,
    *,
    n_threads: int | None = None,
) -> pl.DataFrame:
    """Return the four descriptors of pillar A for every live asset.

    Parameters
    ----------
    tables : Tables
        `fundamentals`, `ai_capex_share`, `capex_guidance` and, where currencies meet, `fx`.
    live : polars.DataFrame
        (date, asset_id) of the assets live on each date, sorted.
    dates : polars.Series
        The score dates of `live`.
    definition : FactorDefinition

    Returns
    -------
    polars.DataFrame
        date, asset_id, theta, and

        - ``capex_to_revenue``  p = theta min(1, C / S), in [0, 1]; a net refund (C < 0) counts as 0
        - ``abnormal_capex``    a = theta ln(CE(P) / mean(CE(P - 1y), CE(P - 2y), CE(P - 3y))), CE = C / S; 0 where
          the logarithm is below 1e-12
        - ``capex_pool_share``  q = theta C / sum of theta C over live assets, in USD, C < 0 as 0
        - ``guided_capex``      g = theta (G / C - 1)

        theta 0 makes all four exactly 0; theta > 0 with unknown C or S makes them null.

    Raises
    ------
    MissingRateError
        Money in two currencies meets without a rate.

    References
    ----------
    Titman, Wei, Xie (2004), JFQA 39(4), for abnormal capital investment with the current year left out of
    the mean.

    Examples
    --------
    Capex 30 million of revenue 100 million, half of it AI; intensity was 10, 15 and 20 % in the three years
    before, 15 % on average; 45 million are announced. p = 0.5 * 0.3, a = 0.5 ln(0.3 / 0.15), g = 0.5 *
    (45 / 30 - 1); alone in the world, q = 1.

    >>> years = ["2020", "2021", "2022", "2023"]
    >>> facts = pl.concat([pl.DataFrame({"metric": m, "value": v, "year": years}) for m, v in
    ...     (("capex", [20e6, 15e6, 10e6, 30e6]), ("revenue", [1e8] * 4))]).select(
    ...     "metric", "value", asset_id=pl.lit("a"), currency=pl.lit("USD"),
    ...     period_start=(pl.col("year") + "-01-01").str.to_date(),
    ...     period_end=(pl.col("year") + "-12-31").str.to_date(),
    ...     available_at=pl.date(2024, 2, 1))
    >>> day = pl.date(2024, 1, 1)
    >>> tables = kf.Tables(
    ...     fundamentals=facts,
    ...     ai_capex_share=pl.select(asset_id=pl.lit("a"), share=0.5, available_at=day, provenance=pl.lit("assumed")),
    ...     capex_guidance=pl.select(asset_id=pl.lit("a"), period_start=day, period_end=pl.date(2024, 12, 31),
    ...         low=40e6, high=50e6, currency=pl.lit("USD"), available_at=pl.date(2024, 2, 1)))
    >>> dates = kf.calendar.score_dates(["2024-02-29"])
    >>> live = pl.DataFrame({"date": dates, "asset_id": ["a"]})
    >>> row = kf.pillars.capex_intensity(tables, live, dates, kf.FactorDefinition())
    >>> [round(x, 6) for x in row.drop("date", "asset_id", "theta").row(0)]
    [0.15, 0.346574, 1.0, 0.25]
    """
    time = definition.time
    theta = asof.ai_capex_share(tables.ai_capex_share, dates, time=time).filter(THETA > 0)
    # theta 0 makes every descriptor 0: only who spends has to be looked at.
    panel = theta.filter(pl.Series(Rows(live).of(theta)) >= 0).sort(KEY)
    facts = asof.trailing_on(
        tables.fundamentals, panel.select(KEY), time=time, ttm=definition.ttm, n_threads=n_threads
    )
    guidance = asof.capex_guidance(tables.capex_guidance, dates, time=time, ttm=definition.ttm)
    panel = attach(panel, facts, guidance)
    panel = _with_pool_share(panel, tables.fx, definition)
    panel = _with_guidance_in_currency(panel, tables.fx, definition)
    now, *past = (intensity(definition, suffix) for suffix in ("", "_1y", "_2y", "_3y"))
    # Not divided by 3: polars divides one row, and multiplies several by the reciprocal, which are other bits.
    usual = (past[0] + past[1] + past[2]) * (1.0 / 3.0)
    change = (now / usual).log()
    # The rounding of an unchanged ratio is no change; a universe of such companies would be scaled by it.
    change = pl.when(change.abs() > ROUNDING).then(change).otherwise(0.0)
    spenders = panel.select(
        *KEY,
        "theta",
        capex_to_revenue=THETA * now.clip(0.0, 1.0),
        abnormal_capex=THETA * pl.when((now > 0) & (usual > 0)).then(change),
        capex_pool_share="pool_share",
        guided_capex=THETA * pl.when(pl.col("capex") > 0).then(pl.col("guided") / pl.col("capex") - 1),
    )
    return attach(live.select(KEY), spenders).with_columns(
        pl.when(THETA.is_null()).then(0.0).otherwise(pl.exclude(KEY)).name.keep()
    )


def intensity(definition: FactorDefinition, suffix: str = "") -> pl.Expr:
    """Return CE = C / S of the columns capex and revenue; null for revenue below the smallest usable one.

    Examples
    --------
    >>> facts = pl.DataFrame({"capex": [30e6, 1e6], "revenue": [1e8, 2e6]})
    >>> facts.select(kf.pillars.intensity(kf.FactorDefinition()))["capex"].to_list()
    [0.3, None]
    """
    revenue = pl.col(f"revenue{suffix}")
    usable = (revenue > 0) & (revenue >= definition.capex_intensity.min_revenue)
    return pl.when(usable).then(pl.col(f"capex{suffix}") / revenue)


def _with_pool_share(
    panel: pl.DataFrame, fx: pl.DataFrame | None, definition: FactorDefinition
) -> pl.DataFrame:
    spends = pl.col("capex").is_not_null()
    rates = asof.fx_rates(
        fx,
        panel.filter(spends),
        time=definition.time,
        lag_days=definition.time.lag_days,
        what="the sum of AI capex over companies (capex_pool_share)",
    )
    panel = panel.join(rates, on=["date", "currency"], how="left", maintain_order="left").with_columns(
        spent=pl.when(spends).then(THETA * pl.col("capex").clip(lower_bound=0.0) * pl.col("usd_per_unit"))
    )
    # A sum in row order: polars' own grouping may add in another order from run to run.
    offsets = date_offsets(panel)
    spent = panel["spent"].fill_null(0.0).to_numpy()
    pool = np.add.reduceat(spent, offsets[:-1]) if spent.size else spent
    total = pl.Series(np.repeat(pool, np.diff(offsets)))
    return panel.with_columns(pool_share=pl.when(total > 0).then(pl.col("spent") / total)).drop(
        "usd_per_unit"
    )


def _with_guidance_in_currency(
    panel: pl.DataFrame, fx: pl.DataFrame | None, definition: FactorDefinition
) -> pl.DataFrame:
    """Convert announced capex at the rates of the day of the statement, where the currencies differ."""
    differ = panel.filter((pl.col("capex") > 0) & (pl.col("guidance_currency") != pl.col("currency")))
    if differ.is_empty():
        return panel
    what = "guidance in another currency than the reported capex"
    wanted = pl.concat(
        [differ.select(date="stated_at", currency=name) for name in ("guidance_currency", "currency")]
    )
    rates = asof.fx_rates(fx, wanted, time=definition.time, lag_days=0, what=what)
    for name, rate in (("guidance_currency", "from"), ("currency", "to")):
        on = rates.select(stated_at="date", **{name: "currency", rate: "usd_per_unit"})
        panel = panel.join(on, on=["stated_at", name], how="left", maintain_order="left")
    same = pl.col("guidance_currency") == pl.col("currency")
    return panel.with_columns(
        guided=pl.when(same)
        .then(pl.col("guided"))
        .otherwise(pl.col("guided") * pl.col("from") / pl.col("to"))
    ).drop("from", "to")
