"""Data files: a month of scores each, named by their dates and the checksum of their bytes, and never changed.

A file is what `kifactors.write_scores` writes: its metadata carry the definition and what the scores were made from.
"""

import json
import os
import re
import secrets
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl

from kifactors._kernels import thread_count
from kifactors.atomic import sync_folder
from kifactors.errors import DataError
from kifactors.io import write_groups
from kifactors.parts import month_of
from kifactors.schema import SCORES
from kifactors.scores import METADATA_KEY, Scores

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.fs

__all__ = ["MONTH", "MOST_ROWS", "DataFile", "Folder", "file_system", "in_threads", "said"]

T = TypeVar("T")

# The column that is the name of a folder, not a column of the files.
MONTH = "month"
# A file of a month in more than this many rows is cut between two dates: a reader of one date need not fetch more.
MOST_ROWS = 500_000
NAME = re.compile(r"(\d{4}-\d\d-\d\d)_(\d{4}-\d\d-\d\d)-([0-9a-f]{8})-[0-9a-f]{8}\.parquet")

COLOUR, STACK = re.compile(r"\x1b\[[0-9;]*m"), re.compile(r"\s*\d+: ")


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of the store.

    path : relative to the store.
    size : in bytes.
    rows : how many.
    first, last : its first and last computed date.
    checksum : CRC-32 of its bytes.
    """

    path: str
    size: int
    rows: int
    first: date
    last: date
    checksum: str

    @classmethod
    def named(cls, path: str, size: int, rows: int) -> "DataFile":
        """Return a file by what its name says.

        Raises
        ------
        DataError
            Another program gave it its name.
        """
        found = NAME.fullmatch(path.rpartition("/")[2])
        if found is None:
            raise DataError(
                f"{path} in the store was not written by kifactors: another program rewrote it, and what its scores "
                "were made from is lost. Read an earlier version (store.versions()), or restore it."
            )
        try:
            first, last = date.fromisoformat(found[1]), date.fromisoformat(found[2])
        except ValueError as error:
            raise DataError(
                f"{path} in the log of the store has no date in its name ({error}): the log is damaged. Copy it from a "
                "backup."
            ) from error
        return cls(path, size, rows, first, last, found[3])

    @property
    def month(self) -> str:
        """Its month, like 2024-01: the name of its folder."""
        return self.path.partition("/")[0].removeprefix(f"{MONTH}=")

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
        self.storage_options = dict(storage_options)
        self._sound: dict[str, tuple[int, int] | None] = {}
        self._local = None if "://" in uri else Path(uri)
        self._files = file_system(uri, storage_options)

    def write(self, scores: Scores) -> DataFile:
        """Write the scores of one month to a new file, whole; `settle` has to follow before anything names it."""
        import pyarrow as pa

        sink = pa.BufferOutputStream()
        # What scans the store is polars, or another engine like it.
        write_groups(scores.to_arrow(), sink, split_bytes=False)
        data = sink.getvalue()
        name = f"{scores.dates[0]}_{scores.dates[-1]}-{zlib.crc32(data):08x}-{secrets.token_hex(4)}.parquet"
        file = DataFile.named(f"{MONTH}={month_of(scores.dates[0])}/{name}", data.size, len(scores))
        try:
            self._put(file.path, data)
        except (OSError, pa.ArrowException) as error:
            self.remove([file])
            raise self._unwritten(file, error) from error
        return file

    def settle(self, files: Sequence[DataFile]) -> None:
        """Have files that were written on the disk, where a power failure cannot take them.

        All at once: the disk was busy with the first ones while the last ones were made.
        """
        if self._local is None:
            return
        for file in files:
            try:
                with (self._local / file.path).open("rb+") as there:
                    os.fsync(there.fileno())
            except OSError as error:
                raise self._unwritten(file, error) from error
        for folder in {(self._local / file.path).parent for file in files} | {self._local}:
            sync_folder(folder)

    def _unwritten(self, file: DataFile, error: Exception) -> DataError:
        return DataError(
            f"{file.path} cannot be written to the store {self.uri}: {said(error)}. Nothing was changed; check the "
            "space and the rights, and try again."
        )

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

    def scan(self, files: Sequence[DataFile], columns: Sequence[str]) -> pl.LazyFrame:
        """Return the rows of files whose bytes are known to be those that were written, in the order of the files.

        A column that a file was written without is null in it. A local file is looked through once, and again if it
        changed; one in an object store is fetched whole.
        """
        types = SCORES.polars
        schema = {name: types[name] for name in columns}
        if not files:
            return pl.LazyFrame(schema=schema)
        sources: Any = in_threads(self._source, files)
        return pl.scan_parquet(
            sources,
            schema=schema,
            missing_columns="insert",
            extra_columns="ignore",
            glob=False,
            hive_partitioning=False,
        )

    def dates(self, file: DataFile) -> frozenset[date]:
        """Return the computed dates of a file."""
        known = pl.read_parquet_metadata(self._source(file))[METADATA_KEY.decode()]
        return frozenset(date.fromisoformat(day) for day in json.loads(known)["dates"])

    def scores(self, file: DataFile) -> Scores:
        """Read a file as scores, with what they were made from."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pq.ParquetFile(pa.BufferReader(self._checked(file))).read()
        for name in SCORES.names:
            # Written before the column was thought of.
            if name not in table.schema.names and SCORES[name].nullable:
                table = table.append_column(name, _nulls(table.num_rows, name))
        return Scores.from_arrow(table, what=self._name(file))

    def _source(self, file: DataFile) -> Path | BytesIO:
        """Return what polars reads a file from."""
        if self._local is None:
            return BytesIO(self._checked(file))
        path = self._local / file.path
        try:
            known = path.stat()
        except OSError:
            known = None
        stamp = None if known is None else (known.st_size, known.st_mtime_ns)
        if stamp is None or self._sound.get(file.path) != stamp:
            self._checked(file)
            self._sound[file.path] = stamp
        return path

    def _checked(self, file: DataFile) -> "pa.Buffer":
        """Return the bytes of a file, held against its size and checksum."""
        data = self._bytes(file)
        if len(data) != file.size or f"{zlib.crc32(data):08x}" != file.checksum:
            raise DataError(
                f"{self._name(file)} is damaged: it has {len(data):,} bytes of {file.size:,}, or other ones than were "
                "written (its checksum is in its name). Copy it from a backup, or compute its dates again and use "
                "store.replace."
            )
        return data

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
            raise DataError(
                f"{self._name(file)} cannot be read: {said(error)}. Check the rights and the connection."
            ) from error

    def _put(self, path: str, data: "pa.Buffer") -> None:
        if self._local is None:
            _send(self.uri, self.storage_options, path, data)
            return
        target = self._local / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.write(data)

    def _name(self, file: DataFile) -> str:
        return f"{file.path} of the store {self.uri}"


def said(error: BaseException) -> str:
    """Return what an error of Delta Lake or Arrow says in a line: its causes, without colours and stack."""
    lines = COLOUR.sub("", str(error)).splitlines()
    causes = (line.strip(" ↳.") for line in takewhile(lambda line: not STACK.match(line), lines))
    return ": ".join(filter(None, causes)) or type(error).__name__


def _nulls(rows: int, name: str) -> "pa.Array":
    import pyarrow as pa

    return pa.nulls(rows, SCORES.arrow((name,)).types[0])


def _send(uri: str, options: dict[str, str], path: str, data: "pa.Buffer") -> None:
    # Not through a file of Arrow: it hands on buffers, and the handler of Delta Lake takes nothing but bytes.
    from deltalake._internal import DeltaFileSystemHandler

    stream: Any = DeltaFileSystemHandler(uri, options).open_output_stream(path, None)
    stream.write(data.to_pybytes())
    # Only now it is there.
    stream.close()


def file_system(uri: str, storage_options: Mapping[str, str]) -> "pyarrow.fs.FileSystem":
    """Return the folder of a store as a file system of Arrow, by the credentials Delta Lake uses."""
    import pyarrow.fs
    from deltalake.fs import DeltaStorageHandler

    if "://" not in uri:
        return pyarrow.fs.SubTreeFileSystem(uri, pyarrow.fs.LocalFileSystem())
    return pyarrow.fs.PyFileSystem(DeltaStorageHandler(uri, dict(storage_options)))


def in_threads(work: Callable[[DataFile], T], files: Sequence[DataFile]) -> list[T]:
    """Call the same work on every file; results are in the order of the files."""
    if len(files) <= 1:
        return [work(file) for file in files]
    with ThreadPoolExecutor(thread_count()) as pool:
        return list(pool.map(work, files))
