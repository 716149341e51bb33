"""The door to the kernels that find places in a panel and what was last known there."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kifactors._kernels._backend import kernel
from kifactors._kernels._checks import MOST_DAYS, Floats, Ints, ShapeError, offsets_of, typed
from kifactors._kernels._threads import over_slices

__all__ = ["LastVisible", "Sections", "day_starts", "last_visible", "locate", "sections"]

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


def sections(days: Days, codes: NDArray[Any]) -> Sections:
    """Check a panel and find where its days begin."""
    days = typed(days, np.int32)
    codes = typed(codes, np.int32, days.size)
    starts = day_starts(days)
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


def locate(panel: Sections, days: Days, codes: NDArray[Any], *, n_threads: int | None = None) -> Ints:
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
    offsets: Ints,
    days: Days,
    codes: NDArray[Any],
    fact_codes: NDArray[Any],
    fact_visible: Days,
    fact_values: Floats,
    *,
    fact_period: Days | None = None,
    fact_expires: Days | None = None,
    with_facts: bool = False,
    n_threads: int | None = None,
) -> LastVisible:
    """Return the values (columns, facts) of the fact in force for each row of a panel.

    Rows offsets[d] to offsets[d + 1] of the panel are of the day days[d]; days ascend. Of the facts of the same code
    of which `fact_visible`, the first day that may use one, is not later, the one of the latest `fact_period` counts,
    of those the one that became visible last, and of those the last; it counts until the day before `fact_expires`.
    Codes below 0 have no fact.
    """
    days, fact_visible = typed(days, np.int32), typed(fact_visible, np.int32)
    # Before the conversion: ids that are few come as short codes, which are faster to go through.
    n_codes = 1 + max(int(np.max(one, initial=0)) for one in (codes, fact_codes))
    codes, fact_codes = typed(codes, np.int32), typed(fact_codes, np.int32, fact_visible.size)
    offsets = offsets_of(offsets, codes.size)
    values = np.ascontiguousarray(fact_values, np.float64)
    if values.ndim != 2 or values.shape[1] != fact_visible.size:
        raise ShapeError(f"values have shape {values.shape}; expected (columns, {fact_visible.size}).")
    period, expires = (
        np.empty(0, np.int32) if some is None else typed(some, np.int32, fact_visible.size)
        for some in (fact_period, fact_expires)
    )
    if days.size != offsets.size - 1 or (np.diff(days) <= 0).any():
        raise ShapeError("the days of the panel must ascend.")
    arrivals, arrived = _arrivals(fact_visible, days)
    out = np.empty((values.shape[0], codes.size))
    facts = np.empty(codes.size if with_facts else 0, np.int32)

    def work(first: int, last: int) -> None:
        kernel("_asof").last_visible(
            offsets, days, codes, arrived, arrivals, fact_codes, period, expires, values, first, last,
            np.empty((3, n_codes + 1), np.int32), np.empty((values.shape[0], n_codes + 1)), facts, out,
        )  # fmt: skip

    over_slices(work, days.size, size=codes.size, n_threads=n_threads)
    return LastVisible(out, facts)


def _arrivals(visible: Days, days: Days) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the facts in the order in which they become visible, and how many are on each day."""
    if not visible.size:
        return np.empty(0, np.int32), np.zeros(days.size, np.int32)
    first, last = int(visible.min()), int(visible.max())
    if last - first >= MOST_DAYS or visible.size >= np.iinfo(np.int32).max:
        raise ShapeError("facts span at most ten thousand years, and are at most two billion.")
    arrivals, starts = np.empty(visible.size, np.int32), np.empty(last - first + 3, np.int32)
    kernel("_asof").by_day(visible - np.int32(first), starts, arrivals)
    return arrivals, starts[np.clip(days.astype(np.int64) - first + 1, 0, last - first + 1)]


def day_starts(days: Days) -> Ints:
    """Return where each run of equal days begins."""
    return np.append(0, np.flatnonzero(days[1:] != days[:-1]) + 1) if days.size else np.empty(0, np.int64)
