"""A factor as a baseline of zipline's `DataFrameLoader`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from operator import index
from typing import TYPE_CHECKING, Literal

import polars as pl

from kifactors.errors import DataError, UnmatchedAssetError
from kifactors.portfolio._exposures import FactorExposures
from kifactors.portfolio.handover._sessions import chosen, newest_scores, trading_days

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ZiplineFrame", "to_zipline"]


@dataclass(frozen=True, slots=True, eq=False)
class ZiplineFrame:
    """What `DataFrameLoader` takes, and whose each column is.

    Parameters
    ----------
    baseline : pandas.DataFrame
        Sessions x sids, float64, NaN where unknown.
    sids : dict of str to int
        The sid of each asset in it.
    dropped : tuple of str
        Assets without a sid.
    """

    baseline: "pd.DataFrame"
    sids: dict[str, int]
    dropped: tuple[str, ...] = ()


def to_zipline(
    exposures: FactorExposures,
    sids: Mapping[str, int],
    sessions: "pd.DatetimeIndex | Iterable[date | str]",
    *,
    factor: str | None = None,
    unmapped: Literal["error", "drop"] = "error",
    max_age_days: int = 45,
    delay_sessions: int = 0,
) -> ZiplineFrame:
    """Return a factor for ``zipline.pipeline.loaders.frame.DataFrameLoader(column, baseline)``.

    Parameters
    ----------
    exposures : FactorExposures
    sids : mapping of asset name to int
        Those of the bundle, from its asset finder; never made up here. May name more assets than have scores.
    sessions : pandas.DatetimeIndex or iterable of date
        All sessions of the run, without zone, as zipline 3 has them.
    factor : str, optional
        Which; may be left out if there is only one.
    unmapped : {"error", "drop"}
        What to do with an asset that has scores and no sid.
    max_age_days : int
        Scores older than this are unknown.
    delay_sessions : int
        Label scores by so many sessions later; 1 for scores of a definition with ``lag_days = 0``.

    Raises
    ------
    UnmatchedAssetError
        An asset has no sid, and `unmapped` is "error".
    DataError
        A sid is no whole number, or stands for two assets.
    DateError
        Sessions are empty, have times or a zone, or do not ascend.

    Notes
    -----
    Zipline looks a session up by its label and sees NaN where there is none, and the label is the first session on
    which an algorithm may know the value (documentation of `DataFrameLoader`). Scores of t therefore stand on the
    first session on or after t and on all after it, until newer ones or until they are too old.

    Examples
    --------
    >>> frame = pl.DataFrame({"date": ["2024-03-31"] * 2, "asset": ["B", "A"], "exposure": [0.2, None]})
    >>> exposures = kf.portfolio.FactorExposures(frame.with_columns(pl.col("date").str.to_date()), {"exposure": "share"})
    >>> handed = to_zipline(exposures, {"A": 24, "B": 8}, ["2024-03-28", "2024-04-01", "2024-04-02"])
    >>> handed.baseline
                  8   24
    2024-03-28  NaN NaN
    2024-04-01  0.2 NaN
    2024-04-02  0.2 NaN
    """
    import pandas as pd

    name = chosen(exposures, factor)
    if unmapped not in {"error", "drop"}:
        raise DataError(f"unmapped is {unmapped!r}; expected 'error' or 'drop'.")
    days = trading_days(sessions)
    assets = exposures.to_polars()["asset"].unique().sort().to_list()
    gone = tuple(asset for asset in assets if asset not in sids)
    if gone and unmapped == "error":
        raise UnmatchedAssetError(
            f"{len(gone)} of {len(assets)} assets have no sid: {', '.join(gone[:8])}. Add them, or pass "
            "unmapped='drop'."
        )
    known = _checked({asset: sids[asset] for asset in assets if asset in sids})
    long = newest_scores(
        exposures, [name], days, max_age_days=max_age_days, delay_sessions=delay_sessions
    ).filter(pl.col("asset").is_in(list(known)))
    wide = pd.DataFrame(float("nan"), index=days, columns=pd.Index(sorted(known.values()), dtype="int64"))
    values = wide.to_numpy(copy=True)
    column = wide.columns.get_indexer(pd.Index([known[asset] for asset in long["asset"]], dtype="int64"))
    values[days.get_indexer(pd.DatetimeIndex(long["session"].to_numpy())), column] = long[name].to_numpy()
    return ZiplineFrame(pd.DataFrame(values, index=days, columns=wide.columns), known, gone)


def _checked(sids: dict[str, int]) -> dict[str, int]:
    found: dict[str, int] = {}
    owner: dict[int, str] = {}
    for asset, sid in sids.items():
        try:
            found[asset] = index(sid)
        except TypeError as error:
            raise DataError(
                f"the sid of {asset} is {sid!r}; expected a whole number: asset.sid, not the asset."
            ) from error
        if found[asset] in owner:
            raise DataError(f"sid {found[asset]} stands for {owner[found[asset]]} and {asset}.")
        owner[found[asset]] = asset
    return found
