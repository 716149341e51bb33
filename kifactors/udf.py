"""The factor as a function over Arrow record batches, which engines that speak Arrow call on their own workers."""

from collections.abc import Iterable, Iterator
from os import PathLike
from typing import TYPE_CHECKING

import polars as pl

from kifactors import _kernels, asof
from kifactors.calendar import score_dates
from kifactors.definition import FactorDefinition
from kifactors.eligible import check_covered
from kifactors.errors import DataError, MissingColumnError
from kifactors.factor import AIInfrastructureExposure
from kifactors.io import TableFolder
from kifactors.schema import SCORES, Tables

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ArrowFunction", "arrow_udf"]

# Types of Spark, Sail and DataFusion by ours.
SQL_TYPES = {pl.Date: "date", pl.String: "string", pl.Float64: "double"}
# Dates that are scored and handed on together: a task holds the rows of so many, not of all.
DATES_AT_A_TIME = 32


def arrow_udf(
    definition: FactorDefinition | None, tables: Tables | str | PathLike[str], *, n_threads: int = 1
) -> "ArrowFunction":
    """Return a function from record batches with dates to record batches with scores, for engines that speak Arrow.

    For ``DataFrame.mapInArrow`` of Spark and Sail, for streams of DataFusion, and for anything else that calls a
    function on an iterator of batches.

    Parameters
    ----------
    definition : FactorDefinition, optional
        None: the default definition.
    tables : Tables or path
        Tables travel with the function to every task. A path names a folder for `kifactors.read_tables` which all
        workers see, and is read once in a process; of a universe in Parquet only the dates of a partition are read.
    n_threads : int
        Threads of a task: engines start as many tasks as there are cores.

    Returns
    -------
    ArrowFunction
        Picklable.

    Raises
    ------
    DataError
        `tables` or `definition` is something else.

    Examples
    --------
    >>> import pyarrow as pa
    >>> score = kf.arrow_udf(None, kf.load_bundled())
    >>> days = pa.record_batch({"date": pl.Series(["2026-10-31", "2026-09-30"]).str.to_date().to_arrow()})
    >>> scores = pl.DataFrame(pa.Table.from_batches(score([days])))
    >>> scores.group_by("date").agg(pl.col("ticker").top_k_by("exposure", 1).first()).sort("date").rows()
    [(datetime.date(2026, 9, 30), 'ORCL'), (datetime.date(2026, 10, 31), 'ORCL')]
    >>> score.spark_schema[:44]
    'date date, asset_id string, ticker string, e'

    In Spark, a partition for each worker that shall take part, and no date in two of them:

    >>> spark_days.repartition("date").mapInArrow(score, score.spark_schema)  # doctest: +SKIP
    """
    if not isinstance(tables, (Tables, str, PathLike)):
        raise DataError(
            f"tables is a {type(tables).__name__}; expected kf.Tables(...) or the path of a folder."
        )
    # Which refuses anything but a definition.
    factor = AIInfrastructureExposure(definition)
    source = tables if isinstance(tables, Tables) else TableFolder(tables)
    return ArrowFunction(factor, source, n_threads)


class ArrowFunction:
    """Scores the dates of record batches; made by `arrow_udf`.

    Parameters
    ----------
    factor : AIInfrastructureExposure
    source : Tables or TableFolder
    n_threads : int
    """

    def __init__(
        self, factor: AIInfrastructureExposure, source: Tables | TableFolder, n_threads: int
    ) -> None:
        self._factor, self._source, self._threads = factor, source, n_threads

    def __repr__(self) -> str:
        return f"ArrowFunction({self._factor!r}, {self._source!r})"

    @property
    def schema(self) -> "pa.Schema":
        """Arrow schema of the batches: date32, string, float64."""
        import pyarrow as pa

        # What Spark calls string; the ids of a few dates are far from the 2 GB that it ends at.
        types = {pl.Date: pa.date32(), pl.String: pa.string(), pl.Float64: pa.float64()}
        return pa.schema([pa.field(c.name, types[c.dtype], nullable=c.nullable) for c in SCORES.columns])

    @property
    def spark_schema(self) -> str:
        """The same as Spark and Sail write it: ``date date, asset_id string, ...``."""
        return ", ".join(f"{column.name} {SQL_TYPES[column.dtype]}" for column in SCORES.columns)

    def __call__(self, batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        """Yield the scores of the dates in all batches, each date once, in the order of time.

        Parameters
        ----------
        batches : iterable of pyarrow.RecordBatch
            With a column ``date`` of dates; others are ignored.

        Yields
        ------
        pyarrow.RecordBatch
            The columns of `kifactors.schema.SCORES`.

        Raises
        ------
        MissingColumnError
            There is no column ``date``.
        DateError
            It is not of dates, one is null, or the universe lacks one.
        """
        found = [_dates(batch) for batch in batches]
        if not any(len(dates) for dates in found):
            return
        dates = score_dates(pl.concat(found).unique().sort())
        self._check_covered(dates)
        for start in range(0, len(dates), DATES_AT_A_TIME):
            part = dates[start : start + DATES_AT_A_TIME]
            with _kernels.using_threads(self._threads):
                frame, _ = self._factor.frames(self._tables(part), part, n_threads=self._threads)
            yield from frame.to_arrow().cast(self.schema).to_batches()

    def _check_covered(self, dates: pl.Series) -> None:
        if isinstance(self._source, Tables):
            known = None if self._source.universe is None else self._source.universe["date"]
        else:
            known = self._source.universe_dates()
        if known is not None:
            check_covered(known, dates)

    def _tables(self, dates: pl.Series) -> Tables:
        if isinstance(self._source, Tables):
            return self._source
        tables = self._source.on(dates[0], dates[-1])
        return asof.within_reach(tables, dates, time=self._factor.definition.time)


def _dates(batch: "pa.RecordBatch") -> pl.Series:
    if "date" not in batch.schema.names:
        raise MissingColumnError(
            f"the batches lack the column 'date'; they have {batch.schema.names}. Rename the one with the dates to "
            "score."
        )
    column = pl.Series("date", batch.column("date"))
    # A partition without rows may come without a type.
    return column.cast(pl.Date) if column.dtype == pl.Null else column
