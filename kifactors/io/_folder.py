"""Input tables of a folder for workers that need some dates of them: a universe may be larger than a memory."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from os import PathLike
from pathlib import Path

import polars as pl

from kifactors.errors import DataError
from kifactors.io._tables import table_files
from kifactors.schema import INPUTS, Content, Tables, content, read_given, validate

__all__ = ["TableFolder"]

UNIVERSE = "universe"


class TableFolder:
    """A folder of input tables, as `read_tables` reads it, opened by every process that needs it.

    Parameters
    ----------
    folder : path
        At the same place on every machine that uses it. Of a universe in one Parquet file with a column `date` of
        dates, only the row groups of wanted dates are read: sorted by date, it may be of any size. All else is read
        once in a process.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> days = pl.Series(["2024-01-31", "2024-02-29"]).str.to_date()
    >>> pl.DataFrame({"date": days, "asset_id": "a"}).write_parquet(folder / "universe.parquet")
    >>> tables = TableFolder(folder)
    >>> tables.universe_dates().to_list() == days.to_list()
    True
    >>> tables.on(days[0], days[0]).universe.height
    1
    """

    def __init__(self, folder: str | PathLike[str]) -> None:
        self.path = str(Path(folder).absolute())

    def __repr__(self) -> str:
        return f"TableFolder({self.path!r})"

    def universe_dates(self) -> pl.Series | None:
        """Return the dates of the universe, ascending; None without one."""
        scan = self._scan()
        if scan is not None:
            dates = scan.select("date").unique().collect(engine="streaming")["date"].sort()
            if dates.null_count():
                validate(UNIVERSE, scan.filter(pl.col("date").is_null()))  # which it refuses
            return dates
        universe = self._whole().get(UNIVERSE)
        return None if universe is None else universe["date"].unique().sort()

    def on(self, first: date, last: date) -> Tables:
        """Return the tables, of the universe only what is dated from `first` to `last`."""
        frames = dict(self._whole())
        universe = self._universe(first, last)
        if universe is not None:
            frames[UNIVERSE] = universe
        if not set(frames) - {"assets"}:
            raise DataError(f"{self.path} holds no table but assets, which says nothing of exposures.")
        return Tables.unchecked(frames)

    def contents(self) -> dict[str, Content]:
        """Return digests of all tables but the universe; see `universe_content`."""
        return {
            name: content(INPUTS[name], frame) for name, frame in self._whole().items() if name != UNIVERSE
        }

    def universe_content(self, first: date, last: date) -> Content | None:
        """Return digests of the rows of the universe that are dated from `first` to `last`."""
        universe = self._universe(first, last)
        return None if universe is None else content(INPUTS[UNIVERSE], universe)

    def _universe(self, first: date, last: date) -> pl.DataFrame | None:
        within = pl.col("date").is_between(first, last)
        scan = self._scan()
        if scan is not None:
            rows = read_given(UNIVERSE, scan.filter(within)).frame
            # A table must have rows; this part of one need not.
            return validate(UNIVERSE, scan.head(1)).clear() if rows.is_empty() else validate(UNIVERSE, rows)
        universe = self._whole().get(UNIVERSE)
        return None if universe is None else universe.filter(within)

    def _scan(self) -> pl.LazyFrame | None:
        """Return the universe as a file that can be read in part; None if there is none."""
        path = table_files(self.path).get(UNIVERSE)
        if path is None or not _in_parts(path):
            return None
        return pl.scan_parquet(path)

    def _whole(self) -> Mapping[str, pl.DataFrame]:
        files = table_files(self.path)
        kept = {name: path for name, path in files.items() if name != UNIVERSE or not _in_parts(path)}
        stamps = [(name, str(path), *_stamp(path)) for name, path in sorted(kept.items())]
        return _read(tuple(stamps))


@lru_cache(maxsize=1)
def _read(stamps: Sequence[tuple[str, str, int, int]]) -> dict[str, pl.DataFrame]:
    """Read and check tables; again only if a file has another size or time than when it was read."""
    return {name: validate(name, path) for name, path, *_ in stamps}


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _in_parts(path: Path) -> bool:
    if path.suffix.lower() != ".parquet":
        return False
    try:
        return pl.read_parquet_schema(path).get("date") == pl.Date
    except (pl.exceptions.PolarsError, OSError):
        return False  # `validate` says what is wrong with it
