"""One writer at a time."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kifactors.errors import DataError

__all__ = ["locked"]

PATIENCE = 10.0


@contextmanager
def locked(path: Path, *, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the right to write a file: a file beside it that only one can make.

    Raises
    ------
    DataError
        Another writer holds it for longer than `patience` seconds, or the folder cannot be written.
    """
    lock = path.with_name(f".{path.name}.lock")
    give_up = time.monotonic() + patience
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            break
        except FileExistsError as error:
            if time.monotonic() > give_up:
                raise DataError(
                    f"{path} is being written by another program. If there is none, delete {lock}."
                ) from error
            time.sleep(0.02)
        except OSError as error:
            raise DataError(
                f"{path} cannot be written: {error.strerror or error}. Check the folder."
            ) from error
    try:
        yield
    finally:
        with suppress(OSError):
            lock.unlink()
