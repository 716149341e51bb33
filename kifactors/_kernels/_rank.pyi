import numpy as np
from numpy.typing import NDArray

def rank(
    values: NDArray[np.float64],
    valid: NDArray[np.uint8],
    start: int,
    groups: NDArray[np.int32],
    n_groups: int,
    offsets: NDArray[np.int64],
    first: int,
    last: int,
    method: int,
    scratch: NDArray[np.uint64],
    counts: NDArray[np.int32],
    table: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None: ...
