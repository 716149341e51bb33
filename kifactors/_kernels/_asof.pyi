import numpy as np
from numpy.typing import NDArray

def locate(
    offsets: NDArray[np.int64],
    codes: NDArray[np.int32],
    section: NDArray[np.int32],
    wanted: NDArray[np.int32],
    first: int,
    last: int,
    out: NDArray[np.int64],
) -> None: ...
def by_day(days: NDArray[np.int32], starts: NDArray[np.int32], order: NDArray[np.int32]) -> None: ...
def last_visible(
    rows: NDArray[np.int64],
    days: NDArray[np.int32],
    codes: NDArray[np.int32],
    arrived: NDArray[np.int32],
    arrivals: NDArray[np.int32],
    holders: NDArray[np.int32],
    period: NDArray[np.int32],
    expires: NDArray[np.int32],
    values: NDArray[np.float64],
    first: int,
    last: int,
    walk: NDArray[np.int32],
    now: NDArray[np.float64],
    facts: NDArray[np.int32],
    out: NDArray[np.float64],
) -> None: ...
