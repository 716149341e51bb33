"""What a table says, by the day it was known: digests that tell whether two tables say the same up to a day."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors import _kernels
from kifactors.schema._declared import TableSchema

__all__ = ["Content", "content", "fingerprints", "put_together"]

Days = NDArray[np.int32]

# 1 January of the year 1, before every date a table may hold: rows that were always known.
FIRST_DAY = -719_162


@dataclass(frozen=True, slots=True)
class Content:
    """Digests of the rows of a table; what no score or label depends on (names, sources) is left out.

    Parameters
    ----------
    columns : tuple of str
        The columns that were digested.
    days : (n,) int32
        Days since 1970 on which rows became known, ascending.
    rows, digests : (n,) int64, (n,) uint64
        Number of rows of each day, and the sum of their digests modulo 2**64.
    ended_known, ended_on, endings : (m,) int32, (m,) int32, (m,) uint64
        For each row that ends: the day it became known, the day it ends, and a digest of its key and that day.

    Notes
    -----
    The digest of a row is a mixing function of all its cells; a null counts as an absent column. Sums do not depend
    on the order of rows, and a row that is added, removed, changed or moved to another day is missed once in 2**64.
    Equal on every platform and polars version.
    """

    columns: tuple[str, ...]
    days: Days
    rows: NDArray[np.int64]
    digests: NDArray[np.uint64]
    ended_known: Days
    ended_on: Days
    endings: NDArray[np.uint64]

    def fingerprint(self) -> str:
        """Return one digest of all of it."""
        total = int(self.digests.sum()) + int(self.endings.sum())
        text = f"{','.join(self.columns)};{self.rows.sum()};{total % 2**64}"
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def put_together(parts: Sequence[Content]) -> Content:
    """Return the digests of a table from those of its parts, which hold rows of different days.

    Examples
    --------
    >>> from datetime import date
    >>> days = {"date": [date(2024, 1, 2), date(2024, 1, 3)], "currency": ["EUR"] * 2, "usd_per_unit": [1.1, 1.2]}
    >>> fx = kf.schema.validate("fx", days)
    >>> parts = [kf.schema.content(kf.schema.INPUTS["fx"], fx[row]) for row in (0, 1)]
    >>> kf.schema.put_together(parts).fingerprint() == kf.schema.content(kf.schema.INPUTS["fx"], fx).fingerprint()
    True
    """
    arrays = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("days", "rows", "digests", "ended_known", "ended_on", "endings")
    }
    return Content(columns=parts[0].columns, **arrays)


def fingerprints(contents: Mapping[str, Content]) -> dict[str, str]:
    """Return a stable digest of everything in each table that can change a score; names and sources cannot."""
    return {name: said.fingerprint() for name, said in contents.items() if name != "assets"}


def content(schema: TableSchema, frame: pl.DataFrame) -> Content:
    """Digest one validated table.

    Examples
    --------
    Two rates known on 2 January 2024, day 19,724 since 1970:

    >>> from datetime import date
    >>> fx = kf.schema.validate("fx", {
    ...     "date": [date(2024, 1, 2)] * 2, "currency": ["EUR", "GBP"], "usd_per_unit": [1.1, 1.27]
    ... })
    >>> found = kf.schema.content(kf.schema.INPUTS["fx"], fx)
    >>> found.days.tolist(), found.rows.tolist()
    ([19724], [2])
    """
    used = [column.name for column in schema.columns if column.used and column.name in frame.columns]
    said = _digests(frame, [name for name in used if name != schema.ends], _days(frame, schema.known))
    at = np.flatnonzero(said.counts)
    ended = frame.filter(pl.col(schema.ends).is_not_null()) if schema.ends in used else frame.clear()
    # A day for each row: its own digest, not a sum.
    each = _digests(
        ended,
        [name for name in used if name in (*schema.key, schema.ends)],
        np.arange(ended.height, dtype=np.int32),
    )
    return Content(
        columns=tuple(used),
        days=(at + said.first).astype(np.int32),
        rows=said.counts[at],
        digests=said.sums[at],
        ended_known=_days(ended, schema.known),
        ended_on=_days(ended, schema.ends),
        endings=each.sums,
    )


def _digests(frame: pl.DataFrame, names: list[str], days: Days) -> _kernels.DigestByDay:
    return _kernels.digest_by_day([_cells(frame[name]) for name in names], days)


def _days(frame: pl.DataFrame, name: str) -> Days:
    if name not in frame.columns:
        return np.full(frame.height, FIRST_DAY, np.int32)
    return frame[name].cast(pl.Int32).fill_null(FIRST_DAY).rechunk().to_numpy()


def _cells(column: pl.Series) -> _kernels.Numbers | _kernels.Texts:
    """Return the Arrow buffers of a column, without a copy where it is in one piece."""
    key = int.from_bytes(hashlib.blake2b(column.name.encode(), digest_size=8).digest(), "little")
    if column.dtype == pl.Boolean:
        column = column.cast(pl.Int32)
    array = column.rechunk().to_arrow(compat_level=pl.CompatLevel.newest())
    bits, values, *texts = (np.frombuffer(b or b"", np.uint8) for b in array.buffers())
    valid = bits if column.null_count() else None
    rows = slice(array.offset, array.offset + len(array))
    if column.dtype == pl.String:
        views = values.reshape(-1, 16)[rows].reshape(-1)
        return _kernels.Texts(key, views, tuple(texts), valid, array.offset)
    numbers = values.view(np.int64) if column.dtype == pl.Float64 else values.view(np.int32)
    return _kernels.Numbers(key, numbers[rows], valid, array.offset)
