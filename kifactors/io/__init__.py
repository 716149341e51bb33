"""Files: tables of a folder in, scores in one Parquet file out and in, frames for others out."""

from kifactors.io._frames import write_frame
from kifactors.io._parquet import write_groups
from kifactors.io._scores import read_scores, write_scores
from kifactors.io._tables import read_tables, table_files

__all__ = [
    "read_scores",
    "read_tables",
    "table_files",
    "write_frame",
    "write_groups",
    "write_scores",
]
