"""What the door checks of an array before compiled code sees it: type, contiguity, length, order."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kifactors.errors import KifactorsError

__all__ = [
    "MOST_DAYS",
    "Column",
    "Floats",
    "Ints",
    "Mask",
    "ShapeError",
    "column",
    "floats",
    "in_order",
    "ints",
    "mask",
    "offsets_of",
    "typed",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.uint8]

# Where there is a slot for each day from the first to the last: the years 1 to 9999.
MOST_DAYS = 3_652_059


class ShapeError(KifactorsError, ValueError):
    """An array at the kernel door has the wrong length, order or range."""


@dataclass(frozen=True, slots=True)
class Column:
    """Float64 values beside the Arrow validity bitmap of the rows that are known.

    values : (n,) anything where the bit is 0; NaN is unknown as well.
    valid : bits, the least significant of a byte first; None if every row is valid.
    start : the bit of the first row.
    """

    values: Floats
    valid: NDArray[np.uint8] | None = None
    start: int = 0


def typed(values: Any, dtype: type[np.generic], size: int | None = None) -> Any:
    """Return a contiguous array of that type; no copy where it is one already."""
    array = np.asarray(values)
    if array.ndim != 1 or (size is not None and array.size != size):
        expected = "one dimension" if size is None else f"{size} elements"
        raise ShapeError(f"an array has shape {array.shape}; expected {expected}.")
    if not np.can_cast(array.dtype, dtype, "same_kind"):
        raise ShapeError(f"an array is {array.dtype}; expected {np.dtype(dtype)}.")
    return np.ascontiguousarray(array, dtype=dtype)


def floats(values: Any, size: int | None = None) -> Floats:
    """Return contiguous float64."""
    return typed(values, np.float64, size)  # type: ignore[no-any-return]


def column(values: Any, size: int | None = None) -> Column:
    """Return a column; an array has no null."""
    if not isinstance(values, Column):
        return Column(floats(values, size))
    floats(values.values, size)
    if values.valid is not None:
        bits = typed(values.valid, np.uint8)
        if values.start < 0 or 8 * bits.size < values.start + values.values.size:
            raise ShapeError(
                f"a validity bitmap has {8 * bits.size} bits, of which {values.values.size} from bit {values.start} "
                "on are needed."
            )
    return values


def ints(values: Any, size: int | None = None) -> Ints:
    """Return contiguous int64."""
    return typed(values, np.int64, size)  # type: ignore[no-any-return]


def mask(values: Any, size: int) -> Mask:
    """Return a boolean array as bytes."""
    array = np.asarray(values)
    if array.dtype == np.bool_:
        array = array.view(np.uint8)
    return typed(array, np.uint8, size)  # type: ignore[no-any-return]


def offsets_of(values: Any, size: int) -> Ints:
    """Return offsets that rise from 0 to size."""
    offsets = ints(values)
    if offsets.size == 0 or offsets[0] != 0 or offsets[-1] != size or (np.diff(offsets) < 0).any():
        raise ShapeError(f"offsets must rise from 0 to the {size} elements they cut; got {offsets[:5]}...")
    return offsets


def in_order(
    slot_offsets: Ints,
    slot_keys: tuple[NDArray[Any], ...],
    fact_offsets: Ints,
    fact_slot: Ints,
    fact_visible: NDArray[np.int32],
) -> None:
    """Check what the walk through time relies on: slots sorted, facts in order of arrival, each in its asset."""
    if slot_offsets.size != fact_offsets.size:
        raise ShapeError("slots and facts come with different numbers of assets.")
    slot_asset = np.repeat(np.arange(slot_offsets.size - 1), np.diff(slot_offsets))
    if (np.diff(np.lexsort((*slot_keys, slot_asset))) != 1).any():
        raise ShapeError("the slots of an asset must be sorted by metric, end and start.")
    fact_asset = np.repeat(np.arange(fact_offsets.size - 1), np.diff(fact_offsets))
    if ((np.diff(fact_visible) < 0) & (np.diff(fact_asset) == 0)).any():
        raise ShapeError("the facts of an asset must be sorted by the day they became visible.")
    if not ((fact_slot >= slot_offsets[fact_asset]) & (fact_slot < slot_offsets[fact_asset + 1])).all():
        raise ShapeError("a fact points to a slot of another asset.")
