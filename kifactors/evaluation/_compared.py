"""Two results of a factor, cell by cell."""

from collections.abc import Callable, Sequence
from datetime import date

import polars as pl

from kifactors.errors import DataError, MissingColumnError

__all__ = ["FOUND", "Compared", "check_days"]

FOUND = {
    "date": pl.Date,
    "asset_id": pl.String,
    "column": pl.String,
    "change": pl.String,
    "cut": pl.Date,
    "before": pl.String,
    "after": pl.String,
}


def check_days(frame: pl.DataFrame, column: str, what: str) -> None:
    """Refuse a column that holds no days.

    Raises
    ------
    DataError
        It holds neither dates nor times.
    """
    dtype = frame.schema[column]
    if dtype not in (pl.Date, pl.Datetime):
        raise DataError(f"{column!r} of {what} holds {dtype}; expected Date or Datetime. Cast it.")


class Compared:
    """A factor, and what differs between two of its results."""

    def __init__(self, factor: Callable[[dict[str, pl.DataFrame]], pl.DataFrame], key: Sequence[str]) -> None:
        self.factor, self.key, self.runs = factor, list(key), 0
        self._dates: pl.DataType | None = None

    def run(self, tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
        """Return a result that can be compared.

        Raises
        ------
        DataError
            It is no polars frame, has a key twice, a date that is none, or a column that cannot be compared.
        MissingColumnError
            A column of the key is absent.
        """
        self.runs += 1
        found = self.factor(tables)
        if not isinstance(found, pl.DataFrame):
            raise DataError(f"the factor returns a {type(found).__name__}; expected a polars frame.")
        absent = [name for name in self.key if name not in found.columns]
        if absent:
            raise MissingColumnError(
                f"the factor's result has no column {absent[0]!r}; it has {found.columns}."
            )
        what, day = "the factor's result", self.key[0]
        check_days(found, day, what)
        if self._dates not in (None, found.schema[day]):
            raise DataError(
                f"{day!r} of {what} holds {self._dates} in one run and {found.schema[day]} in another. Cast it."
            )
        self._dates = found.schema[day]
        if found[day].null_count():
            raise DataError(
                f"{day!r} of {what} is null in row {found[day].is_null().arg_max()}. Drop the row."
            )
        for name, dtype in found.schema.items():
            if dtype == pl.Object:
                raise DataError(f"{name!r} of {what} holds Object, which cannot be compared. Leave it out.")
        if found.select(pl.struct(self.key).is_duplicated().any()).item():
            raise DataError(f"the factor's result has a {tuple(self.key)} twice.")
        return found

    def first_day(self, found: pl.DataFrame) -> date | None:
        """Return the day of the first score."""
        first: date | None = found.select(pl.col(self.key[0]).dt.date().min()).item()
        return first

    def differences(
        self, whole: pl.DataFrame, other: pl.DataFrame, cut: date | None, change: str
    ) -> pl.DataFrame:
        """Return the cells up to the cut that differ, as text; without a cut, of all days."""
        day = self.key[0]
        a, b = (self._texts(frame, cut) for frame in (whole, other))
        if a.equals(b):
            return pl.DataFrame(schema=FOUND)
        there, here = (
            frame.unpivot(index=self.key, variable_name="column").with_columns(there=pl.lit(value=True))
            for frame in (a, b)
        )
        both = there.join(here, on=[*self.key, "column"], how="full", suffix="_after", coalesce=True)
        both = both.filter(
            pl.col("value").ne_missing(pl.col("value_after"))
            | pl.col("there").ne_missing(pl.col("there_after"))
        )
        asset = pl.concat_str(self.key[1:], separator=" ") if len(self.key) > 1 else pl.lit("")
        absent = pl.lit("no row")
        return both.sort(*self.key, "column").select(
            pl.col(day).dt.date().alias("date"),
            asset.alias("asset_id"),
            "column",
            pl.lit(change).alias("change"),
            pl.lit(cut, pl.Date).alias("cut"),
            pl.when("there").then(pl.col("value").fill_null("null")).otherwise(absent).alias("before"),
            pl.when("there_after")
            .then(pl.col("value_after").fill_null("null"))
            .otherwise(absent)
            .alias("after"),
        )

    def _texts(self, frame: pl.DataFrame, cut: date | None) -> pl.DataFrame:
        """Return the rows up to the cut by key, all but their dates as text."""
        day = self.key[0]
        rows = frame if cut is None else frame.filter(pl.col(day).dt.date() <= cut)
        others = [name for name in frame.columns if name not in self.key]
        columns = [rows[day], *(_text(rows[name]) for name in (*self.key[1:], *others))]
        return pl.DataFrame(columns).sort(self.key)


def _text(values: pl.Series) -> pl.Series:
    """Return values as text that two different ones do not share."""
    dtype = values.dtype
    if dtype == pl.Duration:
        return values.to_physical().cast(pl.String)
    if dtype == pl.Binary or dtype.is_nested():
        texts = [None if value is None else repr(value) for value in values.to_list()]
        return pl.Series(values.name, texts, dtype=pl.String)
    return values.cast(pl.String)
