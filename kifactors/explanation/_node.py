"""The tree of an explanation: what a number is, what it adds to the number above it, and which rows say so."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

__all__ = ["TREE_COLUMNS", "Node", "Source", "sources_of"]

TREE_COLUMNS: dict[str, Any] = {
    "path": pl.String,
    "depth": pl.Int64,
    "name": pl.String,
    "value": pl.Float64,
    "contribution": pl.Float64,
    "text": pl.String,
    "source": pl.String,
    "known_at": pl.Date,
}


@dataclass(frozen=True, slots=True)
class Source:
    """A row of an input table.

    table : the name of the table.
    source : where the row is from, as the table says; None where it does not.
    known_at : the day on which it appeared.
    row : what it says, by column.
    """

    table: str
    source: str | None
    known_at: date | None
    row: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain values; dates as ISO text."""
        row = {name: _plain(value) for name, value in self.row.items()}
        return {"table": self.table, "source": self.source, "known_at": _plain(self.known_at), "row": row}


@dataclass(frozen=True, slots=True)
class Node:
    """A number and what it is made of.

    name : what it is.
    value : the number, in its own unit; None where it is unknown or nothing is counted.
    contribution : what it adds to the value of the node above; None where it adds nothing but is one of its terms, as
        a factor of a product is. The contributions below a node, where there are any, add up to its value.
    text : how it comes about, in words and numbers.
    sources : rows of the input tables.
    children : what it is made of.
    """

    name: str
    value: float | None = None
    contribution: float | None = None
    text: str = ""
    sources: tuple[Source, ...] = ()
    children: tuple["Node", ...] = ()

    def walk(self, *, path: str = "", depth: int = 0) -> Iterator[tuple[str, int, "Node"]]:
        """Yield path, depth and node of this one and all below, top down."""
        here = f"{path}/{self.name}" if path else self.name
        yield here, depth, self
        for child in self.children:
            yield from child.walk(path=here, depth=depth + 1)

    def find(self, name: str) -> "Node | None":
        """Return the first node of this name, top down; None without one."""
        return next((node for _, _, node in self.walk() if node.name == name), None)

    def to_dict(self) -> dict[str, Any]:
        """Return the tree as plain values."""
        return {
            "name": self.name,
            "value": self.value,
            "contribution": self.contribution,
            "text": self.text,
            "sources": [source.to_dict() for source in self.sources],
            "children": [child.to_dict() for child in self.children],
        }

    def to_polars(self) -> pl.DataFrame:
        """Return a row per node: path, depth, name, value, contribution, text, source and the day it was known."""
        rows = [
            (
                path, depth, node.name, node.value, node.contribution, node.text,
                "; ".join(dict.fromkeys(s.source for s in node.sources if s.source)) or None,
                max((s.known_at for s in node.sources if s.known_at), default=None),
            )
            for path, depth, node in self.walk()
        ]  # fmt: skip
        return pl.DataFrame(rows, schema=TREE_COLUMNS, orient="row")


def sources_of(table: str, rows: pl.DataFrame) -> tuple[Source, ...]:
    """Return the rows of a frame with `source` and `known_at` as sources."""
    found = []
    for row in rows.iter_rows(named=True):
        said = {name: value for name, value in row.items() if name not in {"date", "source", "known_at"}}
        found.append(Source(table, row["source"], row["known_at"], said))
    return tuple(found)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, date) else value
