"""Data files: a month of scores each, named by their dates and the checksum of their bytes, and never changed.

A file is what `kifactors.write_scores` writes: its metadata carry the definition and what the scores were made from.
"""

import json
import os
import re
import secrets
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import polars as pl

from kifactors.errors import DataError
from kifactors.io import read_groups, write_groups
from kifactors.parts import month_of
from kifactors.schema import SCORES
from kifactors.scores import METADATA_KEY, Scores

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.fs

__all__ = ["MONTH", "DataFile", "Folder"]

# The column that is the name of a folder, not a column of the files.
MONTH = "month"
# A file of a month in more than this many rows is cut between two dates: a reader of one date need not fetch more.
MOST_ROWS = 500_000
NAME = re.compile(r"(\d{4}-\d\d-\d\d)_(\d{4}-\d\d-\d\d)-([0-9a-f]{8})-[0-9a-f]{8}\.parquet")


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of the store.

    path : relative to the store.
    size : in bytes.
    rows : how many.
    """

    path: str
    size: int
    rows: int

    @property
    def first(self) -> date:
        """Its first computed date."""
        return date.fromisoformat(self._name(1))

    @property
    def last(self) -> date:
        """Its last computed date."""
        return date.fromisoformat(self._name(2))

    @property
    def checksum(self) -> str:
        """CRC-32 of its bytes."""
        return self._name(3)

    @property
    def month(self) -> str:
        """Its month, like 2024-01."""
        return month_of(self.first)

    def has_any(self, first: date | None, last: date | None) -> bool:
        """Return whether a date from `first` to `last` can be in it."""
        return (last is None or self.first <= last) and (first is None or self.last >= first)

    def statistics(self) -> dict[str, Any]:
        """Return what the log tells of the file to engines that skip files."""
        if not self.rows:
            return {"numRecords": 0}
        # Computed dates without an asset have no rows: the bounds may be wider than the rows, which is allowed.
        return {
            "numRecords": self.rows,
            "minValues": {"date": str(self.first)},
            "maxValues": {"date": str(self.last)},
            "nullCount": {"date": 0, "asset_id": 0},
        }

    def _name(self, part: int) -> str:
        found = NAME.fullmatch(PurePosixPath(self.path).name)
        if found is None:
            raise DataError(
                f"{self.path} in the store was not written by kifactors: another program rewrote it, and what its "
                "scores were made from is lost. Read an earlier version (store.versions()), or restore it."
            )
        return found[part]


class Folder:
    """The folder of a store, on this machine or in an object store, by the credentials Delta Lake uses.

    Parameters
    ----------
    uri : str
        What a Delta table is opened by.
    storage_options : mapping of str to str
        Region, endpoint, keys; what is absent is looked for where deltalake looks.
    """

    def __init__(self, uri: str, storage_options: Mapping[str, str]) -> None:
        self.uri = uri
        self._local = None if "://" in uri else Path(uri)
        self._files = _file_system(uri, storage_options)

    def write(self, scores: Scores) -> DataFile:
        """Write the scores of one month to a new file, whole and on the disk when this returns."""
        import pyarrow as pa

        sink = pa.BufferOutputStream()
        write_groups(scores.to_arrow(), sink)
        data = sink.getvalue()
        name = f"{scores.dates[0]}_{scores.dates[-1]}-{zlib.crc32(data):08x}-{secrets.token_hex(4)}.parquet"
        file = DataFile(f"{MONTH}={month_of(scores.dates[0])}/{name}", data.size, len(scores))
        try:
            self._put(file.path, data)
        except (OSError, pa.ArrowException) as error:
            self.remove([file])
            raise DataError(
                f"{file.path} cannot be written to the store {self.uri}: {error}. Nothing was changed; check the "
                "space and the rights, and try again."
            ) from error
        return file

    def check_seen(self, files: Sequence[DataFile]) -> None:
        """Refuse files that others wrote and that are not here, as long as they say they are.

        Raises
        ------
        DataError
            One is not.
        """
        import pyarrow as pa

        try:
            found = self._files.get_file_info([file.path for file in files])
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"the store {self.uri} cannot be read: {error}.") from error
        for file, there in zip(files, found, strict=True):
            if there.size != file.size:
                raise DataError(
                    f"a worker wrote {file.path}, and it is not in the store {self.uri} as this process sees it. Put the "
                    "store into a folder that all machines share at the same place, or into an object store."
                )

    def remove(self, files: Sequence[DataFile]) -> None:
        """Remove files that no version of the table has; one that stays is found by vacuum."""
        for file in files:
            with suppress(OSError):
                self._files.delete_file(file.path)

    def frame(
        self,
        file: DataFile,
        *,
        first: date | None = None,
        last: date | None = None,
        columns: Sequence[str] | None = None,
    ) -> tuple[pl.DataFrame, frozenset[date]]:
        """Read rows of a file that are dated from `first` to `last`, and which dates of it were computed."""
        table = self._read(file, first, last, columns)
        dates = frozenset(date.fromisoformat(day) for day in _provenance(table)["dates"])
        frame = pl.DataFrame(pl.from_arrow(table.replace_schema_metadata(None)))
        within = [pl.col("date") >= first] if first is not None and first > file.first else []
        within += [pl.col("date") <= last] if last is not None and last < file.last else []
        return frame.filter(within) if within else frame, dates

    def dates(self, file: DataFile) -> frozenset[date]:
        """Return the computed dates of a file."""
        return frozenset(
            date.fromisoformat(day) for day in _provenance(self._read(file, None, None, []))["dates"]
        )

    def scores(self, file: DataFile) -> Scores:
        """Read a file as scores, with what they were made from."""
        table = self._read(file, None, None, None)
        for name in SCORES.names:
            # Written before the column was thought of.
            if name not in table.schema.names and SCORES[name].nullable:
                table = table.append_column(name, _nulls(table.num_rows, name))
        return Scores.from_arrow(table, what=self._name(file))

    def _read(
        self, file: DataFile, first: date | None, last: date | None, columns: Sequence[str] | None
    ) -> "pa.Table":
        import pyarrow as pa
        import pyarrow.parquet as pq

        data = self._bytes(file)
        if len(data) != file.size or f"{zlib.crc32(data):08x}" != file.checksum:
            raise DataError(
                f"{self._name(file)} is damaged: it has {len(data):,} bytes of {file.size:,}, or other ones than were "
                "written (its checksum is in its name). Copy it from a backup, or compute its dates again and use "
                "store.replace."
            )
        try:
            return read_groups(pq.ParquetFile(pa.BufferReader(data)), first, last, columns)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self._name(file)} cannot be read as Parquet ({error}).") from error

    def _bytes(self, file: DataFile) -> "pa.Buffer":
        import pyarrow as pa

        try:
            with self._files.open_input_file(file.path) as stream:
                return stream.read_buffer()
        except FileNotFoundError as error:
            raise DataError(
                f"{self._name(file)} is gone: it was deleted, or vacuum removed it because this version is older than "
                "what it was told to keep. Copy it from a backup, or read a later version."
            ) from error
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"{self._name(file)} cannot be read: {error}.") from error

    def _put(self, path: str, data: "pa.Buffer") -> None:
        if self._local is None:
            with self._files.open_output_stream(path) as stream:
                stream.write(data)
            return
        target = self._local / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.write(data)
            file.flush()
            # The log must never name a file that a power failure can still take.
            os.fsync(file.fileno())

    def _name(self, file: DataFile) -> str:
        return f"{file.path} of the store {self.uri}"


def _nulls(rows: int, name: str) -> "pa.Array":
    import pyarrow as pa

    return pa.nulls(rows, SCORES.arrow((name,)).types[0])


def _provenance(table: "pa.Table") -> dict[str, Any]:
    return dict(json.loads(table.schema.metadata[METADATA_KEY]))


def _file_system(uri: str, storage_options: Mapping[str, str]) -> "pyarrow.fs.FileSystem":
    import pyarrow.fs
    from deltalake.fs import DeltaStorageHandler

    if "://" not in uri:
        return pyarrow.fs.SubTreeFileSystem(uri, pyarrow.fs.LocalFileSystem())
    return pyarrow.fs.PyFileSystem(DeltaStorageHandler(uri, dict(storage_options)))
