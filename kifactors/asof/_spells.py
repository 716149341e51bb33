"""Spells: for each row the dates on which it counts, `first` (included) to `last` (excluded, null: for ever).

Everything time does to a row (publication lag, a newer vintage, a newer period, expiry, removal) moves one of
the two ends. A spell is found once; dates are looked up in it afterwards.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors.calendar import score_dates

__all__ = ["expires", "in_force", "on_dates", "present", "visible_from"]


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


def present(spells: pl.DataFrame, dates: pl.Series) -> pl.DataFrame:
    """Return (date, asset_id), sorted, of every asset with at least one spell on that date.

    Spells are counted, not joined: one more from `first` on, one less from `last` on.
    """
    dates = score_dates(dates)
    ids = spells["asset_id"]
    names = ids.dtype.categories if isinstance(ids.dtype, pl.Enum) else ids.unique().sort()
    code = ids.cast(pl.Enum(names)).to_physical().to_numpy().astype(np.int64)
    steps = len(dates) + 1
    low, high = (code * steps + at for at in _places(spells, dates))
    cells = len(names) * steps
    change = np.bincount(low, minlength=cells) - np.bincount(high, minlength=cells)
    alive = change.reshape(len(names), steps).cumsum(axis=1)[:, :-1] > 0
    at, who = np.nonzero(alive.T)
    return pl.DataFrame({"date": dates.gather(at), "asset_id": names.gather(who).cast(ids.dtype)})


def on_dates(spells: pl.DataFrame, dates: pl.Series) -> pl.DataFrame:
    """Return a row per spell and date inside it; `date` comes first, `first` and `last` are gone."""
    dates = score_dates(dates)
    low, high = _places(spells, dates)
    spell = np.repeat(np.arange(spells.height), high - low)
    at = np.arange(spell.size) - np.repeat(np.cumsum(high - low) - high, high - low)
    return spells.drop("first", "last").select(
        dates.gather(at).alias("date"), pl.all().gather(pl.Series(spell, dtype=pl.UInt32))
    )


def _places(spells: pl.DataFrame, dates: pl.Series) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which of the dates each spell begins on, and which is the first after it; never before its begin."""
    day = dates.to_physical().to_numpy()
    # Days are few: a table of them is faster than a search for every spell.
    place = np.searchsorted(day, np.arange(day[0], day[-1] + 2))
    first, last = (spells[end].to_physical().fill_null(day[-1] + 1).to_numpy() for end in ("first", "last"))
    low, high = (place[np.clip(end, day[0], day[-1] + 1) - day[0]] for end in (first, last))
    return low, np.maximum(low, high)


def _not_empty() -> pl.Expr:
    return pl.col("last").is_null() | (pl.col("first") < pl.col("last"))
