"""How scores are encoded as Parquet."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["write_groups"]

# A row group ends with a date and has at least this many rows, unless it is the last one: few enough that one date
# is read in milliseconds, enough that a footer stays small.
GROUP_ROWS = 32_768


def write_groups(table: "pa.Table", sink: Any) -> None:
    """Write a table sorted by date, a row group for a few dates: zstd, keys by dictionary, floats by byte streams.

    Pages carry checksums.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    floats = {field.name: "BYTE_STREAM_SPLIT" for field in table.schema if pa.types.is_floating(field.type)}
    with pq.ParquetWriter(
        sink,
        table.schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=[name for name in table.schema.names if name not in floats],
        column_encoding=floats,
        write_page_checksum=True,
    ) as writer:
        for start, stop in _groups(table):
            writer.write_table(table.slice(start, stop - start), row_group_size=max(stop - start, 1))


def _groups(table: "pa.Table") -> Iterator[tuple[int, int]]:
    """Yield the rows of each group: whole dates."""
    days = table["date"].cast("int32").to_numpy()
    starts = np.concatenate(([0], np.flatnonzero(np.diff(days)) + 1)) if days.size else np.zeros(1, np.int64)
    start = 0
    while start < days.size:
        at = int(np.searchsorted(starts, start + GROUP_ROWS))
        stop = int(starts[at]) if at < starts.size else days.size
        yield start, stop
        start = stop
