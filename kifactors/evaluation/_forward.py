"""Forward returns: what was earned strictly after a score was known, and why nothing is known of the others."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors.errors import DataError
from kifactors.evaluation._sessions import Sessions

__all__ = [
    "LATER",
    "NOT_HELD",
    "REASONS",
    "Entries",
    "check_horizons",
    "dropped_rows",
    "entries_of",
    "settled",
]

# Why a row has no return at a horizon, by its code; 0 is none.
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
    "prices end before exit, and the delisting is later",
    "the next score date is entered on the same session",
)
# The kernel knows neither the day of a delisting nor any score date but the one it looks at.
ENDED, LATER, NOT_HELD = 7, 9, 10


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """When each score date is traded.

    days : (d,) score dates.
    sessions : (d,) the first session strictly after each; -1 if there is none within `max_wait_days`.
    """

    days: NDArray[np.datetime64]
    sessions: NDArray[np.intp]


def check_horizons(horizons: Sequence[int]) -> tuple[int, ...]:
    """Return horizons as a tuple of ascending whole numbers.

    Raises
    ------
    DataError
        One is no whole number of at least 1, stands twice, or there is none.
    """
    found = tuple(horizons) if isinstance(horizons, Iterable) else ()
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


def settled(
    codes: NDArray[np.uint8], places: NDArray[np.intp], ended: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Return codes that tell assets whose delisting is known, and later than the exit, from those without one.

    Examples
    --------
    The first asset has a delisting, the second has none:

    >>> settled(np.array([7, 7, 0], np.uint8), np.array([0, 1, 0]), np.array([True, False])).tolist()
    [9, 7, 0]
    """
    if not ended.any():
        return codes
    waits = ended[np.maximum(places, 0)] & (codes == ENDED)
    return np.where(waits, np.uint8(LATER), codes)


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
