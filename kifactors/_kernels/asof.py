"""The door to the kernels that find places in a panel and what was last known there."""

import numpy as np
from numpy.typing import NDArray

from kifactors._kernels._backend import kernel
from kifactors._kernels._checks import Floats, Ints, ShapeError, floats, offsets_of, typed
from kifactors._kernels._threads import over_slices

__all__ = ["last_visible", "locate", "take"]

Days = NDArray[np.int32]
Codes = NDArray[np.int32]


def locate(
    panel_days: Days, panel_codes: Codes, days: Days, codes: Codes, *, n_threads: int | None = None
) -> Ints:
    """Return the row of each (day, code) in a panel sorted and unique on both; -1 where it has none."""
    panel_days, days = typed(panel_days, np.int32), typed(days, np.int32)
    panel_codes = typed(panel_codes, np.int32, panel_days.size)
    codes = typed(codes, np.int32, days.size)
    out = np.full(days.size, -1, np.int64)
    if not panel_days.size:
        return out
    starts = _sections(panel_days)
    _ascending(panel_days, panel_codes, starts)
    known = panel_days[starts]
    # Days are few: a table of them is faster than a search for every key.
    table = np.full(int(known[-1]) - int(known[0]) + 3, -1, np.int32)
    table[known - known[0] + 1] = np.arange(starts.size, dtype=np.int32)
    section = table[np.clip(days, known[0] - 1, known[-1] + 1) - (known[0] - 1)]
    offsets = np.append(starts, panel_days.size)

    def work(first: int, last: int) -> None:
        kernel("_asof").locate(offsets, panel_codes, section, codes, first, last, out)

    over_slices(work, days.size, size=days.size, n_threads=n_threads)
    return out


def last_visible(
    panel_days: Days,
    panel_codes: Codes,
    fact_offsets: Ints,
    fact_visible: Days,
    *,
    fact_period: Days | None = None,
    fact_expires: Days | None = None,
    n_threads: int | None = None,
) -> NDArray[np.int32]:
    """Return for each row of a panel sorted by day the fact of its code in force, -1 where none is.

    The facts of a code ascend by `fact_visible`, the first day that may use one. Of those visible the one of the
    latest `fact_period` counts, and of those the last; it counts until the day before `fact_expires`. Codes below 0
    have no fact.
    """
    panel_days, fact_visible = typed(panel_days, np.int32), typed(fact_visible, np.int32)
    panel_codes = typed(panel_codes, np.int32, panel_days.size)
    offsets = offsets_of(fact_offsets, fact_visible.size)
    period, expires = (
        np.empty(0, np.int32) if days is None else typed(days, np.int32, fact_visible.size)
        for days in (fact_period, fact_expires)
    )
    if fact_visible.size >= np.iinfo(np.int32).max or (np.diff(panel_days) < 0).any():
        raise ShapeError("the days of the panel must ascend, and facts are at most two billion.")
    if panel_codes.size and panel_codes.max() >= offsets.size - 1:
        raise ShapeError(f"a code of the panel is above the {offsets.size - 1} the facts have.")
    late = np.flatnonzero(np.diff(fact_visible) < 0) + 1
    if not np.isin(late, offsets).all():
        raise ShapeError("the facts of a code must be sorted by the day they become visible.")
    starts = _sections(panel_days)
    rows = np.append(starts, panel_days.size)
    out = np.empty(panel_days.size, np.int32)
    days = panel_days[starts]

    def work(first: int, last: int) -> None:
        kernel("_asof").last_visible(
            rows, days, panel_codes, offsets, fact_visible, period, expires, first, last,
            np.empty((3, offsets.size), np.int32), out,
        )  # fmt: skip

    over_slices(work, starts.size, size=out.size, n_threads=n_threads)
    return out


def take(values: Floats, rows: NDArray[np.int32], *, n_threads: int | None = None) -> Floats:
    """Return the values in these rows, NaN for rows below 0."""
    values, rows = floats(values), typed(rows, np.int32)
    if rows.size and rows.max() >= values.size:
        raise ShapeError(f"row {rows.max()} is above the {values.size} values.")
    out = np.empty(rows.size)

    def work(first: int, last: int) -> None:
        kernel("_asof").take(values, rows, first, last, out)

    over_slices(work, rows.size, size=rows.size, n_threads=n_threads)
    return out


def _sections(days: Days) -> Ints:
    """Return where each day of a sorted panel begins."""
    return np.flatnonzero(np.diff(days, prepend=days[0] - 1)) if days.size else np.empty(0, np.int64)


def _ascending(days: Days, codes: Codes, starts: Ints) -> None:
    falls = np.diff(codes) <= 0
    falls[starts[1:] - 1] = False
    if falls.any() or (np.diff(days[starts]) < 0).any() or codes.min() < 0:
        raise ShapeError("a panel must be sorted and unique on (date, asset).")
