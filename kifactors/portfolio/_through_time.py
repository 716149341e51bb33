"""Times that share a score date: what an adapter asks once, it may use for all of them."""

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kifactors.errors import DateError
from kifactors.portfolio._exposures import FactorExposures

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["runs"]


def runs(exposures: FactorExposures, times: "pd.Index") -> Iterator[tuple[NDArray[np.intp], date]]:
    """Yield the places of the times that share a score date, and the last day of them.

    Scores are oldest on that last day: if their age is allowed then, it is on the others.

    Parameters
    ----------
    exposures : FactorExposures
    times : pandas.DatetimeIndex
        With a time zone, the day is the one of that zone.

    Raises
    ------
    DateError
        The times are no DatetimeIndex, there are none, or they do not ascend strictly.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pl.DataFrame({"date": ["2024-01-31", "2024-02-29"], "asset": ["A", "A"],
    ...     "exposure": [0.2, 0.6]}).with_columns(pl.col("date").str.to_date())
    >>> exposures = kf.portfolio.FactorExposures(frame, {"exposure": "share"})
    >>> times = pd.to_datetime(["2024-02-01", "2024-02-28", "2024-02-29"])
    >>> [(places.tolist(), str(day)) for places, day in runs(exposures, times)]
    [([0, 1], '2024-02-28'), ([2], '2024-02-29')]
    """
    import pandas as pd

    if not isinstance(times, pd.DatetimeIndex):
        raise DateError(
            f"times are a {type(times).__name__}; expected a DatetimeIndex. Convert with pd.to_datetime."
        )
    if times.empty or times.hasnans or not times.is_monotonic_increasing or not times.is_unique:
        raise DateError("times must be at least one, and ascend strictly. Sort them and drop repeats.")
    days = [stamp.date() for stamp in times]
    newest = np.searchsorted(
        np.array(exposures.dates, "datetime64[D]"), np.array(days, "datetime64[D]"), side="right"
    )
    for which in np.unique(newest):
        places = np.flatnonzero(newest == which)
        yield places, days[places[-1]]
