"""Frames that people look at or hand on, as CSV or Parquet."""

from os import PathLike
from pathlib import Path

import polars as pl

from kifactors.atomic import written
from kifactors.errors import DataError

__all__ = ["write_frame"]


def write_frame(frame: pl.DataFrame, path: str | PathLike[str]) -> Path:
    """Write a frame as CSV or Parquet, as the name of the file says.

    Raises
    ------
    DataError
        The name ends in neither ``.csv`` nor ``.parquet``, or the folder cannot be written.
    """
    suffix = Path(path).suffix
    if suffix not in {".csv", ".parquet"}:
        raise DataError(f"{path} ends in neither .csv nor .parquet.")
    write = frame.write_csv if suffix == ".csv" else frame.write_parquet
    return written(path, write, what="the table")
