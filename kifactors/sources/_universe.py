"""Market capitalisation from closes and reported share counts: what was known on a date, adjusted for splits."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, get_args

import polars as pl

from kifactors.errors import DataError, DateError, DefinitionError
from kifactors.schema import INPUTS, TableLike, TableSchema, check, coerce, validate
from kifactors.sources._share_counts import (
    SHARES,
    cumulated,
    positive,
    ratio_until,
    read_splits,
    refuse_unlisted,
    states,
    unlisted,
)  # fmt: skip
from kifactors.sources._skips import Skips

__all__ = ["UniverseFromPrices", "universe_from_prices"]

PricesAre = Literal["unadjusted", "split_adjusted"]
UnlistedSplits = Literal["error", "null"]

SHOWN = 3

ASSET_ID, DATE = INPUTS["universe"]["asset_id"], INPUTS["universe"]["date"]


PRICES = TableSchema(
    name="prices",
    doc="Daily closes.",
    key=("date", "asset_id"),
    columns=(DATE, ASSET_ID, positive("close", "close; null: none", unit="USD", nullable=True)),
)
INDUSTRY = TableSchema(
    name="industry", doc="Industries.", key=("asset_id",), columns=(ASSET_ID, INPUTS["universe"]["industry"])
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UniverseFromPrices:
    """A universe with market capitalisations.

    Parameters
    ----------
    universe : polars.DataFrame
        Validated rows: date, asset_id, industry if given, market_cap (USD; null: unknown).
    skipped : polars.DataFrame
        Rows without a market capitalisation, and counts of assets without a price: file (the table), filer (the
        asset), reason, detail (the first date), rows.
    """

    universe: pl.DataFrame
    skipped: pl.DataFrame = field(repr=False)


def universe_from_prices(
    prices: TableLike,
    shares: TableLike,
    *,
    prices_are: PricesAre,
    splits: TableLike,
    dates: Iterable[date] | None = None,
    lag_days: int = 1,
    max_age_days: int = 550,
    industry: TableLike | None = None,
    unlisted_splits: UnlistedSplits = "error",
) -> UniverseFromPrices:
    """Return who had a price on each date, and the market capitalisation that was known.

    Parameters
    ----------
    prices : table
        date, asset_id, close (USD, above 0; null: none that day). An asset without a row on a date is not in the
        universe of that date.
    shares : table
        asset_id, period_end (day of the count), value (as reported, not adjusted for later splits), available_at.
        Different counts of one asset, day and vintage, those of share classes, are no count.
    prices_are : "unadjusted" or "split_adjusted"
        Whether closes are as traded, or adjusted for the splits up to the last date of `prices`. Closes adjusted to
        another day, or for dividends, make a wrong market capitalisation that cannot be noticed here.
    splits : table
        asset_id, date (ex-date), ratio (new shares for one old, above 0). An empty table says there are none.
    dates : iterable of date, optional
        Dates of the universe, by default all of `prices`.
    lag_days : int
        Calendar days from available_at to the first date that may use a count.
    max_age_days : int
        A count whose day is longer ago says nothing: null.
    industry : table, optional
        asset_id, industry, for all dates. Without it the universe has no column industry; an asset that it lacks has
        none.
    unlisted_splits : "error" or "null"
        What follows from two neighbouring counts that point to a split which is not in `splits`: an error, or no
        market capitalisation of the asset from the first date that may use the later count on.

    Returns
    -------
    UniverseFromPrices

    Raises
    ------
    MissingColumnError, DataError
        A table breaks its rules, or counts point to a missing split.
    DateError
        A date is none, or no asset has a price on it.
    DefinitionError
        An option has another value.

    Notes
    -----
    Of the counts with available_at + lag_days <= t the one of the latest day n counts, and of that day the latest
    vintage. With R(n, t] the product of the ratios with n < ex-date <= t, and T the last date of `prices`, the market
    capitalisation is count x R(n, t] x close(t).

    A split-adjusted close is close(t) / R(t, T], so count x R(n, T] x adjusted close(t) = count x R(n, t] x close(t):
    the splits after t, which nobody knew at t, cancel. They are in both factors or in neither.

    Two counts, neighbours in the order in which they count, point to a missing split if the later one divided by the
    earlier one and the splits between their days is within 2 % of 3/2, 2 to 8, 10, 15, 20, 25, 30, 50 or an inverse of these.
    Where a merger or an issue of shares does that, a split of ratio 1 between the two days says that none is missing.
    A split of another ratio, one that no pair of counts shows, or one after the last count is not missed here, and
    from a missing ex-date to the later count the market capitalisation is wrong: only that count tells.

    Examples
    --------
    100 shares at 10, then two for one: 200 shares at 5.

    >>> from datetime import date
    >>> before, after = date(2024, 3, 1), date(2024, 3, 4)
    >>> prices = {"date": [before, after], "asset_id": ["a", "a"], "close": [10.0, 5.0]}
    >>> shares = {
    ...     "asset_id": ["a"], "period_end": [date(2024, 1, 31)], "value": [100.0], "available_at": [date(2024, 2, 15)]
    ... }
    >>> splits = {"asset_id": ["a"], "date": [after], "ratio": [2.0]}
    >>> found = kf.sources.universe_from_prices(prices, shares, prices_are="unadjusted", splits=splits)
    >>> found.universe["market_cap"].to_list()
    [1000.0, 1000.0]

    The closes of a vendor who adjusts them to the last day:

    >>> adjusted = {**prices, "close": [5.0, 5.0]}
    >>> found = kf.sources.universe_from_prices(adjusted, shares, prices_are="split_adjusted", splits=splits)
    >>> found.universe["market_cap"].to_list()
    [1000.0, 1000.0]
    """
    _one_of("prices_are", prices_are, get_args(PricesAre))
    _one_of("unlisted_splits", unlisted_splits, get_args(UnlistedSplits))
    _days("lag_days", lag_days)
    _days("max_age_days", max_age_days)
    closes = check(PRICES, coerce(PRICES, prices))
    if closes.is_empty():
        raise DataError("prices has no rows. Give the closes of the dates and assets to be scored.")
    counts, ratios = check(SHARES, coerce(SHARES, shares)), cumulated(read_splits(splits))
    industries = None if industry is None else check(INDUSTRY, coerce(INDUSTRY, industry))

    adjusted_to = closes["date"].max()
    wanted = closes if dates is None else closes.filter(pl.col("date").is_in(_on(dates, closes["date"])))
    in_force = states(counts, lag_days=lag_days, last=wanted["date"].max())
    in_force = unlisted(ratio_until(in_force, "period_end", ratios))
    if unlisted_splits == "error":
        refuse_unlisted(in_force)
    until = pl.col("date") if prices_are == "unadjusted" else pl.lit(adjusted_to, pl.Date)
    rows = wanted.with_columns(until=until).join_asof(
        in_force.select("asset_id", "known", "period_end", "value", "unlisted", ratio_then="ratio").sort("known"),
        left_on="date", right_on="known", by="asset_id", strategy="backward", check_sortedness=False,
    )  # fmt: skip
    rows = ratio_until(rows, "until", ratios).with_columns(reason=_reason(max_age_days))
    market_cap = pl.col("value") * (pl.col("ratio") / pl.col("ratio_then")) * pl.col("close")
    universe = rows.select(
        "date", "asset_id", market_cap=pl.when(pl.col("reason").is_null()).then(market_cap)
    )
    if industries is not None:
        universe = universe.join(industries, on="asset_id", how="left", maintain_order="left")
    return UniverseFromPrices(
        universe=validate("universe", universe), skipped=_skipped(rows, counts, closes["asset_id"])
    )


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise DefinitionError(f"{name} must be {' or '.join(map(repr, allowed))}; got {value!r}. Say which.")


def _days(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise DefinitionError(f"{name} must be a whole number of days, 0 or more; got {value!r}.")


def _on(dates: Iterable[date], priced: pl.Series) -> pl.Series:
    """Return the dates asked for, each with a price."""
    given = list(dates)
    if not given:
        raise DateError("dates is empty. Give at least one, or None for every date of prices.")
    wrong = [value for value in given if type(value) is not date]
    if wrong:
        raise DateError(f"dates holds {wrong[0]!r}, which is not a date. Give days; of a time take .date().")
    absent = sorted(set(given) - set(priced.unique()))
    if absent:
        raise DateError(
            f"prices has no row on {len(absent)} of the dates: {', '.join(map(str, absent[:SHOWN]))}. Give trading days."
        )
    return pl.Series(given, dtype=pl.Date)


def _reason(max_age_days: int) -> pl.Expr:
    """Return why a row has no market capitalisation, or null."""
    age = pl.col("date").to_physical() - pl.col("period_end").to_physical()
    return (
        pl.when(pl.col("period_end").is_null()).then(pl.lit("no count known"))
        .when("unlisted").then(pl.lit("counts point to a missing split"))
        .when(pl.col("value").is_null()).then(pl.lit("several counts of one day"))
        .when(age > max_age_days).then(pl.lit("the count is too old"))
        .when(pl.col("close").is_null()).then(pl.lit("no close"))
    )  # fmt: skip


def _skipped(rows: pl.DataFrame, counts: pl.DataFrame, priced: pl.Series) -> pl.DataFrame:
    skips = Skips()
    without = (
        rows.drop_nulls("reason").group_by("asset_id", "reason").agg(pl.col("date").min(), rows=pl.len())
    )
    for asset, reason, first, number in without.rows():
        skips.add(reason, file="prices", filer=asset, detail=f"from {first}", rows=number)
    unpriced = counts.join(priced.unique().to_frame(), on="asset_id", how="anti").group_by("asset_id").len()
    for asset, number in unpriced.rows():
        skips.add("no price", file="shares", filer=asset, rows=number)
    return skips.to_polars()
