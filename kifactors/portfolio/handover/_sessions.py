"""Trading sessions that a caller gives, and the newest scores of each."""

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from kifactors.errors import DataError, DateError, MissingColumnError
from kifactors.portfolio._exposures import FactorExposures

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["chosen", "newest_scores", "trading_days"]


def trading_days(sessions: "pd.DatetimeIndex | Iterable[date | str]") -> "pd.DatetimeIndex":
    """Return sessions as naive midnights in nanoseconds, strictly ascending."""
    import pandas as pd

    days = sessions if isinstance(sessions, pd.DatetimeIndex) else pd.DatetimeIndex(list(sessions))
    if not len(days):
        raise DateError("there are no sessions; expected trading days, prices.index say.")
    if days.tz is not None or (days != days.normalize()).any():
        raise DateError(
            f"sessions are like {days[0]}; expected days without time and zone. Take "
            "sessions.tz_localize(None).normalize()."
        )
    if not (days.is_monotonic_increasing and days.is_unique):
        raise DateError("sessions must ascend, each once. Take sessions.unique().sort_values().")
    return pd.DatetimeIndex(days.to_numpy().astype("datetime64[ns]"))


def newest_scores(
    exposures: FactorExposures,
    factors: Iterable[str],
    sessions: "pd.DatetimeIndex",
    *,
    max_age_days: int,
    delay_sessions: int,
) -> pl.DataFrame:
    """Return session, asset and factors: on each session the newest scores usable on it, all of one date.

    Scores of date t count from the first session on or after t, or as many sessions later as the delay says, until
    newer ones do, and until they are more than `max_age_days` old. A session without any has no rows.
    """
    if delay_sessions < 0:
        raise DataError(f"delay_sessions is {delay_sessions}; a negative one would look ahead.")
    frame = exposures.to_polars()
    dates = frame["date"].unique().sort()
    days = sessions.to_numpy()
    # Of several dates that become usable on one session the last is the newest.
    first = np.searchsorted(days, dates.to_numpy().astype("datetime64[ns]")) + delay_sessions
    place = np.searchsorted(first, np.arange(len(days)), side="right") - 1
    usable = pl.DataFrame(
        {
            "session": days[place >= 0],
            "date": dates.gather(place[place >= 0]),
        },
        schema={"session": pl.Datetime("ns"), "date": pl.Date},
    )
    age = (pl.col("session").cast(pl.Date) - pl.col("date")).dt.total_days()
    usable = usable.filter(age <= max_age_days)
    return usable.join(frame.select("date", "asset", *factors), on="date", how="inner").sort(
        "session", "asset"
    )


def chosen(exposures: FactorExposures, factor: str | None) -> str:
    """Return a factor by name; without a name the only one."""
    if factor is None and len(exposures.factors) == 1:
        return exposures.factors[0]
    if factor is None or factor not in exposures.factors:
        raise MissingColumnError(
            f"factor is {factor!r}; there are {', '.join(exposures.factors)}. Name one of them."
        )
    return factor
