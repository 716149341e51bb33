"""Input tables from a folder of files."""

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
        Files are found by name; other files are left alone.

    Returns
    -------
    Tables

    Raises
    ------
    DataError
        The folder is absent or holds no table, one table comes in two files, or a table breaks its schema.
    """
    return Tables(**dict(table_files(folder)))


def table_files(folder: str | PathLike[str]) -> dict[str, Path]:
    """Find the file of each input table in a folder; other files are left alone."""
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}. Check the path.")
    found: dict[str, Path] = {}
    for name in INPUTS:
        files = [path for ending in ENDINGS if (path := folder / f"{name}{ending}").is_file()]
        if len(files) > 1:
            raise DataError(
                f"{name} comes in {len(files)} files: {', '.join(p.name for p in files)}. Keep one of them."
            )
        if files:
            found[name] = files[0]
    if not found:
        raise DataError(
            f"{folder} holds no input table. Expected files like fundamentals.parquet or revenue_ties.csv; the "
            f"tables are {', '.join(INPUTS)}."
        )
    return found
