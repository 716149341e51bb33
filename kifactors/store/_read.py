"""Rows of one version of a store: only the files, row groups and columns that are asked for."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import polars as pl

from kifactors.errors import DataError, DateError, MissingColumnError
from kifactors.parts import of_dates, together
from kifactors.schema import SCORES
from kifactors.scores import Scores
from kifactors.store._files import DataFile, Folder, in_threads
from kifactors.store._log import Snapshot

__all__ = ["Wanted", "computed_dates", "read_frame", "read_scores"]

KEY = list(SCORES.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which dates to read: from `first` to `last`, or exactly `dates`."""

    first: date | None = None
    last: date | None = None
    dates: frozenset[date] | None = None

    def files(self, snapshot: Snapshot) -> list[DataFile]:
        """Return the files that can have such dates."""
        return [
            file
            for file in snapshot.files
            if file.has_any(self.first, self.last)
            and (self.dates is None or any(file.first <= day <= file.last for day in self.dates))
        ]

    def conditions(self) -> list[pl.Expr]:
        """Return what holds for the rows of such dates."""
        day = pl.col("date")
        bounds = [day >= self.first] if self.first is not None else []
        bounds += [day <= self.last] if self.last is not None else []
        if self.dates is not None:
            # Bounds are what row groups are skipped by.
            bounds += [day >= min(self.dates), day <= max(self.dates)]
            bounds += [day.is_in(pl.Series(sorted(self.dates)).implode())] if len(self.dates) > 1 else []
        return bounds

    def of(self, known: Collection[date]) -> set[date]:
        """Return the wanted ones of these dates."""
        return {
            day
            for day in known
            if (self.dates is None or day in self.dates)
            and (self.first is None or day >= self.first)
            and (self.last is None or day <= self.last)
        }

    def check(self, found: Collection[date], known: Collection[date], where: str) -> None:
        """Refuse dates that were asked for and never computed."""
        missing = sorted((self.dates or frozenset()) - set(found))
        if not missing:
            return
        near = min(known, key=lambda day: abs((day - missing[0]).days), default=None)
        nearest = "it has no dates" if near is None else f"the nearest computed date is {near}"
        raise DateError(f"{where} has no scores for {missing[0]} ({len(missing)} such date(s)); {nearest}.")


def read_frame(
    snapshot: Snapshot,
    folder: Folder,
    wanted: Wanted,
    *,
    assets: Collection[str] | None,
    columns: Sequence[str] | None,
) -> pl.DataFrame:
    """Return rows sorted by (date, asset_id): the key, and the columns asked for."""
    names = _columns(snapshot, columns)
    files = wanted.files(snapshot)
    if wanted.dates is not None:
        computed = {day for dates in in_threads(folder.dates, files) for day in dates}
        wanted.check(computed, _ends(snapshot), f"the store at version {snapshot.version}")
    _check_apart(files, folder)
    rows = folder.scan(files, names).filter(*wanted.conditions())
    if assets is not None:
        rows = rows.filter(pl.col("asset_id").is_in(_texts(assets)))
    try:
        frame = rows.collect()
        if assets is not None:
            absent = set(assets) - set(frame["asset_id"].unique())
            _check_no_tickers(
                absent, folder.scan(files, ["date", "asset_id", "ticker"]).filter(*wanted.conditions())
            )
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"the store {folder.uri} cannot be read: {error}.") from error
    apart = all(one.last < other.first for one, other in pairwise(files))
    return frame if apart else frame.sort(KEY)


def _texts(values: Collection[str]) -> pl.Expr:
    return pl.lit(pl.Series(sorted(set(values)), dtype=pl.String)).implode()


def _check_no_tickers(absent: Collection[str], rows: pl.LazyFrame) -> None:
    """Refuse names without rows that are tickers of others: whoever gave them would take nothing for an answer."""
    if not absent:
        return
    named = (
        rows.filter(pl.col("ticker").is_in(_texts(absent))).select("asset_id", "ticker").unique().collect()
    )
    if named.height:
        ids = ", ".join(
            f"{ticker} is {asset!r}" for asset, ticker in named.sort("ticker", "asset_id").rows()[:8]
        )
        raise DataError(f"assets are values of asset_id, and some given are tickers: {ids}. Give the ids.")


def read_scores(snapshot: Snapshot, folder: Folder, wanted: Wanted) -> Scores:
    """Return wanted dates as scores, with what they were made from."""
    parts = []
    for scores in in_threads(folder.scores, wanted.files(snapshot)):
        inside = wanted.of(scores.dates)
        if inside:
            parts.append(of_dates(scores, inside))
    known = _ends(snapshot)
    found = {day for part in parts for day in part.dates}
    wanted.check(found, known, f"the store at version {snapshot.version}")
    if not parts:
        span = f" from {wanted.first or 'its first date'} to {wanted.last or 'its last date'}"
        held = f"it has {min(known)} to {max(known)}" if known else "it is empty"
        raise DateError(f"the store at version {snapshot.version} has no dates{span}; {held}.")
    return together(parts)


def computed_dates(snapshot: Snapshot, folder: Folder) -> tuple[date, ...]:
    """Return every computed date."""
    # A file with one date says so in its name.
    known = _ends(snapshot)
    several = [file for file in snapshot.files if file.first != file.last]
    for dates in in_threads(folder.dates, several):
        known |= dates
    return tuple(sorted(known))


def _check_apart(files: Sequence[DataFile], folder: Folder) -> None:
    """Refuse a date that is in two files."""
    across: list[DataFile] = []
    latest: DataFile | None = None
    for file in files:
        if latest is not None and file.first <= latest.last:
            across += [latest, file]
        if latest is None or file.last > latest.last:
            latest = file
    days = [day for file in dict.fromkeys(across) for day in folder.dates(file)]
    if len(days) != len(set(days)):
        twice = min(day for day in days if days.count(day) > 1)
        raise DataError(
            f"{twice} is in two files of the store {folder.uri}: another program wrote to it, or its log is damaged. "
            "Call verify, and replace that date."
        )


def _ends(snapshot: Snapshot) -> set[date]:
    return {day for file in snapshot.files for day in (file.first, file.last)}


def _columns(snapshot: Snapshot, columns: Sequence[str] | None) -> list[str]:
    known = [name for name in SCORES.names if name in snapshot.columns]
    if columns is None:
        return known
    unknown = [name for name in columns if name not in known]
    if unknown:
        raise MissingColumnError(f"the store has no column {unknown[0]!r}; it has {', '.join(known)}.")
    return [*KEY, *(name for name in dict.fromkeys(columns) if name not in KEY)]
