"""Files: tables of a folder in, scores in one Parquet file out and in, frames for others out."""

from kifactors.io._folder import TableFolder
from kifactors.io._frames import write_frame
from kifactors.io._parquet import read_groups, write_groups
from kifactors.io._scores import read_scores, write_scores
from kifactors.io._tables import read_tables, table_files

__all__ = [
    "TableFolder",
    "read_groups",
    "read_scores",
    "read_tables",
    "table_files",
    "write_frame",
    "write_groups",
    "write_scores",
]
