"""A table in whatever form a caller holds it, as a polars frame with all of its columns."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import polars as pl

from kifactors.errors import DataError
from kifactors.schema._arrow import from_arrow, from_stream

__all__ = ["ArrowStream", "Given", "TableLike", "collecting", "read_file", "read_given"]

_READERS = {
    ".parquet": "Parquet",
    ".csv": "CSV",
    ".arrow": "Arrow IPC",
    ".ipc": "Arrow IPC",
    ".feather": "Arrow IPC",
}
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
        with collecting(what):
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
def collecting(what: str) -> Iterator[None]:
    """Turn errors of a lazy frame into ours."""
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


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
