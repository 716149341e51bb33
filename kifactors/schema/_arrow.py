"""The door to Arrow: any stream in, canonical types out. pyarrow is loaded at the first use."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from kifactors.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["as_requested", "from_arrow", "from_stream", "to_arrow", "with_fields"]

# They say how the values of a field are stored, and are wrong of values that are stored in another way.
STORAGE_KEYS = (b"ARROW:extension:", b"_PL_")


def from_stream(what: str, data: Any) -> "pa.Table":
    """Read a whole Arrow stream (or an array of structs); `what` is named in errors.

    Raises
    ------
    DataError
        It is no table, breaks off, or was read before.
    """
    import pyarrow as pa

    try:
        return pa.table(data)
    # What a producer raises inside a stream, pyarrow passes on as one of these.
    except (pa.ArrowException, OSError, TypeError, ValueError, RuntimeError) as error:
        text = str(error).strip() or type(error).__name__
        raise DataError(
            f"{what}: the Arrow stream cannot be read ({text.splitlines()[0]}). Give a table of named columns; a "
            "stream that was read once is empty, so make a new one."
        ) from error


def from_arrow(table: "pa.Table") -> pl.DataFrame:
    """Share the columns of an Arrow table with a polars frame; an extension type becomes what it is stored as.

    Fields keep what they say of themselves from polars, which panics where it is damaged.
    """
    import pyarrow as pa

    columns = [_plain(column) for column in table.columns]
    bare = pa.Table.from_arrays(columns, names=table.column_names)
    return pl.DataFrame(pl.from_arrow(bare, rechunk=False))


def _plain(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    import pyarrow as pa
    import pyarrow.compute as pc

    while isinstance(column.type, pa.BaseExtensionType):
        column = column.cast(column.type.storage_type)
    # Runs are unknown to polars.
    return pc.run_end_decode(column) if pa.types.is_run_end_encoded(column.type) else column


def to_arrow(frame: pl.DataFrame, schema: "pa.Schema") -> "pa.Table":
    """Return a frame as an Arrow table of that schema; numbers and dates share their memory with the frame.

    Examples
    --------
    >>> import pyarrow as pa
    >>> frame = pl.DataFrame({"asset_id": ["a"], "share": [0.5]})
    >>> schema = pa.schema([("asset_id", pa.large_string()), ("share", pa.float64())])
    >>> shared = to_arrow(frame, schema)["share"].chunk(0).buffers()[1]
    >>> shared.address == frame["share"].to_numpy(allow_copy=False).ctypes.data
    True
    """
    import pyarrow as pa

    columns = []
    for field in schema:
        values = frame[field.name]
        if values.dtype == pl.String:
            column = pa.chunked_array([values.to_arrow(compat_level=pl.CompatLevel.oldest())])
        else:
            # By column: a frame would first give all of its columns the same chunks, and copy them.
            column = pa.chunked_array(values)
        columns.append(column.cast(field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def with_fields(schema: "pa.Schema", fields: Mapping[str, "pa.Field"]) -> "pa.Schema":
    """Return the schema with what the given fields say of themselves, where it says nothing itself.

    An extension type stays if it is stored as the schema wants it. What is not UTF-8 is damaged, and left out: it
    would stop the next reader.
    """
    import pyarrow as pa

    return pa.schema([_with_field(field, fields.get(field.name)) for field in schema], schema.metadata)


def _with_field(field: "pa.Field", given: "pa.Field | None") -> "pa.Field":
    import pyarrow as pa

    if given is None:
        return field
    is_extension = isinstance(given.type, pa.BaseExtensionType)
    same = (given.type.storage_type if is_extension else given.type) == field.type
    known = {
        key: value
        for key, value in (given.metadata or {}).items()
        if _is_text(key) and _is_text(value) and (same or not key.startswith(STORAGE_KEYS))
    }
    dtype = given.type if is_extension and same else field.type
    return pa.field(field.name, dtype, metadata={**known, **(field.metadata or {})})


def _is_text(entry: bytes) -> bool:
    try:
        entry.decode()
    except UnicodeDecodeError:
        return False
    return True


class _Schema:
    """A schema capsule as pyarrow takes it."""

    def __init__(self, capsule: object) -> None:
        self._capsule = capsule

    def __arrow_c_schema__(self) -> object:
        return self._capsule


def as_requested(what: str, table: "pa.Table", requested_schema: object) -> "pa.Table":
    """Return the table in another representation of the same values: the names and types of a schema capsule.

    Text may become any type of text, numbers floats of any width, dates date64 or times at midnight. What the table
    says of itself stays, where the request says nothing.

    Raises
    ------
    DataError
        The request has other columns, or wants another kind of value.
    """
    import pyarrow as pa

    wanted = pa.schema(_Schema(requested_schema))
    if wanted.names != table.column_names:
        raise DataError(
            f"{what}: the requested Arrow schema has columns {wanted.names}; a request may change types only. Take "
            f"{table.column_names}, and select or rename after."
        )
    fields = []
    for field, ours in zip(wanted, table.schema, strict=True):
        if _kind(field.type) != _kind(ours.type):
            raise DataError(
                f"{what}: column {field.name!r} is requested as {field.type}, and is {ours.type}. Take it as it is, "
                "and convert it after."
            )
        fields.append(field.with_metadata({**(ours.metadata or {}), **(field.metadata or {})}))
    return table.cast(pa.schema(fields, {**(table.schema.metadata or {}), **(wanted.metadata or {})}))


def _kind(dtype: "pa.DataType") -> object:
    import pyarrow.types as at

    if at.is_dictionary(dtype):
        return _kind(dtype.value_type)
    if at.is_string(dtype) or at.is_large_string(dtype) or at.is_string_view(dtype):
        return "text"
    if at.is_date(dtype) or (at.is_timestamp(dtype) and dtype.tz is None):
        return "date"
    return "number" if at.is_floating(dtype) else dtype
