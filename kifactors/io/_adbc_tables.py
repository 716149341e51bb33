"""Input tables from a database, through ADBC."""

import difflib
from collections.abc import Mapping
from typing import Any

from kifactors.errors import DataError
from kifactors.io._database import Database, database_of
from kifactors.schema import INPUTS, Tables

__all__ = ["read_tables_adbc"]


def read_tables_adbc(
    connection: Any, queries: Mapping[str, str] | None = None, *, db_schema: str | None = None
) -> Tables:
    """Read input tables from PostgreSQL or SQLite.

    Parameters
    ----------
    connection : ADBC connection
        Of ``adbc_driver_postgresql.dbapi`` or ``adbc_driver_sqlite.dbapi`` (extra ``adbc``). Nothing is committed.
    queries : mapping of str to str, optional
        A query for each input table. Absent: every table and view that is called like an input table, in upper or
        lower case; others are left alone, unless one looks like a misspelt table.
    db_schema : str, optional
        Schema of the tables, an attached database in SQLite. Absent: the current one.

    Returns
    -------
    Tables

    Raises
    ------
    DataError
        There is no input table, a query fails, a name looks misspelt, or a table breaks its schema.

    Notes
    -----
    PostgreSQL's numeric becomes the nearest float64. SQLite has neither dates nor truths: ISO text is read as dates,
    0 and 1 as false and true, where the schema declares them.

    Examples
    --------
    >>> from datetime import date
    >>> import adbc_driver_sqlite.dbapi
    >>> theta = {"asset_id": ["a"], "share": [0.5], "available_at": [date(2024, 1, 1)], "provenance": ["assumed"]}
    >>> with adbc_driver_sqlite.dbapi.connect() as connection, connection.cursor() as cursor:
    ...     _ = cursor.adbc_ingest("ai_capex_share", pl.DataFrame(theta))
    ...     kf.read_tables_adbc(connection).ai_capex_share["share"].to_list()
    [0.5]
    """
    database = database_of(connection)
    if queries is None:
        queries = _queries(database, db_schema)
    unknown = [name for name in queries if name not in INPUTS]
    if unknown or not queries:
        raise DataError(
            f"queries name {', '.join(map(repr, unknown)) or 'no table'}; the tables are {', '.join(INPUTS)}."
        )
    try:
        return Tables(**{name: database.read(INPUTS[name], query) for name, query in queries.items()})
    except DataError as error:
        raise type(error)(f"in the database, {error}") from error


def _queries(database: Database, db_schema: str | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in database.tables(db_schema):
        if name.lower() in found:
            raise DataError(
                f"the database holds {found[name.lower()]!r} and {name!r}. Rename one, or pass queries=."
            )
        found[name.lower()] = name
    absent = [name for name in INPUTS if name not in found]
    for name in sorted(set(found) - set(INPUTS)):
        close = difflib.get_close_matches(name, absent, n=1, cutoff=0.85)
        if close:
            raise DataError(
                f"the database holds {found[name]!r}, which is no input table and looks like {close[0]!r}, which is "
                "absent. Rename it, or pass queries=."
            )
    queries = {
        name: f"select * from {database.table(found[name], db_schema)}"  # noqa: S608
        for name in INPUTS
        if name in found
    }
    if not queries:
        raise DataError(
            f"the database holds no input table; the tables are {', '.join(INPUTS)}. Name a schema with db_schema=, or "
            "pass queries=."
        )
    return queries
