"""The door to the rank kernel."""

import numpy as np
from numpy.typing import NDArray

from kifactors._kernels._backend import kernel
from kifactors._kernels._checks import Column, Floats, Ints, ShapeError, column, offsets_of, typed
from kifactors._kernels._threads import over_slices

__all__ = ["RANK_METHODS", "rank"]

RANK_METHODS = ("average", "percentile", "normal")


def rank(
    values: Column | Floats,
    offsets: Ints,
    *,
    method: str = "average",
    groups: NDArray[np.int32] | None = None,
    n_threads: int | None = None,
) -> Floats:
    """Return the rank of each value among the known ones of its slice, or of its group in the slice.

    Groups are codes from 0; a row below 0 belongs to none and has no rank.
    """
    if method not in RANK_METHODS:
        raise ShapeError(f"method is {method!r}; expected one of {', '.join(RANK_METHODS)}.")
    known = column(values)
    size = known.values.size
    offsets = offsets_of(offsets, size)
    codes = np.empty(0, np.int32) if groups is None else typed(groups, np.int32, size)
    valid = np.empty(0, np.uint8) if known.valid is None else known.valid
    longest = int(np.diff(offsets).max(initial=0))
    if longest >= np.iinfo(np.int32).max:
        raise ShapeError(f"a date has {longest} rows; at most two billion can be ranked.")
    n_groups = int(codes.max(initial=-1)) + 1
    out = np.empty(size)

    def work(first: int, last: int) -> None:
        kernel("_rank").rank(
            known.values, valid, known.start, codes, n_groups, offsets, first, last, RANK_METHODS.index(method),
            np.empty((3, longest + 1), np.uint64),
            np.empty(n_groups + 1, np.int32), np.empty(2 * longest + 2), out,
        )  # fmt: skip

    over_slices(work, offsets.size - 1, size=2 * size, n_threads=n_threads)
    return out
