"""What a reader left out, and why: counted, never silent."""

from collections import Counter

import polars as pl

from kifactors.errors import DataError

__all__ = ["SKIPPED", "Skips"]

# One row a reason, file and filer.
SKIPPED = {"file": pl.String, "filer": pl.String, "reason": pl.String, "detail": pl.String, "rows": pl.Int64}


class Skips:
    """Count what is left out.

    Examples
    --------
    >>> from kifactors.sources import Skips
    >>> skips = Skips()
    >>> skips.add("another unit", file="a.json", filer="cik:0000000001", rows=2)
    >>> skips.add("another unit", file="a.json", filer="cik:0000000001")
    >>> skips.to_polars().select("filer", "reason", "rows").rows()
    [('cik:0000000001', 'another unit', 3)]
    """

    def __init__(self) -> None:
        self._rows: Counter[tuple[str, str, str, str]] = Counter()

    def add(self, reason: str, *, file: str, filer: str = "", detail: str = "", rows: int = 1) -> None:
        """Count rows left out of a file for a reason; `detail` is one example, or the error."""
        if rows:
            self._rows[file, filer, reason, detail] += rows

    def update(self, frame: pl.DataFrame) -> None:
        """Add the rows of another frame of what was left out."""
        for *key, rows in frame.select(list(SKIPPED)).rows():
            self._rows[tuple(key)] += rows

    def refuse(self) -> None:
        """Raise DataError if anything was left out."""
        for (file, filer, reason, detail), rows in sorted(self._rows.items()):
            raise DataError(f"{file}{filer and ', ' + filer}: {reason} ({rows:,}) {detail}".strip())

    def to_polars(self) -> pl.DataFrame:
        """Return file, filer, reason, detail, rows; sorted."""
        rows = [(*key, count) for key, count in sorted(self._rows.items())]
        return pl.DataFrame(rows, schema=SKIPPED, orient="row")
