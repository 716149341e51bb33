"""The command update, as cron sees it."""

import json
import subprocess
import sys
from datetime import date

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import kifactors as kf
from kifactors.errors import DataError, StaleScoresError
from tests.test_cli import run

pytest.importorskip("typer", reason="the command line needs the extra cli")
pytest.importorskip("deltalake", reason="a store needs the extra lake")


def write(folder, tables):
    folder.mkdir(exist_ok=True)
    for name, frame in tables:
        frame.write_parquet(folder / f"{name}.parquet")


@pytest.fixture
def folder(tmp_path):
    """Tables as they were at the end of August 2026, in a folder named data."""
    tables = kf.load_bundled()
    facts = tables.fundamentals.filter(pl.col("available_at") <= date(2026, 8, 31))
    write(tmp_path / "data", [(n, facts if n == "fundamentals" else f) for n, f in tables])
    return tmp_path


def later(folder):
    write(folder / "data", kf.load_bundled())


def lines(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def refusal(done):
    """Return the error a user sees below the log: one message, no traceback."""
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("kifactors: ")
    return done.stderr


ARGUMENTS = ("update", "--store", "scores", "--data", "data")


def test_it_makes_a_store_then_adds_what_is_missing_then_nothing(folder):
    done = run(folder, *ARGUMENTS, "--from", "2026-06-30", "--log", "json")
    assert [entry["event"] for entry in lines(done)] == ["read", "updated"]
    assert {k: v for k, v in lines(done)[1].items() if k != "time"} == {
        "event": "updated", "store": str(folder / "scores"), "version": 1, "dates": 2,
        "first": "2026-06-30", "last": "2026-07-31",
    }  # fmt: skip
    later(folder)
    for version, dates in ((2, 2), (2, 0)):
        again = lines(run(folder, *ARGUMENTS, "--log", "json"))[1]
        assert (again["event"], again["version"], again["dates"]) == (
            "updated" if dates else "nothing to do", version, dates,
        )  # fmt: skip
    store = kf.open_store(folder / "scores")
    whole = kf.AIInfrastructureExposure().compute(kf.load_bundled(), kf.month_ends("2026-06", "2026-09"))
    assert_frame_equal(store.read(), whole.to_polars(), check_exact=True)
    assert store.scores().history == whole.history


def test_lines_of_text_can_be_cut_and_grepped(folder):
    done = run(folder, *ARGUMENTS, "--from", "2026-07-31", "--compact")
    first, second, third = done.stdout.splitlines()
    assert first.endswith("Z read data=data tables=7")
    assert second.split(" ", 1)[1] == (
        f"updated store={folder / 'scores'} version=1 dates=1 first=2026-07-31 last=2026-07-31"
    )
    assert third.split(" ", 1)[1] == f"nothing to compact store={folder / 'scores'} version=1"


def test_no_date_lies_after_what_the_tables_know(folder):
    run(folder, *ARGUMENTS, "--from", "2026-06-30")
    known = kf.asof.last_known(kf.read_tables(folder / "data"))
    assert kf.open_store(folder / "scores").dates()[-1] <= known < date(2026, 8, 31)
    run(folder, *ARGUMENTS, "--to", "2026-08-31")
    assert kf.open_store(folder / "scores").dates()[-1] == date(2026, 8, 31)


@pytest.mark.slow
def test_another_past_is_refused_until_a_reason_is_given(folder):
    run(folder, *ARGUMENTS, "--from", "2026-06-30")
    tables = kf.load_bundled()
    changed = tables.fundamentals.with_columns(pl.col("value") * 1.01)
    write(folder / "data", [(n, changed if n == "fundamentals" else f) for n, f in tables])
    refused = run(folder, *ARGUMENTS, code=1)
    assert "the tables tell another past" in refusal(refused)
    entry = lines(run(folder, *ARGUMENTS, "--log", "json", code=1))[-1]
    assert (entry["event"], entry["error"]) == ("failed", "StaleScoresError")
    done = lines(run(folder, *ARGUMENTS, "--restate", "values corrected", "--log", "json"))[1]
    assert (done["version"], done["dates"], done["first"]) == (2, 4, "2026-06-30")
    assert kf.open_store(folder / "scores").versions()["reason"][0] == "values corrected"


def test_wrong_usage_says_what_to_do(folder):
    assert "Say the first one with --from" in refusal(run(folder, *ARGUMENTS, code=1))
    done = run(folder, *ARGUMENTS, "--storage-option", "region", code=2)
    assert "expected KEY=VALUE" in done.stderr
    assert not (folder / "scores").exists()


@pytest.mark.slow
def test_two_runs_at_once_write_every_date_once(folder):
    later(folder)
    command = [sys.executable, "-m", "kifactors", *ARGUMENTS, "--from", "2026-03-31", "--log", "json"]
    command = [sys.executable, "-c", "from kifactors.cli import main; main()", *command[3:]]
    runs = [subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    last = [json.loads(one.communicate()[0].splitlines()[-1]) for one in runs]
    assert [one.returncode for one in runs] == [0, 0, 0]
    assert {entry["version"] for entry in last} == {1}
    whole = kf.AIInfrastructureExposure().compute(kf.load_bundled(), kf.month_ends("2026-03", "2026-09"))
    assert_frame_equal(kf.open_store(folder / "scores").read(), whole.to_polars(), check_exact=True)


# In Python ------------------------------------------------------------------------------------------------


def test_gaps_are_filled_from_the_same_past(tmp_path):
    store, tables = kf.open_store(tmp_path / "scores"), kf.load_bundled()
    dates = kf.month_ends("2026-04", "2026-09")
    kf.update_store(store, tables, [dates[1], dates[4]])
    seen = []
    done = kf.update_store(store, tables, dates, progress=lambda n, of: seen.append((n, of)))
    assert done.dates == (dates[0], dates[2], dates[3], dates[5])
    assert seen[-1] == (4, 4)
    assert [n for n, _ in seen] == sorted(n for n, _ in seen)
    whole = kf.AIInfrastructureExposure().compute(tables, dates)
    assert_frame_equal(store.read(), whole.to_polars(), check_exact=True)
    other = kf.Tables(
        **dict(tables) | {"fundamentals": tables.fundamentals.with_columns(pl.col("value") * 2)}
    )
    with pytest.raises(StaleScoresError, match="fundamentals differs"):
        kf.update_store(store, other, [*kf.month_ends("2026-01", "2026-03"), *dates])
    with pytest.raises(StaleScoresError, match=r"supplier_ties\.delta"):
        kf.update_store(
            store,
            tables,
            ["2026-10-31"],
            definition=kf.FactorDefinition(supplier_ties=kf.definition.SupplierTies(delta=0.1)),
        )


def test_restating_says_which_dates_it_changed(tmp_path):
    store, tables = kf.open_store(tmp_path / "scores"), kf.load_bundled()
    dates = kf.month_ends("2026-06", "2026-09")
    kf.update_store(store, tables, dates)
    assert kf.update_store(store, tables, dates, restate="to be sure") == kf.store.Updated(1, ())
    facts = tables.fundamentals
    before = kf.AIInfrastructureExposure().compute(tables, dates).to_polars()
    late = facts.with_columns(
        value=pl.when(pl.col("available_at") > date(2026, 7, 15)).then(pl.col("value") * 2).otherwise("value")
    )
    other = kf.Tables(**dict(tables) | {"fundamentals": late})
    done = kf.update_store(store, other, dates, restate="late filings corrected")
    after = kf.AIInfrastructureExposure().compute(other, dates).to_polars()
    of = [frame.partition_by("date", as_dict=True) for frame in (before, after)]
    changed = [day for day in dates if not of[0][(day,)].equals(of[1][(day,)])]
    assert 0 < len(changed) < len(dates)
    assert done == kf.store.Updated(2, tuple(changed))
    with pytest.raises(DataError, match="Give the reason"):
        kf.update_store(store, other, dates, restate="")
