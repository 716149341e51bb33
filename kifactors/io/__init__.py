"""Files and databases: tables in, scores out and in, frames for others out."""

from kifactors.io._adbc_scores import read_scores_adbc, write_scores_adbc
from kifactors.io._adbc_tables import read_tables_adbc
from kifactors.io._folder import TableFolder
from kifactors.io._frames import write_frame
from kifactors.io._parquet import write_groups
from kifactors.io._scores import read_scores, write_scores
from kifactors.io._tables import read_tables, table_files

__all__ = [
    "TableFolder",
    "read_scores",
    "read_scores_adbc",
    "read_tables",
    "read_tables_adbc",
    "table_files",
    "write_frame",
    "write_groups",
    "write_scores",
    "write_scores_adbc",
]
