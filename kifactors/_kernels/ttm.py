"""The door to the kernel of trailing twelve months."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kifactors._kernels._backend import kernel
from kifactors._kernels._checks import Floats, Ints, ShapeError, floats, in_order, ints, offsets_of, typed
from kifactors._kernels._threads import over_slices

__all__ = ["NEVER", "TrailingFacts", "trailing_twelve_months"]

N_RULES = 7
NEVER = np.iinfo(np.int32).min


@dataclass(frozen=True, slots=True)
class TrailingFacts:
    """Trailing twelve months per asset and date; the last axis counts years back from the current period.

    periods : (assets, dates, 4) day of the period end; `NEVER` where there is none.
    capex, revenue : (assets, dates, 4) trailing values, NaN where unknown.
    assets : (assets, dates) total assets at the current period end.
    rules : (assets, dates, 2) rule that gave capex and revenue: 1 annual, 2 year to date, 3 quarters.
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
    n_threads: int | None = None,
) -> TrailingFacts:
    """Return trailing capex and revenue of every asset on every date (see `_ttm.pyx` for the layout)."""
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
    assets, n_dates = slot_offsets.size - 1, dates.size
    latest = np.full(slot_end.size, np.nan)
    periods = np.full((assets, n_dates, 4), NEVER, np.int32)
    capex, revenue = np.full((assets, n_dates, 4), np.nan), np.full((assets, n_dates, 4), np.nan)
    stock, used = np.full((assets, n_dates), np.nan), np.zeros((assets, n_dates, 2), np.int8)

    def work(first: int, last: int) -> None:
        kernel("_ttm").trailing_twelve_months(
            slot_offsets, slot_metric, slot_start, slot_end, fact_offsets, fact_slot, fact_visible, fact_value,
            dates, first, last, limits, max_age_days, latest, periods, capex, revenue, stock, used,
        )  # fmt: skip

    over_slices(work, assets, size=fact_value.size + assets * n_dates, n_threads=n_threads)
    return TrailingFacts(periods, capex, revenue, stock, used)
