import numpy as np
from numpy.typing import NDArray

def style_score(
    values: list[NDArray[np.float64] | None],
    valid: list[NDArray[np.uint8] | None],
    starts: NDArray[np.int64],
    methods: NDArray[np.int8],
    weights: NDArray[np.float64],
    n_controls: int,
    codes: NDArray[np.int32],
    estimation: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    first: int,
    last: int,
    options: NDArray[np.float64],
    restandardize: bool,
    scratch: NDArray[np.float64],
    scratch_codes: NDArray[np.int32],
    groups: NDArray[np.float64],
    out: NDArray[np.float64],
    fitted: NDArray[np.float64],
    status: NDArray[np.int8],
) -> None: ...
def composite_standardize(
    values: list[NDArray[np.float64] | None],
    valid: list[NDArray[np.uint8] | None],
    starts: NDArray[np.int64],
    exposed: NDArray[np.uint8],
    estimation: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    first: int,
    last: int,
    clip: float,
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
