"""Databases through ADBC, SQLite and a real PostgreSQL server: inputs in, scores out and back, all or nothing."""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

import kifactors as kf
from kifactors.errors import DataError, DateError, MissingColumnError, StaleScoresError
from kifactors.schema import SCORES
from tests import worlds

manager = pytest.importorskip("adbc_driver_manager.dbapi")
sqlite = pytest.importorskip("adbc_driver_sqlite.dbapi")
postgresql = pytest.importorskip("adbc_driver_postgresql.dbapi")

VENDORS = ["sqlite", "postgresql"]


def _programs():
    """Return the folder of PostgreSQL's programs; Debian keeps them off the path."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return next((folder for folder in reversed(folders) if (folder / "initdb").is_file()), None)


def _as_owner(command, folder):
    """Run a program as the owner of the folder: the server refuses to be root."""
    if os.geteuid() == 0:
        command = ["runuser", "-u", "postgres", "--", *command]
    # Into a file: a server that stays would keep a pipe open.
    with (folder / "out").open("w") as out:
        done = subprocess.run(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=folder,
            check=False,
        )
    assert done.returncode == 0, (folder / "out").read_text()


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def server():
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: no initdb")
    with tempfile.TemporaryDirectory(prefix="kifactors-postgresql-") as folder:
        folder = Path(folder)
        secret = folder / "secret"
        secret.write_text("kept in a folder of its own\n")
        if os.geteuid() == 0:
            for path in (folder, secret):
                shutil.chown(path, "postgres", "postgres")
        data, port = folder / "data", _free_port()
        access = ["--auth=scram-sha-256", f"--pwfile={secret}", "--username=desk"]
        _as_owner([programs / "initdb", "-D", data, "--no-sync", "-E", "UTF8", "--locale=C", *access], folder)
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off -c lock_timeout=20s"
        control = [programs / "pg_ctl", "-D", data, "-w"]
        _as_owner([*control, "-l", folder / "log", "-o", options, "start"], folder)
        try:
            yield f"postgresql://desk:kept%20in%20a%20folder%20of%20its%20own@127.0.0.1:{port}/postgres"
        finally:
            _as_owner([*control, "-m", "immediate", "stop"], folder)


@pytest.fixture
def uri(request, vendor, tmp_path):
    """Name a database without any table."""
    if vendor == "sqlite":
        return str(tmp_path / "desk.sqlite")
    server = request.getfixturevalue("server")
    name = f"test_{next(NUMBERS)}"
    with postgresql.connect(server, autocommit=True) as connection:
        connection.execute(f"create schema {name}").close()
    return f"{server}?options=-csearch_path%3D{name}"


NUMBERS = iter(range(10**9))


@pytest.fixture(params=VENDORS)
def vendor(request):
    return request.param


@pytest.fixture
def connect(vendor, uri):
    """Return a function that connects to one database; all of its connections are closed after the test."""
    with ExitStack() as stack:
        module = {"sqlite": sqlite, "postgresql": postgresql}[vendor]
        yield lambda **options: stack.enter_context(module.connect(uri, **options))


@pytest.fixture
def connection(connect):
    return connect()


@pytest.fixture(scope="module")
def tables():
    names = {"asset_id": ["a0", "a1"], "ticker": ["AAA", None], "name": [None, "Ä \N{SNOWMAN} 'x\""]}
    return kf.Tables(**worlds.build(7), assets=names)


FACTOR = kf.AIInfrastructureExposure()
DAYS = worlds.DATES[-4:]


@pytest.fixture(scope="module")
def scores(tables):
    return FACTOR.compute(tables, DAYS)


def rows(connection, query):
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def run(connection, *statements):
    for statement in statements:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    connection.commit()


def put(connection, name, data, **options):
    with connection.cursor() as cursor:
        cursor.adbc_ingest(name, data, **options)
    connection.commit()


def names(connection):
    """Name the tables that another connection would see."""
    found = pa.table(connection.adbc_get_objects(depth="tables")).to_pylist()
    return {
        table["table_name"]
        for objects in found
        for schema in objects["catalog_db_schemas"] or ()
        for table in schema["db_schema_tables"] or ()
        if schema["db_schema_name"] in {"", connection.adbc_current_db_schema}
        and table["table_type"] in {"table", "view"}
    }


def names_in(connect):
    with connect() as connection:
        return names(connection)


def stored(connect):
    """Read the scores as somebody else, who goes away again: an open transaction keeps SQLite's file locked."""
    with connect() as connection:
        return kf.read_scores_adbc(connection)


def assert_same(got, expected):
    assert_frame_equal(got.to_polars(), expected.to_polars(), check_exact=True)
    assert_frame_equal(got.diagnostics, expected.diagnostics, check_exact=True)
    for name in ("definition", "inputs", "dates", "history", "release"):
        assert getattr(got, name) == getattr(expected, name)


# Inputs ---------------------------------------------------------------------------------------------------


def test_every_input_table_comes_out_as_it_went_in(connection, tables):
    for name, _ in tables:
        put(connection, name, tables.to_arrow(name))
    put(connection, "prices", pa.table({"close": [1.0]}))
    got = kf.read_tables_adbc(connection)
    for name, frame in tables:
        assert_frame_equal(getattr(got, name), frame, check_exact=True)
    assert got.fingerprints() == tables.fingerprints()


def test_scores_of_a_database_are_those_of_the_frames(connection, tables, scores):
    for name, _ in tables:
        put(connection, name, tables.to_arrow(name))
    assert_same(FACTOR.compute(kf.read_tables_adbc(connection), DAYS), scores)


def test_queries_rename_and_filter(connection):
    create = 'create table "share of capex" (firm text, part real, known date, how text)'
    insert = """insert into "share of capex" values
        ('a', 0.5, '2024-01-01', 'assumed'), ('b', null, '2024-01-01', 'assumed')"""
    run(connection, create, insert)
    query = """select firm as asset_id, part as share, known as available_at, how as provenance
               from "share of capex" where part is not null"""
    got = kf.read_tables_adbc(connection, {"ai_capex_share": query}).ai_capex_share
    assert got.rows() == [("a", 0.5, date(2024, 1, 1), "assumed")]


UNIVERSE = [
    (date(1850, 1, 1), "a", None, None, True),
    (date(1969, 12, 31), "a", "chips", 0.1 + 0.2, False),
    (date(9999, 12, 31), "é☃'\";--", None, None, True),
]


def put_universe(connection, number="double precision", truth="boolean"):
    run(
        connection,
        f"create table universe (date date, asset_id text, industry text, market_cap {number}, estimation {truth})",
        "insert into universe values ('1850-01-01', 'a', null, null, true)",
        "insert into universe values ('1969-12-31', 'a', 'chips', 0.30000000000000004, false)",
        "insert into universe values ('9999-12-31', 'é☃''\";--', null, null, true)",
    )


def test_values_nulls_and_letters_are_intact(connection):
    put_universe(connection)
    assert kf.read_tables_adbc(connection).universe.rows() == UNIVERSE


@pytest.mark.parametrize("number", ["numeric", "decimal(30, 20)"])
def test_numbers_of_any_length_become_the_nearest_float(connection, number):
    put_universe(connection, number)
    assert kf.read_tables_adbc(connection).universe.rows() == UNIVERSE


def test_views_count_as_tables(connection):
    put_universe(connection)
    run(connection, "alter table universe rename to stored", "create view universe as select * from stored")
    assert kf.read_tables_adbc(connection).universe.rows() == UNIVERSE


def test_names_may_be_in_upper_case(connection):
    put_universe(connection)
    run(connection, "alter table universe rename to other", 'alter table other rename to "Universe"')
    assert kf.read_tables_adbc(connection).universe.rows() == UNIVERSE


def test_a_column_may_begin_with_thousands_of_nulls(connection):
    """SQLite's driver takes types from the first rows it sees."""
    many = 5000
    frame = pl.DataFrame(
        {
            "date": [date(2024, 1, 1)] * many,
            "asset_id": [f"a{n:05}" for n in range(many)],
            "industry": [None] * (many - 1) + ["chips"],
            "market_cap": [None] * (many - 1) + [1.5],
            "estimation": [n % 2 == 0 for n in range(many)],
        }
    )
    put(connection, "universe", frame.to_arrow())
    assert_frame_equal(kf.read_tables_adbc(connection).universe, frame, check_exact=True)


def test_a_schema_of_its_own(connection, vendor, tmp_path):
    if vendor == "sqlite":
        run(connection, f"attach '{tmp_path / 'other.sqlite'}' as \"the desk's\"")
    else:
        run(connection, 'create schema "the desk\'s"')
    run(
        connection,
        'create table "the desk\'s".fx (date date, currency text, usd_per_unit real)',
        "insert into \"the desk's\".fx values ('2024-01-01', 'EUR', 1.25)",
        "create table fx (a text)",
    )
    got = kf.read_tables_adbc(connection, db_schema="the desk's")
    assert got.fx.rows() == [(date(2024, 1, 1), "EUR", 1.25)]
    if vendor == "postgresql":
        run(connection, 'drop schema "the desk\'s" cascade')


def test_reading_commits_nothing(connect):
    first, second = connect(), connect()
    put_universe(first)
    with first.cursor() as cursor:
        cursor.execute("delete from universe where asset_id = 'a'")
    assert kf.read_tables_adbc(first).universe.height == 1
    first.rollback()
    assert kf.read_tables_adbc(second).universe.height == 3


BREACHES = {
    "a value": ("insert into fx values ('2024-01-02', 'EUR', -1)", DataError, r"fx: column 'usd_per_unit' must be in .* row 1 \(date=2024-01-02"),
    "a null": ("insert into fx values ('2024-01-02', null, 1)", DataError, r"fx: column 'currency' must not be null"),
    "a repeated key": ("insert into fx values ('2024-01-01', 'EUR', 2)", DataError, r"fx: rows with one key"),
    "a column": ("alter table fx drop column currency", MissingColumnError, "fx lacks column 'currency'"),
    "no rows": ("delete from fx", DataError, "fx has no rows"),
}  # fmt: skip


@pytest.mark.parametrize("breach", BREACHES)
def test_a_table_that_breaks_its_schema_is_named(connection, breach):
    statement, kind, part = BREACHES[breach]
    run(
        connection,
        "create table fx (date date, currency text, usd_per_unit real)",
        "insert into fx values ('2024-01-01', 'EUR', 1)",
        statement,
    )
    with pytest.raises(kind, match=f"in the database, {part}"):
        kf.read_tables_adbc(connection)


@pytest.mark.parametrize("vendor", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("'31.01.2024'", r"column 'date' expects a date like 2024-01-31; 1 row\(s\) hold something else \(row 1: '31"),
        ("19753", "column 'date'"),
    ],
)  # fmt: skip
def test_what_sqlite_holds_and_is_no_date_is_refused(connection, value, part):
    run(
        connection,
        "create table fx (date, currency text, usd_per_unit real)",
        "insert into fx values ('2024-01-01', 'EUR', 1)",
        f"insert into fx values ({value}, 'CHF', 1)",
    )
    with pytest.raises(DataError, match=f"in the database, fx: {part}"):
        kf.read_tables_adbc(connection)


@pytest.mark.parametrize("vendor", ["sqlite"], indirect=True)
def test_what_sqlite_holds_and_is_no_truth_is_refused(connection):
    put_universe(connection)
    run(connection, "update universe set estimation = 2")
    with pytest.raises(DataError, match=r"universe: column 'estimation' is Int64; expected Boolean"):
        kf.read_tables_adbc(connection)


@pytest.mark.parametrize("vendor", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("dtype", "column"), [("text", "date"), ("timestamp", "date"), ("text", "market_cap")]
)
def test_postgresql_has_types_and_others_are_refused(connection, dtype, column):
    put_universe(connection)
    run(connection, f"alter table universe alter column {column} type {dtype}")
    with pytest.raises(DataError, match=rf"universe: column '{column}' is \w+.*expected"):
        kf.read_tables_adbc(connection)


@pytest.mark.parametrize(
    ("queries", "part"),
    [
        ({}, "queries name no table; the tables are universe"),
        ({"prices": "select 1"}, "queries name 'prices'"),
        ({"fx": "select * from rates"}, "in the database, fx cannot be read from the database"),
        ({"fx": "selec"}, "in the database, fx cannot be read from the database"),
    ],
)
def test_queries_that_make_no_tables_are_refused(connection, queries, part):
    with pytest.raises(DataError, match=part):
        kf.read_tables_adbc(connection, queries)


def test_a_database_without_input_tables_is_refused(connection):
    run(connection, "create table prices (a text)")
    with pytest.raises(DataError, match="the database holds no input table"):
        kf.read_tables_adbc(connection)


def test_a_name_that_looks_misspelt_is_refused(connection):
    run(connection, "create table fundamental (a text)")
    with pytest.raises(
        DataError, match="holds 'fundamental', which is no input table and looks like 'fundamentals'"
    ):
        kf.read_tables_adbc(connection)


@pytest.mark.parametrize("call", [kf.read_tables_adbc, kf.read_scores_adbc])
def test_only_adbc_connections_are_taken(call):
    with (
        sqlite3.connect(":memory:") as other,
        pytest.raises(DataError, match=r"expected an ADBC connection, got Conn"),
    ):
        call(other)
    other.close()
    with pytest.raises(DataError, match=r"kifactors\[adbc\]"):
        call("postgresql://127.0.0.1")


def test_a_closed_connection_is_refused(connect, scores):
    with connect() as closed:
        pass
    for call in (kf.read_tables_adbc, kf.read_scores_adbc, lambda c: kf.write_scores_adbc(scores, c)):
        with pytest.raises(DataError, match="the connection does not answer"):
            call(closed)


# Scores ---------------------------------------------------------------------------------------------------


def test_scores_come_back_as_they_were(connect, scores):
    kf.write_scores_adbc(scores, connect())
    assert_same(stored(connect), scores)


def test_the_columns_have_the_types_of_the_database(connection, scores, vendor):
    kf.write_scores_adbc(scores, connection)
    found = connection.adbc_get_table_schema("scores") if vendor == "postgresql" else None
    if vendor == "postgresql":
        kinds = {pl.Date: pa.date32(), pl.String: pa.string(), pl.Float64: pa.float64()}
        assert dict(zip(found.names, found.types, strict=True)) == {
            n: kinds[t] for n, t in SCORES.polars.items()
        }
    else:
        kinds = {pl.Date: "date", pl.String: "text", pl.Float64: "double precision"}
        found = {row[1]: row[2].lower() for row in rows(connection, "pragma table_info(scores)")}
        assert found == {name: kinds[dtype] for name, dtype in SCORES.polars.items()}
        assert rows(connection, "select distinct typeof(date) from scores") == [("text",)]
        assert rows(connection, "select min(date) from scores") == [(str(scores.dates[0]),)]


def test_anybody_reads_the_rows_in_sql(connection, scores):
    kf.write_scores_adbc(scores, connection)
    frame = scores.to_polars()
    number, known, largest = rows(
        connection, "select count(*), count(neutral_score), max(exposure) from scores"
    )[0]
    assert (number, known) == (frame.height, frame["neutral_score"].count())
    assert largest == frame["exposure"].max()


def test_scores_without_rows_come_back(connection):
    theta = {"asset_id": ["a"], "share": [0.0], "available_at": [date(2024, 1, 1)], "provenance": ["assumed"]}
    nobody = FACTOR.compute(kf.Tables(ai_capex_share=theta), ["2023-12-31"])
    assert len(nobody) == 0
    kf.write_scores_adbc(nobody, connection)
    assert_same(kf.read_scores_adbc(connection), nobody)


HOSTILE = [
    'x"; drop table fx; --',
    "x'; drop table fx; --",
    "select",
    "Sc0res of the desk",
    "é☃",
    "a.b",
    "%s $1 ? {}",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_a_name_whatever_is_in_it(connection, scores, name):
    run(connection, "create table fx (a text)")
    kf.write_scores_adbc(scores.at(DAYS[0]), connection, name)
    kf.write_scores_adbc(scores.at(DAYS[1]), connection, name, mode="append")
    kf.write_scores_adbc(scores, connection, name, mode="replace")
    assert_same(kf.read_scores_adbc(connection, name), scores)
    assert names(connection) == {"fx", name, f"{name}_provenance"}


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 53, "é" * 30, None, 3], ids=repr)
def test_a_name_that_no_table_can_have_is_refused(connection, scores, name):
    with pytest.raises(DataError, match="is no name of a table"):
        kf.write_scores_adbc(scores, connection, name)
    assert names(connection) == set()


def test_a_schema_of_its_own_takes_scores(connection, vendor, scores, tmp_path):
    if vendor == "sqlite":
        run(connection, f"attach '{tmp_path / 'other.sqlite'}' as \"the desk's\"")
    else:
        run(connection, 'create schema "the desk\'s"')
    kf.write_scores_adbc(scores.at(DAYS[0]), connection, db_schema="the desk's")
    kf.write_scores_adbc(scores.at(DAYS[1]), connection, db_schema="the desk's", mode="append")
    assert kf.read_scores_adbc(connection, db_schema="the desk's").dates == scores.dates[:2]
    with pytest.raises(DataError, match='the database has no table "scores"'):
        kf.read_scores_adbc(connection)
    if vendor == "postgresql":
        run(connection, 'drop schema "the desk\'s" cascade')


def test_dates_are_appended(connect, scores):
    first, *others = DAYS
    kf.write_scores_adbc(scores.at(first), connect())
    for day in others:
        kf.write_scores_adbc(scores.at(day), connect(), mode="append")
    assert_same(stored(connect), scores)


def test_scores_of_a_database_can_be_updated(connection, tables, scores):
    kf.write_scores_adbc(FACTOR.compute(tables, DAYS[:2]), connection)
    more = FACTOR.update(kf.read_scores_adbc(connection), tables, DAYS[2:])
    assert_same(more, scores)
    kf.write_scores_adbc(more, connection, mode="replace")
    assert_same(kf.read_scores_adbc(connection), scores)


def test_creating_twice_is_refused(connection, scores):
    kf.write_scores_adbc(scores.at(DAYS[0]), connection)
    with pytest.raises(DataError, match=r'has a table "scores" already.*mode='):
        kf.write_scores_adbc(scores, connection)
    assert_same(kf.read_scores_adbc(connection), scores.at(DAYS[0]))


def test_a_foreign_table_is_not_replaced(connection, scores):
    run(connection, "create table scores (a text)", "insert into scores values ('mine')")
    with pytest.raises(DataError, match="something else wrote it"):
        kf.write_scores_adbc(scores, connection, mode="replace")
    with pytest.raises(DataError, match='has no table "scores_provenance"'):
        kf.write_scores_adbc(scores, connection, mode="append")
    assert rows(connection, "select * from scores") == [("mine",)]


def test_nothing_is_appended_to_nothing(connection, scores):
    with pytest.raises(DataError, match=r'has no table "scores" and no table "scores_provenance"'):
        kf.write_scores_adbc(scores, connection, mode="append")
    with pytest.raises(DataError, match=r'has no table "scores" and no table "scores_provenance"'):
        kf.read_scores_adbc(connection)
    kf.write_scores_adbc(scores, connection, mode="replace")
    assert_same(kf.read_scores_adbc(connection), scores)


def _another_definition(tables):
    return kf.AIInfrastructureExposure(
        kf.FactorDefinition(supplier_ties=kf.definition.SupplierTies(delta=0.25))
    )


def _another_past(tables):
    frame = tables.ai_capex_share.with_columns(share=1.0 - pl.col("share"))
    return tables.replace(ai_capex_share=frame)


@pytest.mark.parametrize(
    ("make", "kind", "part"),
    [
        (lambda t: FACTOR.compute(t, DAYS[1:3]), DateError, "holds scores up to .* and these begin on"),
        (lambda t: FACTOR.compute(t, DAYS[:1]), DateError, "holds scores up to"),
        (lambda t: _another_definition(t).compute(t, DAYS[3:]), StaleScoresError, "another definition: .*delta"),
        (lambda t: FACTOR.compute(_another_past(t), DAYS[3:]), StaleScoresError, "another past: ai_capex_share differs"),
        (lambda t: made_by(FACTOR.compute(t, DAYS[3:]), release="0.0.1"), StaleScoresError, "another release"),
        (lambda t: made_by(FACTOR.compute(t, DAYS[3:]), history=None), StaleScoresError, "not known from which past"),
    ],
    ids=["the last date again", "an earlier date", "definition", "past", "release", "no history"],
)  # fmt: skip
def test_what_does_not_continue_is_not_appended(connection, tables, scores, make, kind, part):
    stored = FACTOR.compute(tables, DAYS[1:2])
    kf.write_scores_adbc(stored, connection)
    with pytest.raises(kind, match=part):
        kf.write_scores_adbc(make(tables), connection, mode="append")
    assert_same(kf.read_scores_adbc(connection), stored)


def made_by(scores, **other):
    known = {"history": scores.history, "release": scores.release, **other}
    return kf.Scores(
        scores.to_polars(), scores.definition, inputs=scores.inputs, dates=scores.dates, diagnostics=scores.diagnostics,
        **known,
    )  # fmt: skip


@pytest.mark.parametrize("mode", ["", "create_append", None])
def test_another_mode_is_refused(connection, scores, mode):
    with pytest.raises(DataError, match="expected 'create', 'append' or 'replace'"):
        kf.write_scores_adbc(scores, connection, mode=mode)


def test_only_scores_are_written(connection, scores):
    with pytest.raises(DataError, match="takes Scores; got DataFrame"):
        kf.write_scores_adbc(scores.to_polars(), connection)


def test_another_database_is_not_supported(scores):
    class Other:
        Error = manager.Error

        def adbc_get_info(self):
            return {"vendor_name": "Other"}

    for call in (kf.read_tables_adbc, kf.read_scores_adbc, lambda c: kf.write_scores_adbc(scores, c)):
        with pytest.raises(NotImplementedError, match="the database is Other"):
            call(Other())


# Changed by others ----------------------------------------------------------------------------------------

EDITS = {
    "a value": ("update scores set exposure = 2", DataError, r"column 'exposure' must be in \[0, 1\]"),
    "a date": ("update scores set date = '2000-01-01' where asset_id = 'a0' and date = '{}'", DataError, "rows on 2000-01-01"),
    "a column": ("alter table scores drop column coverage", MissingColumnError, "lacks column 'coverage'"),
    "no provenance": ("delete from scores_provenance", DataError, r"holds 0 row\(s\)"),
    "two": ("insert into scores_provenance select provenance from scores_provenance", DataError, r"holds 2 row\(s\)"),
    "an edit": ("update scores_provenance set provenance = replace(provenance, '20', '21')", DataError, "provenance that cannot be read"),
    "junk": ("update scores_provenance set provenance = '{{'", DataError, "provenance that cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("edit", EDITS)
def test_scores_that_were_changed_are_refused(connection, scores, edit):
    statement, kind, part = EDITS[edit]
    kf.write_scores_adbc(scores, connection)
    run(connection, statement.format(DAYS[0]))
    with pytest.raises(kind, match=part) as caught:
        kf.read_scores_adbc(connection)
    assert "scores" in str(caught.value)


def test_a_key_cannot_be_there_twice(connection, scores):
    kf.write_scores_adbc(scores, connection)
    with connection.cursor() as cursor, pytest.raises(manager.Error, match=r"(?i)unique"):
        cursor.execute("insert into scores select * from scores")
    connection.rollback()
    assert_same(kf.read_scores_adbc(connection), scores)


def test_scores_that_are_replaced_while_they_are_read_are_refused(connect, scores, monkeypatch):
    reader, writer = connect(autocommit=True), connect()
    kf.write_scores_adbc(scores, writer)
    whole = kf.io._database.Database.read

    def read(self, schema, query):
        kf.write_scores_adbc(scores.at(DAYS[0]), writer, mode="replace")
        return whole(self, schema, query)

    monkeypatch.setattr(kf.io._database.Database, "read", read)
    with pytest.raises(DataError, match="was written while it was read"):
        kf.read_scores_adbc(reader)


# All or nothing -------------------------------------------------------------------------------------------


def last_row(scores):
    return scores.to_polars().sort("date", "asset_id")[-1]


@pytest.fixture(params=[False, True], ids=["transactions", "autocommit"])
def writer(request, connect):
    return connect(autocommit=request.param)


def test_an_error_in_the_middle_of_the_rows_leaves_nothing(writer, connect, scores):
    """The last of the rows is there already: the database finds out when it has taken all others."""
    first, second = scores.at(DAYS[0]), scores.at(DAYS[1])
    kf.write_scores_adbc(first, writer)
    put(other := connect(), "scores", last_row(second).to_arrow(), mode="append")
    with pytest.raises(DataError, match=r'scores cannot be written to table "scores" \(.*(?i:unique)'):
        kf.write_scores_adbc(second, writer, mode="append")
    run(other, f"delete from scores where date = '{DAYS[1]}'")
    assert_same(stored(connect), first)
    kf.write_scores_adbc(second, writer, mode="append")
    assert len(stored(connect)) == len(first) + len(second)


@pytest.mark.parametrize("mode", ["create", "replace", "append"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_error_between_the_tables_leaves_nothing(writer, connect, scores, monkeypatch, mode, error):
    old = scores.at(DAYS[0])
    if mode != "create":
        kf.write_scores_adbc(old, writer)
    ingest = manager.Cursor.adbc_ingest

    def stopped(self, table_name, data, **options):
        if table_name == "scores_provenance":
            raise error
        return ingest(self, table_name, data, **options)

    with monkeypatch.context() as patch:
        patch.setattr(manager.Cursor, "adbc_ingest", stopped)
        with pytest.raises(error):
            kf.write_scores_adbc(scores.at(DAYS[1]), writer, mode=mode)
    if mode == "create":
        assert names_in(connect) == set()
    else:
        assert_same(stored(connect), old)
    # The connection is as it was before.
    kf.write_scores_adbc(scores, writer, mode="replace")
    assert_same(stored(connect), scores)


def test_an_autocommitting_connection_stays_one(connect, scores):
    writer = connect(autocommit=True)
    kf.write_scores_adbc(scores, writer)
    with writer.cursor() as cursor:
        cursor.execute("create table fx (a text)")
    assert "fx" in names_in(connect)


def test_two_writers_at_once_do_not_mix(connect, scores):
    with connect() as writer:
        kf.write_scores_adbc(scores.at(DAYS[0]), writer)
    days = DAYS[1:]
    writers = [connect() for _ in days]
    start = threading.Barrier(len(days))

    def append(connection, day):
        start.wait()
        try:
            kf.write_scores_adbc(scores.at(day), connection, mode="append")
        except (DataError, DateError) as error:
            return error

    with ThreadPoolExecutor(len(days)) as pool:
        ends = list(pool.map(append, writers, days))
    there = [DAYS[0], *(day for day, error in zip(days, ends, strict=True) if error is None)]
    assert len(there) > 1, ends
    got = stored(connect)
    assert [str(day) for day in got.dates] == there
    assert_frame_equal(got.to_polars(), pl.concat([scores.at(day).to_polars() for day in there]))


KILLED = """
import os, sys
import adbc_driver_manager.dbapi as manager
import kifactors as kf

module, uri, path = sys.argv[1:]
scores = kf.read_scores(path)
ingest = manager.Cursor.adbc_ingest

def killed(self, table_name, data, **options):
    if table_name == "scores_provenance":
        print("half written", flush=True)
        os.kill(os.getpid(), 9)
    return ingest(self, table_name, data, **options)

manager.Cursor.adbc_ingest = killed
connect = __import__(f"adbc_driver_{module}.dbapi", fromlist=["connect"]).connect
kf.write_scores_adbc(scores, connect(uri), mode="replace")
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_a_killed_write_leaves_the_old_scores(vendor, uri, connect, scores, tmp_path):
    old = scores.at(DAYS[0])
    with connect() as writer:
        kf.write_scores_adbc(old, writer)
    path = kf.write_scores(scores, tmp_path / "scores.parquet")
    child = subprocess.run(
        [sys.executable, "-c", KILLED, vendor, uri, str(path)], capture_output=True, text=True, check=False
    )
    assert (child.stdout, child.returncode) == ("half written\n", -9), child.stderr
    assert_same(stored(connect), old)


@pytest.mark.parametrize("vendor", ["sqlite"], indirect=True)
def test_a_locked_file_is_an_error_of_ours(connect, scores):
    with connect() as other, other.cursor() as cursor:
        cursor.execute("create table fx (a text)")
        with pytest.raises(DataError, match="locked"):
            kf.write_scores_adbc(scores, connect())
    assert names_in(connect) == set()


@pytest.mark.parametrize("vendor", ["sqlite"], indirect=True)
def test_sqlite_does_not_tell_upper_from_lower_case(connection, scores):
    kf.write_scores_adbc(scores.at(DAYS[0]), connection, "Scores")
    with pytest.raises(DataError, match="already"):
        kf.write_scores_adbc(scores, connection, "scores")
    kf.write_scores_adbc(scores, connection, "SCORES", mode="replace")
    assert_same(kf.read_scores_adbc(connection), scores)
