import numpy as np
from numpy.typing import NDArray

def add_numbers(
    values: NDArray[np.int64], valid: NDArray[np.uint8], start: int, key: int, out: NDArray[np.uint64]
) -> None: ...
def add_texts(
    views: NDArray[np.uint8],
    addresses: NDArray[np.uint64],
    valid: NDArray[np.uint8],
    start: int,
    key: int,
    out: NDArray[np.uint64],
) -> None: ...
def add_by_day(
    rows: NDArray[np.uint64],
    days: NDArray[np.int32],
    first: int,
    sums: NDArray[np.uint64],
    counts: NDArray[np.int64],
) -> None: ...
