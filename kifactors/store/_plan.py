"""What a change of a store writes: which dates are there already, which rows differ, which files come and go."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from kifactors._kernels import thread_count
from kifactors.errors import ConflictError
from kifactors.parts import by_month, month_of, of_dates, together
from kifactors.schema import SCORES
from kifactors.scores import Scores
from kifactors.store._files import MOST_ROWS, DataFile, Folder
from kifactors.store._log import Change, Snapshot

__all__ = ["append", "compact", "held_files", "of_dates_written", "of_month", "replace", "written"]

SHOWN = 3


def append(
    snapshot: Snapshot, folder: Folder, scores: Scores, *, restate: bool, notes: dict[str, str]
) -> Change | None:
    """Plan what adds the dates that are not there, and with `restate` writes the differing ones anew.

    Returns
    -------
    Change or None
        None: everything is there already.

    Raises
    ------
    ConflictError
        A date is there with other rows, and `restate` is false.
    """
    fresh: list[Scores] = []
    touched: list[DataFile] = []
    changed: list[date] = []
    # Every date is compared before anything is written.
    stored: list[Scores] = []
    for month, part in by_month(scores):
        held = held_files(snapshot.files, month, part.dates[0], part.dates[-1])
        new = of_month(held, folder, part, restate=True)
        stored += new.stored
        changed += new.restated
        if new.scores is not None:
            fresh.append(new.scores)
            touched += new.replaced
    if changed and not restate:
        raise ConflictError(_conflict(changed, stored, scores))
    if not fresh:
        return None
    return Change(
        operation="restate" if changed else "append",
        add=written(folder, fresh),
        remove=tuple(touched),
        months=frozenset(month_of(day) for day in scores.dates),
        notes={
            **of_dates_written([day for part in fresh for day in part.dates if day in set(scores.dates)]),
            **({"restated": ", ".join(map(str, changed))} if changed else {}),
            **notes,
        },
    )


@dataclass(frozen=True, slots=True)
class NewOfMonth:
    """What is to be written of the scores of a month.

    scores : the dates that are not there, or there with other rows and restated; None: there is nothing to write.
    replaced : files that go.
    restated : dates that were there with other rows.
    stored : what is there.
    """

    scores: Scores | None
    replaced: Sequence[DataFile] = ()
    restated: Sequence[date] = ()
    stored: Sequence[Scores] = ()


def held_files(files: Iterable[DataFile], month: str, first: date, last: date) -> list[DataFile]:
    """Return the files of a month that can have dates from `first` to `last`."""
    return [file for file in files if file.month == month and file.has_any(first, last)]


def of_month(held: Sequence[DataFile], folder: Folder, part: Scores, *, restate: bool = False) -> NewOfMonth:
    """Compare the scores of a month with the files that can have its dates.

    Raises
    ------
    ConflictError
        A date is there with other rows, and `restate` is false.
    """
    stored = {file: folder.scores(file) for file in held}
    differing = sorted(day for scores in stored.values() for day in _differing(scores, part))
    if differing and not restate:
        raise ConflictError(_conflict(differing, list(stored.values()), part))
    same = {day for scores in stored.values() for day in scores.dates} - set(differing)
    news = {day for day in part.dates if day not in same}
    if not news:
        return NewOfMonth(None, stored=tuple(stored.values()))
    replaced = [file for file, scores in stored.items() if set(scores.dates) & set(differing)]
    rest = _without(differing, (stored[file] for file in replaced))
    new = together([of_dates(part, news), *rest])
    return NewOfMonth(new, replaced, differing, tuple(stored.values()))


def replace(
    snapshot: Snapshot, folder: Folder, scores: Scores | None, first: date, last: date, notes: dict[str, str]
) -> Change | None:
    """Plan what leaves these scores, and nothing else, from `first` to `last`."""
    touched = [file for file in snapshot.files if file.has_any(first, last)]
    parts = [] if scores is None else [part for _, part in by_month(scores)]
    for month, files in _by_month(touched):
        stored = [folder.scores(file) for file in files]
        inside = [day for part in stored for day in part.dates if first <= day <= last]
        kept = list(_without(inside, stored))
        new = [part for part in parts if month_of(part.dates[0]) == month]
        parts = [part for part in parts if part not in new]
        if kept or new:
            parts.append(together([*new, *kept]))
    if not touched and not parts:
        return None
    months = {file.month for file in touched} | {month_of(part.dates[0]) for part in parts}
    return Change(
        operation="replace",
        add=written(folder, parts),
        remove=tuple(touched),
        months=frozenset(months),
        notes={"first_date": str(first), "last_date": str(last), **notes},
    )


def compact(snapshot: Snapshot, folder: Folder, month: str) -> Change | None:
    """Plan what puts the files of a month together; None if that makes them no fewer."""
    files = [file for file in snapshot.files if file.month == month]
    if len(files) <= max(1, -(-sum(file.rows for file in files) // MOST_ROWS)):
        return None
    scores = together([folder.scores(file) for file in files])
    if len(list(_pieces(scores))) >= len(files):
        return None
    return Change(
        operation="compact",
        add=written(folder, [scores]),
        remove=tuple(files),
        months=frozenset([month]),
        moves_only=True,
        notes=of_dates_written(scores.dates),
    )


def _without(dates: Collection[date], parts: Iterable[Scores]) -> Iterator[Scores]:
    """Yield what is left of scores without these dates."""
    for part in parts:
        left = set(part.dates) - set(dates)
        if left:
            yield of_dates(part, left)


def _differing(stored: Scores, part: Scores) -> list[date]:
    """Return the dates both have whose rows are not the same bits."""
    both = sorted(set(stored.dates) & set(part.dates))
    if not both:
        return []
    old, new = (of_dates(scores, set(both)).to_polars().select(SCORES.names) for scores in (stored, part))
    if old.equals(new):
        return []
    return [
        day for day in both if not old.filter(pl.col("date") == day).equals(new.filter(pl.col("date") == day))
    ]


def _conflict(differing: Sequence[date], stored: Sequence[Scores], scores: Scores) -> str:
    day = differing[0]
    old = next(part for part in stored if day in part.dates).at(day).to_polars()
    new = scores.at(day).to_polars()
    both = old.join(new, on="asset_id", how="full", suffix="_new", coalesce=True).sort("asset_id")
    shown = [text for row in both.iter_rows(named=True) if (text := _first_difference(row))]
    others = "" if len(differing) == 1 else f" and {len(differing) - 1} other date(s)"
    more = f"; {len(shown) - SHOWN} more asset(s)" if len(shown) > SHOWN else ""
    return (
        f"the store has other scores on {day}{others}: {'; '.join(shown[:SHOWN])}{more}. Nothing was written. If the "
        "new ones are right, append them with restate=True and a reason; earlier versions stay readable."
    )


def _first_difference(row: dict[str, Any]) -> str:
    """Say what two rows of an asset differ in, if they do; one without a role is not there."""
    for side, where in (("role", "here"), ("role_new", "there")):
        if row[side] is None:
            return f"{row['asset_id']} only {where}"
    names = [name for name in SCORES.names[len(SCORES.key) :] if row[name] != row[f"{name}_new"]]
    return (
        f"{row['asset_id']} {names[0]} {row[names[0]]!r} there, {row[f'{names[0]}_new']!r} here"
        if names
        else ""
    )


def written(folder: Folder, parts: Sequence[Scores]) -> tuple[DataFile, ...]:
    """Write the files of months; all of them, or none stays."""
    pieces = [piece for part in parts for piece in _pieces(part)]
    with ThreadPoolExecutor(thread_count()) as pool:
        tasks = [pool.submit(folder.write, piece) for piece in pieces]
    files = [task.result() for task in tasks if task.exception() is None]
    try:
        for task in tasks:
            task.result()
        folder.settle(files)
    except BaseException:
        folder.remove(files)
        raise
    return tuple(sorted(files, key=lambda file: file.first))


def _pieces(scores: Scores) -> Iterator[Scores]:
    """Cut a month between dates, so that no file has more than `MOST_ROWS` rows unless a date has."""
    if len(scores) <= MOST_ROWS:
        yield scores
        return
    rows = dict(scores.to_polars().group_by("date").len().rows())
    dates: set[date] = set()
    held = 0
    for day in scores.dates:
        if dates and held + rows.get(day, 0) > MOST_ROWS:
            yield of_dates(scores, dates)
            dates, held = set(), 0
        dates.add(day)
        held += rows.get(day, 0)
    yield of_dates(scores, dates)


def _by_month(files: Sequence[DataFile]) -> Iterator[tuple[str, list[DataFile]]]:
    for month in sorted({file.month for file in files}):
        yield month, [file for file in files if file.month == month]


def of_dates_written(dates: Collection[date]) -> dict[str, str]:
    """Return what `ScoreStore.versions` says of dates that were written."""
    return {"first_date": str(min(dates)), "last_date": str(max(dates)), "dates": str(len(dates))}
