"""Scores that are computed and written where the workers are: only descriptions of files come back, for one commit."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from os import PathLike
from types import TracebackType
from typing import TypeVar

import polars as pl

from kifactors import _kernels, asof
from kifactors.calendar import DatesLike, score_dates
from kifactors.eligible import check_covered
from kifactors.engine import Runner, month_ranges, progress_of, tasks_for
from kifactors.errors import DataError
from kifactors.factor import AIInfrastructureExposure
from kifactors.io import TableFolder
from kifactors.parts import by_month, month_of
from kifactors.schema import INPUTS, Content, Tables, fingerprints, put_together
from kifactors.scores import Scores
from kifactors.store._files import DataFile, Folder
from kifactors.store._log import Change, Snapshot, UncertainCommitError
from kifactors.store._plan import held_files, of_dates_written, of_month, written

__all__ = ["Computation"]

# A task scores as many months at a time as have about this many rows.
ROWS_AT_A_TIME = 750_000

T = TypeVar("T")

Held = Mapping[str, Sequence[DataFile]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What all tasks of a computation need to know.

    uri, options : the store.
    inputs, history : of the whole computation; every file carries them.
    n_threads : None: as many as there are.
    """

    uri: str
    options: Mapping[str, str]
    factor: AIInfrastructureExposure
    inputs: Mapping[str, str]
    history: asof.History
    n_threads: int | None


@dataclass(frozen=True, slots=True)
class Written:
    """What a task wrote of a month.

    held : the files that could have had its dates, and were compared.
    files : new ones; none if every date was there already.
    dates : the dates they have.
    """

    month: str
    held: tuple[DataFile, ...]
    files: tuple[DataFile, ...]
    dates: tuple[date, ...]


class Computation:
    """Plans a commit by computing; what is done stays done when another writer comes in between.

    Parameters
    ----------
    uri, options
        The store.
    factor, tables, dates, n_threads, progress
        As for `ScoreStore.compute`.
    runner : Runner
        Where tasks run.
    """

    def __init__(
        self,
        uri: str,
        options: Mapping[str, str],
        factor: AIInfrastructureExposure,
        tables: Tables | str | PathLike[str],
        dates: DatesLike,
        *,
        runner: Runner,
        n_threads: int | None,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        if not isinstance(factor, AIInfrastructureExposure):
            raise DataError(
                f"factor is a {type(factor).__name__}; expected kf.AIInfrastructureExposure(definition)."
            )
        if not isinstance(tables, (Tables, str, PathLike)):
            raise DataError(
                f"tables is a {type(tables).__name__}; expected kf.Tables(...) or the path of a folder."
            )
        self.definition = factor.definition
        self._uri, self._options, self._factor = uri, options, factor
        self._folder = Folder(uri, options)
        self._source = tables if isinstance(tables, Tables) else TableFolder(tables)
        self._dates = score_dates(dates)
        self._runner = runner
        self._threads = n_threads if runner.is_local else n_threads or 1
        self._done = progress_of(progress, len(self._dates))
        self._months = {month: list(days) for month, days in groupby(self._dates.to_list(), key=month_of)}
        self._written: dict[str, Written] = {}
        self._open = ExitStack()

    def __enter__(self) -> "Computation":
        """Hand the inputs to the workers, and find out what they are."""
        try:
            with _kernels.using_threads(self._threads):
                self._crew = self._open.enter_context(self._runner.sharing(self._source))
                contents = self._contents()
        except BaseException:
            self._open.close()
            raise
        self._job = Job(
            uri=self._uri,
            options=self._options,
            factor=self._factor,
            inputs=fingerprints(contents),
            history=asof.history_of(contents, self._dates[-1], time=self.definition.time),
            n_threads=self._threads,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the workers go; after an error, unless the commit may have happened, the files as well."""
        self._open.close()
        if error is not None and not isinstance(error, UncertainCommitError):
            self._folder.remove([file for month in self._written.values() for file in month.files])

    def plan(self, snapshot: Snapshot) -> Change | None:
        """Compute what is not done yet, or was compared with other files than there are now."""
        held = {
            month: tuple(held_files(snapshot.files, month, days[0], days[-1]))
            for month, days in self._months.items()
        }
        known = {month: done.held for month, done in self._written.items()}
        self._compute({month: files for month, files in held.items() if known.get(month) != files})
        files = [file for month in self._months for file in self._written[month].files]
        if not files:
            return None
        self._folder.check_seen(files)
        return Change(
            operation="append",
            add=tuple(files),
            months=frozenset(self._months),
            notes=of_dates_written([day for month in self._months for day in self._written[month].dates]),
        )

    def _compute(self, held: Held) -> None:
        days = [day for month in held for day in self._months[month]]
        if not days:
            return
        ranges = month_ranges(days, tasks_for(self._runner.workers))
        tasks = [(self._job, days, {m: held[m] for m in map(month_of, days)}) for days in ranges]
        for place, months in self._crew.run(_score_and_write, tasks):
            for month in months:
                before = self._written.get(month.month)
                if before is not None:
                    self._folder.remove(before.files)
                self._written[month.month] = month
            self._done(len(ranges[place]))

    def _contents(self) -> dict[str, Content]:
        """Return digests of all inputs, after a look at whether they cover the dates."""
        if isinstance(self._source, Tables):
            if self._source.universe is not None:
                check_covered(self._source.universe["date"], self._dates)
            return self._source.contents()
        (known,) = _in_order(self._crew.run(_universe_dates, [None]))
        if known is None or known.is_empty():
            ranges = [[self._dates[0]]]
        else:
            check_covered(known, self._dates)
            ranges = month_ranges(known.to_list(), tasks_for(self._runner.workers))
        others, *parts = _in_order(self._crew.run(_contents, [None, *ranges]))
        universe = [part["universe"] for part in parts if part]
        if universe:
            others["universe"] = put_together(universe)
        return {name: others[name] for name in INPUTS if name in others}


def _score_and_write(source: Tables | TableFolder, task: tuple[Job, Sequence[date], Held]) -> list[Written]:
    """Score a range of months and write what the store does not have of it."""
    job, days, held = task
    folder = Folder(job.uri, job.options)
    done: list[Written] = []
    try:
        with _kernels.using_threads(job.n_threads):
            for scores in _months(source, job, days):
                month = month_of(scores.dates[0])
                new = of_month(held[month], folder, scores).scores
                files = () if new is None else written(folder, [new])
                done.append(Written(month, tuple(held[month]), files, () if new is None else new.dates))
    except BaseException:
        folder.remove([file for month in done for file in month.files])
        raise
    return done


def _months(source: Tables | TableFolder, job: Job, days: Sequence[date]) -> Iterator[Scores]:
    """Yield the scores of each month of a range."""
    heights = [0]
    for some in _some_months(days, heights):
        dates = score_dates(some)
        frame, diagnostics = job.factor.frames(
            _within_reach(source, dates, job), dates, n_threads=job.n_threads
        )
        heights.append(frame.height)
        scores = Scores(
            frame,
            job.factor.definition,
            inputs=job.inputs,
            dates=some,
            diagnostics=diagnostics,
            history=job.history,
        )
        yield from (part for _, part in by_month(scores))


def _within_reach(source: Tables | TableFolder, dates: pl.Series, job: Job) -> Tables:
    if isinstance(source, Tables):
        return source  # which keeps its ids as codes for all tasks of this process
    return asof.within_reach(source.on(dates[0], dates[-1]), dates, time=job.factor.definition.time)


def _in_order(results: Iterator[tuple[int, T]]) -> list[T]:
    found = dict(results)
    return [found[place] for place in range(len(found))]


def _universe_dates(source: TableFolder, _: None) -> pl.Series | None:
    return source.universe_dates()


def _contents(source: TableFolder, days: Sequence[date] | None) -> dict[str, Content]:
    """Digest all tables but the universe, or the universe on some dates, some months at a time."""
    if days is None:
        return source.contents()
    parts: list[Content] = []
    heights = [0]
    for dates in _some_months(days, heights):
        part = source.universe_content(dates[0], dates[-1])
        if part is not None:
            parts.append(part)
            heights.append(int(part.rows.sum()))
    return {"universe": put_together(parts)} if parts else {}


def _some_months(days: Sequence[date], heights: Sequence[int]) -> Iterator[list[date]]:
    """Yield dates of whole months: of one, and then of as many as have few rows, by those of the months before.

    heights : its last one is how many rows the months yielded last had.
    """
    months = [list(days) for _, days in groupby(days, key=month_of)]
    at_a_time = 1
    while months:
        yield [day for month in months[:at_a_time] for day in month]
        del months[:at_a_time]
        at_a_time = max(1, ROWS_AT_A_TIME * at_a_time // max(1, heights[-1]))
