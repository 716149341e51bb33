"""The door to the digest kernel."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kifactors._kernels._backend import kernel
from kifactors._kernels._checks import MOST_DAYS, Ints, ShapeError, typed
from kifactors._kernels._threads import over_slices

__all__ = ["DigestByDay", "Numbers", "Texts", "digest_by_day"]

Digests = NDArray[np.uint64]

# Rows worked on together: their sums stay in the second-level cache.
BLOCK = 16_384
VIEW_BYTES = 16
ALL_VALID = np.empty(0, np.uint8)


@dataclass(frozen=True, slots=True)
class Numbers:
    """A column of whole numbers, or of the bits of others.

    key : what tells this column from others, 64 bits.
    values : (n,) int32 or int64.
    valid : Arrow validity bitmap; None if every row is valid.
    start : the bit of the first row.
    """

    key: int
    values: NDArray[np.int32] | NDArray[np.int64]
    valid: NDArray[np.uint8] | None = None
    start: int = 0


@dataclass(frozen=True, slots=True)
class Texts:
    """A column of texts as Arrow views.

    key : what tells this column from others, 64 bits.
    views : (16 n,) bytes: length, then the text, or its first four bytes, buffer and offset.
    buffers : bytes that long texts are in.
    valid : Arrow validity bitmap; None if every row is valid.
    start : the bit of the first row.
    """

    key: int
    views: NDArray[np.uint8]
    buffers: tuple[NDArray[np.uint8], ...] = ()
    valid: NDArray[np.uint8] | None = None
    start: int = 0


@dataclass(frozen=True, slots=True)
class DigestByDay:
    """Result of `digest_by_day`.

    first : the first day.
    sums : (days,) uint64, sum of the digests of the rows of day first + d, modulo 2**64.
    counts : (days,) int64, how many rows.
    """

    first: int
    sums: Digests
    counts: Ints


def digest_by_day(
    columns: Sequence[Numbers | Texts], days: NDArray[np.int32], *, n_threads: int | None = None
) -> DigestByDay:
    """Add up the digests of rows by day.

    The digest of a row depends on every cell that is not null and on the key of its column, not on the order of
    columns; a null adds nothing, so that a column of nulls is as good as none. Sums do not depend on the order of
    rows. Equal on every platform: written to files.
    """
    days = typed(days, np.int32)
    if not days.size:
        return DigestByDay(0, np.empty(0, np.uint64), np.empty(0, np.int64))
    first, span = int(days.min()), int(days.max()) - int(days.min()) + 1
    if span > MOST_DAYS:
        raise ShapeError(f"days span {span:,} days; expected at most {MOST_DAYS:,}.")
    adders = [_adder(column, days.size) for column in columns]
    parts: list[tuple[Digests, Ints]] = []

    def work(start: int, stop: int) -> None:
        sums, counts = np.zeros(span, np.uint64), np.zeros(span, np.int64)
        scratch = np.empty(min(BLOCK, days.size), np.uint64)
        for low in range(start * BLOCK, min(stop * BLOCK, days.size), BLOCK):
            high = min(low + BLOCK, days.size)
            rows = scratch[: high - low]
            rows[:] = 0
            for add in adders:
                add(low, high, rows)
            kernel("_digest").add_by_day(rows, days[low:high], first, sums, counts)
        parts.append((sums, counts))

    over_slices(work, -(-days.size // BLOCK), size=days.size, n_threads=n_threads)
    sums, counts = np.zeros(span, np.uint64), np.zeros(span, np.int64)
    for some_sums, some_counts in parts:
        sums += some_sums
        counts += some_counts
    return DigestByDay(first, sums, counts)


def _adder(column: Numbers | Texts, size: int) -> Callable[[int, int, Digests], None]:
    """Check a column and return what adds the digests of its rows low to high."""
    valid = ALL_VALID if column.valid is None else typed(column.valid, np.uint8)
    if column.start < 0 or (column.valid is not None and 8 * valid.size < column.start + size):
        raise ShapeError(f"a validity bitmap has {8 * valid.size} bits; bits {column.start} to "
                         f"{column.start + size} are needed.")  # fmt: skip
    if isinstance(column, Numbers):
        values = column.values
        if values.dtype not in (np.int32, np.int64) or values.shape != (size,):
            raise ShapeError(f"numbers are {values.dtype}{values.shape}; expected int32 or int64({size},).")

        def add_numbers(low: int, high: int, rows: Digests) -> None:
            words = np.ascontiguousarray(values[low:high], np.int64)
            kernel("_digest").add_numbers(words, valid, column.start + low, column.key, rows)

        return add_numbers
    views = typed(column.views, np.uint8, VIEW_BYTES * size)
    buffers = [typed(buffer, np.uint8) for buffer in column.buffers]
    addresses = np.array([buffer.ctypes.data for buffer in buffers], np.uint64)

    def add_texts(low: int, high: int, rows: Digests) -> None:
        some = views[VIEW_BYTES * low : VIEW_BYTES * high]
        kernel("_digest").add_texts(some, addresses, valid, column.start + low, column.key, rows)

    return add_texts
