"""The door to the cross-section kernels: scale, standardize, leave-one-out means."""

import numpy as np

from kifactors._kernels._backend import kernel
from kifactors._kernels._checks import Floats, Ints, Mask, ShapeError, floats, mask, offsets_of
from kifactors._kernels._threads import over_slices

__all__ = ["composite_standardize", "dense_standardize", "leave_one_out_mean", "sparse_standardize"]


def sparse_standardize(
    values: Floats, estimation: Mask, offsets: Ints, *, clip: float, n_threads: int | None = None
) -> Floats:
    """Divide by the root mean square of the exposed values of each slice; 0 stays 0, NaN stays NaN."""
    values, estimation = floats(values), mask(estimation, values.size)
    offsets = offsets_of(offsets, values.size)
    out = np.empty_like(values)

    def work(first: int, last: int) -> None:
        kernel("_cross_section").sparse_standardize(values, estimation, offsets, first, last, clip, out)

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
        kernel("_cross_section").composite_standardize(
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
        kernel("_cross_section").dense_standardize(
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
        kernel("_cross_section").leave_one_out_mean(values, weights, offsets, first, last, scratch, out)

    over_slices(work, offsets.size - 1, size=values.size, n_threads=n_threads)
    return out
