"""The only door to compiled code: checks dtype, contiguity, lengths and offsets; allocates; calls.

`KIFACTORS_REFERENCE=1` chooses the slow numpy twin on purpose; a missing extension is an ImportError.
"""

import os
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from kifactors._kernels._checks import (
    Floats,
    Ints,
    Mask,
    ShapeError,
    floats,
    in_order,
    ints,
    mask,
    offsets_of,
    same_slice,
    typed,
)
from kifactors._kernels._threads import over_slices, thread_count

__all__ = [
    "FIT_REASONS",
    "Neutralized",
    "Propagated",
    "ShapeError",
    "TrailingFacts",
    "composite_standardize",
    "dense_standardize",
    "leave_one_out_mean",
    "neutralize",
    "propagate",
    "sparse_standardize",
    "thread_count",
    "trailing_twelve_months",
]

_cross_section: ModuleType
_graph: ModuleType
_regression: ModuleType
_ttm: ModuleType

if os.environ.get("KIFACTORS_REFERENCE") == "1":
    from kifactors._kernels import _reference

    _cross_section = _graph = _regression = _ttm = _reference
else:
    from kifactors._kernels import _cross_section, _graph, _regression, _ttm

MAX_CONTROLS = 16
N_RULES = 7
NEVER = np.iinfo(np.int32).min
FIT_REASONS = (
    "fitted",
    "fewer than one residual degree of freedom",
    "controls do not vary within industries",
)


@dataclass(frozen=True, slots=True)
class Propagated:
    """Limit of the propagation.

    revenue : (n,) AI-attributable share of revenue of every node.
    error : (dates,) upper bound of the distance from the limit.
    sweeps : (dates,) iterations used.
    """

    revenue: Floats
    error: Floats
    sweeps: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Neutralized:
    """Residual and fit of a regression per date.

    residual, fitted : (n,) NaN where the date has no fit or the row lacks an input.
    status : (dates,) index into `FIT_REASONS`.
    """

    residual: Floats
    fitted: Floats
    status: NDArray[np.int8]


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


def sparse_standardize(
    values: Floats, estimation: Mask, offsets: Ints, *, clip: float, n_threads: int | None = None
) -> Floats:
    """Divide by the root mean square of the exposed values of each slice; 0 stays 0, NaN stays NaN."""
    values, estimation = floats(values), mask(estimation, values.size)
    offsets = offsets_of(offsets, values.size)
    out = np.empty_like(values)

    def work(first: int, last: int) -> None:
        _cross_section.sparse_standardize(values, estimation, offsets, first, last, clip, out)

    over_slices(work, offsets.size - 1, size=values.size, n_threads=n_threads)
    return out


def composite_standardize(
    values: Floats,
    weights: Floats,
    exposed: Mask,
    estimation: Mask,
    offsets: Ints,
    *,
    clip: float,
    n_threads: int | None = None,
) -> Floats:
    """Subtract the weighted mean of each slice, divide by the root mean square over exposed values."""
    values = floats(values)
    weights, exposed = floats(weights, values.size), mask(exposed, values.size)
    estimation, offsets = mask(estimation, values.size), offsets_of(offsets, values.size)
    out = np.empty_like(values)

    def work(first: int, last: int) -> None:
        _cross_section.composite_standardize(
            values, weights, exposed, estimation, offsets, first, last, clip, out
        )

    over_slices(work, offsets.size - 1, size=values.size, n_threads=n_threads)
    return out


def dense_standardize(
    values: Floats,
    weights: Floats,
    estimation: Mask,
    offsets: Ints,
    *,
    low: float,
    high: float,
    clip: float,
    min_assets: int,
    n_threads: int | None = None,
) -> Floats:
    """Winsorize, subtract the weighted mean, divide by the standard deviation, clip; per slice."""
    if not (0.0 <= low <= high <= 1.0 and min_assets >= 2):
        raise ShapeError(
            f"need 0 <= low <= high <= 1 and min_assets >= 2; got low={low}, high={high}, min_assets={min_assets}."
        )
    values = floats(values)
    weights, estimation = floats(weights, values.size), mask(estimation, values.size)
    offsets = offsets_of(offsets, values.size)
    out, scratch = np.empty_like(values), np.empty_like(values)

    def work(first: int, last: int) -> None:
        _cross_section.dense_standardize(
            values, weights, estimation, offsets, first, last, low, high, clip, min_assets, scratch, out
        )

    over_slices(work, offsets.size - 1, size=values.size, n_threads=n_threads)
    return out


def leave_one_out_mean(
    values: Floats, weights: Floats, offsets: Ints, *, n_threads: int | None = None
) -> Floats:
    """Return for each element the weighted mean of the others in its slice; values and weights are >= 0."""
    values = floats(values)
    weights, offsets = floats(weights, values.size), offsets_of(offsets, values.size)
    out, scratch = np.empty_like(values), np.empty_like(values)

    def work(first: int, last: int) -> None:
        _cross_section.leave_one_out_mean(values, weights, offsets, first, last, scratch, out)

    over_slices(work, offsets.size - 1, size=values.size, n_threads=n_threads)
    return out


def propagate(
    rows: Ints,
    customers: Ints,
    flow: Floats,
    theta: Floats,
    disclosed: Floats,
    remainder: Floats,
    offsets: Ints,
    *,
    delta: float,
    tolerance: float,
    max_tiers: int | None = None,
    n_threads: int | None = None,
) -> Propagated:
    """Solve r = max(s, W (theta + delta (1 - theta) r)) for every slice of nodes.

    `rows` are the offsets of each node's ties in `customers` and `flow`; customers lie in the node's slice.
    """
    theta = floats(theta)
    disclosed, remainder = floats(disclosed, theta.size), floats(remainder, theta.size)
    flow = floats(flow)
    rows, customers = offsets_of(rows, flow.size), ints(customers, flow.size)
    offsets = offsets_of(offsets, theta.size)
    if rows.size != theta.size + 1:
        raise ShapeError(f"rows has {rows.size} entries; expected one more than the {theta.size} nodes.")
    if not (0.0 <= delta < 1.0 and tolerance > 0.0):
        raise ShapeError(f"need 0 <= delta < 1 and tolerance > 0; got delta={delta}, tolerance={tolerance}.")
    if not all(np.isfinite(values).all() for values in (flow, theta, disclosed, remainder)):
        raise ShapeError(
            "flow, theta, disclosed and remainder must be finite; an unknown value counts as 0 here."
        )
    same_slice(rows, customers, offsets)
    out, scratch = np.empty_like(theta), np.empty_like(theta)
    error, sweeps = np.zeros(offsets.size - 1), np.zeros(offsets.size - 1, np.int32)
    tiers = -1 if max_tiers is None else max_tiers

    def work(first: int, last: int) -> None:
        _graph.propagate(
            rows, customers, flow, theta, disclosed, remainder, offsets, first, last, delta, tolerance, tiers,
            scratch, out, error, sweeps,
        )  # fmt: skip

    over_slices(work, offsets.size - 1, size=flow.size + theta.size, n_threads=n_threads)
    return Propagated(out, error, sweeps)


def neutralize(
    values: Floats,
    controls: Floats,
    weights: Floats,
    codes: NDArray[np.int32],
    estimation: Mask,
    offsets: Ints,
    *,
    n_threads: int | None = None,
) -> Neutralized:
    """Regress values on industry dummies and `controls` (controls, n) per slice; codes < 0 are unknown."""
    values = floats(values)
    weights, estimation = floats(weights, values.size), mask(estimation, values.size)
    offsets = offsets_of(offsets, values.size)
    codes = typed(codes, np.int32, values.size)
    controls = np.asarray(controls)
    if not np.can_cast(controls.dtype, np.float64, "same_kind"):
        raise ShapeError(f"controls are {controls.dtype}; expected float64.")
    controls = np.ascontiguousarray(controls, dtype=np.float64)
    if controls.ndim != 2 or controls.shape[1] != values.size or controls.shape[0] > MAX_CONTROLS:
        raise ShapeError(
            f"controls has shape {controls.shape}; expected up to {MAX_CONTROLS} rows of {values.size}."
        )
    n_groups = int(codes.max(initial=-1)) + 1
    residual, fitted = np.full_like(values, np.nan), np.full_like(values, np.nan)
    status = np.zeros(offsets.size - 1, np.int8)

    def work(first: int, last: int) -> None:
        groups = np.empty((n_groups, controls.shape[0] + 2))
        _regression.neutralize(
            values,
            controls,
            weights,
            codes,
            estimation,
            offsets,
            first,
            last,
            groups,
            residual,
            fitted,
            status,
        )

    over_slices(work, offsets.size - 1, size=values.size, n_threads=n_threads)
    return Neutralized(residual, fitted, status)


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
        _ttm.trailing_twelve_months(
            slot_offsets, slot_metric, slot_start, slot_end, fact_offsets, fact_slot, fact_visible, fact_value,
            dates, first, last, limits, max_age_days, latest, periods, capex, revenue, stock, used,
        )  # fmt: skip

    over_slices(work, assets, size=fact_value.size + assets * n_dates, n_threads=n_threads)
    return TrailingFacts(periods, capex, revenue, stock, used)
