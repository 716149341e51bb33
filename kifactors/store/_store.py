"""`ScoreStore`: scores that many jobs append to and everybody reads, with every version kept."""

import random
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from kifactors.calendar import DatesLike, parse_date
from kifactors.definition import FactorDefinition
from kifactors.engine import runner_of
from kifactors.errors import ConflictError, DataError, DateError, StaleScoresError
from kifactors.factor import AIInfrastructureExposure
from kifactors.schema import SCORES, Tables
from kifactors.scores import Scores
from kifactors.store import _plan
from kifactors.store._compute import Computation
from kifactors.store._diff import difference
from kifactors.store._files import DataFile, Folder
from kifactors.store._log import (
    Change,
    LostRaceError,
    NoStoreError,
    Snapshot,
    TransactionLog,
    UncertainCommitError,
)
from kifactors.store._read import Wanted, computed_dates, read_frame, read_scores
from kifactors.store._versions import check_history, versions_frame

if TYPE_CHECKING:
    import distributed

__all__ = ["ScoreStore", "open_store"]

# A lost race is planned again: every try another writer has got something done.
TRIES = 30
FIRST_WAIT, LONGEST_WAIT = 0.02, 1.0
Day = date | str


def open_store(uri: str | PathLike[str], *, storage_options: Mapping[str, str] | None = None) -> "ScoreStore":
    """Open a store of scores: a Delta Lake table in a folder or an object store (extra ``lake``).

    Parameters
    ----------
    uri : path or str
        A folder, or ``s3://bucket/path``, ``gs://...``, ``az://...``. It need not exist: the first `append` makes it.
    storage_options : mapping of str to str, optional
        Endpoint, region, keys. What is absent is taken from where deltalake looks: environment variables, profiles,
        the identity of the machine.

    Returns
    -------
    ScoreStore

    Raises
    ------
    MissingExtraError
        deltalake is not installed.
    DataError
        The address is empty.

    Notes
    -----
    Options that are needed most, which are also the names of environment variables:

    - S3: ``AWS_REGION``, ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``, ``AWS_SESSION_TOKEN``; for another server
      ``AWS_ENDPOINT_URL``, and ``AWS_ALLOW_HTTP="true"`` if it has no TLS. The server must know conditional writes
      (``If-None-Match: *``), as Amazon's, MinIO and R2 do: they keep two writers from making the same version.
    - Google: ``GOOGLE_SERVICE_ACCOUNT`` (a file), ``GOOGLE_SERVICE_ACCOUNT_KEY`` (its content) or
      ``GOOGLE_APPLICATION_CREDENTIALS``.
    - Azure: ``AZURE_STORAGE_ACCOUNT_NAME`` with ``AZURE_STORAGE_ACCOUNT_KEY`` or ``AZURE_STORAGE_SAS_TOKEN``, or
      ``AZURE_STORAGE_CLIENT_ID``, ``AZURE_STORAGE_CLIENT_SECRET`` and ``AZURE_STORAGE_TENANT_ID``.
    - All: ``max_retries`` (10) and ``retry_timeout`` ("180s") if a server does not answer, ``connect_timeout`` ("5s")
      and ``timeout`` ("30s") of a request. Wrong keys and missing buckets are refused at once.

    Examples
    --------
    >>> import tempfile
    >>> factor, tables = kf.AIInfrastructureExposure(), kf.load_bundled()
    >>> store = kf.open_store(tempfile.mkdtemp() + "/scores")
    >>> store.append(factor.compute(tables, ["2026-08-31", "2026-09-30"]))
    1
    >>> store.append(factor.compute(tables, ["2026-09-30", "2026-10-31"]))  # September is there already
    2
    >>> [str(day) for day in store.dates()]
    ['2026-08-31', '2026-09-30', '2026-10-31']
    >>> store.read("2026-10-31", columns=["ticker", "exposure"]).top_k(1, by="exposure")["ticker"].to_list()
    ['ORCL']
    >>> store.versions()["operation"].to_list()
    ['append', 'append', 'create']
    """
    text = fspath(uri)
    if not text:
        raise DataError("the address of the store is empty. Give a folder or a URI like s3://bucket/scores.")
    text = text.removeprefix("file://")
    return ScoreStore(text if "://" in text else str(Path(text).absolute()), storage_options or {})


class ScoreStore:
    """Scores of one definition, appended to by many writers and read at any version; made by `open_store`.

    The table is partitioned by month; in a file rows are sorted by (date, asset_id). Any engine that reads Delta Lake
    reads it: ``polars.scan_delta(store.uri)``, for one.

    Writers need no lock. Different months never meet. Two writers of a month are put in order: the second one looks at
    what the first one wrote, and goes on or is refused.

    Parameters
    ----------
    uri : str
        Absolute path or address.
    storage_options : mapping of str to str
        For deltalake.
    """

    def __init__(self, uri: str, storage_options: Mapping[str, str]) -> None:
        self.uri = uri
        self._folder = Folder(uri, storage_options)
        self._log = TransactionLog(self._folder)

    def __reduce__(self) -> tuple[object, ...]:
        return ScoreStore, (self.uri, self._folder.storage_options)

    def __repr__(self) -> str:
        if not self.exists():
            return f"ScoreStore({self.uri!r}, not made yet)"
        snapshot = self._log.open()
        span = f"{snapshot.files[0].first} to {snapshot.files[-1].last}" if snapshot.files else "empty"
        return (
            f"ScoreStore({self.uri!r}, version {snapshot.version}, {span}, "
            f"definition {snapshot.definition.fingerprint()[:8]})"
        )

    def exists(self) -> bool:
        """Return whether the store was made.

        Raises
        ------
        DataError
            It cannot be told: no such bucket, wrong keys, no connection.
        """
        return self._log.exists()

    @property
    def version(self) -> int:
        """The latest version."""
        return self._log.latest().version

    @property
    def definition(self) -> FactorDefinition:
        """The definition of all its scores."""
        return self._log.latest().definition

    def append(self, scores: Scores, *, restate: bool = False, reason: str | None = None) -> int:
        """Add scores in one commit. What is there already is not written again.

        Parameters
        ----------
        scores : Scores
            Of the definition of the store; the first ones make it. Dates may come in any order.
        restate : bool
            Write dates anew that are there with other rows. Earlier versions keep the earlier rows.
        reason : str, optional
            Why, for `versions`; needed to restate.

        Returns
        -------
        int
            The version that has the scores: a new one, or the latest one if there was nothing to add.

        Raises
        ------
        ConflictError
            A date is there with other rows and `restate` is false, or other writers were always first.
        StaleScoresError
            The scores are of another definition than the store.
        DataError
            `restate` without a reason; the store cannot be read or written. Nothing was changed.
        """
        scores = _checked(scores)
        if restate and not reason:
            raise DataError(
                "restate=True needs a reason, like reason='filing of 2 May corrected': it is recorded."
            )
        notes = {"reason": reason} if reason else {}
        return self._change(
            lambda snapshot: _plan.append(snapshot, self._folder, scores, restate=restate, notes=notes),
            scores.definition,
        )

    def compute(
        self,
        factor: AIInfrastructureExposure,
        tables: Tables | str | PathLike[str],
        dates: DatesLike,
        *,
        engine: "distributed.Client | str | None" = None,
        n_threads: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> int:
        """Compute scores and append them, in one commit, without ever holding them all.

        The same as ``store.append(factor.compute(tables, dates))``, file by file, for any number of dates and assets:
        every task scores some months, one after the other, and writes their files itself.

        Parameters
        ----------
        factor : AIInfrastructureExposure
            Of the definition of the store; of a new store, the one it will have.
        tables : Tables or path
            Tables are sent to every worker once. A path names a folder for `kifactors.read_tables` which all workers
            see: each reads it itself, and of a universe in a Parquet file sorted by date only the dates it works on.
        dates : iterable of date or ISO text, or polars.Series
            As for `compute` of the factor. Dates that are there already are computed and compared, not written again;
            to leave them out, do not ask for them (`dates`).
        engine : "threads", "processes", distributed.Client or the address of a Dask scheduler, optional
            Where tasks run; default here, one after the other. Other workers must see the folder of the store, or it
            lies in an object store.
        n_threads : int, optional
            Threads of a task; default the usable cores here, and 1 in other processes.
        progress : callable, optional
            Called with (dates done, dates in all).

        Returns
        -------
        int
            The version that has the scores: a new one, or the latest one if there was nothing to add.

        Raises
        ------
        ConflictError
            A date is there with other rows.
        StaleScoresError
            The store is of another definition.
        DataError, DateError, EngineError, MissingExtraError
            As for `compute` of the factor and `append`. Nothing was changed.

        Notes
        -----
        A task that is run twice, because its worker was lost, writes files of other names; what only the lost one knew
        of belongs to no version, and `vacuum` removes it. Of files that it knows nothing is left here after an error.

        Memory of a task: what `compute` of the factor says for 750,000 rows, and the scores of one month at least.

        Examples
        --------
        >>> import tempfile
        >>> factor, tables = kf.AIInfrastructureExposure(), kf.load_bundled()
        >>> store = kf.open_store(tempfile.mkdtemp() + "/scores")
        >>> store.compute(factor, tables, kf.month_ends("2026-08", "2026-10"))
        1
        >>> store.append(factor.compute(tables, kf.month_ends("2026-09", "2026-10")))  # nothing is new
        1
        """
        computation = Computation(
            self.uri,
            self._folder.storage_options,
            factor,
            tables,
            dates,
            runner=runner_of(engine, n_threads=n_threads),
            n_threads=n_threads,
            progress=progress,
        )
        with computation:
            return self._change(computation.plan, computation.definition, keep=True)

    def replace(self, scores: Scores | None, start: Day, end: Day, *, reason: str) -> int:
        """Leave these scores, and no others, on the dates from `start` to `end`; in one commit.

        Parameters
        ----------
        scores : Scores or None
            All dated from `start` to `end`. None: the dates are removed.
        start, end : date or str
            Both included.
        reason : str
            Why, for `versions`.

        Returns
        -------
        int
            The new version, or the latest one if there was nothing to do.

        Raises
        ------
        DateError
            A date of the scores is outside, or `end` is before `start`.
        ConflictError, StaleScoresError, DataError
            As for `append`.
        """
        first, last = parse_date(start), parse_date(end)
        if last < first:
            raise DateError(f"end is {last} and start is {first}. Give the earlier date first.")
        if not reason:
            raise DataError("replace needs a reason, like reason='computed with corrected ties'.")
        if scores is not None:
            outside = [day for day in _checked(scores).dates if not first <= day <= last]
            if outside:
                raise DateError(
                    f"{len(outside)} date(s) of the scores are outside {first} to {last}, the first is {outside[0]}. "
                    "Give the whole range, or leave them out."
                )
        return self._change(
            lambda snapshot: _plan.replace(snapshot, self._folder, scores, first, last, {"reason": reason}),
            None if scores is None else scores.definition,
        )

    def read(
        self,
        dates: Day | Iterable[Day] | None = None,
        *,
        start: Day | None = None,
        end: Day | None = None,
        assets: Collection[str] | str | None = None,
        columns: Sequence[str] | str | None = None,
        version: int | None = None,
        as_of_time: datetime | str | None = None,
    ) -> pl.DataFrame:
        """Return rows, reading only the files, row groups and columns that are asked for.

        Parameters
        ----------
        dates : date, ISO text, or iterable of them, optional
            Computed dates. None: all, or those from `start` to `end`.
        start, end : date or str, optional
            Both included.
        assets : str or collection of str, optional
            Values of asset_id, not tickers, which pass from one company to another; those without rows are not there.
        columns : str or sequence of str, optional
            Beside the key. None: all of `kifactors.schema.SCORES`.
        version : int, optional
            None: the latest.
        as_of_time : datetime or ISO text, optional
            The version of that moment; a moment without a zone is UTC.

        Returns
        -------
        polars.DataFrame
            Sorted by (date, asset_id), which come first.

        Raises
        ------
        DateError
            A date in `dates` was not computed, or both `dates` and a range are given.
        MissingColumnError
            There is no such column.
        DataError
            There is no store or no such version; an asset is a ticker; a file is gone or damaged, and is named.
        """
        if isinstance(columns, str):
            columns = [columns]
        return read_frame(
            self._at(version, as_of_time),
            self._folder,
            _wanted(dates, start, end),
            assets=[assets] if isinstance(assets, str) else assets,
            columns=columns,
        )

    def scores(
        self,
        dates: Day | Iterable[Day] | None = None,
        *,
        start: Day | None = None,
        end: Day | None = None,
        version: int | None = None,
        as_of_time: datetime | str | None = None,
    ) -> Scores:
        """Return `Scores`, with definition, inputs and history: to continue them, to screen, to evaluate.

        Parameters
        ----------
        dates, start, end, version, as_of_time
            As for `read`.

        Returns
        -------
        Scores
            Inputs and history are those of the last date.

        Raises
        ------
        DateError
            As for `read`, or no date is in the range.
        DataError
            As for `read`.
        """
        return read_scores(self._at(version, as_of_time), self._folder, _wanted(dates, start, end))

    def scan(self, *, version: int | None = None) -> pl.LazyFrame:
        """Return a lazy frame of polars, with the column `month` that files are sorted into.

        polars reads the files itself, without looking at their checksums.
        """
        snapshot = self._log.open(version)
        return pl.scan_delta(snapshot.table)

    def dates(self, *, version: int | None = None) -> tuple[date, ...]:
        """Return the computed dates, ascending; some may have no rows."""
        return computed_dates(self._at(version, None), self._folder)

    def versions(self) -> pl.DataFrame:
        """Return a row per commit, the latest first.

        Returns
        -------
        polars.DataFrame
            version, time (UTC), operation, first_date and last_date written, how many dates, which were restated, the
            reason, and the release of the library. A commit of another program has only the first three.
        """
        return versions_frame(self._log.history() if self.exists() else [], self.uri)

    def diff(self, before: int, after: int | None = None) -> pl.DataFrame:
        """Return what two versions differ in; only files that one of them lacks are read.

        Parameters
        ----------
        before, after : int
            Versions; `after` is the latest if None.

        Returns
        -------
        polars.DataFrame
            date, asset_id, change (``added``, ``removed``, or ``changed`` with the column), before and after for
            numbers, before_label and after_label for text. Empty if the rows are the same.
        """
        return difference(self._folder, self._log.open(before), self._log.open(after))

    def compact(self, *, progress: Callable[[int, int], None] | None = None) -> int:
        """Put the files of each month together, a commit a month; rows stay as they are.

        Parameters
        ----------
        progress : callable, optional
            Called with (months done, months in all).

        Returns
        -------
        int
            The latest version.

        Notes
        -----
        The files that are replaced stay for earlier versions until `vacuum`.
        """
        version = self._log.open().version
        months = sorted({file.month for file in self._log.open().files})
        for done, month in enumerate(months, start=1):
            version = self._change(partial(_plan.compact, folder=self._folder, month=month))
            if progress is not None:
                progress(done, len(months))
        return version

    def vacuum(self, *, keep_days: float = 30.0, dry_run: bool = False) -> list[str]:
        """Remove files that no version of the last days needs, and what killed writers left.

        Parameters
        ----------
        keep_days : float
            Versions that were the latest within so many days stay readable. Must be longer than any write takes: the
            files of a write that is not committed yet look like those of a killed one.
        dry_run : bool
            Only say which files.

        Returns
        -------
        list of str
            The files.

        Raises
        ------
        DataError
            `keep_days` is negative, or the store cannot be read or written.
        """
        if not keep_days >= 0.0:
            raise DataError(f"keep_days is {keep_days}; expected days, 0 or more.")
        return self._log.vacuum(keep_days, dry_run=dry_run)

    def verify(
        self, *, version: int | None = None, progress: Callable[[int, int], None] | None = None
    ) -> int:
        """Read every file of a version whole, and the log; return how many rows it has.

        Raises
        ------
        DataError
            A file is gone or damaged, and is named; a date is there twice; or the log has lost something.
        """
        snapshot = self._log.open(version)
        check_history(self._log, snapshot)
        files = snapshot.files
        seen: dict[date, DataFile] = {}
        for done, file in enumerate(files, start=1):
            scores = self._folder.scores(file)
            if len(scores) != file.rows:
                raise DataError(
                    f"{file.path} of the store {self.uri} has {len(scores)} rows and {file.rows} by the log. The log is "
                    "damaged: copy it from a backup."
                )
            for day in scores.dates:
                if day in seen:
                    raise DataError(
                        f"{day} is in two files of the store {self.uri}: {seen[day].path} and {file.path}. Another "
                        "program wrote to it: replace that date."
                    )
                seen[day] = file
            if progress is not None:
                progress(done, len(files))
        return sum(file.rows for file in files)

    def _change(
        self,
        plan: Callable[[Snapshot], Change | None],
        definition: FactorDefinition | None = None,
        *,
        keep: bool = False,
    ) -> int:
        """Plan and commit until no other writer comes in between.

        keep : the files of a plan stay when another writer was first; the next plan has them, or removes them.
        """
        wait = FIRST_WAIT
        for _ in range(TRIES):
            snapshot = self._opened(definition)
            if definition is not None:
                _check_definition(snapshot, definition, self.uri)
            try:
                if definition is not None and self._evolved(snapshot):
                    continue
                change = plan(snapshot)
                if change is None:
                    return snapshot.version
                return self._committed(snapshot, change, keep=keep)
            except LostRaceError:
                time.sleep(wait * random.uniform(0.5, 1.5))  # noqa: S311  (writers must not wait alike)
                wait = min(2.0 * wait, LONGEST_WAIT)
        raise ConflictError(
            f"other writers of the same months of the store {self.uri} were first {TRIES} times. Nothing was written; "
            "let one job write a month at a time."
        )

    def _opened(self, definition: FactorDefinition | None) -> Snapshot:
        """Open the latest version; the first scores make the store."""
        try:
            return self._log.open()
        except NoStoreError:
            if definition is None:
                raise
        self._log.create(definition)
        return self._log.open()

    def _committed(self, snapshot: Snapshot, change: Change, *, keep: bool) -> int:
        try:
            return self._log.commit(snapshot, change)
        except UncertainCommitError:
            raise
        except (LostRaceError, DataError) as error:
            # Only where it is known that nothing was committed: an interrupt can come when it was.
            if not (keep and isinstance(error, LostRaceError)):
                self._folder.remove(change.add)
            raise

    def _evolved(self, snapshot: Snapshot) -> bool:
        """Give the table the columns it lacks; refuse one with columns that this release does not know."""
        newer = [name for name in snapshot.columns if name not in SCORES.names]
        if newer:
            raise DataError(
                f"the store {self.uri} has the column {newer[0]!r}, which a later release of kifactors added and this "
                "one does not write. Upgrade."
            )
        absent = [name for name in SCORES.names if name not in snapshot.columns]
        if absent:
            self._log.add_columns(snapshot, absent)
        return bool(absent)

    def _at(self, version: int | None, as_of_time: datetime | str | None) -> Snapshot:
        if as_of_time is None:
            return self._log.latest() if version is None else self._log.open(version)
        if version is not None:
            raise DataError("version and as_of_time are both given. Give one of them.")
        moment = _moment(as_of_time)
        rows = self._log.history() if self.exists() else []
        known = [row["version"] for row in rows if row["time"] <= moment]
        if rows and not known:
            raise DataError(
                f"the store {self.uri} has no version of {moment:%Y-%m-%d %H:%M:%S} UTC; its first one is of "
                f"{rows[-1]['time']:%Y-%m-%d %H:%M:%S} UTC."
            )
        return self._log.open(max(known, default=None))


def _checked(scores: Scores) -> Scores:
    if not isinstance(scores, Scores):
        raise DataError(f"a store takes Scores; got {type(scores).__name__}.")
    return scores


def _check_definition(snapshot: Snapshot, definition: FactorDefinition, uri: str) -> None:
    changes = snapshot.definition.changes_to(definition)
    if changes:
        raise StaleScoresError(
            f"the store {uri} is of another definition than these scores: {', '.join(changes)}. Two definitions never "
            "mix in one store: use the one of the store (store.definition), or another store."
        )


def _wanted(dates: Day | Iterable[Day] | None, start: Day | None, end: Day | None) -> Wanted:
    if dates is None:
        first, last = (None if day is None else parse_date(day) for day in (start, end))
        if first is not None and last is not None and last < first:
            raise DateError(f"end is {last} and start is {first}. Give the earlier date first.")
        return Wanted(first=first, last=last)
    if start is not None or end is not None:
        raise DateError("dates and a range are both given. Give dates, or start and end.")
    days = [dates] if isinstance(dates, (date, str)) else dates
    if not isinstance(days, Iterable):
        raise DateError(f"dates is {dates!r}; expected a date or several. A range is start= and end=.")
    found = frozenset(parse_date(day) for day in days)
    if not found:
        raise DateError("dates is empty. Leave it out to read all dates.")
    return Wanted(dates=found)


def _moment(value: datetime | str) -> datetime:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError as error:
        raise DateError(f"as_of_time is {value!r}; expected a moment like 2026-10-31T18:00.") from error
    if not isinstance(moment, datetime):
        raise DateError(f"as_of_time is {value!r}; expected a moment like 2026-10-31T18:00.")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
