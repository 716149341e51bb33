"""The ways of duckdb: tables of its own, loaded outside the clock; answers by number of row."""

from collections.abc import Callable

import numpy as np
import polars as pl
from alternatives import optional

__all__ = ["ways"]


def ways(query: str, *, rows: int, **tables: pl.DataFrame) -> dict[str, Callable[[], np.ndarray]]:
    """Return the way called "duckdb", or none where it is not installed.

    Parameters
    ----------
    query : str
        Selects ``row`` and ``value``. In any order: duckdb would sort longer than numpy takes to put values in their
        rows. A row that is not selected is unknown.
    rows : int
        Rows of the answer.
    tables : polars.DataFrame
        What the query calls them.
    """
    duckdb = optional("duckdb")
    if duckdb is None:
        return {}
    connection = duckdb.connect()
    connection.execute("SET threads = 1")
    for name, frame in tables.items():
        connection.register("given", frame.to_arrow())
        connection.execute(f"CREATE TABLE {name} AS FROM given")
        connection.unregister("given")

    def run() -> np.ndarray:
        found = connection.sql(query).to_arrow_table()
        out = np.full(rows, np.nan)
        out[found["row"].to_numpy()] = found["value"].to_numpy()
        return out

    return {"duckdb": run}
