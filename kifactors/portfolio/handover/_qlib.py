"""Factors as a feature frame of qlib."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING

from kifactors.portfolio._exposures import FactorExposures
from kifactors.portfolio.handover._sessions import chosen, newest_scores, trading_days

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["to_qlib"]


def to_qlib(
    exposures: FactorExposures,
    sessions: "pd.DatetimeIndex | Iterable[date | str]",
    *,
    factors: Sequence[str] | None = None,
    group: str = "feature",
    max_age_days: int = 45,
    delay_sessions: int = 0,
) -> "pd.DataFrame":
    """Return factors for ``qlib.data.dataset.loader.StaticDataLoader(frame)``.

    Parameters
    ----------
    exposures : FactorExposures
        Its names are qlib's instruments as they are; qlib's own data has them in capitals.
    sessions : pandas.DatetimeIndex or iterable of date
        The calendar of the instruments, without zone.
    factors : sequence of str, optional
        Which, in that order; all by default.
    group : str
        Group of the columns.
    max_age_days : int
        Scores older than this are unknown.
    delay_sessions : int
        Label scores by so many sessions later.

    Returns
    -------
    pandas.DataFrame
        Index (datetime, instrument), ascending; columns (group, factor); NaN where unknown. A session without
        scores, and an asset that is not among the newest, has no row.

    Raises
    ------
    DateError
        Sessions are empty, have times or a zone, or do not ascend.

    Notes
    -----
    A feature of session t is known at its close, and qlib's usual label ``Ref($close, -2) / Ref($close, -1) - 1``
    buys a session later. Scores of date t stand on the first session on or after t and on all after it until newer
    ones: used a session later than they could be, never earlier.

    Examples
    --------
    >>> frame = pl.DataFrame({"date": ["2024-03-31"] * 2, "asset": ["B", "A"], "exposure": [0.2, None]})
    >>> exposures = kf.portfolio.FactorExposures(frame.with_columns(pl.col("date").str.to_date()), {"exposure": "share"})
    >>> to_qlib(exposures, ["2024-03-28", "2024-04-01"])
                           feature
                          exposure
    datetime   instrument
    2024-04-01 A               NaN
               B               0.2
    """
    import pandas as pd

    names = list(exposures.factors) if factors is None else [chosen(exposures, name) for name in factors]
    long = newest_scores(
        exposures, names, trading_days(sessions), max_age_days=max_age_days, delay_sessions=delay_sessions
    )
    index = pd.MultiIndex.from_arrays(
        [pd.DatetimeIndex(long["session"].to_numpy()), long["asset"].to_list()],
        names=["datetime", "instrument"],
    )
    columns = pd.MultiIndex.from_product([[group], names])
    return pd.DataFrame(long.select(names).to_numpy(), index=index, columns=columns)
