"""The door to the kernels that find places in a panel and what was last known there."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kifactors._kernels._backend import kernel
from kifactors._kernels._checks import Floats, Ints, ShapeError, offsets_of, typed
from kifactors._kernels._threads import over_slices

__all__ = ["LastVisible", "Sections", "last_visible", "locate", "sections"]

Days = NDArray[np.int32]
Codes = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Sections:
    """A panel sorted and unique on (day, code), a section per day.

    codes : (rows,) codes, ascending within a section.
    offsets : (sections + 1,) where each section begins.
    place : (days,) section of each day from the day before the first to the day after the last; -1 for none.
    first : the day before the first.
    """

    codes: Codes
    offsets: Ints
    place: NDArray[np.int32]
    first: int


def sections(days: Days, codes: Codes) -> Sections:
    """Check a panel and find where its days begin."""
    days = typed(days, np.int32)
    codes = typed(codes, np.int32, days.size)
    starts = _starts(days)
    falls = np.diff(codes) <= 0
    falls[starts[1:] - 1] = False
    if falls.any() or (np.diff(days[starts]) < 0).any() or codes.min(initial=0) < 0:
        raise ShapeError("a panel must be sorted and unique on (date, asset).")
    known = days[starts].astype(np.int64)
    first = int(known[0]) - 1 if known.size else 0
    # Days are few: a table of them is faster than a search for every key.
    place = np.full(int(known[-1]) - first + 2 if known.size else 1, -1, np.int32)
    place[known - first] = np.arange(known.size)
    return Sections(codes, np.append(starts, days.size), place, first)


def locate(panel: Sections, days: Days, codes: Codes, *, n_threads: int | None = None) -> Ints:
    """Return the row of each (day, code) in a panel; -1 where it has none."""
    days = typed(days, np.int32)
    codes = typed(codes, np.int32, days.size)
    section = panel.place[np.clip(days.astype(np.int64) - panel.first, 0, panel.place.size - 1)]
    out = np.empty(days.size, np.int64)

    def work(first: int, last: int) -> None:
        kernel("_asof").locate(panel.offsets, panel.codes, section, codes, first, last, out)

    over_slices(work, days.size, size=days.size, n_threads=n_threads)
    return out


@dataclass(frozen=True, slots=True)
class LastVisible:
    """The fact in force for each row of a panel.

    values : (columns, rows) NaN where there is none.
    facts : (rows,) number of the fact, -1 where there is none; empty unless asked for.
    """

    values: Floats
    facts: NDArray[np.int32]


def last_visible(
    panel_days: Days,
    panel_codes: Codes,
    fact_offsets: Ints,
    fact_visible: Days,
    fact_values: Floats,
    *,
    fact_period: Days | None = None,
    fact_expires: Days | None = None,
    with_facts: bool = False,
    n_threads: int | None = None,
) -> LastVisible:
    """Return the values (columns, facts) of the fact in force for each row of a panel sorted by day.

    The facts of a code ascend by `fact_visible`, the first day that may use one. Of those visible the one of the
    latest `fact_period` counts, and of those the last; it counts until the day before `fact_expires`. Codes below 0
    have no fact.
    """
    panel_days, fact_visible = typed(panel_days, np.int32), typed(fact_visible, np.int32)
    panel_codes = typed(panel_codes, np.int32, panel_days.size)
    offsets = offsets_of(fact_offsets, fact_visible.size)
    values = np.ascontiguousarray(fact_values, np.float64)
    if values.ndim != 2 or values.shape[1] != fact_visible.size:
        raise ShapeError(f"values have shape {values.shape}; expected (columns, {fact_visible.size}).")
    period, expires = (
        np.empty(0, np.int32) if days is None else typed(days, np.int32, fact_visible.size)
        for days in (fact_period, fact_expires)
    )
    starts = _starts(panel_days)
    days = panel_days[starts]
    if fact_visible.size >= np.iinfo(np.int32).max or (np.diff(days) <= 0).any():
        raise ShapeError("the days of the panel must ascend, and facts are at most two billion.")
    if panel_codes.max(initial=-1) >= offsets.size - 1:
        raise ShapeError(f"a code of the panel is above the {offsets.size - 1} the facts have.")
    late = np.flatnonzero(fact_visible[1:] < fact_visible[:-1]) + 1
    if not np.isin(late, offsets).all():
        raise ShapeError("the facts of a code must be sorted by the day they become visible.")
    rows = np.append(starts, panel_days.size)
    out = np.empty((values.shape[0], panel_days.size))
    facts = np.empty(panel_days.size if with_facts else 0, np.int32)

    def work(first: int, last: int) -> None:
        kernel("_asof").last_visible(
            rows, days, panel_codes, offsets, fact_visible, period, expires, values, first, last,
            np.empty((4, offsets.size), np.int32), np.empty((values.shape[0], offsets.size)), facts, out,
        )  # fmt: skip

    over_slices(work, starts.size, size=panel_codes.size, n_threads=n_threads)
    return LastVisible(out, facts)


def _starts(days: Days) -> Ints:
    """Return where each day of a sorted panel begins."""
    return np.append(0, np.flatnonzero(days[1:] != days[:-1]) + 1) if days.size else np.empty(0, np.int64)
