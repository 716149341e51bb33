"""Input tables from a folder of files."""

import difflib
from os import PathLike
from pathlib import Path

from kifactors.errors import DataError
from kifactors.schema import INPUTS, Tables

__all__ = ["read_tables", "table_files"]

ENDINGS = (".parquet", ".arrow", ".ipc", ".feather", ".csv")


def read_tables(folder: str | PathLike[str]) -> Tables:
    """Read every input table of a folder: ``fundamentals.parquet``, ``revenue_ties.csv``, ...

    Parameters
    ----------
    folder : path
        Files are found by name, in upper or lower case; others are left alone, unless one looks like a misspelt
        table.

    Returns
    -------
    Tables

    Raises
    ------
    DataError
        The folder is absent or holds no table, one table comes in two files, a name looks misspelt, or a table
        breaks its schema.
    """
    return Tables(**dict(table_files(folder)))


def table_files(folder: str | PathLike[str]) -> dict[str, Path]:
    """Find the file of each input table in a folder; other files are left alone."""
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}. Check the path.")
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in ENDINGS and path.is_file():
            files.setdefault(path.stem.lower(), []).append(path)
    for name in sorted(set(INPUTS) & set(files)):
        if len(files[name]) > 1:
            raise DataError(
                f"{name} comes in {len(files[name])} files: {', '.join(p.name for p in files[name])}. Keep one of them."
            )
    absent = [name for name in INPUTS if name not in files]
    for stem in sorted(set(files) - set(INPUTS)):
        close = difflib.get_close_matches(stem, absent, n=1, cutoff=0.85)
        if close:
            raise DataError(
                f"{folder} holds {files[stem][0].name}, which is no table and looks like {close[0]!r}, which is "
                "absent. Rename it, or move it away."
            )
    found = {name: files[name][0] for name in INPUTS if name in files}
    if not found:
        raise DataError(
            f"{folder} holds no input table. Expected files like fundamentals.parquet or revenue_ties.csv; the "
            f"tables are {', '.join(INPUTS)}."
        )
    return found
