"""What commits say of themselves: a row for each, and whether together they make what is there."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

import polars as pl

from kifactors.errors import DataError
from kifactors.store._log import Snapshot, TransactionLog

__all__ = ["check_history", "versions_frame"]

VERSIONS: dict[str, pl.DataType | type[pl.DataType]] = {
    "version": pl.Int64,
    "time": pl.Datetime("ms", "UTC"),
    "operation": pl.String,
    "first_date": pl.Date,
    "last_date": pl.Date,
    "dates": pl.Int64,
    "restated": pl.String,
    "reason": pl.String,
    "release": pl.String,
}
# What is no text in the log.
NOTED: dict[str, Callable[[str], date | int]] = {
    "first_date": date.fromisoformat,
    "last_date": date.fromisoformat,
    "dates": int,
    "rows": int,
}


def versions_frame(rows: Sequence[Mapping[str, Any]], uri: str) -> pl.DataFrame:
    """Return a row per commit, in the order given."""
    return pl.DataFrame(
        [{name: _noted(row, name, uri) for name in VERSIONS} for row in rows], schema=VERSIONS
    )


def _noted(row: Mapping[str, Any], name: str, uri: str) -> Any:
    """Return what a commit says of itself."""
    if name not in NOTED or name not in row:
        return row.get(name)
    try:
        return NOTED[name](row[name])
    except ValueError as error:
        raise DataError(
            f"version {row['version']} of the store {uri} has the {name} {row[name]!r} ({error}): its log is "
            "damaged. Copy it from a backup."
        ) from error


def check_history(log: TransactionLog, snapshot: Snapshot) -> None:
    """Refuse a log that lost a commit, or a file of one, without being unreadable."""
    rows = [row for row in log.history() if row["version"] <= snapshot.version]
    if not rows:
        # Another program cleaned up what a checkpoint has.
        return
    lost = set(range(rows[-1]["version"], snapshot.version + 1)) - {row["version"] for row in rows}
    if lost:
        raise DataError(
            f"the log of the store {log.uri} lost what was committed as version {min(lost)}. Copy it from a backup."
        )
    if rows[-1]["version"] or any("release" not in row for row in rows):
        # Cut off, or changed by another program: its commits do not say how many rows.
        return
    expected = sum(_noted(row, "rows", log.uri) or 0 for row in rows)
    found = sum(file.rows for file in snapshot.files)
    if expected != found:
        raise DataError(
            f"the store {log.uri} has {found:,} rows, and its commits together made {expected:,}: its log is "
            "damaged. Copy it from a backup."
        )
