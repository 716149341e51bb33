import numpy as np
from numpy.typing import NDArray

def correlate(
    values: NDArray[np.float64],
    columns: list[NDArray[np.float64]],
    mask: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    first: int,
    last: int,
    n_buckets: int,
    scratch: NDArray[np.uint64],
    counts: NDArray[np.int32],
    numbers: NDArray[np.float64],
    bucket_of: NDArray[np.int8],
    n: NDArray[np.int64],
    pearson: NDArray[np.float64],
    spearman: NDArray[np.float64],
    buckets: NDArray[np.int8],
) -> bool: ...
def forward_returns(
    values: NDArray[np.float64],
    gaps: NDArray[np.int32],
    ends: NDArray[np.int64],
    places: NDArray[np.int64],
    known: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    entries: NDArray[np.int64],
    exits: NDArray[np.int64],
    first: int,
    last: int,
    out: NDArray[np.float64],
    codes: NDArray[np.uint8],
) -> None: ...
def bucket_means(
    buckets: NDArray[np.int8],
    columns: list[NDArray[np.float64]],
    weights: NDArray[np.float64],
    offsets: NDArray[np.int64],
    first: int,
    last: int,
    numbers: NDArray[np.float64],
    n: NDArray[np.int64],
    means: NDArray[np.float64],
) -> bool: ...
def hold(
    buckets: NDArray[np.int8],
    returns: NDArray[np.float64],
    weights: NDArray[np.float64],
    assets: NDArray[np.int64],
    offsets: NDArray[np.int64],
    dates: NDArray[np.int64],
    held: NDArray[np.float64],
    held_in: NDArray[np.int8],
    row_weights: NDArray[np.float64],
    n: NDArray[np.int64],
    earned: NDArray[np.float64],
    traded: NDArray[np.float64],
) -> None: ...
