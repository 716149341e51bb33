"""A database behind an ADBC connection: its tables, what a query gives, and transactions. PostgreSQL and SQLite."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from kifactors.errors import DataError
from kifactors.schema import Given, TableSchema, declared, from_stream, read_given

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Database", "database_of"]

AUTOCOMMIT = "adbc.connection.autocommit"
# SQLite's driver takes the types of a result from its first batch: let that be all of it.
SQLITE_ONE_BATCH = {"adbc.sqlite.query.batch_rows": str(2**31 - 2)}
# PostgreSQL cuts longer names off without a word.
LONGEST_NAME = 63


@dataclass(frozen=True, slots=True)
class Database:
    """An ADBC connection, and what the database at its other end is called."""

    connection: Any
    vendor: str

    @property
    def is_sqlite(self) -> bool:
        """Whether values have types of their own, and dates are text."""
        return self.vendor == "SQLite"

    def table(self, name: str, db_schema: str | None) -> str:
        """Write the name of a table as SQL, whatever is in it."""
        return _quoted(name) if db_schema is None else f"{_quoted(db_schema)}.{_quoted(name)}"

    def tables(self, db_schema: str | None) -> list[str]:
        """Name the tables and views of a schema; by default of the one that names without a schema mean."""
        connection = self.connection
        with self.errors("the tables of the database cannot be listed"):
            if self.is_sqlite:
                catalog, inside = db_schema or connection.adbc_current_catalog, ""
            else:
                catalog = connection.adbc_current_catalog
                inside = db_schema or connection.adbc_current_db_schema
            found = from_stream("the database", connection.adbc_get_objects(depth="tables")).to_pylist()
        return [
            table["table_name"]
            for objects in found
            if objects["catalog_name"] == catalog
            for schema in objects["catalog_db_schemas"] or ()
            if schema["db_schema_name"] == inside
            for table in schema["db_schema_tables"] or ()
            if table["table_type"] != "index"
        ]

    def fetch(self, what: str, query: str) -> "pa.Table":
        """Return what a query gives; `what` is named in errors."""
        options = SQLITE_ONE_BATCH if self.is_sqlite else None
        with (
            self.errors(f"{what} cannot be read from the database"),
            self.connection.cursor(adbc_stmt_kwargs=options) as cursor,
        ):
            cursor.execute(query)
            return from_stream(what, cursor.fetch_arrow())

    def read(self, schema: TableSchema, query: str) -> pl.DataFrame:
        """Return the declared columns of what a query gives."""
        table = self.fetch(schema.name, query)
        frame = read_given(schema.name, table).frame
        numeric = [
            field.name
            for field in table.schema
            if (field.metadata or {}).get(b"ADBC:postgresql:typname") == b"numeric"
            and field.name in schema.names
            and schema[field.name].dtype == pl.Float64
        ]
        # The driver writes numbers of any length as text.
        frame = frame.with_columns(pl.col(numeric).cast(pl.Float64))
        if self.is_sqlite:
            frame = frame.with_columns(_truth(schema, column) for column in frame)
        return declared(schema, Given(frame), from_text=self.is_sqlite)

    def execute(self, statement: str) -> None:
        """Run a statement that gives nothing."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement)

    def append(self, table: str, db_schema: str | None, rows: "pa.Table") -> None:
        """Add rows to a table."""
        where = {"catalog_name" if self.is_sqlite else "db_schema_name": db_schema} if db_schema else {}
        with self.connection.cursor() as cursor:
            cursor.adbc_ingest(table, rows, mode="append", **where)

    @contextmanager
    def errors(self, what: str) -> Iterator[None]:
        """Turn errors of the driver into ours; `what` says what cannot be done."""
        try:
            yield
        except (self.connection.Error, OSError) as error:
            text = "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
            raise DataError(f"{what} ({text}).") from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what happens inside, or nothing of it; what the connection had open goes the same way."""
        low = self.connection.adbc_connection
        is_auto = low.get_option(AUTOCOMMIT) == "true"
        if is_auto:
            low.set_autocommit(False)
        try:
            yield
            low.commit()
        except BaseException:
            # A connection that broke has nothing to take back.
            with suppress(self.connection.Error):
                low.rollback()
            raise
        finally:
            if is_auto:
                with suppress(self.connection.Error):
                    low.set_autocommit(True)


def database_of(connection: Any) -> Database:
    """Return the database of an ADBC connection.

    Raises
    ------
    DataError
        It is no such connection, or closed.
    NotImplementedError
        It is neither PostgreSQL nor SQLite.
    """
    if not hasattr(connection, "adbc_get_info"):
        raise DataError(
            f"expected an ADBC connection, got {type(connection).__name__}. Make one with "
            "adbc_driver_postgresql.dbapi.connect(uri) or adbc_driver_sqlite.dbapi.connect(path): pip install "
            "'kifactors[adbc]'."
        )
    try:
        vendor = connection.adbc_get_info().get("vendor_name")
    except (connection.Error, OSError) as error:
        raise DataError(f"the connection does not answer ({error}). Connect again.") from error
    if vendor not in {"PostgreSQL", "SQLite"}:
        raise NotImplementedError(f"the database is {vendor}; PostgreSQL and SQLite are supported.")
    return Database(connection, vendor)


def _quoted(name: str) -> str:
    if not isinstance(name, str) or not name or "\0" in name or len(name.encode()) > LONGEST_NAME:
        raise DataError(
            f"{name!r} is no name of a table: text of 1 to {LONGEST_NAME} bytes is. Choose another."
        )
    return '"' + name.replace('"', '""') + '"'


def _truth(schema: TableSchema, column: pl.Series) -> pl.Series:
    """Read 0 and 1 as false and true, where a truth is declared: SQLite has no other."""
    is_truth = column.name in schema.names and schema[column.name].dtype == pl.Boolean
    if is_truth and column.dtype.is_integer() and column.drop_nulls().is_between(0, 1).all():
        return column.cast(pl.Boolean)
    return column
