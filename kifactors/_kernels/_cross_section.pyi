import numpy as np
from numpy.typing import NDArray

def sparse_standardize(
    values: NDArray[np.float64],
    estimation: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    first: int,
    last: int,
    clip: float,
    out: NDArray[np.float64],
) -> None: ...
def composite_standardize(
    values: NDArray[np.float64],
    weights: NDArray[np.float64],
    exposed: NDArray[np.uint8],
    estimation: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    first: int,
    last: int,
    clip: float,
    out: NDArray[np.float64],
) -> None: ...
def dense_standardize(
    values: NDArray[np.float64],
    weights: NDArray[np.float64],
    estimation: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    first: int,
    last: int,
    low: float,
    high: float,
    clip: float,
    min_assets: int,
    scratch: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None: ...
def leave_one_out_mean(
    values: NDArray[np.float64],
    weights: NDArray[np.float64],
    offsets: NDArray[np.int64],
    first: int,
    last: int,
    scratch: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None: ...
