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

NEVER = np.datetime64("NaT", "D")


def visible_from(lag_days: int) -> pl.Expr:
    """Return the first date that may use a row: available_at + lag_days."""
    return _later("available_at", lag_days).alias("first")


def expires(days: int) -> pl.Expr:
    """Return the first date on which a row with `period_end` no longer counts: more than `days` after it."""
    return _later("period_end", days + 1)


def _later(column: str, days: int) -> pl.Expr:
    """Return a date plus days: in days, for with a duration polars goes through milliseconds."""
    return (pl.col(column).to_physical() + days).cast(pl.Date)


def in_force(
    rows: pl.DataFrame, by: Sequence[str], *, lag_days: int, expiry_days: int | None = None
) -> pl.DataFrame:
    """Return the spells of the rows that count: per group the newest period, and of that the newest vintage.

    A row of an older period than one already visible never counts. With `expiry_days` rows have a
    `period_end`; without, the newest vintage counts for ever.
    """
    rows = rows.sort(*by, "available_at", *([] if expiry_days is None else ["period_end"]))
    group = rows.select(pl.struct(by).rle_id()).to_series().to_numpy().astype(np.int64)
    kept = np.arange(rows.height)
    if expiry_days is not None:
        # A later group is larger by more than any two dates are apart: the largest so far is one of its own group.
        period = group * 2**33 + _days(rows["period_end"])
        kept = np.flatnonzero(period >= np.maximum.accumulate(period))
    # One more than there are, so that the last row has a next one.
    first = np.append(rows["available_at"].to_numpy()[kept], NEVER) + np.timedelta64(lag_days, "D")
    last = np.where(np.diff(group[kept], append=-1) == 0, first[1:], NEVER)
    if expiry_days is not None:
        expired = rows["period_end"].to_numpy()[kept] + np.timedelta64(expiry_days + 1, "D")
        last = np.fmin(last, expired)
    counts = np.isnat(last) | (first[:-1] < last)
    return rows[pl.Series(kept[counts], dtype=pl.UInt32)].hstack(
        [
            pl.Series(name, ends[counts], dtype=pl.Date)
            for name, ends in (("first", first[:-1]), ("last", last))
        ]
    )


def present(spells: pl.DataFrame, dates: pl.Series) -> pl.DataFrame:
    """Return (date, asset_id), sorted, of every asset with at least one spell on that date.

    Spells are counted, not joined: one more from `first` on, one less from `last` on.
    """
    dates = score_dates(dates)
    ids = spells["asset_id"]
    physical = ids.to_physical()
    if not physical.dtype.is_integer():
        physical = ids.cast(pl.Enum(ids.unique().sort())).to_physical()
    code = physical.to_numpy().astype(np.int64)
    # A row to read the id of each code from.
    row = np.zeros(code.max(initial=-1) + 1, np.int64)
    row[code] = np.arange(code.size)
    steps = len(dates) + 1
    low, high = (code * steps + at for at in _places(spells, dates))
    cells = row.size * steps
    change = np.bincount(low, minlength=cells) - np.bincount(high, minlength=cells)
    alive = change.reshape(row.size, steps).cumsum(axis=1)[:, :-1] > 0
    at, who = np.nonzero(alive.T)
    return pl.DataFrame({"date": dates[pl.Series(at)], "asset_id": ids[pl.Series(row[who])]})


def on_dates(spells: pl.DataFrame, dates: pl.Series) -> pl.DataFrame:
    """Return a row per spell and date inside it; `date` comes first, `first` and `last` are gone."""
    dates = score_dates(dates)
    low, high = _places(spells, dates)
    spell = pl.Series(np.repeat(np.arange(spells.height, dtype=np.uint32), high - low))
    at = np.arange(len(spell)) - np.repeat(np.cumsum(high - low) - high, high - low)
    rows = spells[[name for name in spells.columns if name not in {"first", "last"}]][spell]
    return rows.insert_column(0, dates[pl.Series(at)].alias("date"))


def _places(spells: pl.DataFrame, dates: pl.Series) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which of the dates each spell begins on, and which is the first after it; never before its begin."""
    day = _days(dates)
    after = day[-1] + 1
    # Days are few: a table of them is faster than a search for every spell.
    place = np.searchsorted(day, np.arange(day[0], after + 1))
    ends = (_days(spells[end], unknown=after) for end in ("first", "last"))
    low, high = (place[np.clip(end, day[0], after) - day[0]] for end in ends)
    return low, np.maximum(low, high)


def _days(dates: pl.Series, *, unknown: int = 0) -> NDArray[np.int64]:
    """Return days since 1970 of dates, or of such days."""
    days = dates.cast(pl.Int64)
    return (days.fill_null(unknown) if days.null_count() else days).to_numpy()
