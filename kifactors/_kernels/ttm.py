"""The door to the kernel of trailing twelve months."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kifactors._kernels._backend import kernel
from kifactors._kernels._checks import Floats, Ints, ShapeError, floats, in_order, ints, offsets_of, typed
from kifactors._kernels._threads import over_slices

__all__ = ["NEVER", "TrailingFacts", "trailing_twelve_months"]

N_RULES = 7
YEARS = 4
NEVER = np.iinfo(np.int32).min


@dataclass(frozen=True, slots=True)
class TrailingFacts:
    """Trailing twelve months of the rows asked for; the last axis counts years back from the current period.

    periods : (..., 4) day of the period end; `NEVER` where there is none.
    capex, revenue : (..., 4) trailing values, NaN where unknown.
    assets : (...) total assets at the current period end.
    rules : (..., 2) rule that gave capex and revenue: 1 annual, 2 year to date, 3 quarters.
    """

    periods: NDArray[np.int32]
    capex: Floats
    revenue: Floats
    assets: Floats
    rules: NDArray[np.int8]


def trailing_twelve_months(
    slot_offsets: Ints,
    slot_metric: NDArray[np.int8],
    slot_start: NDArray[np.int32],
    slot_end: NDArray[np.int32],
    fact_offsets: Ints,
    fact_slot: Ints,
    fact_visible: NDArray[np.int32],
    fact_value: Floats,
    dates: NDArray[np.int32],
    *,
    rules: tuple[int, ...],
    max_age_days: int,
    rows: Ints | None = None,
    height: int = 0,
    n_threads: int | None = None,
) -> TrailingFacts:
    """Return trailing capex and revenue of assets on dates (see `_ttm.pyx` for the layout of slots and facts).

    `rows` (assets, dates) gives each cell that is wanted a row of its own among `height`; -1 is not wanted. Absent:
    all, and the result has two axes, (assets, dates), in the place of one.
    """
    slot_end = typed(slot_end, np.int32)
    slot_metric = typed(slot_metric, np.int8, slot_end.size)
    slot_start = typed(slot_start, np.int32, slot_end.size)
    fact_value = floats(fact_value)
    fact_slot, fact_visible = (
        ints(fact_slot, fact_value.size),
        typed(fact_visible, np.int32, fact_value.size),
    )
    slot_offsets, fact_offsets = (
        offsets_of(slot_offsets, slot_end.size),
        offsets_of(fact_offsets, fact_value.size),
    )
    dates, limits = typed(dates, np.int32), np.array(rules, np.int32)
    if limits.size != N_RULES:
        raise ShapeError(f"rules has {limits.size} entries; expected {N_RULES}.")
    if (np.diff(dates) < 0).any():
        raise ShapeError("dates must ascend: the kernel walks forward through time once.")
    in_order(slot_offsets, (slot_start, slot_end, slot_metric), fact_offsets, fact_slot, fact_visible)
    grid = (slot_offsets.size - 1, dates.size)
    cells = np.arange(grid[0] * grid[1]).reshape(grid) if rows is None else _numbered(rows, grid, height)
    height = cells.size if rows is None else height
    latest, value = np.empty(slot_end.size), np.empty((slot_end.size, 2))
    value_rule = np.empty((slot_end.size, 2), np.int8)
    periods = np.full((height, YEARS), NEVER, np.int32)
    capex, revenue = np.full((height, YEARS), np.nan), np.full((height, YEARS), np.nan)
    stock, used = np.full(height, np.nan), np.zeros((height, 2), np.int8)

    def work(first: int, last: int) -> None:
        kernel("_ttm").trailing_twelve_months(
            slot_offsets, slot_metric, slot_start, slot_end, fact_offsets, fact_slot, fact_visible, fact_value,
            dates, first, last, limits, max_age_days, cells, latest, value, value_rule, periods, capex, revenue,
            stock, used,
        )  # fmt: skip

    over_slices(work, grid[0], size=fact_value.size + cells.size, n_threads=n_threads)
    shape = grid if rows is None else (height,)
    return TrailingFacts(
        periods.reshape(*shape, YEARS),
        capex.reshape(*shape, YEARS),
        revenue.reshape(*shape, YEARS),
        stock.reshape(shape),
        used.reshape(*shape, 2),
    )


def _numbered(rows: Ints, grid: tuple[int, int], height: int) -> Ints:
    """Check that no two cells share a row: two threads would write it."""
    rows = np.ascontiguousarray(rows, np.int64)
    wanted = rows[rows >= 0]
    if rows.shape != grid or wanted.max(initial=-1) >= height or (np.bincount(wanted) > 1).any():
        raise ShapeError(
            f"rows has shape {rows.shape}; expected {grid}, and in it numbers below {height}, each once."
        )
    return rows
