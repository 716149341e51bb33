"""Scores in files: Parquet, one or a folder of them, Arrow, CSV; whole or not there."""

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from kifactors.atomic import written
from kifactors.errors import DataError
from kifactors.io._parquet import write_groups
from kifactors.io._partitioned import read_partitioned, write_partitioned
from kifactors.scores import Scores

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["read_scores", "write_scores"]

ARROW, PARQUET = (".arrow", ".feather", ".ipc"), (".parquet", ".pq", "")


def write_scores(
    scores: Scores, path: str | PathLike[str], *, partition_by: Literal["month"] | None = None
) -> Path:
    """Write scores to a file, or to a folder with a file for each month.

    A file is written under a temporary name in the same folder, flushed to the disk and renamed, so that a reader
    sees the old file or the new one, and a killed write destroys nothing.

    Parameters
    ----------
    scores : Scores
    path : path
        An existing file is replaced. By its ending, in any case: ``.parquet``, ``.pq`` or none a Parquet file;
        ``.arrow``, ``.feather`` or ``.ipc`` an Arrow file; ``.csv`` a table for spreadsheets, without definition and
        inputs, which `read_scores` does not take back.
    partition_by : {"month"}, optional
        `path` is a folder: a Parquet file for each month in ``month=2024-01`` and the like, and ``_manifest.json``,
        written last, which names the files with their checksums. Scores that are there are replaced as a whole; for
        many writers, and for versions, use `kifactors.open_store`.

    Returns
    -------
    pathlib.Path
        The path, for chaining.

    Raises
    ------
    DataError
        The folder does not exist or cannot be written, or the ending is that of another format.

    Notes
    -----
    Parquet: zstd, keys by dictionary, floats by byte streams, checksums on pages; a row group is a few whole dates, so
    that one date is read without the others. Definition, inputs and history are in the metadata of every Parquet and
    Arrow file.
    """
    if not isinstance(scores, Scores):
        raise DataError(f"write_scores takes Scores; got {type(scores).__name__}.")
    if partition_by is not None:
        if partition_by != "month":
            raise DataError(f"partition_by is {partition_by!r}; expected 'month' or None.")
        if Path(path).suffix.lower() in {".parquet", ".csv", *ARROW} or Path(path).is_file():
            raise DataError(f"{path} names a file, and partition_by='month' writes a folder. Name a folder.")
        return write_partitioned(scores, Path(path))

    suffix = Path(path).suffix.lower()
    if suffix not in {*PARQUET, *ARROW, ".csv"}:
        raise DataError(
            f"{path} ends in {suffix}; expected .parquet, .arrow, or .csv for spreadsheets. Give it one of them."
        )

    def write(file: BinaryIO) -> None:
        if suffix == ".csv":
            scores.to_polars().write_csv(file)
        elif suffix in ARROW:
            _write_arrow(scores.to_arrow(), file)
        else:
            write_groups(scores.to_arrow(), file)

    return written(path, write, what="scores")


def _write_arrow(table: "pa.Table", file: BinaryIO) -> None:
    import pyarrow as pa

    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(file, table.schema, options=options) as writer:
        writer.write_table(table)


def read_scores(path: str | PathLike[str]) -> Scores:
    """Read scores that `write_scores` wrote.

    Parameters
    ----------
    path : path
        A Parquet or Arrow file, or a folder with a manifest.

    Returns
    -------
    Scores
        Equal to the scores written, with definition, input fingerprints, dates and diagnostics.

    Raises
    ------
    DataError
        A file is absent, cut off, damaged, or was not written by kifactors. Flipped bytes are found in Parquet, by
        checksums, and not in Arrow files, which have none.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(path)
    if path.is_dir():
        return read_partitioned(path)
    if not path.is_file():
        raise DataError(f"there is no file {path}. Write scores with kf.write_scores, or check the path.")
    if path.suffix.lower() == ".csv":
        raise DataError(
            f"{path} is for spreadsheets: it does not say what made the scores. Write them to a .parquet file."
        )
    kind = "Arrow" if path.suffix.lower() in ARROW else "Parquet"
    try:
        if kind == "Arrow":
            with pa.OSFile(str(path)) as source:
                table = pa.ipc.open_file(source).read_all()
        else:
            table = pq.ParquetFile(path, page_checksum_verification=True).read()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} cannot be read as {kind} ({str(error).splitlines()[0]}). It may be cut off, damaged or of "
            "another kind: compute and write it again."
        ) from error
    return Scores.from_arrow(table, what=str(path))
