"""How a table is declared: columns, types, units, ranges, key, and rules across columns. Data, no checks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from kifactors.errors import MissingColumnError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Column", "Rule", "TableSchema"]

_ARROW_NAMES: Mapping[type[pl.DataType], str] = {
    pl.Date: "date32",
    pl.String: "large_string",
    pl.Float64: "float64",
    pl.Boolean: "bool_",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    name, doc : str
        Its name and one line on what it means.
    dtype : type of polars.DataType
        The canonical type; narrower inputs are widened, others refused.
    unit : str
        What a number counts: ``"USD"``, ``"fraction"``, ``"currency units"``; empty for text and dates.
    required : bool
        Whether a table without the column is refused.
    nullable : bool
        Whether null (unknown) is allowed.
    low, high : float, optional
        Inclusive range; ``low_open`` excludes the lower end.
    allowed : tuple of str
        The only values of a text column; empty means any.
    pattern : str
        Regular expression of a text column; empty means any.
    used : bool
        Whether a score or a label can depend on it.
    """

    name: str
    dtype: type[pl.DataType]
    doc: str
    unit: str = ""
    required: bool = True
    nullable: bool = False
    low: float | None = None
    high: float | None = None
    low_open: bool = False
    allowed: tuple[str, ...] = ()
    pattern: str = ""
    used: bool = True

    def range_text(self) -> str:
        """Write the allowed values the way an error message or a metadata entry shows them."""
        if self.allowed:
            return ", ".join(self.allowed)
        if self.pattern:
            return self.pattern
        if self.low is None and self.high is None:
            return ""
        left = "(" if self.low_open or self.low is None else "["
        low = "-inf" if self.low is None else f"{self.low:g}"
        high = "inf)" if self.high is None else f"{self.high:g}]"
        return f"{left}{low}, {high}"

    def metadata(self) -> dict[str, str]:
        """Collect description, unit and range as Arrow field metadata."""
        entries = {"description": self.doc, "unit": self.unit, "range": self.range_text()}
        return {name: text for name, text in entries.items() if text}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rule:
    """A condition across columns: `broken` is true on the rows that violate it."""

    column: str
    broken: pl.Expr
    says: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TableSchema:
    """A table: its columns, the key that makes a row unique, and the rules across columns.

    `known` names the column with the day a row became known (null: always), `ends` the one with the day from which
    it no longer holds. The end says something only from that day on.
    """

    name: str
    doc: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    rules: tuple[Rule, ...] = ()
    known: str = ""
    ends: str = ""

    def __getitem__(self, column: str) -> Column:
        """Return the column of that name."""
        for declared in self.columns:
            if declared.name == column:
                return declared
        raise MissingColumnError(f"{self.name} has no column {column!r}; it has {', '.join(self.names)}.")

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in their canonical order."""
        return tuple(column.name for column in self.columns)

    @property
    def polars(self) -> dict[str, type[pl.DataType]]:
        """Column names and polars types, as `polars.DataFrame(schema=...)` takes them."""
        return {column.name: column.dtype for column in self.columns}

    def arrow(self, names: tuple[str, ...] | None = None) -> "pa.Schema":
        """Return the canonical Arrow schema (date32, large_string, float64) with units in the field metadata."""
        import pyarrow as pa

        return pa.schema(
            [
                pa.field(c.name, getattr(pa, _ARROW_NAMES[c.dtype])(), metadata=c.metadata())
                for c in self.columns
                if names is None or c.name in names
            ]
        )

    def describe(self) -> pl.DataFrame:
        """Return one row per column: type, unit, range, whether it is required, nullable, part of the key."""
        return pl.DataFrame(
            [
                {
                    "table": self.name,
                    "column": c.name,
                    "type": str(c.dtype),
                    "unit": c.unit,
                    "range": c.range_text(),
                    "required": c.required,
                    "nullable": c.nullable,
                    "key": c.name in self.key,
                    "description": c.doc,
                }
                for c in self.columns
            ]
        )
