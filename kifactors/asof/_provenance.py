"""Where a number of a day comes from: the rows in force with their source and the day they were known."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl

from kifactors.asof._fundamentals import trailing_on
from kifactors.asof._relations import index_membership, revenue_ties
from kifactors.asof._spells import visible_from
from kifactors.asof._statements import ai_capex_share, ai_revenue_share, capex_guidance
from kifactors.definition import Time, TrailingTwelveMonths
from kifactors.schema import INPUTS, Tables

__all__ = ["expired_ties", "in_force_rows", "moved", "sourced_ties", "tie_filings", "trailing_facts"]

CENTURY = 36_525
PROVENANCE = ("source", "available_at")
FLOWS = ("capex", "revenue")
IDENTITY = ("metric", "period_start", "period_end")


def in_force_rows(
    tables: Tables, dates: pl.Series, *, time: Time, ttm: TrailingTwelveMonths
) -> dict[str, pl.DataFrame]:
    """Return the rows of each table that count on each date, with `source` and `known_at`.

    Parameters
    ----------
    tables : Tables
        Not encoded: ids are text.
    dates : polars.Series
        Ascending score dates.
    time : Time
        Publication lag and expiry.
    ttm : TrailingTwelveMonths
        Which guided periods are a year.

    Returns
    -------
    dict of str to polars.DataFrame
        `ai_capex_share`, `ai_revenue_share`, `capex_guidance`, `revenue_ties` and `index_membership`, those of them
        that are there: the columns of the functions of these names, `source` (null where the table states none),
        `known_at`, the day on which the row appeared, and the period it describes.

    Examples
    --------
    >>> tables = kf.load_bundled()
    >>> rows = kf.asof.in_force_rows(tables, kf.calendar.score_dates(["2026-10-31"]),
    ...     time=kf.definition.Time(), ttm=kf.definition.TrailingTwelveMonths())
    >>> rows["ai_capex_share"].filter(asset_id="cik:0000789019").select("theta", "provenance", "known_at").rows()
    [(0.67, 'disclosed', datetime.date(2026, 1, 28))]
    """
    have = {name: _with_source(frame) for name, frame in tables if name in INPUTS}
    found = {}
    if "ai_capex_share" in have:
        table = have["ai_capex_share"]
        found["ai_capex_share"] = ai_capex_share(table, dates, time=time, keep=("provenance", *PROVENANCE))
    if "ai_revenue_share" in have:
        table = have["ai_revenue_share"]
        found["ai_revenue_share"] = ai_revenue_share(
            table, dates, time=time, keep=("period_end", *PROVENANCE)
        )
    if "capex_guidance" in have:
        table, period = have["capex_guidance"], ("period_start", "period_end", "low", "high")
        found["capex_guidance"] = capex_guidance(
            table, dates, time=time, ttm=ttm, keep=(*period, *PROVENANCE)
        )
    if "revenue_ties" in have:
        found["revenue_ties"] = _ties(have["revenue_ties"], tables.tie_disclosures, dates, time)
    if "index_membership" in have:
        table = have["index_membership"]
        found["index_membership"] = index_membership(
            table, dates, time=time, keep=("start", "end", *PROVENANCE)
        )
    return {name: frame.rename({"available_at": "known_at"}) for name, frame in found.items()}


def _ties(ties: pl.DataFrame, disclosures: pl.DataFrame | None, dates: pl.Series, time: Time) -> pl.DataFrame:
    return revenue_ties(ties, disclosures, dates, time=time, keep=("period_end", *PROVENANCE))


def _with_source(frame: pl.DataFrame) -> pl.DataFrame:
    return frame if "source" in frame.columns else frame.with_columns(source=pl.lit(None, pl.String))


def sourced_ties(
    ties: pl.DataFrame | None, disclosures: pl.DataFrame | None, dates: pl.Series, *, time: Time
) -> pl.DataFrame:
    """Return the ties in force on each date, as `revenue_ties` does, with period_end, source and `known_at`."""
    if ties is None:
        return _without_ties(dates, time)
    return _ties(_with_source(ties), disclosures, dates, time).rename({"available_at": "known_at"})


def _without_ties(dates: pl.Series, time: Time) -> pl.DataFrame:
    empty = revenue_ties(None, None, dates, time=time)
    return empty.with_columns(
        period_end=pl.lit(None, pl.Date), source=pl.lit(None, pl.String), known_at=pl.lit(None, pl.Date)
    )


def tie_filings(tables: Tables, supplier_id: str, dates: tuple[date, date], *, time: Time) -> pl.DataFrame:
    """Return the ties of a supplier that became usable after the first date, up to the second, with `known_at`.

    Examples
    --------
    >>> from datetime import date
    >>> rows = kf.asof.tie_filings(kf.load_bundled(), "cik:0001769628", (date(2025, 2, 28), date(2025, 3, 31)),
    ...     time=kf.definition.Time())
    >>> rows.select("revenue_share", "known_at").rows()
    [(0.35, datetime.date(2025, 3, 3)), (0.62, datetime.date(2025, 3, 3))]
    """
    if tables.revenue_ties is None:
        return pl.DataFrame()
    rows = _with_source(tables.revenue_ties).filter(supplier_id=supplier_id)
    rows = rows.with_columns(visible_from(time.lag_days))
    new = rows.filter(pl.col("first") > dates[0], pl.col("first") <= dates[1])
    return new.drop("first").rename({"available_at": "known_at"}).sort("period_end", "customer_label")


def expired_ties(
    ties: pl.DataFrame | None, disclosures: pl.DataFrame | None, dates: pl.Series, *, time: Time
) -> pl.DataFrame:
    """Return the ties that would be in force on each date, had they not expired.

    Returns
    -------
    polars.DataFrame
        The columns of `revenue_ties` (the function), period_end, source and `known_at`; only suppliers without a tie
        in force that no later filing has emptied.

    Examples
    --------
    >>> ties = pl.DataFrame({"supplier_id": ["s"], "customer_id": ["c"], "customer_label": ["C"],
    ...     "revenue_share": [0.3], "period_end": ["2022-12-31"], "available_at": ["2023-02-01"]})
    >>> ties = kf.schema.validate("revenue_ties", ties.with_columns(
    ...     pl.col("period_end", "available_at").str.to_date()))
    >>> at = kf.calendar.score_dates(["2024-07-03", "2024-07-05"])
    >>> gone = kf.asof.expired_ties(ties, None, at, time=kf.definition.Time())
    >>> [(str(day), share) for day, share in gone.select("date", "revenue_share").rows()]
    [('2024-07-05', 0.3)]
    """
    if ties is None:
        return _without_ties(dates, time)
    ties = _with_source(ties)
    ever = _ties(ties, disclosures, dates, replace(time, tie_expiry_days=CENTURY))
    in_force = revenue_ties(ties, disclosures, dates, time=time).select("date", "supplier_id").unique()
    gone = ever.join(in_force, on=["date", "supplier_id"], how="anti", maintain_order="left")
    return gone.rename({"available_at": "known_at"})


def trailing_facts(
    fundamentals: pl.DataFrame | None,
    dates: pl.Series,
    asset_id: str,
    *,
    time: Time,
    ttm: TrailingTwelveMonths,
) -> pl.DataFrame:
    """Return the reported facts that make the trailing flows of a company, with the sign of each.

    Parameters
    ----------
    fundamentals : polars.DataFrame or None
        Validated facts.
    dates : polars.Series
        One score date.
    asset_id : str
    time : Time
    ttm : TrailingTwelveMonths

    Returns
    -------
    polars.DataFrame
        metric, years_ago (0 to 3), sign (+1 or -1), period_start, period_end, value, currency, source, `known_at`.
        The signed values of a metric and year add up to what `trailing_twelve_months` returns.

    Notes
    -----
    Rules look at periods, never at values, so the flow is linear in the facts: the sign of a fact is what the flow is
    where that fact is 1 and all others are 0.

    Examples
    --------
    Half of 2024 brought 70, against 40 a year before; all of 2023 was 100: 100 + 70 - 40.

    >>> facts = kf.schema.validate("fundamentals", pl.DataFrame(
    ...     [("capex", "2023-01-01", "2023-12-31", 100.0), ("capex", "2023-01-01", "2023-06-30", 40.0),
    ...      ("capex", "2024-01-01", "2024-06-30", 70.0), ("revenue", "2023-07-01", "2024-06-30", 600.0)],
    ...     schema=["metric", "period_start", "period_end", "value"], orient="row",
    ... ).with_columns(pl.col("period_start", "period_end").str.to_date(), asset_id=pl.lit("a"),
    ...     currency=pl.lit("USD"), available_at=pl.date(2024, 8, 1)))
    >>> kf.asof.trailing_facts(facts, kf.calendar.score_dates(["2024-08-31"]), "a", time=kf.definition.Time(),
    ...     ttm=kf.definition.TrailingTwelveMonths()).select("metric", "sign", "value").rows()
    [('capex', -1.0, 40.0), ('capex', 1.0, 100.0), ('capex', 1.0, 70.0), ('revenue', 1.0, 600.0)]
    """
    columns = ["metric", "years_ago", "sign", "period_start", "period_end", "value", "currency", *PROVENANCE]
    if fundamentals is None:
        return pl.DataFrame(schema=[*columns[:-1], "known_at"])
    visible = (
        _with_source(fundamentals)
        .filter(pl.col("asset_id").cast(pl.String) == asset_id, pl.col("metric").is_in(FLOWS))
        .with_columns(visible_from(time.lag_days))
        .filter(pl.col("first") <= dates[0])
        .sort(*IDENTITY, "first")
        .unique(IDENTITY, keep="last", maintain_order=True)
        .sort(*IDENTITY)
    )
    signs = _signs(visible, dates, time, ttm)
    found = [
        visible.with_columns(
            sign=pl.Series(sign, dtype=pl.Float64), years_ago=pl.lit(years, pl.Int64)
        ).filter(pl.col("sign") != 0, pl.col("metric") == metric)
        for (metric, years), sign in signs.items()
    ]
    rows = pl.concat(found).select(columns) if found else pl.DataFrame(schema=columns)
    return rows.rename({"available_at": "known_at"}).sort("metric", "years_ago", "period_end", "period_start")


def _signs(
    facts: pl.DataFrame, dates: pl.Series, time: Time, ttm: TrailingTwelveMonths
) -> Mapping[tuple[str, int], np.ndarray]:
    """Return the sign of each fact in each flow: copies of the company, a different fact of which is 1."""
    n = facts.height
    if not n:
        return {}
    copies = [f"{k:06d}" for k in range(n)]
    copied = facts[pl.Series(np.tile(np.arange(n), n))].with_columns(
        asset_id=pl.Series(np.repeat(copies, n)), value=pl.Series(np.eye(n).ravel())
    )
    panel = pl.DataFrame({"asset_id": copies}).select(date=pl.lit(dates[0]), asset_id="asset_id")
    flows = trailing_on(copied, panel, time=time, ttm=ttm)
    return {
        (metric, years): flows[metric if years == 0 else f"{metric}_{years}y"].fill_null(0.0).to_numpy()
        for metric in FLOWS
        for years in range(4)
    }


def moved(frame: pl.DataFrame, days: int) -> pl.DataFrame:
    """Return the rows with every date so many days later, so that a later day sees them as an earlier day did.

    Examples
    --------
    >>> moved(pl.select(period_end=pl.date(2024, 1, 31), value=1.0), 29)["period_end"].to_list()
    [datetime.date(2024, 2, 29)]
    """
    return frame.with_columns(pl.col(pl.Date) + pl.duration(days=days))
