"""Scores in one Parquet file that is either whole or not there."""

from os import PathLike
from pathlib import Path
from typing import BinaryIO

from kifactors.atomic import written
from kifactors.errors import DataError
from kifactors.io._parquet import write_groups
from kifactors.scores import Scores

__all__ = ["read_scores", "write_scores"]


def write_scores(scores: Scores, path: str | PathLike[str]) -> Path:
    """Write scores to one Parquet file, definition and input fingerprints in its metadata.

    The file is written under a temporary name in the same folder, flushed to the disk and renamed, so that a
    reader sees the old file or the new one, and a killed write destroys nothing.

    Parameters
    ----------
    scores : Scores
    path : path
        An existing file is replaced.

    Returns
    -------
    pathlib.Path
        The path, for chaining.

    Raises
    ------
    DataError
        The folder does not exist or cannot be written.
    """
    if not isinstance(scores, Scores):
        raise DataError(f"write_scores takes Scores; got {type(scores).__name__}.")
    table = scores.to_arrow()

    def write(file: BinaryIO) -> None:
        write_groups(table, file)

    return written(path, write, what="scores")


def read_scores(path: str | PathLike[str]) -> Scores:
    """Read scores that `write_scores` wrote.

    Parameters
    ----------
    path : path
        One Parquet file.

    Returns
    -------
    Scores
        Equal to the scores written, with definition, input fingerprints, dates and diagnostics.

    Raises
    ------
    DataError
        The file is absent, cut off, damaged, or was not written by kifactors.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(path)
    if not path.is_file():
        raise DataError(f"there is no file {path}. Write scores with kf.write_scores, or check the path.")
    try:
        table = pq.ParquetFile(path, page_checksum_verification=True).read()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} cannot be read as Parquet ({str(error).splitlines()[0]}). It may be cut off, damaged or of "
            "another kind: compute and write it again."
        ) from error
    return Scores.from_arrow(table, what=str(path))
