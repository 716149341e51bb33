import numpy as np
from numpy.typing import NDArray

def first_fault(
    rows: NDArray[np.int64],
    customers: NDArray[np.int32],
    flow: NDArray[np.float64],
    offsets: NDArray[np.int64],
    most: float,
) -> int: ...
def scratch_sizes(nodes: int, width: int, limited: bool) -> tuple[int, int]: ...
def propagate(
    rows: NDArray[np.int64],
    customers: NDArray[np.int32],
    flow: NDArray[np.float64],
    theta: NDArray[np.float64],
    disclosed: NDArray[np.float64],
    remainder: NDArray[np.float64],
    start: NDArray[np.float64],
    earlier: NDArray[np.int64],
    offsets: NDArray[np.int64],
    first: int,
    last: int,
    delta: float,
    tolerance: float,
    max_tiers: int,
    passed: NDArray[np.float64],
    revenue: NDArray[np.float64],
    fresh: NDArray[np.float64],
    changes: NDArray[np.float64],
    moving: NDArray[np.float64],
    lines: NDArray[np.int64],
    residual: NDArray[np.float64],
    error: NDArray[np.float64],
    sweeps: NDArray[np.int32],
) -> None: ...
