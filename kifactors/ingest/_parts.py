"""Work done so far, on disk: parts that are whole or not there, so that a stopped run goes on where it was."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from kifactors.atomic import written
from kifactors.io import write_frame
from kifactors.sources import Skips

__all__ = ["Part", "Parts", "Report", "fingerprint"]

# Takes how much is done, and of how much.
Report = Callable[[int, int], None]

FOLDER = ".ingest"


@dataclass(frozen=True, slots=True)
class Part:
    """One step of work: its frames by name, what it left out, and numbers about it."""

    frames: dict[str, pl.DataFrame]
    skipped: pl.DataFrame
    numbers: dict[str, Any]


class Parts:
    """The parts of one run, in a folder named after everything they depend on.

    A part counts once its last file, the numbers, is there; whatever a killed run left beside it is written again.
    """

    def __init__(self, out: Path, key: str) -> None:
        self._home = out / FOLDER
        self._folder = self._home / key
        if self._home.is_dir():
            for other in self._home.iterdir():
                # Parts of other inputs, or of an earlier release, are of no use.
                if other.is_dir() and other != self._folder:
                    shutil.rmtree(other)
        self._folder.mkdir(parents=True, exist_ok=True)

    def numbers(self, name: str) -> dict[str, Any] | None:
        """Return the numbers of a finished part, None if it is not finished."""
        try:
            return dict(json.loads((self._folder / f"{name}.json").read_text("utf-8")))
        except (FileNotFoundError, ValueError):
            return None

    def write(self, name: str, part: Part) -> None:
        """Write a part; its numbers last."""
        for kind, frame in {**part.frames, "skipped": part.skipped}.items():
            write_frame(frame, self._folder / f"{name}.{kind}.parquet")
        text = json.dumps(part.numbers, sort_keys=True).encode()
        written(self._folder / f"{name}.json", lambda file: file.write(text), what="the numbers of a part")

    def files(self, kind: str, names: Iterable[str]) -> list[Path]:
        """Name the files of one kind of frame."""
        paths = (self._folder / f"{name}.{kind}.parquet" for name in names)
        return [path for path in paths if path.exists()]

    def skipped(self, names: Iterable[str]) -> Skips:
        """Add up what finished parts left out."""
        skips = Skips()
        for path in self.files("skipped", names):
            skips.update(pl.read_parquet(path))
        return skips

    def remove(self) -> None:
        """Remove all parts: the tables are written."""
        shutil.rmtree(self._home)


def fingerprint(paths: Iterable[Path], *said: str) -> str:
    """Return a key of files (path, size, time of change) and of options."""
    digest = hashlib.blake2b(digest_size=16)
    for path in paths:
        about = path.stat()
        digest.update(f"{path.resolve()}\0{about.st_size}\0{about.st_mtime_ns}\0".encode())
    for text in said:
        digest.update(f"{text}\0".encode())
    return digest.hexdigest()
