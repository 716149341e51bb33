"""From a table as it was given to a polars frame with the declared columns and types. No value is judged."""

import difflib
import re
from collections.abc import Mapping

import polars as pl

from kifactors.errors import DataError, MissingColumnError
from kifactors.schema._declared import Column, TableSchema
from kifactors.schema._given import Given, TableLike, collecting, read_given

__all__ = ["coerce", "declared"]

_TEXT = (pl.String, pl.Categorical, pl.Enum)
_REMEDIES: Mapping[type[pl.DataType], str] = {
    pl.Date: "convert text with .str.to_date() and times with .dt.date()",
    pl.Float64: "convert it to a number at the source",
    pl.String: "write it as text",
    pl.Boolean: "write true or false",
}
_FLOAT64_EXACT = 2**53


def coerce(schema: TableSchema, data: TableLike | Given, *, from_text: bool = False) -> pl.DataFrame:
    """Return the declared columns of `data`, in canonical order and type.

    Columns that are not declared are left out, unless one looks like a misspelt optional column.
    An optional column that is absent stays absent.

    Text is no number and no date, except in a CSV, or where `from_text` says so.

    Raises
    ------
    MissingColumnError
        A required column is absent.
    DataError
        A column has another type, a file cannot be read, or text in a CSV does not parse.
    """
    if isinstance(data, pl.LazyFrame):
        # Before it is collected, which may take long.
        with collecting(schema.name):
            names = data.collect_schema().names()
        _present(schema, names)
    return declared(schema, read_given(schema.name, data), from_text=from_text)


def declared(schema: TableSchema, given: Given, *, from_text: bool = False) -> pl.DataFrame:
    """Return the declared columns of a table that was given; see `coerce`."""
    frame = given.frame
    return pl.DataFrame(
        [
            _column(schema, frame[name], is_csv=given.is_csv, from_text=from_text, midnight=given.has_times)
            for name in _present(schema, frame.columns)
        ]
    )


def _present(schema: TableSchema, given: list[str]) -> list[str]:
    missing = [c.name for c in schema.columns if c.required and c.name not in given]
    if missing:
        raise MissingColumnError(
            f"{schema.name} lacks column {', '.join(map(repr, missing))}; it has {given}. "
            f"Rename or add it; the columns are {', '.join(schema.names)}."
            + (" A CSV needs commas and UTF-8." if len(given) == 1 else "")
        )
    absent = [name for name in schema.names if name not in given]
    for extra in sorted(set(given) - set(schema.names)):
        close = difflib.get_close_matches(_plain(extra), absent, n=1, cutoff=0.85)
        if close:
            raise MissingColumnError(
                f"{schema.name} has a column {extra!r} that is not declared and looks like {close[0]!r}, "
                f"which is absent. Rename it to {close[0]!r}, or drop it."
            )
    return [name for name in schema.names if name in given]


def _plain(name: str) -> str:
    """Write marketCap, MARKET_CAP and "Market Cap" alike: market_cap."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"[\s\-.]+", "_", words).casefold()


def _column(
    schema: TableSchema, values: pl.Series, *, is_csv: bool, from_text: bool, midnight: bool
) -> pl.Series:
    column = schema[values.name]
    if values.dtype == column.dtype:
        return values
    if values.null_count() == len(values):  # of whatever type: pandas calls a column of None an object
        return pl.repeat(None, len(values), dtype=column.dtype, eager=True).alias(column.name)
    if is_csv or (from_text and values.dtype == pl.String):
        return _parse(schema, column, values, first=2 if is_csv else 0)
    if column.dtype == pl.Float64 and values.dtype.is_integer():
        _refuse_inexact(schema, values)
    cast = _widen(column, values, midnight=midnight)
    if cast is None:
        raise DataError(
            f"{schema.name}: column {column.name!r} is {values.dtype}; expected {column.dtype}. "
            f"{_REMEDIES[column.dtype].capitalize()}."
        )
    return cast


def _refuse_inexact(schema: TableSchema, values: pl.Series) -> None:
    broken = (values.cast(pl.Int128).abs() > _FLOAT64_EXACT).arg_true()
    if len(broken):
        raise DataError(
            f"{schema.name}: column {values.name!r} holds whole numbers above 2**53, which a float64 rounds, in "
            f"{len(broken)} row(s): row {broken[0]} ({values[broken[0]]}). Check the unit, or cast it to Float64."
        )


def _widen(column: Column, values: pl.Series, *, midnight: bool) -> pl.Series | None:
    """Convert without loss, or return None."""
    dtype = values.dtype
    if column.dtype == pl.String and dtype in _TEXT:
        return values.cast(pl.String)
    if column.dtype == pl.Float64 and dtype.is_numeric():
        return values.cast(pl.Float64)
    if column.dtype == pl.Date and midnight and isinstance(dtype, pl.Datetime) and dtype.time_zone is None:
        # Where there is no date type, times of day 00:00 are dates, every other time is not.
        days = values.cast(pl.Date)
        return days if (days.cast(dtype) == values).all() else None
    return None


def _parse(schema: TableSchema, column: Column, text: pl.Series, *, first: int) -> pl.Series:
    """Read text; `first` is what the first row is called: line 2 of a CSV, or row 0."""
    if column.dtype == pl.Boolean:
        parsed = text.str.to_lowercase().replace_strict({"true": True, "false": False}, default=None)
    elif column.dtype == pl.Date:
        # A year of two digits would be a year of antiquity.
        parsed = text.str.extract(r"^(\d{4}-\d{2}-\d{2})$").str.to_date("%Y-%m-%d", strict=False)
    else:
        parsed = text.str.strip_chars().cast(column.dtype, strict=False)
    broken = (parsed.is_null() & text.is_not_null()).arg_true().to_list()
    if broken:
        number = "a number like 0.6 for 60 %" if column.unit == "fraction" else "a number"
        wanted = {"Date": "a date like 2024-01-31", "Float64": number, "Boolean": "true or false"}
        place = "line" if first else "row"
        shown = ", ".join(f"{place} {row + first}: {text[row]!r}" for row in broken[:3])
        raise DataError(
            f"{schema.name}: column {column.name!r} expects {wanted[str(column.dtype)]}; "
            f"{len(broken)} row(s) hold something else ({shown}). Correct them; empty means unknown."
        )
    return parsed
