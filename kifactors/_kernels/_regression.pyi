import numpy as np
from numpy.typing import NDArray

def neutralize(
    values: NDArray[np.float64],
    controls: NDArray[np.float64],
    weights: NDArray[np.float64],
    codes: NDArray[np.int32],
    estimation: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    first: int,
    last: int,
    groups: NDArray[np.float64],
    residual: NDArray[np.float64],
    fitted: NDArray[np.float64],
    status: NDArray[np.int8],
) -> None: ...
