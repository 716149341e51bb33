"""Trailing twelve months of every company on every date, as known then (METHODOLOGY section 3)."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors import _kernels
from kifactors.asof._spells import visible_from
from kifactors.calendar import score_dates
from kifactors.definition import Time, TrailingTwelveMonths
from kifactors.panel import KEY

__all__ = ["RULES", "trailing_on", "trailing_twelve_months"]

METRIC_CODES = {"capex": 0, "revenue": 1, "assets": 2}
RULES = (None, "annual", "year_to_date", "four_quarters")
SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "date": pl.Date,
    "asset_id": pl.String,
    "period_end": pl.Date,
    "capex": pl.Float64,
    "revenue": pl.Float64,
    **{f"{metric}_{k}y": pl.Float64 for k in (1, 2, 3) for metric in ("capex", "revenue")},
    "assets": pl.Float64,
    "capex_rule": pl.Enum(RULES[1:]),
    "revenue_rule": pl.Enum(RULES[1:]),
    "currency": pl.String,
}


def trailing_twelve_months(
    fundamentals: pl.DataFrame | None, dates: pl.Series, *, time: Time, ttm: TrailingTwelveMonths
) -> pl.DataFrame:
    """Return trailing capex and revenue at the current period of each company, and of the three years before.

    Parameters
    ----------
    fundamentals : polars.DataFrame or None
        Validated facts, one row per vintage. None: nobody has a value.
    dates : polars.Series
        Ascending score dates.
    time : Time
        Publication lag; a current period that ended more than `max_age_days` before a date is left out.
    ttm : TrailingTwelveMonths
        Tolerances of the rules. A period covers both its first and its last day, so 2024 has 366 days.

    Returns
    -------
    polars.DataFrame
        Sorted on (date, asset_id), a row where a current period exists: `period_end`, `capex`, `revenue` in
        units of `currency`, the same ``_1y``, ``_2y``, ``_3y`` ago (null without a period end within
        `match_days` of one, two, three years of 365.25 days before), `assets` at the period end (null if
        not reported), and which rule gave each flow.

    Notes
    -----
    Of the facts visible at t (the latest vintage of each period): (1) a fact that ends at P and spans a year;
    else (2) FY(P0) + YTD(P) - YTD(P - 1 year); else (3) four consecutive quarters; else null. The current
    period is the largest P at which capex and revenue both have a value.

    Where several facts fit one place in a rule, the nearest end counts, then the nearest span; in rule 2 the
    longest year to date for which all three facts are there.

    Examples
    --------
    Year 2023 was 100 of capex; the first half of 2024 brought 70, against 40 a year before: 100 + 70 - 40.

    >>> facts = kf.schema.validate("fundamentals", pl.DataFrame(
    ...     [("capex", "2023-01-01", "2023-12-31", 100.0, "2024-02-01"),
    ...      ("capex", "2023-01-01", "2023-06-30", 40.0, "2023-08-01"),
    ...      ("capex", "2024-01-01", "2024-06-30", 70.0, "2024-08-01"),
    ...      ("revenue", "2023-01-01", "2023-12-31", 500.0, "2024-02-01"),
    ...      ("revenue", "2023-07-01", "2024-06-30", 600.0, "2024-08-01")],
    ...     schema=["metric", "period_start", "period_end", "value", "available_at"], orient="row",
    ... ).with_columns(
    ...     pl.col("period_start", "period_end", "available_at").str.to_date(),
    ...     asset_id=pl.lit("a"), currency=pl.lit("USD"),
    ... ))
    >>> at = kf.calendar.score_dates(["2024-02-01", "2024-02-02", "2024-08-02"])
    >>> kf.asof.trailing_twelve_months(
    ...     facts, at, time=kf.definition.Time(), ttm=kf.definition.TrailingTwelveMonths()
    ... ).select("date", "period_end", "capex", "capex_rule", "revenue", "revenue_rule").rows()
    [(datetime.date(2024, 2, 2), datetime.date(2023, 12, 31), 100.0, 'annual', 500.0, 'annual'),
     (datetime.date(2024, 8, 2), datetime.date(2024, 6, 30), 130.0, 'year_to_date', 600.0, 'annual')]
    """
    dates = score_dates(dates)
    if fundamentals is None:
        return pl.DataFrame(schema=SCHEMA)
    assets = fundamentals["asset_id"].unique().sort()
    grid = pl.DataFrame(
        {
            "date": dates.gather(np.repeat(np.arange(len(dates)), len(assets))),
            "asset_id": assets.gather(np.tile(np.arange(len(assets)), len(dates))),
        }
    )
    return trailing_on(fundamentals, grid, time=time, ttm=ttm).filter(pl.col("period_end").is_not_null())


def trailing_on(
    fundamentals: pl.DataFrame | None,
    panel: pl.DataFrame,
    *,
    time: Time,
    ttm: TrailingTwelveMonths,
    n_threads: int | None = None,
) -> pl.DataFrame:
    """Return the same for the rows of a panel (date, asset_id), sorted and unique; null where nothing is known."""
    if fundamentals is None or panel.is_empty():
        nothing = [pl.lit(None, dtype).alias(name) for name, dtype in SCHEMA.items() if name not in KEY]
        return panel.select(*KEY, *nothing)
    reported = fundamentals.filter(pl.col("asset_id").is_in(panel["asset_id"].unique().implode()))
    facts = (
        reported.with_columns(
            visible_from(time.lag_days),
            metric=pl.col("metric").replace_strict(METRIC_CODES, return_dtype=pl.Int8),
            period_start=pl.coalesce("period_start", "period_end"),
        )
        .sort("asset_id", "metric", "period_end", "period_start", "first")
        .with_columns(slot=pl.struct("asset_id", "metric", "period_end", "period_start").rle_id())
    )
    slots = facts.unique("slot", keep="first", maintain_order=True)
    arrivals = facts.sort("asset_id", "first", "slot")
    dates = panel["date"].unique(maintain_order=True)
    days = [dates, slots["period_start"], slots["period_end"], arrivals["first"]]
    at, start, end, visible = (day.cast(pl.Int32).to_numpy() for day in days)
    found = _kernels.trailing_twelve_months(
        _offsets(slots["asset_id"]), slots["metric"].to_numpy(), start, end,
        _offsets(arrivals["asset_id"]), arrivals["slot"].cast(pl.Int64).to_numpy(), visible,
        arrivals["value"].to_numpy(), at, rules=_limits(ttm), max_age_days=time.max_age_days,
        rows=_cells(panel, slots["asset_id"].unique(maintain_order=True)), height=panel.height,
        n_threads=n_threads,
    )  # fmt: skip
    return pl.concat([panel.select(KEY), _columns(found)], how="horizontal").join(
        _currencies(reported), on="asset_id", how="left", maintain_order="left"
    )


def _cells(panel: pl.DataFrame, assets: pl.Series) -> NDArray[np.int64]:
    """Return the row of each asset on each date of a panel; -1 where it has none."""
    number = panel["asset_id"].cast(pl.Enum(assets.cast(pl.String)), strict=False).to_physical()
    asset = number.cast(pl.Int64).fill_null(-1).to_numpy()
    lengths = panel["date"].rle().struct.field("len").to_numpy()
    date = np.repeat(np.arange(lengths.size), lengths)
    cells = np.full((len(assets), lengths.size), -1)
    wanted = np.flatnonzero(asset >= 0)
    cells[asset[wanted], date[wanted]] = wanted
    return cells


def _columns(found: _kernels.TrailingFacts) -> pl.DataFrame:
    numbers = {"capex": found.capex[:, 0], "revenue": found.revenue[:, 0]}
    for k in (1, 2, 3):
        numbers[f"capex_{k}y"], numbers[f"revenue_{k}y"] = found.capex[:, k], found.revenue[:, k]
    numbers["assets"] = found.assets
    end, rules = pl.Series(found.periods[:, 0]), pl.Series(RULES, dtype=pl.Enum(RULES[1:]))
    return pl.DataFrame(numbers).select(
        pl.when(end != _kernels.NEVER).then(end.cast(pl.Date)).alias("period_end"),
        pl.all().fill_nan(None),
        capex_rule=rules.gather(found.rules[:, 0]),
        revenue_rule=rules.gather(found.rules[:, 1]),
    )


def _currencies(fundamentals: pl.DataFrame) -> pl.DataFrame:
    """One currency per company: the schema refuses two among its flows."""
    flows = fundamentals.filter(pl.col("metric") != "assets")
    return flows.select("asset_id", "currency").unique("asset_id", keep="first", maintain_order=True)


def _limits(ttm: TrailingTwelveMonths) -> tuple[int, ...]:
    return (
        ttm.year_days_low,
        ttm.year_days_high,
        ttm.quarter_days_low,
        ttm.quarter_days_high,
        ttm.span_tolerance_days,
        ttm.gap_tolerance_days,
        ttm.match_days,
    )


def _offsets(groups: pl.Series) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Where each run of equal values of a sorted series begins, and its end."""
    return np.append(0, groups.rle().struct.field("len").to_numpy().cumsum(dtype=np.int64))
