"""A factor as alphalens takes it."""

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from kifactors.errors import DateError
from kifactors.portfolio._exposures import FactorExposures
from kifactors.portfolio.handover._sessions import chosen

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["to_alphalens"]


def to_alphalens(
    exposures: FactorExposures,
    prices_index: "pd.DatetimeIndex",
    *,
    factor: str | None = None,
    max_age_days: int = 45,
) -> "pd.Series":
    """Return a factor for ``alphalens.utils.get_clean_factor_and_forward_returns``.

    Parameters
    ----------
    exposures : FactorExposures
    prices_index : pandas.DatetimeIndex
        Index of the prices that alphalens will get, strictly ascending; times and a zone are taken over, for
        alphalens refuses two that differ.
    factor : str, optional
        Which; may be left out if there is only one.
    max_age_days : int
        Scores that are older at the first time of the prices after them are left out.

    Returns
    -------
    pandas.Series
        Index (date, asset), ascending. Unknown exposures are left out. No filter looks at the whole sample.

    Raises
    ------
    DateError
        The index is no DatetimeIndex, does not ascend, or none of its times follows a score soon enough.

    Notes
    -----
    Alphalens takes the price at a factor's date as the buying price. A score of t gets the first time of the prices
    on or after t: the close of t with daily closes, the next session where t is none (alphalens would drop it, and
    take weekends for trading days). For scores of a definition with ``lag_days = 0`` give alphalens ``prices.shift(-1)``,
    which buys a session later.

    Pass ``filter_zscore=None``: its default of 20 drops returns by the mean and deviation of the whole sample, which
    nobody knew at the time.

    Examples
    --------
    31 March 2024 was a Sunday:

    >>> import pandas as pd
    >>> frame = pl.DataFrame({"date": ["2024-03-31"] * 2, "asset": ["B", "A"], "exposure": [0.2, None]})
    >>> exposures = kf.portfolio.FactorExposures(frame.with_columns(pl.col("date").str.to_date()), {"exposure": "share"})
    >>> to_alphalens(exposures, pd.DatetimeIndex(["2024-03-28", "2024-04-01", "2024-04-02"], tz="UTC"))
    date                       asset
    2024-04-01 00:00:00+00:00  B        0.2
    Name: exposure, dtype: float64
    """
    import pandas as pd

    name = chosen(exposures, factor)
    if not isinstance(prices_index, pd.DatetimeIndex):
        raise DateError(
            f"prices_index is a {type(prices_index).__name__}; expected a DatetimeIndex. Take pd.to_datetime."
        )
    if not (prices_index.is_monotonic_increasing and prices_index.is_unique):
        raise DateError("the index of prices must ascend, each time once. Take prices.sort_index().")
    frame = exposures.to_polars().select("date", "asset", name)
    dates = frame["date"].unique().sort()
    midnights = pd.DatetimeIndex(dates.to_numpy()).tz_localize(prices_index.tz, nonexistent="shift_forward")
    place = np.asarray(prices_index.searchsorted(midnights))
    # Of dates that fall on one time of the prices the newest counts; after the last price there is no return.
    last = np.append(place[1:] != place[:-1], True) & (place < len(prices_index))
    days = np.array([stamp.date() for stamp in prices_index[place[last]]], "datetime64[D]")
    last[last] = (days - dates.to_numpy()[last]).astype(int) <= max_age_days
    if not last.any():
        raise DateError(
            f"no price lies on a score of {dates[0]} to {dates[-1]}, or within {max_age_days} days after one: prices go "
            f"from {prices_index.min()} to {prices_index.max()}. Pass the index of prices of the same time."
        )
    times = pl.DataFrame({"date": dates.filter(pl.Series(last)), "place": place[last]})
    known = (
        frame.filter(pl.col(name).is_not_null()).join(times, on="date", how="inner").sort("place", "asset")
    )
    index = pd.MultiIndex.from_arrays(
        [prices_index[known["place"].to_numpy()].rename(None), known["asset"].to_list()],
        names=["date", "asset"],
    )
    return pd.Series(known[name].to_numpy(), index=index, name=name)
