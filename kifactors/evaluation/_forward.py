"""Forward returns: what was earned strictly after a score was known, and why nothing is known of the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors.errors import DataError
from kifactors.evaluation._sessions import Sessions

__all__ = ["REASONS", "Entries", "Forward", "check_horizons", "dropped_rows", "entries_of", "forward_returns"]

Floats = NDArray[np.float64]
# Why a row has no return at a horizon, by code; 0 is none.
REASONS = (
    "",
    "value unknown",
    "no session soon after the score date",
    "asset has no prices",
    "no price at entry",
    "horizon ends after the last session",
    "no price at exit",
    "prices end before exit, and no delisting return is known",
    "a return on the way is unknown",
)
UNKNOWN_VALUE, NO_SESSION, NO_ASSET, NO_ENTRY, TOO_LATE, NO_EXIT, ENDED, GAP = range(1, 9)


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """When each score date is traded.

    days : (d,) score dates.
    sessions : (d,) the first session strictly after each; -1 if there is none within `max_wait_days`.
    """

    days: NDArray[np.datetime64]
    sessions: NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Forward:
    """Returns of the rows of a panel.

    returns : list of (n,) arrays, one per horizon; NaN where unknown.
    reasons : list of (n,) uint8 arrays: places in REASONS.
    """

    returns: list[Floats]
    reasons: list[NDArray[np.uint8]]


def check_horizons(horizons: Sequence[int]) -> tuple[int, ...]:
    """Return horizons as a tuple of ascending whole numbers.

    Raises
    ------
    DataError
        One is no whole number of at least 1, stands twice, or there is none.
    """
    found = tuple(horizons)
    whole = all(isinstance(h, int | np.integer) and not isinstance(h, bool) and h >= 1 for h in found)
    if not found or not whole or len(set(found)) < len(found):
        raise DataError(
            f"horizons are {horizons!r}; expected different whole numbers of sessions, (1, 5, 21, 63) say."
        )
    return tuple(sorted(int(h) for h in found))


def entries_of(dates: Sequence[date], sessions: Sessions, *, max_wait_days: int = 7) -> Entries:
    """Return the first session strictly after each score date.

    A score of a day uses what was known by its end, so the day's own close is no price to trade at. If the next
    session is more than `max_wait_days` later, prices do not cover the date.

    Examples
    --------
    A score of Friday is traded on Monday; of the Sunday before the first session on that day; one of the last session
    never.

    >>> from datetime import date
    >>> from kifactors.evaluation._sessions import sessions_of
    >>> days = [date(2024, 1, 5), date(2024, 1, 8)]
    >>> sessions = sessions_of({"date": days, "asset_id": ["a", "a"], "close": [1.0, 1.1]}, None)
    >>> entries_of([date(2024, 1, 4), date(2024, 1, 5), date(2024, 1, 8)], sessions).sessions.tolist()
    [0, 1, -1]
    """
    days = np.array(dates, "datetime64[D]")
    places = np.searchsorted(sessions.days, days, side="right").astype(np.intp)
    there = places < sessions.days.size
    wait = sessions.days[np.where(there, places, 0)] - days if sessions.days.size else np.zeros(0)
    there &= wait <= np.timedelta64(max_wait_days, "D") if sessions.days.size else False
    return Entries(days, np.where(there, places, -1))


def forward_returns(
    sessions: Sessions,
    places: NDArray[np.intp],
    entry: NDArray[np.intp],
    exits: Sequence[NDArray[np.intp]],
    known: NDArray[np.bool_],
) -> Forward:
    """Return what each row earned from its entry to each of its exits.

    Parameters
    ----------
    sessions : Sessions
    places : (n,) array
        Column of each row's asset; -1 if there is none.
    entry : (n,) array
        Session of its entry; -1 if there is none.
    exits : list of (n,) arrays
        Session of each exit; beyond the last one there is none.
    known : (n,) mask
        Whether its value is known; unknown ones get no return.

    Notes
    -----
    r = V[exit] / V[entry] - 1. V holds what a delisting left from the session after the last price on, in cash.
    """
    s, n_assets = sessions.values.shape
    values = sessions.values.ravel()
    base = np.zeros(places.size, np.uint8)
    base[~known] = UNKNOWN_VALUE
    base[known & (entry < 0)] = NO_SESSION
    base[known & (entry >= 0) & (places < 0)] = NO_ASSET
    usable = base == 0
    a, e = np.where(usable, places, 0), np.where(usable, entry, 0)
    start = values[e * n_assets + a] if values.size else np.full(places.size, np.nan)
    last = sessions.last[a] if n_assets else np.zeros(places.size, np.intp)
    # What is left after the end is no price to enter at; nor is the nothing that a total loss leaves.
    base[usable & ~((start > 0.0) & (e <= last))] = NO_ENTRY
    usable = base == 0
    returns, reasons = [], []
    for given in exits:
        code = base.copy()
        late = usable & (given >= s)
        code[late] = TOO_LATE
        fine = usable & ~late
        x = np.where(fine, given, 0)
        end = values[x * n_assets + a] if values.size else start
        missing = fine & np.isnan(end)
        code[missing] = np.where(x[missing] > last[missing], ENDED, NO_EXIT)
        if sessions.gaps is not None:
            gaps = sessions.gaps.ravel()
            # What follows the last return is known where a delisting is.
            until = np.minimum(x, last)
            holes = fine & (code == 0) & (gaps[until * n_assets + a] > gaps[e * n_assets + a])
            code[holes] = GAP
        with np.errstate(invalid="ignore", divide="ignore"):
            returns.append(np.where(code == 0, end / start - 1.0, np.nan))
        reasons.append(code)
    return Forward(returns, reasons)


def dropped_rows(
    keys: pl.DataFrame, horizons: Sequence[int | None], reasons: Sequence[NDArray[np.uint8]]
) -> pl.DataFrame:
    """Return (date, asset_id, horizon, reason) of every row without a return; a null horizon is the next score date."""
    kind = pl.Enum(REASONS[1:])
    text = pl.Series([None, *REASONS[1:]], dtype=kind)
    parts = []
    for horizon, codes in zip(horizons, reasons, strict=True):
        rows = np.flatnonzero(codes)
        parts.append(
            keys[rows].with_columns(
                horizon=pl.lit(horizon, pl.Int64), reason=text.gather(pl.Series(codes[rows]).cast(pl.UInt32))
            )
        )
    return pl.concat(parts)
