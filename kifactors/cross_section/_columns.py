"""From the columns of a frame to what kernels take: values with their bitmap, masks, codes, offsets of dates."""

from typing import overload

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors import _kernels
from kifactors.errors import DataError

__all__ = ["codes_of", "column_of", "date_offsets", "mask_of"]

# Integer industries up to here are used as they are; the kernel keeps a row per number.
MAX_PLAIN_CODE = 1_000


def date_offsets(frame: pl.DataFrame) -> NDArray[np.int64]:
    """Return where each date of a sorted frame begins, and where the last one ends.

    Examples
    --------
    >>> date_offsets(pl.DataFrame({"date": [1, 1, 4]})).tolist()
    [0, 2, 3]
    """
    dates = frame["date"]
    if not dates.is_sorted():
        raise DataError("a cross-section needs a frame sorted by date. Sort it with .sort('date').")
    days = (dates.cast(pl.Int32) if dates.dtype == pl.Date else dates).to_numpy()
    begins = np.flatnonzero(days[1:] != days[:-1]) + 1
    return np.concatenate([[0], begins, [frame.height]] if frame.height else [[0]]).astype(np.int64)


@overload
def column_of(frame: pl.DataFrame, name: str) -> _kernels.Column: ...
@overload
def column_of(frame: pl.DataFrame, name: str | None) -> _kernels.Column | None: ...
def column_of(frame: pl.DataFrame, name: str | None) -> _kernels.Column | None:
    """Return the Arrow buffers of a column, without a copy unless it is of another type or in pieces."""
    if name is None:
        return None
    series = frame[name].cast(pl.Float64)
    if not series.null_count():
        return _kernels.Column(series.to_numpy())
    array = series.rechunk().to_arrow()
    bits, values = array.buffers()
    rows = slice(array.offset, array.offset + len(array))
    return _kernels.Column(
        np.frombuffer(values, np.float64)[rows], np.frombuffer(bits, np.uint8), array.offset
    )


def codes_of(groups: pl.Series) -> NDArray[np.int32]:
    """Return a number from 0 for each group, close together; -1 where unknown."""
    if groups.dtype.is_integer() and groups.is_between(0, MAX_PLAIN_CODE).all():
        numbers = groups
    elif isinstance(groups.dtype, pl.Enum):
        numbers = groups.to_physical()
    else:
        names = groups.cast(pl.String)
        # A hash of the names is faster than their rank.
        numbers = names.cast(pl.Enum(names.drop_nulls().unique().sort())).to_physical()
    return numbers.cast(pl.Int32).fill_null(-1).to_numpy()


def mask_of(frame: pl.DataFrame, column: str | None) -> NDArray[np.uint8] | None:
    if column is None:
        return None
    flags = frame[column]
    return (flags.fill_null(value=False) if flags.null_count() else flags).to_numpy().view(np.uint8)
