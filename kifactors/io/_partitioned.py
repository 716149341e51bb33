"""Scores in a folder of Parquet files, one a month, and a manifest that says which files count and what is in them."""

import hashlib
import json
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from kifactors.atomic import written
from kifactors.errors import DataError
from kifactors.io._parquet import write_groups
from kifactors.parts import by_month, together
from kifactors.scores import Scores

__all__ = ["MANIFEST", "read_partitioned", "write_partitioned"]

MANIFEST = "_manifest.json"
FORMAT = 1


def write_partitioned(scores: Scores, folder: Path) -> Path:
    """Write a file for each month, then the manifest; what the manifest before it named is removed last.

    A reader that follows the manifest sees the scores of before or these; a killed write leaves files no manifest
    names.
    """
    before = _named(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"scores cannot be written to {folder}: {error.strerror or error}. Check the folder."
        ) from error
    files: list[dict[str, Any]] = []
    try:
        for month, part in by_month(scores):
            files.append(_write_month(folder, month, part))
        manifest = {
            "format": FORMAT,
            "definition_fingerprint": scores.definition.fingerprint(),
            "first_date": str(scores.dates[0]),
            "last_date": str(scores.dates[-1]),
            "files": files,
        }
        text = json.dumps(manifest, indent=1).encode()
        written(folder / MANIFEST, lambda file: file.write(text), what="the manifest of scores")
    finally:
        # Those of before, or, after a failure, the new ones.
        named = _named(folder)
        _remove(folder, [name for name in [*before, *(file["path"] for file in files)] if name not in named])
    return folder


def _write_month(folder: Path, month: str, part: Scores) -> dict[str, Any]:
    name = f"month={month}/{part.dates[0]}_{part.dates[-1]}-{secrets.token_hex(4)}.parquet"
    path = folder / name
    table = part.to_arrow()

    def write(file: BinaryIO) -> None:
        write_groups(table, file)

    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise DataError(
            f"scores cannot be written to {folder}: {error.strerror or error}. Check the folder."
        ) from error
    written(path, write, what="scores")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"path": name, "rows": len(part), "bytes": path.stat().st_size, "sha256": digest}


def _remove(folder: Path, names: list[str]) -> None:
    for name in names:
        with suppress(OSError):
            (folder / name).unlink()
        with suppress(OSError):
            (folder / name).parent.rmdir()


def read_partitioned(folder: Path) -> Scores:
    """Read the files that the manifest names, and hold their bytes against it.

    Raises
    ------
    DataError
        There is no manifest, or it is damaged; a file is gone, or its bytes are not those that were written.
    """
    entries = _entries(folder)
    while True:
        try:
            return together([_read_month(folder, entry) for entry in entries])
        except FileNotFoundError as error:
            # A writer that replaces the scores removes what its readers were reading.
            now = _entries(folder)
            if now == entries:
                raise DataError(
                    f"{error.filename} is gone, and {folder / MANIFEST} names it. Copy it from a backup, or compute "
                    "and write the scores again."
                ) from error
            entries = now


def _read_month(folder: Path, entry: dict[str, Any]) -> Scores:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / entry["path"]
    data = path.read_bytes()
    if len(data) != entry["bytes"] or hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise DataError(
            f"{path} is damaged: its bytes are not those that {MANIFEST} was written for. Copy it from a backup, or "
            "compute and write the scores again."
        )
    return Scores.from_arrow(pq.ParquetFile(pa.BufferReader(data)).read(), what=str(path))


def _named(folder: Path) -> list[str]:
    """Return the files that the manifest names; none without one."""
    return [entry["path"] for entry in _entries(folder)] if (folder / MANIFEST).exists() else []


def _entries(folder: Path) -> list[dict[str, Any]]:
    path = folder / MANIFEST
    try:
        known = json.loads(path.read_bytes())
        if known["format"] != FORMAT:
            raise DataError(
                f"{path} is of format {known['format']!r}; this release reads format {FORMAT}. Upgrade."
            )
        return [
            {name: entry[name] for name in ("path", "rows", "bytes", "sha256")} for entry in known["files"]
        ]
    except FileNotFoundError as error:
        hint = (
            " It is a store: read it with kf.open_store(folder).scores()."
            if (folder / "_delta_log").is_dir()
            else " Write scores with kf.write_scores(scores, folder, partition_by='month')."
        )
        raise DataError(f"{folder} has no {MANIFEST}, which names the files of scores.{hint}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} cannot be read ({error}). Compute and write the scores again.") from error
