"""Documents of a file, a folder or a zip archive, read one by one within limits."""

import gzip
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO, Any, Self

from kifactors.errors import DataError
from kifactors.sources._skips import Skips

__all__ = ["Documents", "opened", "too_much"]

# The largest document of the SEC is some 20 MB; text compresses some twenty times.
MOST_BYTES = 512 * 2**20
MOST_RATIO = 200
# What damaged archives and files raise, beside what `zipfile` names itself.
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)


class Documents:
    """The documents of one file, of a folder and its folders, or of a zip archive, by name; a context manager.

    Parameters
    ----------
    path : path
        A file, plain or gzip; a folder of such files; or a zip archive.
    wanted : callable
        Says of a file's name, without folder and ``.gz``, whether it is one of those looked for. A single file is
        always looked at.
    skips : Skips, optional
        Counts members of an archive whose name points outside of it, that are larger than `most_bytes`, or that
        claim to grow more than 200 times: zip bombs. They are never read.
    most_bytes : int
        Of one document, unpacked.

    Raises
    ------
    DataError
        The path does not exist, or is no whole archive.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        wanted: Callable[[str], bool],
        *,
        skips: Skips | None = None,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.path = Path(path)
        self._most_bytes = most_bytes
        self._archive: zipfile.ZipFile | None = None
        if self.path.is_dir():
            self._files: dict[str, Any] = {
                one.relative_to(self.path).as_posix(): one
                for one in self.path.rglob("*")
                if one.is_file() and wanted(one.name.removesuffix(".gz"))
            }
        elif self.path.suffix.lower() == ".zip":
            self._archive = _opened(self.path)
            self._files = _members(self._archive, self.path, wanted, skips or Skips(), most_bytes)
        elif self.path.is_file():
            self._files = {self.path.name: self.path}
        else:
            raise DataError(f"there is no file or folder {self.path}. Check the path.")
        self.names = sorted(self._files)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:  # fmt: skip
        if self._archive is not None:
            self._archive.close()

    def read(self, name: str) -> bytes:
        """Read one document whole.

        Raises
        ------
        DataError
            It is damaged, or larger than allowed.
        """
        one = self._files[name]
        try:
            if self._archive is not None:
                with self._archive.open(one) as file:
                    return _bounded(file, self._most_bytes)
            with gzip.open(one) if one.suffix == ".gz" else one.open("rb") as file:
                return _bounded(file, self._most_bytes)
        except DAMAGE as error:
            raise DataError(f"it cannot be read: {error}. Download it again.") from error


def too_much(member: zipfile.ZipInfo, most_bytes: int) -> str | None:
    """Say why a member of an archive is not read; None: it is."""
    name = PurePosixPath(member.filename.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts or ":" in name.parts[0]:
        return "a name that points outside the archive"
    if member.file_size > most_bytes:
        return f"larger than {most_bytes:,} bytes"
    if member.file_size > MOST_RATIO * max(member.compress_size, 1):
        return f"packed more than {MOST_RATIO} times: a zip bomb"
    return None


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive; damage found while reading is named too."""
    with _opened(path) as archive:
        try:
            yield archive
        except DAMAGE as error:
            raise DataError(f"{path} is damaged: {error}. Download it again.") from error


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}. Check the path.") from error
    except DAMAGE as error:
        raise DataError(f"{path} is no whole zip archive: {error}. Download it again.") from error


def _members(
    archive: zipfile.ZipFile, path: Path, wanted: Callable[[str], bool], skips: Skips, most_bytes: int
) -> dict[str, zipfile.ZipInfo]:
    found: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        name = member.filename.replace("\\", "/")
        if not wanted(name.rpartition("/")[2]):
            continue
        reason = "a name that stands twice" if name in found else too_much(member, most_bytes)
        if reason:
            skips.add(reason, file=str(path), detail=member.filename)
        else:
            found[name] = member
    return found


def _bounded(file: IO[bytes] | gzip.GzipFile, most: int) -> bytes:
    data = file.read(most + 1)
    if len(data) > most:
        raise DataError(f"it is larger than {most:,} bytes. Give a larger limit if that is right.")
    return data
