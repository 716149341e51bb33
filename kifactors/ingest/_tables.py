"""A table written piece by piece, put in place only once it is whole."""

import os
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import polars as pl

if TYPE_CHECKING:
    import pyarrow.parquet as pq

__all__ = ["TableFiles"]


class TableFiles:
    """Parquet files of a folder, written together: none is in place before all are whole.

    Examples
    --------
    >>> import tempfile
    >>> from kifactors.ingest._tables import TableFiles
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder, TableFiles(Path(folder)) as files:
    ...     files.add("fx", pl.DataFrame({"x": [1]}))
    ...     files.add("fx", pl.DataFrame({"x": [2]}))
    ...     rows = files.finish()
    ...     pl.read_parquet(f"{folder}/fx.parquet")["x"].to_list(), rows
    ([1, 2], {'fx': 2})
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._rows: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:  # fmt: skip
        for name, writer in self._writers.items():
            writer.close()
            self._temporary(name).unlink(missing_ok=True)

    def add(self, name: str, frame: pl.DataFrame) -> None:
        """Append rows to a table; the first ones say its columns."""
        import pyarrow.parquet as pq

        rows = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
        if name not in self._writers:
            self._writers[name] = pq.ParquetWriter(
                self._temporary(name), rows.schema, compression="zstd", write_page_checksum=True
            )
            self._rows[name] = 0
        if rows.num_rows:
            self._writers[name].write_table(rows)
        self._rows[name] += rows.num_rows

    def finish(self) -> dict[str, int]:
        """Put all files in place and return how many rows each has."""
        for name, writer in self._writers.items():
            writer.close()
            with self._temporary(name).open("rb") as file:
                os.fsync(file.fileno())
        for name in self._writers:
            self._temporary(name).replace(self._folder / f"{name}.parquet")
        self._writers = {}
        return self._rows

    def _temporary(self, name: str) -> Path:
        return self._folder / f".{name}.parquet.tmp"
