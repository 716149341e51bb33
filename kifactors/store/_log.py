"""The transaction log of a store: a Delta Lake table whose commits name data files; versions, and who was first."""

import json
import math
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from kifactors import __version__
from kifactors.definition import FactorDefinition
from kifactors.errors import DataError, MissingExtraError
from kifactors.schema import SCORES
from kifactors.store._commits import CommitFiles
from kifactors.store._files import MONTH, DataFile, Folder, said

if TYPE_CHECKING:
    import deltalake

__all__ = ["Change", "LostRaceError", "NoStoreError", "Snapshot", "TransactionLog", "UncertainCommitError"]

PREFIX = "kifactors."
DEFINITION, FINGERPRINT = f"{PREFIX}definition", f"{PREFIX}definition_fingerprint"
COMMIT_ID = f"{PREFIX}id"
CHECKPOINT_INTERVAL = 50
# Old versions stay readable until vacuum; checkpoints keep opening quick however many commits there are.
SETTINGS = {
    "delta.checkpointInterval": str(CHECKPOINT_INTERVAL),
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
}
# Commits of others that do not concern ours are passed by this often.
COMMIT_RETRIES = 100


class LostRaceError(Exception):
    """Another writer committed a change of the same month first. Look again, and plan again."""


class NoStoreError(DataError):
    """There is nothing at the address."""


class UncertainCommitError(DataError):
    """Nobody can tell now whether a commit happened; its files must stay."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one version of the table holds.

    version : its number.
    files : its data files in the order of time.
    columns : columns of the table.
    definition : what made the scores.
    """

    version: int
    files: tuple[DataFile, ...]
    columns: tuple[str, ...]
    definition: FactorDefinition
    table: "deltalake.DeltaTable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A commit: files that come and go, and what versions() says of it.

    months : the months whose dates it looked at; another commit of one of them in between makes it fail.
    moves_only : rows are the same as before.
    """

    operation: str
    add: tuple[DataFile, ...]
    remove: tuple[DataFile, ...] = ()
    months: frozenset[str]
    moves_only: bool = False
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """How many rows more the table has."""
        return sum(file.rows for file in self.add) - sum(file.rows for file in self.remove)


class TransactionLog:
    """Opens versions and commits changes.

    Parameters
    ----------
    folder : Folder
        Where it is.
    """

    def __init__(self, folder: Folder) -> None:
        self.uri = folder.uri
        self._options = folder.storage_options
        self._commits = CommitFiles(folder.uri, folder.storage_options)
        self._latest: Snapshot | None = None
        self._lock = Lock()
        self._delta = _library()

    def exists(self) -> bool:
        """Return whether there is a table.

        Raises
        ------
        DataError
            Nobody can tell: the bucket is missing, the rights do not suffice, or the connection fails.
        """
        from deltalake.exceptions import DeltaError

        try:
            return bool(self._delta.DeltaTable.is_deltatable(self.uri, self._options))
        except (DeltaError, OSError) as error:
            raise DataError(
                f"the store {self.uri} cannot be looked for: {said(error)}. Check the address, the rights and the "
                "connection (storage_options)."
            ) from error

    def open(self, version: int | None = None) -> Snapshot:
        """Return a version; the latest one if None.

        Raises
        ------
        NoStoreError
            There is none.
        DataError
            Its log does not have the version, or it is no store of scores.
        """
        from deltalake.exceptions import DeltaError, TableNotFoundError

        if version is not None:
            whole = isinstance(version, (int, np.integer)) and not isinstance(version, bool)
            if not whole or version < 0:
                raise DataError(f"version is {version!r}; expected a whole number, one of store.versions().")
            version = int(version)
        try:
            table = self._delta.DeltaTable(self.uri, version=version, storage_options=self._options)
        except TableNotFoundError as error:
            raise NoStoreError(
                f"there is no store of scores at {self.uri}. Check the address, or make one with "
                "kf.open_store(uri).append(scores)."
            ) from error
        except (DeltaError, OSError) as error:
            if version is not None and version > (last := self.open().version):
                raise DataError(
                    f"the store {self.uri} has no version {version}; its last one is {last}."
                ) from error
            which = "" if version is None else f" at version {version}"
            raise DataError(
                f"the store {self.uri} cannot be opened{which}: {said(error)}. Check the rights and the connection; "
                "if a file of its _delta_log is damaged or gone, copy it from a backup, or read a version before it."
            ) from error
        return self._snapshot(table)

    def latest(self) -> Snapshot:
        """Return the latest version, for reading only: what was read of the log before is not read again.

        Raises
        ------
        NoStoreError, DataError
            As for `open`.
        """
        from deltalake.exceptions import DeltaError

        with self._lock:
            if self._latest is None:
                self._latest = self.open()
                return self._latest
            try:
                self._latest.table.update_incremental()
                if self._latest.table.version() != self._latest.version:
                    self._latest = self._snapshot(self._latest.table)
            except (DeltaError, OSError):
                # Removed, or made anew.
                self._latest = None
                self._latest = self.open()
            return self._latest

    def create(self, definition: FactorDefinition) -> None:
        """Make an empty table for the scores of a definition; nothing happens if somebody else was first."""
        from deltalake.exceptions import DeltaError

        try:
            self._delta.DeltaTable.create(
                self.uri,
                _arrow_schema(),
                mode="error",
                partition_by=[MONTH],
                name="kifactors scores",
                description="AI infrastructure exposure per date and asset",
                configuration={
                    **SETTINGS,
                    DEFINITION: definition.to_toml(),
                    FINGERPRINT: definition.fingerprint(),
                },
                storage_options=self._options,
                raise_if_key_not_exists=False,
                commit_properties=self._delta.CommitProperties(
                    custom_metadata=_entries({"operation": "create", "release": __version__}),
                    # Else a second one would be committed on top, and its definition would win.
                    max_commit_retries=0,
                ),
            )
        except (DeltaError, OSError) as error:
            if not self.exists():
                raise DataError(f"no store can be made at {self.uri}: {said(error)}.") from error

    def commit(self, snapshot: Snapshot, change: Change) -> int:
        """Commit a change planned on a snapshot, and return the new version.

        Raises
        ------
        LostRaceError
            Somebody else committed a change of one of its months since the snapshot.
        DataError
            The log cannot be written; the change did not happen.
        UncertainCommitError
            The log can be neither written nor read.
        """
        from deltalake.exceptions import CommitFailedError, DeltaError

        now = int(time.time() * 1000)
        commit_id = secrets.token_hex(8)
        actions = [
            *(_added(file, now, moves_only=change.moves_only) for file in change.add),
            *(_removed(file, now, moves_only=change.moves_only) for file in change.remove),
        ]
        properties = self._delta.CommitProperties(
            custom_metadata=_entries(
                {
                    "operation": change.operation,
                    "release": __version__,
                    "id": commit_id,
                    "rows": str(change.rows),
                    **change.notes,
                }
            ),
            # Appends pass each other by in Delta Lake. A month that two transactions name is fought for.
            app_transactions=[
                self._delta.Transaction(f"{PREFIX}{MONTH}={month}", snapshot.version + 1)
                for month in sorted(change.months)
            ],
            max_commit_retries=COMMIT_RETRIES,
        )
        try:
            snapshot.table.create_write_transaction(
                actions,
                "append",
                snapshot.table.schema(),
                partition_by=[MONTH],
                commit_properties=properties,
            )
        except (DeltaError, OSError) as error:
            landed = self._version_of(commit_id, snapshot, certain=False)
            if landed is not None:
                return landed
            if isinstance(error, CommitFailedError):
                raise LostRaceError(str(error)) from error
            raise DataError(
                f"the log of the store {self.uri} cannot be written: {said(error)}. Nothing was changed; check the space "
                "and the rights, and try again."
            ) from error
        landed = self._version_of(commit_id, snapshot, certain=True)
        if landed is None:
            raise UncertainCommitError(
                f"the store {self.uri} accepted a commit and does not have it. Is it written by others?"
            )
        self._commits.sync(landed)
        return landed

    def add_columns(self, snapshot: Snapshot, names: Sequence[str]) -> None:
        """Add columns to the table; they are null in the rows it has.

        Raises
        ------
        DataError
            The log cannot be written.
        """
        from deltalake.exceptions import CommitFailedError, DeltaError
        from deltalake.schema import Field, PrimitiveType

        types = {pl.Float64: "double", pl.String: "string", pl.Date: "date"}
        fields = [Field(name, PrimitiveType(types[SCORES[name].dtype]), nullable=True) for name in names]
        try:
            snapshot.table.alter.add_columns(
                fields,
                commit_properties=self._delta.CommitProperties(
                    custom_metadata=_entries(
                        {"operation": "add columns", "release": __version__, "columns": ", ".join(names)}
                    )
                ),
            )
        except CommitFailedError as error:
            raise LostRaceError(str(error)) from error
        except (DeltaError, OSError) as error:
            raise DataError(f"columns cannot be added to the store {self.uri}: {said(error)}.") from error

    def history(self) -> list[dict[str, Any]]:
        """Return what every commit says of itself, the latest first."""
        rows = []
        for version, entry in self._commits.history():
            time_ms, operation = entry.get("timestamp"), entry.get("operation")
            if not isinstance(time_ms, int) or not isinstance(operation, str):
                raise DataError(
                    f"version {version} of the store {self.uri} does not say when it was made and by which operation: "
                    "its log is damaged, or another program wrote to it. Copy it from a backup."
                )
            notes = {key.removeprefix(PREFIX): text for key, text in entry.items() if key.startswith(PREFIX)}
            made = datetime.fromtimestamp(time_ms / 1000, UTC)
            rows.append({"version": version, "time": made, "operation": operation.lower(), **notes})
        return rows

    def vacuum(self, keep_days: float, *, dry_run: bool) -> list[str]:
        """Remove files that no version of the last days has; return them."""
        from deltalake.exceptions import DeltaError

        table = self.open().table
        try:
            return sorted(
                table.vacuum(
                    # Whole hours: an hour longer rather than one shorter.
                    retention_hours=math.ceil(keep_days * 24),
                    dry_run=dry_run,
                    enforce_retention_duration=False,
                    # Also what killed writers left, which no version ever had.
                    full=True,
                    commit_properties=self._delta.CommitProperties(
                        custom_metadata=_entries({"operation": "vacuum", "release": __version__})
                    ),
                )
            )
        except (DeltaError, OSError) as error:
            raise DataError(f"the store {self.uri} cannot be vacuumed: {said(error)}.") from error

    def _version_of(self, commit_id: str, before: Snapshot, *, certain: bool) -> int | None:
        """Return the version that a commit made after a snapshot; None if it did not happen, `certain` that it did."""
        from deltalake.exceptions import DeltaError

        try:
            before.table.update_incremental()
            since = int(before.table.version()) - before.version
            if since == 1 and certain:
                return before.version + 1
            return self._commits.version_of({COMMIT_ID: commit_id}, before.version)
        except (DeltaError, OSError, DataError) as error:
            raise UncertainCommitError(
                f"the connection to the store {self.uri} was lost while a change was committed: it may have happened "
                "or not. Look at store.versions(), and do it again: what is there already is not written twice."
            ) from error

    def _snapshot(self, table: "deltalake.DeltaTable") -> Snapshot:
        # Earlier commits are in a checkpoint.
        self._commits.check(int(table.version()) - CHECKPOINT_INTERVAL, int(table.version()))
        settings = table.metadata().configuration
        if FINGERPRINT not in settings:
            raise DataError(
                f"{self.uri} is a Delta table, and no store of scores: another program made it. Read it with polars."
            )
        definition = FactorDefinition.from_toml(settings[DEFINITION])
        if definition.fingerprint() != settings[FINGERPRINT]:
            raise DataError(
                f"the store {self.uri} is of definition {settings[FINGERPRINT]}, which this release reads as "
                f"{definition.fingerprint()}. Use the release that made it, or compute all dates into a new store."
            )
        known = pl.DataFrame(table.get_add_actions(flatten=True))
        uncounted = known.filter(pl.col("num_records").is_null())["path"]
        if len(uncounted):
            raise DataError(
                f"the log of the store {self.uri} does not say how many rows {uncounted[0]} has: it is damaged, or "
                "another program wrote to it. Copy it from a backup, or read a version before that."
            )
        files = [
            DataFile.named(path, size, rows)
            for path, size, rows in known.select("path", "size_bytes", "num_records").rows()
        ]
        return Snapshot(
            int(table.version()),
            tuple(sorted(files, key=lambda file: (file.first, file.last, file.path))),
            tuple(column.name for column in table.schema().fields if column.name != MONTH),
            definition,
            table,
        )


def _library() -> Any:
    try:
        import deltalake
    except ImportError as error:
        raise MissingExtraError("a store needs Delta Lake: pip install 'kifactors[lake]'") from error
    return deltalake


def _arrow_schema() -> Any:
    import pyarrow as pa

    return SCORES.arrow().append(pa.field(MONTH, pa.large_string()))


def _entries(notes: Mapping[str, str]) -> dict[str, str]:
    return {f"{PREFIX}{key}": text for key, text in notes.items() if text}


def _added(file: DataFile, now: int, *, moves_only: bool) -> Any:
    from deltalake.transaction import AddAction

    return AddAction(
        file.path, file.size, {MONTH: file.month}, now, not moves_only, json.dumps(file.statistics())
    )


def _removed(file: DataFile, now: int, *, moves_only: bool) -> Any:
    from deltalake.transaction import RemoveAction

    return RemoveAction(
        file.path,
        data_change=not moves_only,
        deletion_timestamp=now,
        size=file.size,
        partition_values={MONTH: file.month},
    )
