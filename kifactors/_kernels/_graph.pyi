import numpy as np
from numpy.typing import NDArray

def propagate(
    rows: NDArray[np.int64],
    customers: NDArray[np.int64],
    flow: NDArray[np.float64],
    theta: NDArray[np.float64],
    disclosed: NDArray[np.float64],
    remainder: NDArray[np.float64],
    offsets: NDArray[np.int64],
    first: int,
    last: int,
    delta: float,
    tolerance: float,
    max_tiers: int,
    scratch: NDArray[np.float64],
    out: NDArray[np.float64],
    error: NDArray[np.float64],
    sweeps: NDArray[np.int32],
) -> None: ...
