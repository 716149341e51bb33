"""The door to the cross-section kernels: style scores, the composite's scale, leave-one-out means."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kifactors._kernels._backend import kernel
from kifactors._kernels._checks import (
    Column,
    Floats,
    Ints,
    Mask,
    ShapeError,
    column,
    floats,
    mask,
    offsets_of,
    typed,
)
from kifactors._kernels._threads import over_slices

__all__ = [
    "DATE_REASONS",
    "DENSE",
    "RAW",
    "SPARSE",
    "StyleScore",
    "composite_standardize",
    "leave_one_out_mean",
    "style_score",
]

RAW, SPARSE, DENSE = range(3)
MAX_DESCRIPTORS = 32
MAX_CONTROLS = 16
LANES = 8
DATE_REASONS = (
    "fitted",
    "fewer than one residual degree of freedom",
    "controls do not vary within industries",
    "no dispersion left to scale by",
)


@dataclass(frozen=True, slots=True)
class StyleScore:
    """Scores of a panel.

    score : (n,) NaN where unknown.
    fitted : (n,) what industries and controls explain; empty unless asked for.
    status : (dates,) index into `DATE_REASONS`.
    """

    score: Floats
    fitted: Floats
    status: NDArray[np.int8]


def style_score(
    descriptors: Sequence[Column | Floats],
    offsets: Ints,
    *,
    methods: Sequence[int],
    weights: Sequence[float] = (1.0,),
    market_cap: Column | Floats | None = None,
    estimation: Mask | None = None,
    codes: NDArray[np.int32] | None = None,
    controls: Sequence[Column | Floats] = (),
    regression_weights: Column | Floats | None = None,
    low: float = 0.0,
    high: float = 1.0,
    deviations: float = float("nan"),
    dense_clip: float = float("inf"),
    sparse_clip: float = float("inf"),
    min_assets: int = 2,
    restandardize: bool = False,
    with_fitted: bool = False,
    n_threads: int | None = None,
) -> StyleScore:
    """Scale descriptors by `methods`, average the known by `weights`, neutralize, standardize again; per slice.

    Without `codes` nothing is neutralized; codes < 0 are unknown. `deviations` other than NaN clips dense
    descriptors at that many median absolute deviations about the median instead of at quantiles.
    """
    if not (0.0 <= low <= high <= 1.0 and min_assets >= 2 and not deviations < 0.0):
        raise ShapeError(
            f"need 0 <= low <= high <= 1, min_assets >= 2 and deviations >= 0; got low={low}, high={high}, "
            f"min_assets={min_assets}, deviations={deviations}."
        )
    if not (1 <= len(descriptors) <= MAX_DESCRIPTORS and len(controls) <= MAX_CONTROLS):
        raise ShapeError(
            f"{len(descriptors)} descriptors and {len(controls)} controls; expected 1 to {MAX_DESCRIPTORS} and "
            f"at most {MAX_CONTROLS}."
        )
    if not (len(methods) == len(weights) == len(descriptors) and min(weights) > 0.0):
        raise ShapeError("every descriptor needs a method and a weight above 0.")
    size = column(descriptors[0]).values.size
    offsets = offsets_of(offsets, size)
    columns = [column(one, size) for one in (*descriptors, *controls)]
    optional = [None if one is None else column(one, size) for one in (market_cap, regression_weights)]
    n_controls = -1 if codes is None else len(controls)
    codes = np.empty(0, np.int32) if codes is None else typed(codes, np.int32, size)
    inside = np.empty(0, np.uint8) if estimation is None else mask(estimation, size)
    values = [None if one is None else one.values for one in (*columns, *optional)]
    valid = [None if one is None else one.valid for one in (*columns, *optional)]
    starts = np.array([0 if one is None else one.start for one in (*columns, *optional)], np.int64)
    options = np.array([low, high, deviations, dense_clip, sparse_clip, min_assets], np.float64)
    longest = int(np.diff(offsets).max(initial=0))
    n_groups = int(codes.max(initial=-1)) + 1
    score, fitted = np.empty(size), np.empty(size if with_fitted else 0)
    status = np.zeros(offsets.size - 1, np.int8)

    def work(first: int, last: int) -> None:
        kernel("_cross_section").style_score(
            values, valid, starts, np.array(methods, np.int8), np.array(weights, np.float64), n_controls,
            codes, inside, offsets, first, last, options, restandardize,
            np.empty((9 + len(controls), longest + 3 * LANES)), np.empty(longest + 1, np.int32),
            np.empty((len(controls) + 2, n_groups + 1)), score, fitted, status,
        )  # fmt: skip

    over_slices(work, offsets.size - 1, size=size * len(descriptors), n_threads=n_threads)
    return StyleScore(score, fitted, status)


def composite_standardize(
    values: Column | Floats,
    offsets: Ints,
    *,
    exposed: Mask | None = None,
    weights: Column | Floats | None = None,
    estimation: Mask | None = None,
    clip: float,
    n_threads: int | None = None,
) -> Floats:
    """Subtract the weighted mean of each slice, divide by the root mean square over exposed values."""
    values = column(values)
    size = values.values.size
    cap = None if weights is None else column(weights, size)
    offsets = offsets_of(offsets, size)
    active, inside = (
        np.empty(0, np.uint8) if rows is None else mask(rows, size) for rows in (exposed, estimation)
    )
    longest = int(np.diff(offsets).max(initial=0))
    out = np.empty(size)

    def work(first: int, last: int) -> None:
        kernel("_cross_section").composite_standardize(
            [values.values, None if cap is None else cap.values],
            [values.valid, None if cap is None else cap.valid],
            np.array([values.start, 0 if cap is None else cap.start], np.int64),
            active, inside, offsets, first, last, clip, np.empty((4, longest + 3 * LANES)), out,
        )  # fmt: skip

    over_slices(work, offsets.size - 1, size=size, n_threads=n_threads)
    return out


def leave_one_out_mean(
    values: Floats, weights: Floats, offsets: Ints, *, n_threads: int | None = None
) -> Floats:
    """Return for each element the weighted mean of the others in its slice; values and weights are >= 0."""
    values = floats(values)
    weights, offsets = floats(weights, values.size), offsets_of(offsets, values.size)
    out, scratch = np.empty_like(values), np.empty_like(values)

    def work(first: int, last: int) -> None:
        kernel("_cross_section").leave_one_out_mean(values, weights, offsets, first, last, scratch, out)

    over_slices(work, offsets.size - 1, size=values.size, n_threads=n_threads)
    return out
