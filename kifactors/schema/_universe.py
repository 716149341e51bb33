"""A universe as conditions and rules need it: date, asset_id and chosen columns, more than its table declares."""

from collections.abc import Iterable

import polars as pl

from kifactors.errors import DataError, MissingColumnError
from kifactors.schema._coerce import declared
from kifactors.schema._declared import Column, TableSchema
from kifactors.schema._given import TableLike, read_given
from kifactors.schema._inputs import INPUTS

__all__ = ["universe_columns"]

DECLARED = INPUTS["universe"]


def universe_columns(
    universe: TableLike, names: Iterable[str], *, optional: Iterable[str] = ()
) -> pl.DataFrame:
    """Return date, asset_id and these columns of a universe, in its own order of rows; no value is judged.

    The optional ones come if they are there.

    Columns that the table does not declare, a traded volume say, are numbers or names: a CSV's are numbers if all
    cells are.

    Raises
    ------
    MissingColumnError
        A column is absent.
    DataError
        A column is of another type, or a date or asset_id is null.

    Examples
    --------
    >>> from datetime import date
    >>> rows = {"date": [date(2024, 1, 31)], "asset_id": ["a"], "volume": [7], "note": ["-"]}
    >>> universe_columns(rows, ["volume"]).row(0)
    (datetime.date(2024, 1, 31), 'a', 7.0)
    """
    given = read_given("universe", universe)
    frame = given.frame
    names = list(dict.fromkeys([*names, *(name for name in optional if name in frame.columns)]))
    key = [DECLARED[name] for name in DECLARED.key]
    absent = [name for name in (*DECLARED.key, *names) if name not in frame.columns]
    if absent:
        raise MissingColumnError(
            f"the universe has no column {absent[0]!r}; it has {', '.join(frame.columns)}."
        )
    others = [
        DECLARED[name] if name in DECLARED.names else _column(frame[name], is_csv=given.is_csv)
        for name in names
    ]
    schema = TableSchema(
        name="universe",
        doc=DECLARED.doc,
        key=DECLARED.key,
        columns=(*key, *(c for c in others if c not in key)),
    )
    rows = declared(schema, given._replace(frame=frame.select(schema.names)))
    for name in DECLARED.key:
        if rows[name].null_count():
            raise DataError(
                f"universe: column {name!r} is null in row {rows[name].is_null().arg_max()}. Fill in or drop the row."
            )
    return rows


def _column(values: pl.Series, *, is_csv: bool) -> Column:
    is_number = values.dtype.is_numeric() or (
        is_csv and values.cast(pl.Float64, strict=False).null_count() == values.null_count()
    )
    dtype = pl.Float64 if is_number else pl.Boolean if values.dtype == pl.Boolean else pl.String
    return Column(name=values.name, dtype=dtype, doc="of the caller", required=False, nullable=True)
