"""The commit files of a store's log, one a version: what they say of themselves, and whether they are whole."""

import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from kifactors.atomic import sync_folder
from kifactors.errors import DataError
from kifactors.store._files import file_system, said

if TYPE_CHECKING:
    import pyarrow.fs

__all__ = ["CommitFiles"]

FOLDER = "_delta_log"
# Small files are waited for, not worked on.
READERS = 16


class CommitFiles:
    """Commits by their number, which is the name of their file.

    `deltalake.DeltaTable.history` counts back from the version it opened, and is wrong by those that were added since.

    Parameters
    ----------
    uri : str
        Folder or address in an object store.
    storage_options : mapping of str to str
        For deltalake.
    """

    def __init__(self, uri: str, storage_options: Mapping[str, str]) -> None:
        self.uri = uri
        self._local = None if "://" in uri else Path(uri, FOLDER)
        self._options = storage_options

    def history(self) -> list[tuple[int, dict[str, Any]]]:
        """Return the number of every commit and what it says of itself, the latest first.

        Raises
        ------
        DataError
            A file cannot be read, and is named.
        """
        import pyarrow as pa
        import pyarrow.fs

        files = file_system(self.uri, self._options)
        try:
            known = files.get_file_info(pyarrow.fs.FileSelector(FOLDER))
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"the log of the store {self.uri} cannot be listed: {said(error)}.") from error
        names = [PurePosixPath(info.path) for info in known]
        versions = sorted((int(name.stem) for name in names if _is_commit(name)), reverse=True)
        with ThreadPoolExecutor(READERS) as pool:
            entries = list(pool.map(lambda version: self._read(files, version), versions))
        return [
            (version, entry) for version, entry in zip(versions, entries, strict=True) if entry is not None
        ]

    def version_of(self, commit: Mapping[str, str], after: int) -> int | None:
        """Return the number of the commit after a version that says these things of itself; None if there is none.

        Raises
        ------
        DataError
            The log cannot be read.
        """
        files = file_system(self.uri, self._options)
        version = after + 1
        while (entry := self._read(files, version)) is not None:
            if commit.items() <= entry.items():
                return version
            version += 1
        return None

    def check(self, first: int, last: int) -> None:
        """Refuse an empty commit, which Delta Lake passes over: a power failure can leave one on this machine."""
        if self._local is None:
            return
        for version in range(max(first, 0), last + 1):
            with suppress(FileNotFoundError):
                if not (self._local / _name(version)).stat().st_size:
                    raise DataError(
                        f"{self._local / _name(version)} is empty: what version {version} of the store changed is not "
                        f"known. Copy it from a backup, or read version {version - 1}."
                    )

    def sync(self, version: int) -> None:
        """Make a commit durable: a version that was returned survives a power failure."""
        if self._local is None:
            return
        # Another program may have cleaned it up by now.
        with suppress(FileNotFoundError), (self._local / _name(version)).open("rb") as file:
            os.fsync(file.fileno())
        sync_folder(self._local)

    def _read(self, files: "pyarrow.fs.FileSystem", version: int) -> dict[str, Any] | None:
        import pyarrow as pa

        path = f"{FOLDER}/{_name(version)}"
        try:
            with files.open_input_file(path) as stream:
                lines = [json.loads(line) for line in stream.read().splitlines() if line.strip()]
        except FileNotFoundError:
            return None
        except (OSError, pa.ArrowException, ValueError) as error:
            raise DataError(
                f"{path} of the store {self.uri} cannot be read: {said(error)}. If it is damaged, copy it from a backup."
            ) from error
        entries = [line["commitInfo"] for line in lines if isinstance(line, dict) and "commitInfo" in line]
        return dict(entries[0]) if entries and isinstance(entries[0], dict) else {}


def _name(version: int) -> str:
    return f"{version:020}.json"


def _is_commit(name: PurePosixPath) -> bool:
    return name.suffix == ".json" and name.stem.isdecimal()
