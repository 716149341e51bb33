"""A store of scores: appended to, restated, replaced, compacted, and read at any version, by us and by others."""

import json
import pickle
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import kifactors as kf
from kifactors.definition import SupplierTies
from kifactors.errors import (
    ConflictError,
    DataError,
    DateError,
    KifactorsError,
    MissingColumnError,
    StaleScoresError,
)
from kifactors.parts import by_month, of_dates, together
from kifactors.schema import SCORES
from kifactors.scores import Scores
from tests.same import assert_same

deltalake = pytest.importorskip("deltalake", reason="the extra lake is not installed")

from deltalake import DeltaTable, write_deltalake  # noqa: E402

from kifactors.store import _files, _log, _plan  # noqa: E402

DATES = [date(2024, 1, 10), date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 15), date(2024, 3, 29)]
NUMBERS = [name for name, dtype in SCORES.polars.items() if dtype == pl.Float64]


def made_up(dates, *, shift=0.0, assets=("a", "b", "c"), release="0.1.0", inputs="x"):
    """Return scores whose exposure tells the date and the asset: day / 100 + place / 10000 + shift."""
    rows = [
        {"date": day, "asset_id": asset, "ticker": asset.upper(), "role": "none" if place else "both"}
        | dict.fromkeys(NUMBERS)
        | {"exposure": day.day / 100 + place / 1e4 + shift if place != 1 else None, "coverage": 1 / 3}
        for day in dates
        for place, asset in enumerate(assets)
    ]
    n = len(list(dates))
    return Scores(
        pl.DataFrame(rows, schema=SCORES.polars),
        kf.FactorDefinition(),
        inputs={"fundamentals": inputs},
        dates=dates,
        diagnostics=pl.DataFrame(
            {
                "date": dates,
                "assets": [len(assets)] * n,
                "known": [max(len(assets) - 1, 0)] * n,
                "tie_sweeps": [3] * n,
                "tie_error_bound": [0.0] * n,
                "neutral_score": ["no industries"] * n,
            },
            schema_overrides={"date": pl.Date},
        ),
        release=release,
    )


@pytest.fixture
def store(tmp_path):
    return kf.open_store(tmp_path / "scores")


@pytest.fixture
def full(store):
    store.append(made_up(DATES))
    return store


@pytest.fixture(scope="module")
def computed():
    dates = [*kf.month_ends("2026-05", "2026-10")]
    return kf.AIInfrastructureExposure().compute(kf.load_bundled(), dates)


# Append ---------------------------------------------------------------------------------------------------


def test_what_is_appended_comes_back_whole(store, computed):
    assert store.append(computed) == 1
    assert_same(store.scores(), computed)
    assert_frame_equal(store.read(), computed.to_polars(), check_exact=True)
    assert store.dates() == computed.dates
    assert store.definition == computed.definition


def test_scores_of_the_store_can_be_continued(store):
    factor, tables = kf.AIInfrastructureExposure(), kf.load_bundled()
    store.append(factor.compute(tables, ["2026-08-31", "2026-09-30"]))
    store.append(
        of_dates(factor.update(store.scores("2026-09-30"), tables, ["2026-10-31"]), {date(2026, 10, 31)})
    )
    whole = factor.compute(tables, ["2026-08-31", "2026-09-30", "2026-10-31"])
    assert_same(store.scores(), whole)


def test_dates_come_in_any_order_and_are_read_in_theirs(store):
    for days in (DATES[3:], DATES[:1], DATES[1:3]):
        store.append(made_up(days))
    assert_same(store.scores(), made_up(DATES))
    assert store.versions()["operation"].to_list() == ["append", "append", "append", "create"]


def test_the_same_scores_twice_change_nothing(full):
    files = sorted(Path(full.uri).rglob("*"))
    assert full.append(made_up(DATES)) == 1
    assert full.append(made_up(DATES[1:2], inputs="other tables, same rows")) == 1
    assert sorted(Path(full.uri).rglob("*")) == files


def test_only_dates_that_are_missing_are_written(full):
    later = date(2024, 4, 30)
    assert full.append(made_up([*DATES, later])) == 2
    last = full.versions().row(0, named=True)
    assert (last["first_date"], last["last_date"], last["dates"]) == (later, later, 1)
    assert_same(full.scores(), made_up([*DATES, later]))


def test_other_rows_for_a_key_are_refused_and_nothing_is_written(full):
    files = sorted(Path(full.uri).rglob("*"))
    with pytest.raises(ConflictError) as caught:
        full.append(made_up([DATES[1], date(2024, 5, 31)], shift=0.5))
    assert str(caught.value) == (
        "the store has other scores on 2024-01-31: a exposure 0.31 there, 0.81 here; c exposure 0.3102 there, 0.8102 "
        "here. Nothing was written. If the new ones are right, append them with restate=True and a reason; earlier "
        "versions stay readable."
    )
    assert sorted(Path(full.uri).rglob("*")) == files


def test_an_asset_more_or_less_is_another_value_too(full):
    with pytest.raises(
        ConflictError, match=r"other scores on 2024-01-31 and 1 other date\(s\): c only there\. Nothing"
    ):
        full.append(made_up(DATES[1:3], assets=("a", "b")))
    with pytest.raises(ConflictError, match="2024-01-31: d only here"):
        full.append(made_up(DATES[1:2], assets=("a", "b", "c", "d")))


def test_restating_is_recorded_and_the_earlier_version_stays(full):
    with pytest.raises(DataError, match="needs a reason"):
        full.append(made_up(DATES[1:2], shift=0.5), restate=True)
    assert full.append(made_up(DATES[1:3], shift=0.5), restate=True, reason="filing corrected") == 2
    last = full.versions().row(0, named=True)
    assert (last["operation"], last["reason"], last["restated"]) == (
        "restate",
        "filing corrected",
        "2024-01-31, 2024-02-29",
    )
    assert_same(full.scores(DATES[1:3]), made_up(DATES[1:3], shift=0.5))
    assert_same(full.scores([DATES[0], *DATES[3:]]), made_up([DATES[0], *DATES[3:]]))
    assert_same(full.scores(version=1), made_up(DATES))


def test_restating_the_same_changes_nothing(full):
    assert full.append(made_up(DATES), restate=True, reason="again") == 1


def test_another_definition_is_refused(full):
    other = kf.FactorDefinition(supplier_ties=SupplierTies(delta=0.25))
    scores = kf.AIInfrastructureExposure(other).compute(kf.load_bundled(), ["2026-10-31"])
    with pytest.raises(
        StaleScoresError, match=r"supplier_ties.delta 0.5 -> 0.25\. Two definitions never mix"
    ):
        full.append(scores)
    with pytest.raises(StaleScoresError):
        full.replace(scores, "2026-10-31", "2026-10-31", reason="no")


def test_dates_without_assets_are_dates(store):
    empty = made_up([date(2023, 12, 31)], assets=())
    store.append(together([empty, made_up(DATES)]))
    assert store.dates() == (date(2023, 12, 31), *DATES)
    assert_same(store.scores(), together([empty, made_up(DATES)]))
    assert store.read("2023-12-31").is_empty()
    assert store.append(empty) == 1


def test_only_scores_are_taken(store):
    with pytest.raises(DataError, match="takes Scores; got DataFrame"):
        store.append(made_up(DATES).to_polars())
    assert not store.exists()


def test_releases_that_differ_are_both_named_and_not_continued(store):
    store.append(made_up(DATES[:1]))
    store.append(made_up(DATES[1:2], release="9.9"))
    assert store.scores().release == "0.1.0, 9.9"
    assert store.scores(DATES[1]).release == "9.9"


# Replace --------------------------------------------------------------------------------------------------


def test_replace_leaves_only_the_new_scores_in_the_range(full):
    new = made_up([date(2024, 2, 15), date(2024, 3, 1)], shift=0.2)
    assert full.replace(new, "2024-01-31", "2024-03-15", reason="other calendar") == 2
    assert full.dates() == (DATES[0], date(2024, 2, 15), date(2024, 3, 1), DATES[4])
    assert_same(full.scores(), together([made_up([DATES[0], DATES[4]]), new]))
    assert_same(full.scores(version=1), made_up(DATES))
    assert full.versions()["reason"][0] == "other calendar"


def test_replace_by_nothing_removes_and_twice_does_nothing(full):
    assert full.replace(None, DATES[1], DATES[2], reason="wrong prices") == 2
    assert full.dates() == (DATES[0], *DATES[3:])
    assert full.replace(None, "2024-02-01", "2024-02-29", reason="wrong prices") == 2


def test_replace_checks_its_range(full):
    with pytest.raises(DateError, match=r"1 date\(s\) of the scores are outside 2024-01-01 to 2024-03-28"):
        full.replace(made_up(DATES), "2024-01-01", "2024-03-28", reason="x")
    with pytest.raises(DateError, match="Give the earlier date first"):
        full.replace(None, "2024-03-01", "2024-01-01", reason="x")
    with pytest.raises(DataError, match="needs a reason"):
        full.replace(None, "2024-01-01", "2024-03-01", reason="")


# Read -----------------------------------------------------------------------------------------------------


def test_dates_ranges_assets_and_columns(full):
    whole = made_up(DATES).to_polars()
    key = ["date", "asset_id"]
    assert_frame_equal(full.read("2024-01-31"), whole.filter(pl.col("date") == DATES[1]))
    assert_frame_equal(full.read(DATES[::2]), whole.filter(pl.col("date").is_in(DATES[::2])))
    assert_frame_equal(
        full.read(start="2024-01-31", end=DATES[3]),
        whole.filter(pl.col("date").is_between(DATES[1], DATES[3])),
    )
    assert_frame_equal(full.read(assets="b"), whole.filter(pl.col("asset_id") == "b"))
    assert_frame_equal(
        full.read(DATES[0], assets=["c", "nobody"], columns=["role", "exposure", "date"]),
        whole.filter(pl.col("date") == DATES[0], pl.col("asset_id") == "c").select(*key, "role", "exposure"),
    )
    assert full.read(columns="exposure").columns == [*key, "exposure"]
    assert full.read(start="2025-01-01").is_empty()
    assert full.read(start="2025-01-01").schema == whole.schema


def test_a_month_is_read_without_opening_the_others(full):
    for folder in ("month=2024-01", "month=2024-02"):
        for file in (Path(full.uri) / folder).iterdir():
            file.unlink()
    assert_frame_equal(full.read(DATES[3:]), made_up(DATES[3:]).to_polars())
    assert_same(full.scores(start="2024-03-01"), made_up(DATES[3:]))
    assert full.append(made_up([date(2024, 3, 31)])) == 2


def test_files_have_groups_of_whole_dates(store, monkeypatch):
    monkeypatch.setattr("kifactors.io._parquet.GROUP_ROWS", 5)
    days = [date(2024, 1, day) for day in range(1, 32)]
    store.append(made_up(days))
    (path,) = Path(store.uri).rglob("2024-*.parquet")
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    # Two dates of three assets: the first whole number of dates with at least five rows.
    assert [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)] == [6] * 15 + [3]
    assert_frame_equal(store.read(days[10]), made_up([days[10]]).to_polars())


def test_what_cannot_be_read_says_why(full, tmp_path):
    with pytest.raises(
        DateError,
        match=r"no scores for 2024-02-01 \(1 such date\(s\)\); the nearest computed date is 2024-01-31",
    ):
        full.read(["2024-01-31", "2024-02-01"])
    with pytest.raises(
        DateError, match="no dates from 2025-01-01 to its last date; it has 2024-01-10 to 2024-03-29"
    ):
        full.scores(start="2025-01-01")
    with pytest.raises(MissingColumnError, match="no column 'signal'; it has date, asset_id, ticker"):
        full.read(columns=["signal"])
    with pytest.raises(DateError, match="both given"):
        full.read(DATES[0], start=DATES[0])
    with pytest.raises(DateError, match="is empty"):
        full.read([])
    with pytest.raises(DataError, match=r"has no version 7; its last one is \d"):
        full.read(version=7)
    nothing = kf.open_store(tmp_path / "nothing")
    assert repr(nothing).endswith("not made yet)")
    for read in (nothing.read, nothing.scores, nothing.dates, nothing.compact, lambda: nothing.version):
        with pytest.raises(DataError, match=r"no store of scores at .*nothing"):
            read()
    assert nothing.versions().is_empty()
    with pytest.raises(DataError, match="address of the store is empty"):
        kf.open_store("")


def test_versions_by_number_and_by_time(full):
    full.append(made_up(DATES[:1], shift=0.3), restate=True, reason="x")
    times = full.versions().sort("version")["time"].to_list()
    assert times == sorted(times)
    assert full.read(DATES[0], version=1)["exposure"][0] == pytest.approx(0.1)
    assert full.read(DATES[0], as_of_time=times[1])["exposure"][0] == pytest.approx(0.1)
    assert full.read(DATES[0], as_of_time=datetime.now(UTC))["exposure"][0] == pytest.approx(0.4)
    assert full.read(DATES[0], as_of_time="2999-01-01")["exposure"][0] == pytest.approx(0.4)
    with pytest.raises(DataError, match="has no version of 2000-01-01 00:00:00 UTC; its first one is of"):
        full.read(as_of_time="2000-01-01")
    with pytest.raises(DateError, match="expected a moment"):
        full.read(as_of_time="yesterday")
    with pytest.raises(DataError, match="both given"):
        full.read(version=1, as_of_time=times[1])


def test_two_versions_differ_in_what_was_changed(full):
    full.append(made_up(DATES[2:3], shift=0.25, assets=("a", "b", "d")), restate=True, reason="x")
    found = full.diff(1)
    day = DATES[2]
    # c gave way to d; only a has another exposure: that of b is unknown before and after.
    assert found.select("date", "asset_id", "change", "column", "before", "after").rows() == [
        (day, "a", "changed", "exposure", pytest.approx(0.29), pytest.approx(0.54)),
        (day, "c", "removed", None, None, None),
        (day, "d", "added", None, None, None),
    ]
    assert full.diff(2, 2).is_empty()
    back = full.diff(2, 1)
    assert back["change"].to_list() == ["changed", "added", "removed"]
    # A label.
    full.append(made_up(DATES[2:3], assets=("a", "b", "c")), restate=True, reason="back")
    renamed = made_up(DATES[2:3]).to_polars().with_columns(ticker=pl.lit("X"))
    kept = made_up(DATES[2:3])
    full.append(
        Scores(renamed, kept.definition, inputs=kept.inputs, dates=kept.dates, diagnostics=kept.diagnostics),
        restate=True,
        reason="renamed",
    )
    labels = full.diff(3).select("asset_id", "column", "before", "before_label", "after_label").rows()
    assert labels == [(a, "ticker", None, a.upper(), "X") for a in ("a", "b", "c")]


def test_a_store_pickles_and_says_what_it_is(full):
    again = pickle.loads(pickle.dumps(full))
    assert again.read().equals(full.read())
    assert repr(again) == repr(full)
    assert "version 1, 2024-01-10 to 2024-03-29" in repr(full)


# Compact, vacuum, verify ----------------------------------------------------------------------------------


def test_compaction_keeps_every_row_and_every_version(store):
    for day in DATES:
        store.append(made_up([day]))
    assert len(store.scan().select("date").collect()) == 15
    before = len(list(Path(store.uri).rglob("2024-*.parquet")))
    done = []
    assert store.compact(progress=lambda months, of: done.append((months, of))) == 7
    assert done == [(1, 3), (2, 3), (3, 3)]
    assert len(DeltaTable(store.uri).file_uris()) == 3
    assert_same(store.scores(), made_up(DATES))
    assert_same(store.scores(version=3), made_up(DATES[:3]))
    assert store.diff(5).is_empty()
    assert store.compact() == 7
    assert store.vacuum(keep_days=1) == []
    gone = store.vacuum(keep_days=0, dry_run=True)
    assert len(gone) == 4
    assert len(list(Path(store.uri).rglob("2024-*.parquet"))) == before + 2
    assert store.vacuum(keep_days=0) == gone
    assert len(list(Path(store.uri).rglob("2024-*.parquet"))) == 3
    assert_same(store.scores(), made_up(DATES))
    with pytest.raises(DataError, match=r"month=2024-0\d/.* is gone: it was deleted, or vacuum removed it"):
        store.scores(version=3)
    with pytest.raises(DataError, match="expected days"):
        store.vacuum(keep_days=-1)


def test_a_large_month_is_cut_between_dates(store, monkeypatch):
    monkeypatch.setattr(_files, "MOST_ROWS", 7)
    monkeypatch.setattr(_plan, "MOST_ROWS", 7)
    days = [date(2024, 1, day) for day in range(1, 8)]
    store.append(made_up(days))
    assert sorted(name.name[:21] for name in Path(store.uri).rglob("2024-*.parquet")) == [
        "2024-01-01_2024-01-02",
        "2024-01-03_2024-01-04",
        "2024-01-05_2024-01-06",
        "2024-01-07_2024-01-07",
    ]
    assert_same(store.scores(), made_up(days))
    assert store.compact() == 1
    store.append(made_up([days[2]], shift=0.1), restate=True, reason="x")
    assert store.dates() == tuple(days)
    assert_same(store.scores([days[3]]), made_up([days[3]]))


def test_verify_reads_everything(full):
    done = []
    assert full.verify(progress=lambda files, of: done.append((files, of))) == 15
    assert done == [(1, 3), (2, 3), (3, 3)]
    (path,) = (Path(full.uri) / "month=2024-02").iterdir()
    path.unlink()
    with pytest.raises(DataError, match=r"month=2024-02/.* is gone"):
        full.verify()


def test_every_flipped_byte_is_found_and_the_file_named(full):
    (path,) = (Path(full.uri) / "month=2024-02").iterdir()
    whole = path.read_bytes()
    for place in range(0, len(whole), 97):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(DataError, match=f"{path.name} of the store .* is damaged"):
            full.read(DATES[2], columns="exposure")
    path.write_bytes(whole[:-1])
    with pytest.raises(DataError, match=r"is damaged: it has .* bytes of"):
        full.scores()
    path.write_bytes(whole)
    assert_same(full.scores(), made_up(DATES))


# Other programs -------------------------------------------------------------------------------------------


def test_others_read_it_as_a_delta_table(full):
    import duckdb

    expected = made_up(DATES).to_polars()
    columns = SCORES.names
    by_polars = pl.read_delta(full.uri).sort("date", "asset_id")
    assert_frame_equal(by_polars.select(columns), expected)
    assert by_polars["month"].to_list() == [f"{day:%Y-%m}" for day in expected["date"]]
    dataset = DeltaTable(full.uri).to_pyarrow_dataset()
    by_arrow = pl.DataFrame(pl.from_arrow(dataset.to_table())).sort("date", "asset_id")
    assert_frame_equal(by_arrow.select(columns), expected)
    mean = duckdb.connect().execute("select avg(exposure) from dataset where month = '2024-03'").fetchone()
    assert mean == (pytest.approx(expected.filter(pl.col("date") >= DATES[3])["exposure"].mean()),)
    lazy = full.scan().filter(pl.col("date") == DATES[0]).select(columns).collect()
    assert_frame_equal(lazy.sort("asset_id"), expected.filter(pl.col("date") == DATES[0]))
    assert full.scan(version=0).collect().is_empty()


def test_statistics_let_others_skip_files(full):
    added = pl.DataFrame(DeltaTable(full.uri).get_add_actions(flatten=True)).sort("min.date")
    assert added["min.date"].to_list() == [DATES[0], DATES[2], DATES[3]]
    assert added["max.date"].to_list() == [DATES[1], DATES[2], DATES[4]]
    assert added["num_records"].to_list() == [6, 3, 6]


def test_files_that_another_program_wrote_are_refused(full):
    full.append(made_up([date(2024, 1, 12)]))
    DeltaTable(full.uri).optimize.compact()
    with pytest.raises(DataError, match="was not written by kifactors: another program rewrote it"):
        full.read()
    assert_same(full.scores(version=1), made_up(DATES))


def test_another_delta_table_is_no_store(tmp_path):
    write_deltalake(tmp_path, pl.DataFrame({"a": [1]}))
    with pytest.raises(DataError, match="is a Delta table, and no store of scores"):
        kf.open_store(tmp_path).read()
    with pytest.raises(DataError, match="is a Delta table, and no store of scores"):
        kf.open_store(tmp_path).append(made_up(DATES))


def test_a_date_written_twice_by_others_is_found(full):
    # What a program does that copies files in without asking.
    log = full._log
    file = full._folder.write(made_up(DATES[2:3], shift=0.1))
    log.commit(log.open(), _log.Change(operation="copy", add=(file,), months=frozenset()))
    with pytest.raises(DataError, match="2024-02-29 is in two files"):
        full.verify()
    with pytest.raises(DataError, match="have the date 2024-02-29"):
        full.scores()


# Columns that came later ----------------------------------------------------------------------------------


@pytest.fixture
def older(store, monkeypatch):
    """Return a store made before `demand_growth` was thought of."""
    whole, write = _log._arrow_schema, _files.write_groups
    column = whole().get_field_index("demand_growth")
    with monkeypatch.context() as patch:
        patch.setattr(_log, "_arrow_schema", lambda: whole().remove(column))
        patch.setattr(
            _files,
            "write_groups",
            lambda table, sink, **how: write(table.drop_columns("demand_growth"), sink, **how),
        )
        patch.setattr(kf.store.ScoreStore, "_evolved", lambda self, snapshot: False)
        store.append(made_up(DATES[:2]))
    return store


def test_an_older_store_is_read_with_the_column_unknown(older):
    assert "demand_growth" not in DeltaTable(older.uri).to_pyarrow_table().column_names
    assert "demand_growth" not in older.read().columns
    assert_same(older.scores(), made_up(DATES[:2]))


def test_an_older_store_gets_the_column_at_the_next_append(older):
    older.append(made_up(DATES[2:]))
    assert older.versions()["operation"].to_list() == ["append", "add columns", "append", "create"]
    assert_same(older.scores(), made_up(DATES))
    assert_frame_equal(older.read(), made_up(DATES).to_polars())
    assert_frame_equal(
        older.scan().select(SCORES.names).sort("date", "asset_id").collect(), made_up(DATES).to_polars()
    )


def test_a_newer_store_is_read_but_not_written(full):
    from deltalake.schema import Field, PrimitiveType

    DeltaTable(full.uri).alter.add_columns([Field("power_share", PrimitiveType("double"))])
    assert_same(full.scores(), made_up(DATES))
    with pytest.raises(DataError, match="column 'power_share', which a later release of kifactors added"):
        full.append(made_up([date(2024, 6, 28)]))


# Writers at once ------------------------------------------------------------------------------------------


def run_at_once(*jobs):
    """Run jobs in threads that start together; return results and errors in the order of the jobs."""
    start = threading.Barrier(len(jobs))
    found = [None] * len(jobs)

    def run(place, job):
        start.wait()
        try:
            found[place] = job()
        except KifactorsError as error:
            found[place] = error

    threads = [threading.Thread(target=run, args=(place, job)) for place, job in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_different_months_all_land(store):
    days = [date(2024, month, 15) for month in range(1, 9)]
    found = run_at_once(*(lambda day=day: kf.open_store(store.uri).append(made_up([day])) for day in days))
    assert sorted(found) == list(range(1, 9))
    assert_same(store.scores(), made_up(days))


def test_different_dates_of_a_month_all_land(full):
    days = [date(2024, 6, day) for day in range(3, 9)]
    found = run_at_once(*(lambda day=day: full.append(made_up([day])) for day in days))
    assert sorted(found) == list(range(2, 8))
    assert_same(full.scores(), made_up([*DATES, *days]))
    # Those that were second left no file.
    assert len(list(Path(full.uri).rglob("2024-06*.parquet"))) == 6


def test_the_same_key_twice_one_wins(full):
    day = date(2024, 6, 3)
    found = run_at_once(*(lambda k=k: full.append(made_up([day], shift=k / 10)) for k in range(4)))
    assert sorted(map(str, map(type, found))) == [str(int)] * 0 + sorted(
        [str(int), *[str(ConflictError)] * 3]
    )
    winner = next(place for place, result in enumerate(found) if result == 2)
    assert_same(full.scores(day), made_up([day], shift=winner / 10))
    assert len(list(Path(full.uri).rglob("2024-06*.parquet"))) == 1


def test_the_same_scores_at_once_are_written_once(full):
    found = run_at_once(*(lambda: full.append(made_up([date(2024, 6, 3)])) for _ in range(4)))
    assert found == [2, 2, 2, 2]
    assert len(list(Path(full.uri).rglob("2024-06*.parquet"))) == 1


def test_compaction_and_appends_of_a_month_pass_each_other(store):
    days = [date(2024, 6, day) for day in range(1, 25)]
    for day in days[:12]:
        store.append(made_up([day]))
    appends = [
        lambda part=days[k : k + 3]: [store.append(made_up([day])) for day in part] for k in (12, 15, 18, 21)
    ]
    found = run_at_once(store.compact, *appends)
    assert not [error for error in found if isinstance(error, KifactorsError)]
    assert_same(store.scores(), made_up(days))


def test_a_writer_that_always_comes_second_gives_up_and_leaves_nothing(full, monkeypatch):
    monkeypatch.setattr("kifactors.store._store.TRIES", 3)
    monkeypatch.setattr("kifactors.store._store.FIRST_WAIT", 0.0)
    commit = _log.TransactionLog.commit

    def beaten(self, snapshot, change):
        day = date(2024, 6, 10 + snapshot.version)
        other = kf.open_store(self.uri)
        rival = _plan.append(other._log.open(), other._folder, made_up([day]), restate=False, notes={})
        commit(other._log, other._log.open(), rival)
        return commit(self, snapshot, change)

    monkeypatch.setattr(_log.TransactionLog, "commit", beaten)
    with pytest.raises(ConflictError, match=r"were first 3 times. Nothing was written"):
        full.append(made_up([date(2024, 6, 3)]))
    monkeypatch.undo()
    assert full.dates()[-3:] == (date(2024, 6, 11), date(2024, 6, 12), date(2024, 6, 13))
    assert not list(Path(full.uri).rglob("2024-06-03*"))


# A log that fails -----------------------------------------------------------------------------------------


def test_a_commit_that_fails_leaves_no_file(full, monkeypatch):
    def fails(self, *args, **options):
        raise OSError(28, "No space left on device")

    files = sorted(Path(full.uri).rglob("*.parquet"))
    monkeypatch.setattr(DeltaTable, "create_write_transaction", fails)
    with pytest.raises(
        DataError, match=r"log of the store .* cannot be written: .*No space left.*Nothing was changed"
    ):
        full.append(made_up([date(2024, 6, 3)]))
    assert sorted(Path(full.uri).rglob("*.parquet")) == files
    assert full.version == 1


def test_a_commit_that_happened_although_an_error_came_back_counts(full, monkeypatch):
    write = DeltaTable.create_write_transaction

    def answer_lost(self, *args, **options):
        write(self, *args, **options)
        raise OSError("connection reset")

    monkeypatch.setattr(DeltaTable, "create_write_transaction", answer_lost)
    assert full.append(made_up([date(2024, 6, 3)])) == 2
    monkeypatch.undo()
    assert_same(full.scores("2024-06-03"), made_up([date(2024, 6, 3)]))


def test_when_nobody_can_tell_the_file_stays(full, monkeypatch):
    def lost(self, *args, **options):
        raise OSError("connection reset")

    monkeypatch.setattr(DeltaTable, "create_write_transaction", lost)
    monkeypatch.setattr(DeltaTable, "update_incremental", lost)
    with pytest.raises(_log.UncertainCommitError, match="may have happened or not"):
        full.append(made_up([date(2024, 6, 3)]))
    assert len(list(Path(full.uri).rglob("2024-06*.parquet"))) == 1


def test_a_file_that_cannot_be_written_is_named(full, monkeypatch):
    def fails(self, path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_files.Folder, "_put", fails)
    with pytest.raises(DataError, match=r"month=2024-06/.* cannot be written .*No space left"):
        full.append(made_up([date(2024, 6, 3)]))


# Parts ----------------------------------------------------------------------------------------------------


def test_parts_put_together_are_the_whole(computed):
    assert_same(together([part for _, part in by_month(computed)][::-1]), computed)
    assert [month for month, _ in by_month(computed)] == [f"2026-{m:02}" for m in range(5, 11)]


def test_parts_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="have the date 2024-01-31"):
        together([made_up(DATES[:2]), made_up(DATES[1:3])])
    with pytest.raises(DataError, match="no scores"):
        together([])
    other = Scores(
        made_up(DATES[2:3]).to_polars(),
        kf.FactorDefinition(supplier_ties=SupplierTies(delta=0.25)),
        inputs={},
        dates=DATES[2:3],
        diagnostics=made_up(DATES[2:3]).diagnostics,
    )
    with pytest.raises(DataError, match=r"two definitions .* supplier_ties.delta"):
        together([made_up(DATES[:1]), other])


# Any sequence of changes ----------------------------------------------------------------------------------

DAYS = [date(2024, 1, 30) + timedelta(days=k) for k in range(5)]
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["append", "restate", "replace", "remove", "compact"]),
        st.sets(st.sampled_from(DAYS), min_size=1),
        st.integers(0, 2),
    ),
    max_size=6,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES)
def test_any_sequence_of_changes_leaves_what_a_dictionary_holds(tmp_path_factory, changes):
    store = kf.open_store(tmp_path_factory.mktemp("lake") / "scores")
    held: dict[date, int] = {}
    states: dict[int, dict[date, int]] = {}
    for what, days, value in changes:
        dates = sorted(days)
        new = dict.fromkeys(dates, value)
        if what == "append":
            if any(held.get(day, value) != value for day in dates):
                with pytest.raises(ConflictError):
                    store.append(made_up(dates, shift=value / 10))
            else:
                store.append(made_up(dates, shift=value / 10))
                held |= new
        elif what == "restate":
            store.append(made_up(dates, shift=value / 10), restate=True, reason="r")
            held |= new
        elif store.exists():
            if what == "compact":
                store.compact()
            else:
                held = {day: v for day, v in held.items() if not dates[0] <= day <= dates[-1]}
                scores = made_up(dates, shift=value / 10) if what == "replace" else None
                store.replace(scores, dates[0], dates[-1], reason="r")
                held |= new if what == "replace" else {}
        if store.exists():
            states[store.version] = dict(held)
    for version, state in states.items():
        assert store.dates(version=version) == tuple(sorted(state))
        got = store.read(version=version)
        expected = [made_up([day], shift=value / 10).to_polars() for day, value in sorted(state.items())]
        assert_frame_equal(got, pl.concat([got.clear(), *expected]), check_exact=True)
    if states:
        assert store.verify() == 3 * len(held)


def test_what_versions_say_is_plain_json(full):
    entries = [
        json.loads(line)
        for line in (Path(full.uri) / "_delta_log" / f"{1:020}.json").read_text().splitlines()
    ]
    said = next(entry["commitInfo"] for entry in entries if "commitInfo" in entry)
    assert said["kifactors.operation"] == "append"
    assert said["kifactors.dates"] == "5"


def test_tickers_are_not_taken_for_assets(tmp_path):
    store = kf.open_store(tmp_path / "scores")
    store.append(made_up(DATES))
    with pytest.raises(DataError, match=r"some given are tickers: A is 'a', C is 'c'. Give the ids"):
        store.read(assets=["b", "A", "C"])
    assert store.read(assets=["b", "nobody"])["asset_id"].unique().to_list() == ["b"]
    with pytest.raises(DataError, match="B is 'b'"):
        store.read(DATES[0], assets="B", columns="exposure")


@pytest.mark.parametrize("version", [-1, True, 1.0, "1"])
def test_a_version_is_a_whole_number(tmp_path, version):
    store = kf.open_store(tmp_path / "scores")
    store.append(made_up(DATES))
    with pytest.raises(DataError, match="expected a whole number, one of"):
        store.read(version=version)
    assert store.read(version=np.int64(1)).height == 15


def test_ranges_are_asked_for_by_their_ends(tmp_path):
    store = kf.open_store(tmp_path / "scores")
    store.append(made_up(DATES))
    with pytest.raises(DateError, match="Give the earlier date first"):
        store.read(start=DATES[1], end=DATES[0])
    with pytest.raises(DateError, match="A range is start= and end="):
        store.read(slice(DATES[0], DATES[1]))
