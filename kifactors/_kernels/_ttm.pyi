import numpy as np
from numpy.typing import NDArray

def trailing_twelve_months(
    slot_offsets: NDArray[np.int64],
    slot_metric: NDArray[np.int8],
    slot_start: NDArray[np.int32],
    slot_end: NDArray[np.int32],
    fact_offsets: NDArray[np.int64],
    fact_slot: NDArray[np.int64],
    fact_visible: NDArray[np.int32],
    fact_value: NDArray[np.float64],
    dates: NDArray[np.int32],
    first: int,
    last: int,
    rules: NDArray[np.int32],
    max_age_days: int,
    rows: NDArray[np.int64],
    latest: NDArray[np.float64],
    value: NDArray[np.float64],
    value_rule: NDArray[np.int8],
    periods: NDArray[np.int32],
    capex: NDArray[np.float64],
    revenue: NDArray[np.float64],
    assets: NDArray[np.float64],
    used: NDArray[np.int8],
) -> None: ...
