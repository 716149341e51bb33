"""The door to the kernels of evaluation: correlations with returns, and means by quantile."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kifactors._kernels._backend import kernel
from kifactors._kernels._checks import (
    Floats,
    Ints,
    Mask,
    ShapeError,
    floats,
    ints,
    mask,
    offsets_of,
    typed,
)
from kifactors._kernels._threads import over_slices
from kifactors.errors import DataError

__all__ = ["MOST_BUCKETS", "Correlated", "bucket_means", "correlate", "forward_returns", "hold"]

MOST_BUCKETS = 100
# Columns of returns in one call; the kernel keeps a place for each.
MOST_COLUMNS = 256
# Places of scratch beside those of the longest date.
EDGE = 64


@dataclass(frozen=True, slots=True, eq=False)
class Correlated:
    """Correlations of values with columns of returns.

    n, pearson, spearman : (dates, columns) arrays; NaN for fewer than 3 pairs or a constant side.
    buckets : (n,) int8; 1 to the number of buckets, 0 where the value is unknown or fewer are known than buckets.
    """

    n: Ints
    pearson: Floats
    spearman: Floats
    buckets: NDArray[np.int8]


def correlate(
    values: Floats,
    columns: Sequence[Floats],
    offsets: Ints,
    *,
    among: NDArray[np.bool_] | None = None,
    n_buckets: int = 0,
    n_threads: int | None = None,
) -> Correlated:
    """Correlate values with returns in each slice, among the rows of a mask; NaN is unknown."""
    values = floats(values)
    size = values.size
    offsets = offsets_of(offsets, size)
    returns = [floats(column, size) for column in columns]
    if len(returns) > MOST_COLUMNS or not 0 <= n_buckets <= MOST_BUCKETS:
        raise ShapeError(
            f"{len(returns)} columns and {n_buckets} buckets; at most {MOST_COLUMNS} and {MOST_BUCKETS}."
        )
    rows: Mask = np.empty(0, np.uint8) if among is None else mask(among, size)
    dates, longest = offsets.size - 1, int(np.diff(offsets).max(initial=0))
    if longest >= np.iinfo(np.int32).max:
        raise ShapeError(f"a date has {longest} rows; at most two billion can be ranked.")
    shape = (dates, len(returns))
    n, pearson, spearman = np.zeros(shape, np.int64), np.full(shape, np.nan), np.full(shape, np.nan)
    buckets = np.zeros(size if n_buckets else 0, np.int8)

    infinite: list[bool] = []

    def work(first: int, last: int) -> None:
        scratch, counts, numbers, table = (
            np.empty((width, longest + EDGE), dtype)
            for width, dtype in ((6, np.uint64), (6, np.int32), (3, np.float64), (1, np.int8))
        )
        infinite.append(
            kernel("_evaluation").correlate(
                values, returns, rows, offsets, first, last, n_buckets, scratch, counts, numbers, table[0],
                n, pearson, spearman, buckets,
            )
        )  # fmt: skip

    over_slices(work, dates, size=2 * size * (1 + len(returns)), n_threads=n_threads)
    if any(infinite):
        _refuse(values=values, returns=returns)
    return Correlated(n, pearson, spearman, buckets)


def forward_returns(
    values: Floats,
    ends: Ints,
    places: Ints,
    known: NDArray[np.bool_],
    offsets: Ints,
    entries: Ints,
    exits: Ints,
    *,
    gaps: NDArray[np.int32] | None = None,
    n_threads: int | None = None,
) -> tuple[Floats, NDArray[np.uint8]]:
    """Return (columns, n) returns between the entries and exits of each date, and codes: 0, or why there is none.

    values is (sessions, assets); entries and exits are (columns, dates) of sessions. See the kernel for the codes.
    """
    if values.ndim != 2 or entries.ndim != 2 or entries.shape != exits.shape:
        raise ShapeError(f"values, entries and exits are {values.shape}, {entries.shape} and {exits.shape}.")
    sessions, assets = values.shape
    if gaps is not None and gaps.shape != values.shape:
        raise ShapeError(f"gaps are {gaps.shape} and values {values.shape}.")
    columns, dates = entries.shape
    places = ints(places)
    offsets = offsets_of(offsets, places.size)
    if offsets.size - 1 != dates:
        raise ShapeError(f"entries are of {dates} dates, and offsets of {offsets.size - 1}.")
    ends, there = ints(ends, assets), mask(known, places.size)
    in_range = (
        places.max(initial=-1) < assets
        and entries.max(initial=-1) < sessions
        and ends.max(initial=-1) < sessions
    )
    if not in_range or (exits < 0).any() or (ends < -1).any():
        raise ShapeError("a place, entry, exit or end points outside the sessions and assets.")
    out, codes = np.empty((columns, places.size)), np.empty((columns, places.size), np.uint8)
    whole = np.ascontiguousarray(values, np.float64)
    holes = np.empty((0, 0), np.int32) if gaps is None else np.ascontiguousarray(gaps, np.int32)
    begin, end = (np.ascontiguousarray(one, np.int64) for one in (entries, exits))

    def work(first: int, last: int) -> None:
        kernel("_evaluation").forward_returns(
            whole, holes, ends, places, there, offsets, begin, end, first, last, out, codes
        )

    over_slices(work, dates, size=out.size, n_threads=n_threads)
    return out, codes


def bucket_means(
    buckets: NDArray[np.int8],
    columns: Sequence[Floats],
    offsets: Ints,
    n_buckets: int,
    *,
    weights: Floats | None = None,
    n_threads: int | None = None,
) -> tuple[Ints, Floats]:
    """Return (dates, columns, buckets) counts and weighted means of known returns; NaN where a bucket is empty."""
    codes = typed(buckets, np.int8)
    offsets = offsets_of(offsets, codes.size)
    returns = [floats(column, codes.size) for column in columns]
    if len(returns) > MOST_COLUMNS or not 1 <= n_buckets <= MOST_BUCKETS or codes.max(initial=0) > n_buckets:
        raise ShapeError(f"buckets reach {codes.max(initial=0)} of {n_buckets} in {len(returns)} columns.")
    w = np.empty(0) if weights is None else floats(weights, codes.size)
    shape = (offsets.size - 1, len(returns), n_buckets)
    n, means, longest = (
        np.zeros(shape, np.int64),
        np.full(shape, np.nan),
        int(np.diff(offsets).max(initial=0)),
    )
    infinite: list[bool] = []

    def work(first: int, last: int) -> None:
        numbers = np.empty((2, longest + EDGE))
        infinite.append(
            kernel("_evaluation").bucket_means(codes, returns, w, offsets, first, last, numbers, n, means)
        )

    over_slices(work, shape[0], size=codes.size * len(returns), n_threads=n_threads)
    if any(infinite):
        _refuse(weights=w, returns=returns)
    return n, means


def hold(
    buckets: NDArray[np.int8],
    returns: Floats,
    assets: Ints,
    offsets: Ints,
    dates: Ints,
    n_buckets: int,
    *,
    weights: Floats | None = None,
) -> tuple[Ints, Floats, Floats]:
    """Hold each bucket from every one of the dates to the next; return (buckets, dates) names, returns and turnover.

    returns is until the next of the dates, NaN is unknown and not held. assets numbers the asset of each row, from 0 on;
    none is in a date twice. Returns are NaN where nobody is held, turnover (one-way, drift included) until somebody was.
    """
    codes = typed(buckets, np.int8)
    r, numbers, offsets, some = (
        floats(returns, codes.size),
        ints(assets, codes.size),
        offsets_of(offsets, codes.size),
        ints(dates),
    )
    if not 1 <= n_buckets <= MOST_BUCKETS or codes.max(initial=0) > n_buckets:
        raise ShapeError(f"buckets reach {codes.max(initial=0)} of {n_buckets}.")
    if numbers.min(initial=0) < 0 or some.min(initial=0) < 0 or some.max(initial=-1) >= offsets.size - 1:
        raise ShapeError("an asset or a date points outside those there are.")
    w = np.empty(0) if weights is None else floats(weights, codes.size)
    shape = (n_buckets, some.size)
    n, earned, traded = np.empty(shape, np.int64), np.empty(shape), np.empty(shape)
    known = int(numbers.max(initial=-1)) + 1
    longest = int(np.diff(offsets).max(initial=0))
    kernel("_evaluation").hold(
        codes, r, w, numbers, offsets, some, np.zeros(known), np.zeros(known, np.int8), np.empty(longest),
        n, earned, traded,
    )  # fmt: skip
    return n, earned, traded


def _refuse(*, returns: Sequence[Floats], **others: Floats) -> None:
    """Name the first infinite number; the kernels see whether there is one among those that count."""
    for name, array in (*others.items(), *((f"returns[{k}]", one) for k, one in enumerate(returns))):
        infinite = np.isinf(array)
        if infinite.any():
            raise DataError(
                f"{name} has infinite numbers, {infinite.sum()} of them, the first in row {infinite.argmax()}. Write "
                "unknown ones as null."
            )
