"""A file that is either whole or not there."""

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import BinaryIO

from kifactors.errors import DataError

__all__ = ["sync_folder", "written"]


def written(path: str | PathLike[str], write: Callable[[BinaryIO], object], *, what: str) -> Path:
    """Write a file under a temporary name in the same folder, flush it to the disk and rename it.

    A reader sees the old file or the new one, and a killed write destroys nothing.

    Raises
    ------
    DataError
        The folder does not exist or cannot be written; `what` says what was to be written.
    """
    target, path = path, Path(path)
    if not path.name:
        raise DataError(
            f"{what} cannot be written to {os.fspath(target)!r}: it names no file. Add a file name."
        )
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        try:
            with temporary.open("xb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise DataError(
            f"{what} cannot be written to {path}: {error.strerror or error}. Check the folder."
        ) from error
    return path


def sync_folder(folder: Path) -> None:
    """Make new names in a folder durable, where folders can be opened (not on Windows)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
