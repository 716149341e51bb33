"""Spells: for each row the dates on which it counts, `first` (included) to `last` (excluded, null: for ever).

Everything time does to a row (publication lag, a newer vintage, a newer period, expiry, removal) moves one of
the two ends. A spell is found once; dates are looked up in it afterwards.
"""

from collections.abc import Sequence

import polars as pl

from kifactors.calendar import score_dates

__all__ = ["expires", "in_force", "on_dates", "union", "visible_from"]


def visible_from(lag_days: int) -> pl.Expr:
    """Return the first date that may use a row: available_at + lag_days."""
    return (pl.col("available_at") + pl.duration(days=lag_days)).alias("first")


def expires(days: int) -> pl.Expr:
    """Return the first date on which a row with `period_end` no longer counts: more than `days` after it."""
    return pl.col("period_end") + pl.duration(days=days + 1)


def in_force(
    rows: pl.DataFrame,
    by: Sequence[str],
    *,
    lag_days: int,
    expiry_days: int | None = None,
    also_ends: pl.Expr | None = None,
) -> pl.DataFrame:
    """Return the spells of the rows that count: per group the newest period, and of that the newest vintage.

    A row of an older period than one already visible never counts. With `expiry_days` rows have a
    `period_end`; without, the newest vintage counts for ever.
    """
    newest = ["period_end"] if expiry_days is not None else []
    rows = rows.with_columns(visible_from(lag_days)).sort(*by, "first", *newest)
    if expiry_days is not None:
        rows = rows.filter(pl.col("period_end") >= pl.col("period_end").cum_max().over(by))
    ends = [pl.col("first").shift(-1).over(by)]
    if expiry_days is not None:
        ends.append(expires(expiry_days))
    if also_ends is not None:
        ends.append(also_ends)
    return rows.with_columns(last=pl.min_horizontal(ends)).filter(_not_empty())


def union(spells: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Join overlapping spells of one group: `by`, first, last."""
    far = pl.col("last").fill_null(pl.date(9999, 12, 31))
    return (
        spells.filter(_not_empty())
        .sort(*by, "first")
        .with_columns(far=far)
        .with_columns(reached=pl.col("far").cum_max().shift(1).over(by))
        .with_columns(part=(pl.col("first") > pl.col("reached")).fill_null(value=False).cum_sum().over(by))
        .group_by(*by, "part", maintain_order=True)
        .agg(pl.col("first").min(), last=pl.col("far").max())
        .drop("part")
    )


def on_dates(spells: pl.DataFrame, dates: pl.Series) -> pl.DataFrame:
    """Return a row per spell and date inside it; `date` comes first, `first` and `last` are gone."""
    dates = score_dates(dates)
    low = dates.search_sorted(spells["first"], "left").cast(pl.Int64)
    high = dates.search_sorted(spells["last"].fill_null(dates[-1]), "left").cast(pl.Int64)
    high = pl.select(pl.when(spells["last"].is_null()).then(len(dates)).otherwise(high)).to_series()
    rows = (
        spells.drop("first", "last")
        .with_columns(low=low, high=high)
        .filter(pl.col("low") < pl.col("high"))
        .with_columns(at=pl.int_ranges("low", "high"))
        .drop("low", "high")
        .explode("at")
    )
    return rows.select(dates.gather(rows["at"]).alias("date"), pl.exclude("at"))


def _not_empty() -> pl.Expr:
    return pl.col("last").is_null() | (pl.col("first") < pl.col("last"))
