"""The rows that are evaluated: scores, what the universe adds, and what they earned."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors.cross_section import date_offsets
from kifactors.errors import DataError, DateError, MissingColumnError
from kifactors.evaluation._columns import check_finite, check_groups, check_styles
from kifactors.evaluation._forward import Entries, entries_of
from kifactors.evaluation._sessions import Sessions
from kifactors.panel import KEY, attach
from kifactors.schema import TableLike, universe_columns
from kifactors.scores import Scores

__all__ = ["MONTH", "MONTHS", "Panel", "Trades", "panel_of"]

Floats = NDArray[np.float64]
MONTH = 21
MONTHS = 12


@dataclass(frozen=True, slots=True, eq=False)
class Trades:
    """When each score date is entered and left.

    horizons : how many of the columns are horizons; after them come the period to the next date, and the months.
    entries, exits : (columns, dates) sessions; an entry of -1 is none.
    """

    horizons: int
    entries: NDArray[np.int64]
    exits: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Scored rows, sorted by date and asset_id.

    Parameters
    ----------
    rows : polars.DataFrame
        date, asset_id, ticker, role, coverage, and of industry, market_cap and the groups what was asked for.
    dates : tuple of date
        Score dates with rows.
    offsets : (dates + 1,) array
        Where each begins.
    values : (n,) array
        What is evaluated; NaN where unknown.
    exposed, unexposed : (n,) masks
        Whose exposure is above the limit, and whose is not; of an unknown exposure neither.
    caps : (n,) array, optional
        Market capitalisation; NaN where unknown.
    sessions : Sessions
    places : (n,) array
        Column of each asset in the sessions; -1 if there is none.
    assets : (n,) array
        Number of each asset, from 0 on, by asset_id: a ticker may pass from one to another.
    entries : Entries
    """

    rows: pl.DataFrame
    dates: tuple[date, ...]
    offsets: NDArray[np.int64]
    values: Floats
    exposed: NDArray[np.bool_]
    unexposed: NDArray[np.bool_]
    caps: Floats | None
    sessions: Sessions
    places: NDArray[np.intp]
    assets: NDArray[np.intp]
    entries: Entries

    def trades(self, horizons: Sequence[int]) -> Trades:
        """Return when each date is entered and left: the horizons, the next date's entry, twelve months one by one."""
        entry, sessions = self.entries.sessions, self.sessions.days.size
        # Without an entry there is no exit; any session will do.
        known = np.maximum(entry, 0)
        months = [(known + MONTH * k, known + MONTH * (k + 1)) for k in range(MONTHS)]
        begin = [entry] * (len(horizons) + 1) + [
            np.where((entry < 0) | (first >= sessions), -1, first) for first, _ in months
        ]
        end = [*(known + h for h in horizons), self.next_sessions(), *(last for _, last in months)]
        return Trades(len(horizons), np.stack(begin).astype(np.int64), np.stack(end).astype(np.int64))

    def next_sessions(self) -> NDArray[np.intp]:
        """Return of each date the entry of the next date; beyond the last session where there is none."""
        entry = self.entries.sessions
        never = self.sessions.days.size
        after = np.full(entry.size, never, np.intp)
        later = never
        for k in range(entry.size - 1, -1, -1):
            after[k] = later
            later = entry[k] if entry[k] >= 0 else later
        return after

    def overlap(self, horizon: int) -> int:
        """Return how many later dates at most are entered before the horizon of one ends."""
        entry = self.entries.sessions[self.entries.sessions >= 0]
        ends = np.searchsorted(entry, entry + horizon, side="left")
        return int((ends - np.arange(entry.size) - 1).max(initial=0))


def panel_of(
    scores: Scores,
    sessions: Sessions,
    *,
    column: str,
    exposed_above: float,
    universe: TableLike | None,
    by: str | None,
    styles: Sequence[str],
    max_wait_days: int,
) -> Panel:
    """Arrange scores for evaluation.

    Raises
    ------
    MissingColumnError
        `column` or `by` is in neither scores nor universe.
    DateError
        No score date is followed by a session, or the universe has no scored asset on any: they do not meet.
    DataError
        `column` or a style holds no numbers or an infinite one, `by` or a style has the name of something else,
        `exposed_above` is NaN, an asset stands twice on a date, or two assets have one ticker while prices are by
        ticker.
    """
    if not isinstance(scores, Scores):
        raise DataError(f"scores is a {type(scores).__name__}; expected Scores.")
    if math.isnan(exposed_above):
        raise DataError(f"exposed_above is {exposed_above}; expected a number.")
    frame = _in_order(scores.to_polars())
    if column not in frame.columns:
        raise MissingColumnError(f"scores have no column {column!r}; take 'exposure' or 'score', say.")
    if not frame[column].dtype.is_float():
        raise DataError(f"column {column!r} holds {frame[column].dtype}; expected numbers.")
    exposure = frame["exposure"].fill_nan(None)
    names = ["ticker", "role", "coverage", *([by] if by in frame.columns else [])]
    for name in dict.fromkeys((column, "exposure")):
        check_finite("scores", frame, name)
    check_groups(by, frame.columns, ())
    rows = frame.select(*KEY, *dict.fromkeys(names))
    rows, caps = _with_universe(rows, universe, by, styles, frame.columns)
    offsets = date_offsets(rows)
    dates = tuple(rows["date"].gather(offsets[:-1]).to_list())
    entries = entries_of(dates, sessions, max_wait_days=max_wait_days)
    if not (entries.sessions >= 0).any():
        raise DateError(_apart(dates, sessions, max_wait_days))
    _check_tickers(rows, sessions)
    places = sessions.places(rows[sessions.names])
    return Panel(
        rows=rows,
        dates=dates,
        offsets=offsets,
        values=frame[column].fill_null(np.nan).to_numpy(),
        exposed=(exposure > exposed_above).fill_null(value=False).to_numpy(),
        unexposed=(exposure <= exposed_above).fill_null(value=False).to_numpy(),
        caps=caps,
        sessions=sessions,
        places=places,
        assets=_numbered(rows["asset_id"], places, sessions),
        entries=entries,
    )


def _check_tickers(rows: pl.DataFrame, sessions: Sessions) -> None:
    """Refuse two assets of one ticker on a date, where prices cannot tell them apart."""
    if sessions.names != "ticker":
        return
    named = rows.select(*KEY, "ticker").drop_nulls("ticker")
    twice = named.filter(pl.struct("date", "ticker").is_duplicated()).sort("date", "ticker", "asset_id")
    if twice.height:
        (day, one, ticker), (_, other, _) = twice.rows()[:2]
        raise DataError(
            f"scores: {ticker!r} is the ticker of {one!r} and {other!r} on {day}, and prices are by ticker. Give prices by "
            "asset_id."
        )


def _numbered(ids: pl.Series, places: NDArray[np.intp], sessions: Sessions) -> NDArray[np.intp]:
    if sessions.names == "asset_id" and places.min(initial=0) >= 0:
        return places
    return ids.cast(pl.Enum(ids.unique().sort())).to_physical().cast(pl.Int64).to_numpy().astype(np.intp)


def _in_order(frame: pl.DataFrame) -> pl.DataFrame:
    """Return rows sorted by date and asset_id, each asset once a date."""
    day, asset = pl.col("date"), pl.col("asset_id")
    ascending = (day > day.shift()) | ((day == day.shift()) & (asset > asset.shift()))
    # Scores are sorted already but where somebody put them together; neighbours tell.
    if frame.select(ascending.slice(1).all()).item():
        return frame
    frame = frame.sort(KEY)
    twice = frame.filter((day == day.shift()) & (asset == asset.shift()))
    if twice.height:
        raise DataError(
            f"scores: {twice['asset_id'][0]!r} stands twice on {twice['date'][0]}; expected one row per date and asset."
        )
    return frame


def _with_universe(
    rows: pl.DataFrame,
    universe: TableLike | None,
    by: str | None,
    styles: Sequence[str],
    scored: Sequence[str],
) -> tuple[pl.DataFrame, Floats | None]:
    own = by is None or by in rows.columns
    if universe is None:
        if not own:
            raise MissingColumnError(f"by={by!r} is no column of the scores. Pass universe= with it.")
        if styles:
            raise MissingColumnError(f"styles are {', '.join(styles)}: pass universe= with these columns.")
        return rows, None
    needed, optional = list(styles), ["market_cap", "industry"]
    if by is not None:
        (optional if own else needed).append(by)
    given = universe_columns(universe, needed, optional=optional).sort(KEY)
    check_groups(by, scored, given.columns)
    check_styles(styles, scored, given)
    twice = given.select(pl.struct(KEY).is_duplicated())
    if twice.to_series().any():
        row = given.row(int(twice.to_series().arg_max() or 0), named=True)
        raise DataError(
            f"the universe has asset {row['asset_id']!r} twice on {row['date']}; expected one row per date and asset."
        )
    if given.join(rows.select(KEY), on=KEY, how="semi").is_empty():
        raise DateError(_no_universe(rows, given))
    if given.width > len(KEY):
        rows = attach(rows, given)
    if "market_cap" not in rows.columns:
        return rows, None
    caps = rows["market_cap"].fill_null(np.nan).to_numpy()
    wrong = np.flatnonzero((caps <= 0.0) | np.isinf(caps))
    if wrong.size:
        row = rows.row(int(wrong[0]), named=True)
        raise DataError(
            f"universe: market_cap of {row['asset_id']!r} on {row['date']} is {row['market_cap']}; expected a finite number "
            "above 0, null where unknown."
        )
    return rows, caps


def _no_universe(rows: pl.DataFrame, given: pl.DataFrame) -> str:
    first, last = (_span(frame["date"]) for frame in (rows, given))
    return (
        f"the universe has no scored asset on any score date: scores go from {first}, the universe from {last}. Give a row per "
        "score date and asset."
    )


def _span(days: pl.Series) -> str:
    """Return the first and the last date in words."""
    known = days.drop_nulls().sort()
    return f"{known[0]} to {known[-1]}" if len(known) else "nowhere"


def _apart(dates: tuple[date, ...], sessions: Sessions, max_wait_days: int) -> str:
    if not dates:
        return "the scores have no rows."
    span = f"{sessions.days[0]} to {sessions.days[-1]}" if sessions.days.size else "nowhere"
    return (
        f"no score date is followed by a session within {max_wait_days} days: scores go from {dates[0]} to {dates[-1]}, "
        f"sessions from {span}. Check the dates."
    )
