"""Scores in a database, through ADBC: two tables that are either whole or as they were."""

from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from kifactors.asof import History
from kifactors.errors import DataError, DateError, StaleScoresError
from kifactors.io._database import Database, database_of
from kifactors.schema import SCORES, to_arrow
from kifactors.scores import METADATA_KEY, Scores

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["read_scores_adbc", "write_scores_adbc"]

# SQLite takes the names of these types as well; it stores dates as ISO text.
SQL_TYPES = {pl.Date: "date", pl.String: "text", pl.Float64: "double precision"}


def write_scores_adbc(
    scores: Scores,
    connection: Any,
    table: str = "scores",
    *,
    mode: Literal["create", "append", "replace"] = "create",
    db_schema: str | None = None,
) -> None:
    """Write scores to a table of PostgreSQL or SQLite, whole or not at all.

    The table has the columns of `kifactors.schema.SCORES` as date, text and double precision (in SQLite dates are ISO
    text) and the primary key (date, asset_id); unknown values are null. A second table, with ``_provenance`` behind
    its name, holds the definition, the digests of the inputs, the dates and their diagnostics.

    Parameters
    ----------
    scores : Scores
    connection : ADBC connection
        Of ``adbc_driver_postgresql.dbapi`` or ``adbc_driver_sqlite.dbapi`` (extra ``adbc``). Both tables are written in
        one transaction, which is committed; an error takes all of it back. What the connection had not committed
        before goes the same way.
    table : str
        Its name, in any letters.
    mode : str
        ``"create"``: the table must not be there. ``"append"``: it must, and ends before the first date of the scores,
        which the same definition, release and past made. ``"replace"``: rows that are there are deleted first.
    db_schema : str, optional
        Schema of the table, an attached database in SQLite. Absent: the current one.

    Raises
    ------
    DataError
        The table is there, or is not there, or is none of scores; the database refuses.
    DateError
        A date to append is not after the dates that are there.
    StaleScoresError
        Another definition, release or past made the scores that are there.

    Examples
    --------
    >>> from datetime import date
    >>> import adbc_driver_sqlite.dbapi
    >>> theta = {"asset_id": ["a"], "share": [0.0], "available_at": [date(2024, 1, 1)], "provenance": ["assumed"]}
    >>> both = kf.AIInfrastructureExposure().compute(
    ...     kf.Tables(ai_capex_share=theta), ["2024-01-31", "2024-02-29"])
    >>> with adbc_driver_sqlite.dbapi.connect() as connection:
    ...     kf.write_scores_adbc(both.at("2024-01-31"), connection)
    ...     kf.write_scores_adbc(both.at("2024-02-29"), connection, mode="append")
    ...     kf.read_scores_adbc(connection).to_polars().equals(both.to_polars())
    True
    """
    if not isinstance(scores, Scores):
        raise DataError(f"write_scores_adbc takes Scores; got {type(scores).__name__}.")
    if mode not in {"create", "append", "replace"}:
        raise DataError(f"mode is {mode!r}; expected 'create', 'append' or 'replace'.")
    place = _Place(database_of(connection), table, db_schema)
    database = place.database
    with database.errors(f"scores cannot be written to table {place.scores}"), database.transaction():
        if mode == "append":
            whole = _appended(_continued(place), scores, place.scores)
            database.execute(f"delete from {place.provenance}")  # noqa: S608
        else:
            _make_room(place, replace=mode == "replace")
            whole = scores
        database.append(table, db_schema, scores.to_arrow())
        database.append(_beside(table), db_schema, _provenance(whole))


def read_scores_adbc(connection: Any, table: str = "scores", *, db_schema: str | None = None) -> Scores:
    """Read scores that `write_scores_adbc` wrote.

    Parameters
    ----------
    connection : ADBC connection
        Of ``adbc_driver_postgresql.dbapi`` or ``adbc_driver_sqlite.dbapi``.
    table, db_schema : str
        As they were written.

    Returns
    -------
    Scores
        Equal to the scores written, with definition, input fingerprints, dates and diagnostics.

    Raises
    ------
    DataError
        The table is absent, was not written by kifactors, or was changed so that it cannot be scores.
    """
    place = _Place(database_of(connection), table, db_schema)
    place.check()
    return _stored(place, "")


def _beside(table: str) -> str:
    return f"{table}_provenance"


class _Place:
    """Where scores are in a database: their table, and the one with their provenance, as SQL writes them."""

    def __init__(self, database: Database, table: str, db_schema: str | None) -> None:
        self.database = database
        self.scores, self.provenance = (database.table(name, db_schema) for name in (table, _beside(table)))
        self._names = {self.scores: table, self.provenance: _beside(table)}
        self._db_schema = db_schema

    def absent(self) -> list[str]:
        """Return which of the two tables are not there."""
        # To SQLite, names in upper and lower case are the same.
        fold = str.lower if self.database.is_sqlite else str
        known = {fold(name) for name in self.database.tables(self._db_schema)}
        return [place for place, name in self._names.items() if fold(name) not in known]

    def check(self) -> None:
        """Refuse to go on without both tables."""
        absent = self.absent()
        if absent:
            raise DataError(
                f"the database has no table {' and no table '.join(absent)}. Write scores with kf.write_scores_adbc, or "
                "check table= and db_schema=."
            )


def _columns() -> str:
    columns = [f'"{c.name}" {SQL_TYPES[c.dtype]}{"" if c.nullable else " not null"}' for c in SCORES.columns]
    return ", ".join([*columns, f"primary key ({', '.join(SCORES.key)})"])


def _provenance(scores: Scores) -> "pa.Table":
    import pyarrow as pa

    return pa.table({"provenance": [scores.to_arrow().schema.metadata[METADATA_KEY].decode()]})


def _make_room(place: _Place, *, replace: bool) -> None:
    """Leave two tables without rows; those that are there keep who may read them, and the views on them."""
    absent = place.absent()
    if not replace and len(absent) < 2:
        raise DataError(
            f"the database has a table {place.scores} already, or {place.provenance}. Choose another name, or "
            "mode='append' or 'replace'."
        )
    if len(absent) == 1:
        raise DataError(
            f"the database has no table {absent[0]}, but the other one of {place.scores} and {place.provenance}: "
            "kifactors writes both, so something else wrote it. Drop it yourself, or choose another name."
        )
    database = place.database
    if absent:
        database.execute(f"create table {place.scores} ({_columns()})")
        database.execute(f"create table {place.provenance} (provenance text not null)")
    else:
        database.execute(f"delete from {place.scores}")  # noqa: S608
        database.execute(f"delete from {place.provenance}")  # noqa: S608


def _continued(place: _Place) -> Scores:
    """Return all but the rows of the scores that are to be continued; nobody else continues them meanwhile."""
    place.check()
    if not place.database.is_sqlite:
        # Of two writers SQLite lets only one commit.
        place.database.execute(f"lock table {place.provenance} in exclusive mode")
    return _stored(place, " where 1 = 0")


def _stored(place: _Place, where: str) -> Scores:
    """Return the scores of a table, of which only some rows may be wanted."""
    known = _written(place)
    try:
        frame = place.database.read(SCORES, f"select * from {place.scores}{where}")  # noqa: S608
    except DataError as error:
        raise type(error)(f"table {place.scores}: {error}") from error
    if _written(place) != known:
        # Between the queries another writer committed.
        raise DataError(f"table {place.scores} was written while it was read. Read it again.")
    table = to_arrow(frame, SCORES.arrow().with_metadata({METADATA_KEY: known}))
    return Scores.from_arrow(table, what=f"table {place.scores}")


def _written(place: _Place) -> str:
    query = f"select provenance from {place.provenance}"  # noqa: S608
    found = place.database.fetch(f"table {place.provenance}", query)["provenance"].to_pylist()
    if len(found) != 1 or not isinstance(found[0], str):
        raise DataError(
            f"table {place.provenance} holds {len(found)} row(s); scores have one, of text. Write them again with "
            "mode='replace'."
        )
    return found[0]


def _appended(then: Scores, new: Scores, place: str) -> Scores:
    """Return the new rows with the provenance of both."""
    last = then.dates[-1]
    if new.dates[0] <= last:
        raise DateError(
            f"table {place} holds scores up to {last}, and these begin on {new.dates[0]}. Append later dates only, one "
            "by one with scores.at(day), or replace the table."
        )
    changes = then.definition.changes_to(new.definition)
    if changes or then.release != new.release:
        other = (
            f"definition: {', '.join(changes)}" if changes else f"release: {then.release}, not {new.release}"
        )
        raise StaleScoresError(
            f"the scores in table {place} were made by another {other}. Replace all of them."
        )
    if then.history is None or new.history is None:
        raise StaleScoresError(
            f"it is not known from which past the scores in table {place}, or these, were made. Replace all of them."
        )
    year = min(then.history.until, new.history.until).year
    found = list(_before(then.history, year).differences(_before(new.history, year)))
    if found:
        raise StaleScoresError(
            f"the scores in table {place} were made from another past: {'; '.join(found)}. Replace all of them."
        )
    return Scores(
        new.to_polars(),
        new.definition,
        inputs=new.inputs,
        dates=(*then.dates, *new.dates),
        diagnostics=pl.concat([then.diagnostics, new.diagnostics]),
        history=new.history,
        release=new.release,
    )


def _before(history: History, year: int) -> History:
    """Keep whole years only: what was known in them does not change any more."""
    tables = {
        name: {y: said for y, said in years.items() if y < year} for name, years in history.tables.items()
    }
    return History(history.until, history.universe, tables)
