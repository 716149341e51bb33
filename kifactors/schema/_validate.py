"""Judge the values of a coerced table: nulls, NaN, ranges, rules, keys. One message, with rows and remedy."""

from collections.abc import Iterator
from datetime import date, timedelta

import polars as pl

from kifactors.errors import DataError
from kifactors.schema._coerce import coerce
from kifactors.schema._declared import Column, TableSchema
from kifactors.schema._given import Given, TableLike, read_given
from kifactors.schema._inputs import INPUTS

__all__ = ["check", "validate"]

ROWS_SHOWN = 3
# Markets are younger; "for ever" is often written as the last day of the year 9999.
FIRST_DAY, LAST_DAY = date(1800, 1, 1), date(9999, 12, 31)
# The number of a row in the table as it was given; no declared column has a space in its name.
ROW = "row number"


def validate(table: str, data: TableLike | Given) -> pl.DataFrame:
    """Coerce one input table, check every rule of its schema, and return it sorted by its key.

    Rows that repeat another row's key with the same values are dropped; `source` and `note` may differ.

    Parameters
    ----------
    table : str
        Name of an input table.
    data : TableLike
        polars frame or lazy frame, pandas frame (named index levels become columns), anything with
        ``__arrow_c_stream__``, a mapping of columns, or the path of a Parquet, CSV or Arrow IPC file.

    Returns
    -------
    polars.DataFrame
        Canonical columns and types, sorted and unique on the key.

    Raises
    ------
    MissingColumnError
        A required column is absent.
    DataError
        Any other breach; the message lists each with its first rows and what to do.

    Examples
    --------
    >>> from datetime import date
    >>> rows = {"asset_id": ["a"], "share": [50], "available_at": [date(2024, 1, 1)], "provenance": ["assumed"]}
    >>> kf.schema.validate("ai_capex_share", rows)
    Traceback (most recent call last):
        ...
    kifactors.errors.DataError: ai_capex_share: column 'share' must be in [0, 1] and is not in 1 row(s):
    row 0 (asset_id='a', available_at=2024-01-01, share=50.0). It is a fraction; divide percentages by 100.
    """
    if table not in INPUTS:
        raise DataError(f"there is no table {table!r}; the tables are {', '.join(INPUTS)}.")
    schema = INPUTS[table]
    given = data if isinstance(data, pl.LazyFrame) else read_given(table, data)
    frame = coerce(schema, given)
    if frame.is_empty():
        raise DataError(f"{table} has no rows. Leave the table out if there is nothing to say.")
    return check(schema, frame, share=isinstance(given, Given) and given.is_arrow)


def check(
    schema: TableSchema, frame: pl.DataFrame, *, drop_repeats: bool = True, share: bool = False
) -> pl.DataFrame:
    """Check the values of a coerced frame and return it sorted and unique on its key.

    The result owns its memory, for a frame may stand on arrays that the caller changes later. With `share` it may
    share that of the frame.
    """
    frame = _without_repeats(schema, frame) if drop_repeats else frame.with_row_index(ROW)
    problems = list(_problems(schema, frame)) or list(_repeated_keys(schema, frame))
    if problems:
        raise DataError("\n".join(problems))
    frame = frame.drop(ROW)
    return _sorted(frame, _key(schema, frame), share=share)


def _sorted(frame: pl.DataFrame, key: list[str], *, share: bool) -> pl.DataFrame:
    in_one_piece = all(column.n_chunks() == 1 for column in frame)
    if share and in_one_piece and not frame.select(_falls(key).any()).item():
        return frame.with_columns(pl.col(key[0]).set_sorted())
    return frame.sort(key)


def _falls(key: list[str]) -> pl.Expr:
    """Tell where a row has a smaller key than the row before; null is smallest."""
    falls = pl.lit(value=False)
    for name in reversed(key):
        this, before = pl.col(name), pl.col(name).shift(1)
        below = (this < before).fill_null(this.is_null() & before.is_not_null())
        falls = below | (this.eq_missing(before) & falls)
    return falls


def _problems(schema: TableSchema, frame: pl.DataFrame) -> Iterator[str]:
    for name in frame.columns:
        if name != ROW:
            yield from _column_problems(schema, schema[name], frame)
    # An optional column that is absent is unknown in every row.
    absent = [c for c in schema.columns if c.name not in frame.columns]
    full = frame.with_columns(pl.lit(None, c.dtype).alias(c.name) for c in absent)
    for rule in schema.rules:
        broken = full.select(rule.broken.fill_null(value=False).alias("broken"))["broken"]
        if broken.any():
            rows = _rows(schema, frame, broken, rule.column)
            yield f"{schema.name}: {rule.says}, in {rows}. {_sentence(rule.remedy)}"


def _column_problems(schema: TableSchema, column: Column, frame: pl.DataFrame) -> Iterator[str]:
    values = frame[column.name]
    head = f"{schema.name}: column {column.name!r}"
    if not column.nullable and values.null_count():
        rows = _rows(schema, frame, values.is_null(), column.name)
        yield f"{head} must not be null and is, in {rows}. Fill in or drop the rows."
    if column.dtype == pl.Float64:
        broken = ~values.is_finite().fill_null(value=True)
        if broken.any():
            rows = _rows(schema, frame, broken, column.name)
            yield f"{head} is NaN or infinite in {rows}. Write unknown values as null."
            return
        yield from _range_problems(schema, column, frame)
    if column.dtype == pl.Date:
        broken = ~values.is_between(FIRST_DAY, LAST_DAY).fill_null(value=True)
        if broken.any():
            rows = _rows(schema, frame, broken, column.name)
            yield f"{head} must lie from {FIRST_DAY} to {LAST_DAY} and does not in {rows}. Write years in full."
    if column.allowed:
        broken = ~values.is_in(column.allowed).fill_null(value=True)
        if broken.any():
            rows = _rows(schema, frame, broken, column.name)
            yield f"{head} must be one of {column.range_text()} and is not in {rows}. Correct the spelling."
    if column.pattern:
        broken = ~values.str.contains(column.pattern).fill_null(value=True)
        if broken.any():
            rows = _rows(schema, frame, broken, column.name)
            yield f"{head} must match {column.pattern} and does not in {rows}. Write it without blanks around it."


def _range_problems(schema: TableSchema, column: Column, frame: pl.DataFrame) -> Iterator[str]:
    values = frame[column.name]
    broken = pl.repeat(value=False, n=len(values), eager=True)
    if column.low is not None:
        broken |= (values <= column.low if column.low_open else values < column.low).fill_null(value=False)
    if column.high is not None:
        broken |= (values > column.high).fill_null(value=False)
    if broken.any():
        remedy = (
            "It is a fraction; divide percentages by 100."
            if column.unit == "fraction"
            else "Correct the sign or the unit; write unknown values as null."
        )
        yield (
            f"{schema.name}: column {column.name!r} must be in {column.range_text()} and is not in "
            f"{_rows(schema, frame, broken, column.name)}. {remedy}"
        )


def _without_repeats(schema: TableSchema, frame: pl.DataFrame) -> pl.DataFrame:
    """Drop rows that say what another one says, before anything is counted or added up."""
    key = _key(schema, frame)
    frame = frame.with_row_index(ROW)
    if not frame.select(pl.struct(key).is_duplicated().any()).item():
        return frame
    said = [name for name in frame.columns if name not in {ROW, "source", "note"}]
    # Which of two equal rows stays must not depend on their order: sort by everything but the number.
    ordered = frame.sort([name for name in frame.columns if name != ROW], nulls_last=True)
    return ordered.unique(said, keep="first", maintain_order=True).sort(ROW)


def _repeated_keys(schema: TableSchema, frame: pl.DataFrame) -> Iterator[str]:
    key = _key(schema, frame)
    broken = frame.select(pl.struct(key).is_duplicated().alias("broken"))["broken"]
    if broken.any():
        others = [n for n in frame.columns if n not in (*key, ROW, "source", "note")]
        rows = _rows(schema, frame, broken, *others)
        yield (
            f"{schema.name}: rows with one key ({', '.join(key)}) hold different values: {rows}. "
            "Keep one, or give the later one its own available_at."
            if "available_at" in key
            else f"{schema.name}: rows with one key ({', '.join(key)}) hold different values: {rows}. Keep one."
        )


def _key(schema: TableSchema, frame: pl.DataFrame) -> list[str]:
    return [name for name in schema.key if name in frame.columns]


def _rows(schema: TableSchema, frame: pl.DataFrame, broken: pl.Series, *columns: str) -> str:
    """Name the first broken rows by number, key and offending value."""
    first = frame.filter(broken).head(ROWS_SHOWN)
    shown = [name for name in dict.fromkeys((*schema.key, *columns)) if name in frame.columns]
    texts = []
    # Days as numbers: Python has no date for what a damaged file may hold.
    days = [name for name in shown if frame.schema[name] == pl.Date]
    for cells in first.select(ROW, *shown).with_columns(pl.col(days).to_physical()).iter_rows(named=True):
        inside = ", ".join(f"{n}={_day(cells[n]) if n in days else _cell(cells[n])}" for n in shown)
        texts.append(f"row {cells[ROW]} ({inside})")
    count = broken.sum()
    more = f" and {count - ROWS_SHOWN} more" if count > ROWS_SHOWN else ""
    return f"{count} row(s): " + "; ".join(texts) + more


def _cell(value: object) -> str:
    return repr(value) if isinstance(value, (str, float)) else "null" if value is None else str(value)


def _day(number: int | None) -> str:
    if number is None:
        return "null"
    try:
        return str(date(1970, 1, 1) + timedelta(number))
    except OverflowError:
        return f"day {number:,} of 1970"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."
