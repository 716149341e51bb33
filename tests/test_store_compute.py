"""Scores computed into a store: file by file what an append of the whole writes, wherever the tasks ran."""

import os
import signal
import time
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from polars.testing import assert_frame_equal

import kifactors as kf
from kifactors.errors import ConflictError, DataError, DateError, StaleScoresError
from kifactors.io import TableFolder
from kifactors.store import _compute
from kifactors.store._log import LostRaceError, TransactionLog, UncertainCommitError
from tests.test_engine import cluster
from tests.worlds import DATES, build, seeds

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
FACTOR = kf.AIInfrastructureExposure()
FEW = settings(max_examples=4, deadline=None)
DAILY = [str(day) for day in kf.calendar.week_ends("2021-01-01", "2022-12-31")]


def frames_of(seed, *, universe=True):
    frames = build(seed, universe=universe)
    frames["assets"] = pl.DataFrame({"asset_id": ["a0", "a1"], "ticker": ["A", "B"]})
    return frames


def folder_of(path, frames, ending="parquet"):
    path.mkdir(exist_ok=True)
    for name, frame in frames.items():
        if ending == "csv":
            frame.write_csv(path / f"{name}.csv")
        else:
            frame.write_parquet(path / f"{name}.parquet", row_group_size=7)
    return path


def named(store):
    """Return what the files are called, less the random part: their dates and the checksum of their bytes."""
    return sorted(path.name.rpartition("-")[0] for path in Path(store.uri).rglob("*.parquet"))


def assert_same_store(got, expected):
    """Every byte of every file, and every file there is."""
    assert named(got) == named(expected)
    a, b = got.scores(), expected.scores()
    assert_frame_equal(a.to_polars(), b.to_polars(), check_exact=True)
    assert a.to_arrow().equals(b.to_arrow(), check_metadata=True)
    notes = [s.versions().drop("version", "time").head(1) for s in (got, expected)]
    assert notes[0].equals(notes[1])


def appended(path, frames, dates=DATES, factor=FACTOR):
    store = kf.open_store(path)
    store.append(factor.compute(kf.Tables(**frames), dates))
    return store


@pytest.fixture(scope="module")
def client():
    with cluster(2) as client:
        yield client


# The same as an append ------------------------------------------------------------------------------------


@pytest.mark.slow
@FEW
@given(seed=seeds)
@pytest.mark.parametrize("universe", [True, False])
@pytest.mark.parametrize("source", ["tables", "parquet", "csv"])
def test_a_computed_store_is_an_appended_one(universe, source, seed, tmp_path_factory):
    path, frames = tmp_path_factory.mktemp("stores"), frames_of(seed, universe=universe)
    tables = kf.Tables(**frames) if source == "tables" else folder_of(path / "tables", frames, source)
    store, seen = kf.open_store(path / "computed"), []
    assert store.compute(FACTOR, tables, DATES, progress=lambda *both: seen.append(both)) == 1
    assert_same_store(store, appended(path / "appended", frames))
    assert seen == sorted(seen)
    assert seen[-1] == (len(DATES), len(DATES))


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["processes", "dask"])
@pytest.mark.parametrize("source", ["tables", "folder"])
def test_so_is_one_from_other_processes(engine, source, client, tmp_path):
    frames = frames_of(3, universe=False)
    tables = kf.Tables(**frames) if source == "tables" else folder_of(tmp_path / "tables", frames)
    store = kf.open_store(tmp_path / "computed")
    store.compute(FACTOR, tables, DAILY, engine=client if engine == "dask" else engine)
    assert_same_store(store, appended(tmp_path / "appended", frames, DAILY))


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["processes", "dask"])
def test_and_scores_in_memory(engine, client):
    tables, seen = kf.Tables(**frames_of(3)), []
    full = FACTOR.compute(tables, DATES)
    got = FACTOR.compute(
        tables,
        DATES,
        engine=client if engine == "dask" else engine,
        progress=lambda *both: seen.append(both),
    )
    assert got.to_arrow().equals(full.to_arrow(), check_metadata=True)
    assert_frame_equal(got.to_polars(), full.to_polars(), check_exact=True)
    assert_frame_equal(got.diagnostics, full.diagnostics, check_exact=True)
    assert seen[-1] == (len(DATES), len(DATES))


def test_months_that_are_small_are_scored_together(tmp_path, monkeypatch):
    frames, heights = frames_of(3, universe=False), []
    scored = kf.AIInfrastructureExposure.frames
    monkeypatch.setattr(
        kf.AIInfrastructureExposure,
        "frames",
        lambda self, tables, dates, **options: (
            heights.append(len(dates)) or scored(self, tables, dates, **options)
        ),
    )
    kf.open_store(tmp_path / "many").compute(FACTOR, kf.Tables(**frames), DAILY)
    assert max(heights) > 5
    heights.clear()
    monkeypatch.setattr(_compute, "ROWS_AT_A_TIME", 1)
    kf.open_store(tmp_path / "one").compute(FACTOR, kf.Tables(**frames), DAILY)
    assert max(heights) == 5
    assert named(kf.open_store(tmp_path / "many")) == named(kf.open_store(tmp_path / "one"))


def test_dates_before_the_universe_have_no_rows(tmp_path):
    frames = frames_of(3)
    dates = ["2020-11-30", "2020-12-31", *DATES]
    folder = folder_of(tmp_path / "tables", frames)
    store = kf.open_store(tmp_path / "computed")
    store.compute(FACTOR, folder, dates)
    assert store.dates()[0] == date(2020, 11, 30)
    assert store.read(end="2020-12-31").is_empty()
    assert_same_store(store, appended(tmp_path / "appended", frames, dates))


def test_the_dates_alone_before_the_universe(tmp_path):
    frames = frames_of(3)
    store = kf.open_store(tmp_path / "computed")
    store.compute(FACTOR, folder_of(tmp_path / "tables", frames), ["2020-11-30"])
    assert_same_store(store, appended(tmp_path / "appended", frames, ["2020-11-30"]))


def test_it_can_be_continued(tmp_path):
    frames = frames_of(3)
    store = kf.open_store(tmp_path / "computed")
    store.compute(FACTOR, folder_of(tmp_path / "tables", frames), DATES[:9])
    got = FACTOR.update(store.scores(), kf.Tables(**frames), DATES[9:])
    assert got.to_arrow().equals(FACTOR.compute(kf.Tables(**frames), DATES).to_arrow(), check_metadata=True)


# What is there already ------------------------------------------------------------------------------------


def test_dates_that_are_there_are_not_written_again(tmp_path):
    frames, tables = frames_of(3), kf.Tables(**frames_of(3))
    store = appended(tmp_path / "store", frames, DATES[2:5])
    before = named(store)
    assert store.compute(FACTOR, tables, DATES[2:5]) == 1, "nothing is new"
    assert named(store) == before
    assert store.compute(FACTOR, tables, DATES) == 2
    assert [str(day) for day in store.dates()] == DATES
    assert set(before) < set(named(store))
    assert store.versions()["dates"].to_list()[:2] == [len(DATES) - 3, 3]


def test_a_month_may_be_there_in_part(tmp_path):
    frames = frames_of(3, universe=False)
    store = appended(tmp_path / "store", frames, ["2022-03-11", "2022-03-25"])
    days = ["2022-03-04", "2022-03-11", "2022-03-18", "2022-03-25", "2022-04-01"]
    store.compute(FACTOR, kf.Tables(**frames), days)
    assert [str(day) for day in store.dates()] == days
    expected = FACTOR.compute(kf.Tables(**frames), days)
    assert_frame_equal(store.read(), expected.to_polars(), check_exact=True)


def test_other_rows_are_refused_and_nothing_stays(tmp_path):
    frames = frames_of(3)
    changed = {**frames, "ai_capex_share": frames["ai_capex_share"].with_columns(share=0.9)}
    store = appended(tmp_path / "store", changed, DATES[10:11])
    before = sorted(Path(store.uri).rglob("*.parquet"))
    with pytest.raises(ConflictError, match=rf"the store has other scores on {DATES[10]}"):
        store.compute(FACTOR, kf.Tables(**frames), DATES)
    assert sorted(Path(store.uri).rglob("*.parquet")) == before
    assert store.version == 1


def test_another_definition_is_refused(tmp_path):
    store = appended(tmp_path / "store", frames_of(3), DATES[:1])
    other = kf.FactorDefinition(time=kf.definition.Time(lag_days=5))
    with pytest.raises(StaleScoresError, match="another definition"):
        store.compute(kf.AIInfrastructureExposure(other), kf.Tables(**frames_of(3)), DATES)


# Other writers --------------------------------------------------------------------------------------------


def test_only_months_that_another_writer_touched_are_computed_again(tmp_path, monkeypatch):
    frames, store = frames_of(3, universe=False), kf.open_store(tmp_path / "store")
    rival, runs = kf.open_store(tmp_path / "store"), []
    store.append(FACTOR.compute(kf.Tables(**frames), ["2021-01-29"]))
    score = _compute._score_and_write
    monkeypatch.setattr(
        _compute, "_score_and_write", lambda source, task: runs.append(task[1]) or score(source, task)
    )
    commit = TransactionLog.commit

    def late(self, snapshot, change):
        if len(runs) and not rival.dates()[-1] >= date(2022, 5, 6):
            with monkeypatch.context() as patch:
                patch.setattr(TransactionLog, "commit", commit)
                rival.append(FACTOR.compute(kf.Tables(**frames), ["2022-05-06"]))
        return commit(self, snapshot, change)

    monkeypatch.setattr(TransactionLog, "commit", late)
    store.compute(FACTOR, kf.Tables(**frames), DAILY)
    first = [day for days in runs[:-1] for day in days]
    assert [str(day) for day in first] == DAILY
    assert {f"{day:%Y-%m}" for day in runs[-1]} == {"2022-05"}
    assert [str(day) for day in store.dates()] == DAILY
    assert_frame_equal(store.read(), FACTOR.compute(kf.Tables(**frames), DAILY).to_polars(), check_exact=True)
    held = {file.path for file in store._log.open().files}
    assert {str(p.relative_to(store.uri)) for p in Path(store.uri).rglob("*.parquet")} == held, "no orphans"


@pytest.mark.parametrize("failure", [LostRaceError, KeyboardInterrupt, UncertainCommitError])
def test_files_stay_only_if_the_commit_may_have_happened(tmp_path, monkeypatch, failure):
    store = kf.open_store(tmp_path / "store")

    def fails(self, snapshot, change):
        raise failure

    monkeypatch.setattr(TransactionLog, "commit", fails)
    monkeypatch.setattr("kifactors.store._store.TRIES", 2)
    with pytest.raises(ConflictError if failure is LostRaceError else failure):
        store.compute(FACTOR, kf.Tables(**frames_of(3)), DATES[:3])
    left = list(Path(store.uri).rglob("*.parquet"))
    assert len(left) == (3 if failure is UncertainCommitError else 0)


# Inputs in a folder ---------------------------------------------------------------------------------------


def test_of_a_universe_only_the_dates_of_a_task_are_read(tmp_path):
    tables = TableFolder(folder_of(tmp_path / "tables", frames_of(3)))
    days = tables.universe_dates()
    assert days.to_list() == [date.fromisoformat(day) for day in DATES]
    assert tables.on(days[3], days[4]).universe["date"].unique().sort().to_list() == days[3:5].to_list()
    assert tables._whole() is tables._whole(), "the others are read once"


def test_a_file_that_changed_is_read_again(tmp_path):
    frames = frames_of(3)
    tables = TableFolder(folder_of(tmp_path / "tables", frames))
    before = tables.on(date(2021, 1, 31), date(2021, 1, 31)).fundamentals.height
    frames["fundamentals"].head(5).write_parquet(tmp_path / "tables" / "fundamentals.parquet")
    assert before > 5
    assert tables.on(date(2021, 1, 31), date(2021, 1, 31)).fundamentals.height == 5


def test_a_date_that_the_universe_lacks_is_refused(tmp_path):
    folder, store = folder_of(tmp_path / "tables", frames_of(3)), kf.open_store(tmp_path / "store")
    with pytest.raises(DateError, match="universe has no rows on 2022-02-01"):
        store.compute(FACTOR, folder, [DATES[0], "2022-02-01"])
    assert not store.exists()


@pytest.mark.parametrize("column", ["date", "asset_id"])
def test_a_broken_universe_is_refused(tmp_path, column):
    frames = frames_of(3)
    frames["universe"] = frames["universe"].with_columns(
        pl.when(pl.int_range(pl.len()) == 9).then(None).otherwise(column).alias(column)
    )
    folder = folder_of(tmp_path / "tables", frames)
    with pytest.raises(DataError, match=f"universe: column '{column}' must not be null"):
        kf.open_store(tmp_path / "store").compute(FACTOR, folder, DATES)


def test_a_folder_without_tables_is_refused(tmp_path):
    with pytest.raises(DataError, match="holds no input table"):
        kf.open_store(tmp_path / "store").compute(FACTOR, tmp_path, DATES)
    folder_of(tmp_path / "names", {"assets": frames_of(3)["assets"]})
    with pytest.raises(DataError, match="no table but assets"):
        kf.open_store(tmp_path / "store").compute(FACTOR, tmp_path / "names", DATES)


@pytest.mark.parametrize(("factor", "tables"), [(None, "."), (FACTOR, None)])
def test_what_is_no_factor_and_no_tables_is_refused(tmp_path, factor, tables):
    with pytest.raises(DataError, match="expected kf"):
        kf.open_store(tmp_path / "store").compute(factor, tables, DATES)


def test_files_that_only_a_worker_sees_are_refused(tmp_path, monkeypatch):
    store = kf.open_store(tmp_path / "store")
    elsewhere = _compute._score_and_write

    def on_another_disk(source, task):
        done = elsewhere(source, task)
        for file in done[0].files:
            (tmp_path / "store" / file.path).unlink()
        return done

    monkeypatch.setattr(_compute, "_score_and_write", on_another_disk)
    with pytest.raises(DataError, match=r"not in the store .* as this process sees it"):
        store.compute(FACTOR, kf.Tables(**frames_of(3)), DATES)
    assert not list(Path(store.uri).rglob("*.parquet"))


# Lost workers ---------------------------------------------------------------------------------------------


def executing(dask_worker):
    return os.getpid(), [str(task.key) for task in dask_worker.state.executing]


class Killer:
    """Kills, each time a range of dates is done, a worker process in the middle of another one.

    It does not wait for one for long: what was lost with the last worker is sent again only after it returns.
    """

    def __init__(self, client, times):
        self.client, self.left, self.killed = client, times, []

    def __call__(self, done, total):
        until = time.monotonic() + 5
        while self.left and done < total and time.monotonic() < until:
            found = self.client.run(executing, on_error="ignore") or {}
            busy = [pid for pid, keys in found.values() if any("kifactors" in key for key in keys)]
            alive = [pid for pid in busy if pid not in self.killed]
            if alive:
                os.kill(alive[0], signal.SIGKILL)
                self.killed.append(alive[0])
                self.left -= 1
                return
            time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("source", ["tables", "folder"])
def test_five_workers_killed_in_the_middle_of_tasks(source, tmp_path):
    """Right to the last byte, whichever task they were at; files of killed tasks belong to no version."""
    frames = frames_of(3, universe=False)
    days = [str(day) for day in kf.calendar.days("2021-01-01", "2022-12-31")]
    tables = kf.Tables(**frames) if source == "tables" else folder_of(tmp_path / "tables", frames)
    expected = appended(tmp_path / "appended", frames, days)
    store = kf.open_store(tmp_path / "computed")
    with cluster(2) as client:
        killer = Killer(client, 5)
        store.compute(FACTOR, tables, days, engine=client, progress=killer)
    assert len(set(killer.killed)) == 5
    # What a task had written when it was killed, if anything.
    store.vacuum(keep_days=0)
    assert store.scores().to_arrow().equals(expected.scores().to_arrow(), check_metadata=True)
    assert named(store) == named(expected)
    assert store.verify() == len(expected.scores())
