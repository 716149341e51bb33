"""From whatever a caller holds to a polars frame with the declared columns and types. No value is judged."""

import difflib
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import polars as pl

from kifactors.errors import DataError, MissingColumnError
from kifactors.schema._arrow import from_arrow, from_stream
from kifactors.schema._declared import Column, TableSchema

__all__ = ["ArrowStream", "Given", "TableLike", "coerce", "declared", "read_file", "read_given"]

_READERS = {
    ".parquet": "Parquet",
    ".csv": "CSV",
    ".arrow": "Arrow IPC",
    ".ipc": "Arrow IPC",
    ".feather": "Arrow IPC",
}
_TEXT = (pl.String, pl.Categorical, pl.Enum)
_REMEDIES: Mapping[type[pl.DataType], str] = {
    pl.Date: "convert text with .str.to_date() and times with .dt.date()",
    pl.Float64: "convert it to a number at the source",
    pl.String: "write it as text",
    pl.Boolean: "write true or false",
}
_FLOAT64_EXACT = 2**53
# A damaged file may stop polars in the middle of its own work.
_UNREADABLE = (
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
    OSError,
    TypeError,
    ValueError,
    OverflowError,
    NotImplementedError,
)


class ArrowStream(Protocol):
    """Anything that exports the Arrow C stream: pyarrow, duckdb, nanoarrow, arro3, and many others."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return a PyCapsule of an ArrowArrayStream."""


TableLike = (
    pl.DataFrame | pl.LazyFrame | ArrowStream | Mapping[str, Any] | str | PathLike[str]
)  # what a table may come as


class Given(NamedTuple):
    """A table as it was given: all its columns, and what that form says of their types.

    frame : the columns; those of a CSV are text.
    is_csv : whether text stands for numbers and dates.
    has_times : whether dates may be times at midnight: pandas has no other dates, and Arrow streams pass them on.
    is_arrow : whether the memory came from an Arrow stream, and nobody may change it.
    fields : the Arrow fields, if there were any: extension types, and what fields say of themselves.
    """

    frame: pl.DataFrame
    is_csv: bool = False
    has_times: bool = False
    is_arrow: bool = False
    fields: Mapping[str, Any] = MappingProxyType({})


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
        with _collecting(schema.name):
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


def read_file(path: str | PathLike[str], *, what: str) -> pl.DataFrame:
    """Read one Parquet, CSV or Arrow IPC file; every column of a CSV arrives as text.

    Raises
    ------
    DataError
        The file is absent, of another kind, or cut off.
    """
    path = Path(path)
    kind = _READERS.get(path.suffix.lower())
    if kind is None:
        raise DataError(
            f"{what}: {path} has the ending {path.suffix!r}; expected one of {', '.join(_READERS)}. "
            "Rename or convert it."
        )
    if not path.is_file():
        raise DataError(f"{what}: there is no file {path}. Check the path.")
    try:
        match kind:
            case "Parquet":
                return pl.read_parquet(path)
            case "CSV":
                return _with_distinct_names(pl.read_csv(path, infer_schema=False), f"{what}: {path}")
            case _:
                return pl.read_ipc(path)
    except DataError:
        raise
    except _UNREADABLE as error:
        raise DataError(
            f"{what}: {path} cannot be read as {kind} ({_first_line(error)}). It may be cut off or of another "
            "kind: write it again."
        ) from error


def _with_distinct_names(frame: pl.DataFrame, what: str) -> pl.DataFrame:
    """Refuse a CSV whose header names a column twice: polars would call the second one by another name."""
    for name in frame.columns:
        first = name.rpartition("_duplicated_")[0]
        if first in frame.columns:
            raise DataError(f"{what} names column {first!r} twice. Keep one of them, or rename the other.")
    return frame


def read_given(what: str, data: Any) -> Given:
    """Return all columns of a table, in whatever form it comes.

    Raises
    ------
    DataError
        It is no table, or cannot be read or collected.
    """
    data = _native(data)
    if isinstance(data, Given):
        return data
    if isinstance(data, pl.DataFrame):
        return Given(data)
    if isinstance(data, pl.LazyFrame):
        with _collecting(what):
            return Given(data.collect())
    if isinstance(data, (str, PathLike)):
        return Given(read_file(data, what=what), is_csv=Path(data).suffix.lower() == ".csv")
    is_pandas = _is_pandas(data)
    if is_pandas or isinstance(data, Mapping):
        data = _with_named_index(what, data) if is_pandas else data
        with _reading(what):
            return Given(pl.DataFrame(data), has_times=is_pandas)
    if hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__"):
        table = from_stream(what, data)
        with _reading(what):
            frame = from_arrow(table)
        fields = {field.name: field for field in table.schema}
        return Given(frame, has_times=True, is_arrow=True, fields=fields)
    raise DataError(
        f"{what}: expected a polars, pandas or Arrow table, a mapping of columns, or the path of a "
        f"Parquet, CSV or Arrow file; got {type(data).__name__}. Convert it first."
    )


def _native(data: Any) -> Any:
    # Like pandas, narwhals is never imported here. It wraps a frame, which has an index or may be lazy.
    narwhals = sys.modules.get("narwhals")
    wrapped = narwhals is not None and isinstance(data, (narwhals.DataFrame, narwhals.LazyFrame))
    return data.to_native() if wrapped else data


@contextmanager
def _reading(what: str) -> Iterator[None]:
    try:
        yield
    except _UNREADABLE as error:
        raise DataError(
            f"{what}: the columns make no table ({_first_line(error)}). Give each column once, of one "
            "type and of one length."
        ) from error


@contextmanager
def _collecting(what: str) -> Iterator[None]:
    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise DataError(f"{what}: the lazy frame cannot be collected ({_first_line(error)}).") from error


def _is_pandas(data: object) -> bool:
    # pandas is never imported here; an object of its type exists only if the caller did.
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(data, pandas.DataFrame)


def _with_named_index(what: str, data: Any) -> Any:
    names = list(data.index.names)
    twice = [name for name in names if name is not None and name in data.columns]
    if twice:
        raise DataError(
            f"{what}: {twice[0]!r} is a level of the pandas index and a column. Keep one: "
            ".reset_index(drop=True) drops the index."
        )
    if all(name is not None for name in names):
        return data.reset_index()
    if len(names) == 1 and data.index.dtype.kind in "iu":
        return data.reset_index(drop=True)
    raise DataError(
        f"{what}: the pandas index has levels without a name ({names}). Name them with "
        ".rename_axis(), or drop them with .reset_index(drop=True)."
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


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
