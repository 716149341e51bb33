"""The door to the regression kernel."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kifactors._kernels._backend import kernel
from kifactors._kernels._checks import Floats, Ints, Mask, ShapeError, floats, mask, offsets_of, typed
from kifactors._kernels._threads import over_slices

__all__ = ["FIT_REASONS", "Neutralized", "neutralize"]

MAX_CONTROLS = 16
FIT_REASONS = (
    "fitted",
    "fewer than one residual degree of freedom",
    "controls do not vary within industries",
)


@dataclass(frozen=True, slots=True)
class Neutralized:
    """Residual and fit of a regression per date.

    residual, fitted : (n,) NaN where the date has no fit or the row lacks an input.
    status : (dates,) index into `FIT_REASONS`.
    """

    residual: Floats
    fitted: Floats
    status: NDArray[np.int8]


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
        kernel("_regression").neutralize(
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
