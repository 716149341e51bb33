"""Scores: what they hand out, to whom; and one Parquet file that is whole, or not there, or refused."""

import copy
import hashlib
import json
import pickle
import signal
import subprocess
import sys
from datetime import date

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal

import kifactors as kf
from kifactors import scores as scores_module
from kifactors.definition import SupplierTies
from kifactors.errors import DataError, DateError, KifactorsError, MissingColumnError, StaleScoresError
from kifactors.io import _parquet, _partitioned, _scores
from kifactors.schema import SCORES
from tests.same import assert_same

EMPTY, FIRST, LAST = date(2019, 12, 31), date(2023, 6, 30), date(2024, 6, 30)
DEFINITION = kf.FactorDefinition(supplier_ties=SupplierTies(delta=0.25))


def _tables():
    """Return a buyer (a), an ordinary company (b) and a supplier (s) that a pays for 40 % of its revenue."""
    facts = [
        (asset, metric, date(year, 1, 1), date(year, 12, 31), value, "USD", date(year + 1, 2, 1))
        for year in (2020, 2021, 2022, 2023)
        for asset, metric, value in (
            ("a", "capex", 20e9),
            ("a", "revenue", 100e9),
            ("b", "capex", 5e9),
            ("b", "revenue", 50e9),
        )
    ]
    names = ["asset_id", "metric", "period_start", "period_end", "value", "currency", "available_at"]
    return kf.Tables(
        fundamentals=pl.DataFrame(facts, schema=names, orient="row"),
        ai_capex_share={
            "asset_id": ["a"], "share": [0.5], "available_at": [date(2023, 1, 1)], "provenance": ["assumed"],
        },
        revenue_ties={
            "supplier_id": ["s"], "customer_id": ["a"], "customer_label": ["A"], "revenue_share": [0.4],
            "period_end": [date(2023, 6, 30)], "available_at": [date(2023, 8, 1)],
        },
        assets={"asset_id": ["a", "s"], "ticker": ["AAA", "SSS"]},
    )  # fmt: skip


@pytest.fixture(scope="module")
def made():
    return kf.AIInfrastructureExposure(DEFINITION).compute(_tables(), [EMPTY, FIRST, LAST])


@pytest.fixture
def path(made, tmp_path):
    return kf.write_scores(made, tmp_path / "scores.parquet")


# What scores hand out -------------------------------------------------------------------------------------


def test_the_hand_made_world_gives_the_hand_computed_exposures(made):
    # p = 0.5 * 20 / 100; x = 0.4 * 0.5, for r of a is unknown and counts as 0.
    got = {
        (day, asset): e for day, asset, e in made.to_polars().select("date", "asset_id", "exposure").rows()
    }
    assert got == {
        (FIRST, "a"): pytest.approx(0.1),
        (FIRST, "b"): None,
        (LAST, "a"): pytest.approx(0.1),
        (LAST, "b"): None,
        (LAST, "s"): pytest.approx(0.4 * 0.5),
    }
    assert made.dates == (EMPTY, FIRST, LAST)
    assert made.diagnostics["assets"].to_list() == [0, 2, 3]
    assert set(made.inputs) == {"fundamentals", "ai_capex_share", "revenue_ties"}


def test_polars_is_long_canonical_and_sorted(made):
    frame = made.to_polars()
    assert dict(frame.schema) == {name: dtype() for name, dtype in SCORES.polars.items()}
    assert frame.select("date", "asset_id").rows() == [
        (FIRST, "a"), (FIRST, "b"), (LAST, "a"), (LAST, "b"), (LAST, "s"),
    ]  # fmt: skip
    assert len(made) == 5


def test_arrow_is_canonical_with_units(made):
    schema = made.to_arrow().schema
    expected = {pl.Date: pa.date32(), pl.String: pa.large_string(), pl.Float64: pa.float64()}
    assert dict(zip(schema.names, schema.types, strict=True)) == {
        n: expected[t] for n, t in SCORES.polars.items()
    }
    assert schema.field("exposure").metadata[b"unit"] == b"fraction"
    assert schema.field("exposure").metadata[b"range"] == b"[0, 1]"
    assert schema.field("score").metadata[b"unit"] == b"cross-sectional units"
    assert schema.field("abnormal_capex").metadata[b"unit"] == b"log"
    assert b"tool_supplier" in schema.field("role").metadata[b"range"]
    assert all(field.metadata[b"description"] for field in schema)


def test_arrow_carries_definition_and_inputs(made):
    known = json.loads(made.to_arrow().schema.metadata[b"kifactors"])
    assert kf.FactorDefinition.from_toml(known["definition"]) == DEFINITION
    assert known["definition_fingerprint"] == DEFINITION.fingerprint()
    assert known["inputs"] == _tables().fingerprints()
    assert known["dates"] == ["2019-12-31", "2023-06-30", "2024-06-30"]
    assert known["uncovered"] == "unknown"


def test_pandas_has_a_date_asset_index(made):
    pd = pytest.importorskip("pandas")
    frame = made.to_pandas()
    assert frame.index.names == ["date", "asset_id"]
    assert frame.index.is_unique
    assert tuple(frame.columns) == SCORES.names[2:]
    assert pd.api.types.is_datetime64_dtype(frame.index.levels[0].dtype)
    assert frame.loc[(pd.Timestamp(LAST), "a"), "exposure"] == pytest.approx(0.1)
    assert pd.isna(frame.loc[(pd.Timestamp(LAST), "b"), "exposure"])
    assert frame["exposure"].dtype == float
    assert pd.isna(frame.loc[(pd.Timestamp(LAST), "b"), "ticker"])


def test_one_date(made):
    last = made.at("2024-06-30")
    assert last.dates == (LAST,)
    assert last.to_polars()["asset_id"].to_list() == ["a", "b", "s"]
    assert last.diagnostics["date"].to_list() == [LAST]
    assert (last.definition, last.inputs) == (made.definition, made.inputs)
    assert_same(made.at(LAST), last)


def test_a_date_without_assets_is_known_and_empty(made):
    nobody = made.at(EMPTY)
    assert len(nobody) == 0
    assert nobody.top().is_empty()
    assert nobody.wide().rows() == [(EMPTY,)]
    assert "1 date(s), 2019-12-31, 0 assets" in repr(nobody)


@pytest.mark.parametrize(
    ("day", "part"),
    [
        ("2024-06-29", "no scores for 2024-06-29; the nearest computed date is 2024-06-30"),
        ("2000-01-01", "nearest computed date is 2019-12-31"),
        ("2024-06", "'2024-06' is not a date"),
        (None, "None is not a date"),
    ],
)
def test_a_date_that_was_not_computed_is_refused(made, day, part):
    with pytest.raises(DateError, match=part):
        made.at(day)


def test_the_largest_of_each_date_come_first_and_unknown_never(made):
    assert made.top(1).select("date", "asset_id").rows() == [(FIRST, "a"), (LAST, "s")]
    assert made.top(9).select("date", "asset_id").rows() == [(FIRST, "a"), (LAST, "s"), (LAST, "a")]
    assert made.top(9).columns == list(SCORES.names)


def test_ties_go_by_asset_id(made):
    known = made.at(LAST).top(3, by="coverage")
    assert known["asset_id"].to_list() == ["s", "a", "b"]
    assert known["coverage"][1] == known["coverage"][2]


def test_the_largest_none_are_none(made):
    assert made.top(0).is_empty()


def test_wide_has_a_row_for_every_date_and_a_column_for_every_asset(made):
    assert made.wide().columns == ["date", "a", "b", "s"]
    assert made.wide().select("date", "a", "b").rows() == [
        (EMPTY, None, None), (FIRST, pytest.approx(0.1), None), (LAST, pytest.approx(0.1), None),
    ]  # fmt: skip
    assert made.wide("role").rows()[-1] == (LAST, "pioneer", "unknown", "tool_supplier")


def test_an_asset_named_like_the_first_column_of_wide_is_told():
    theta = {
        "asset_id": ["date"],
        "share": [0.0],
        "available_at": [date(2023, 1, 1)],
        "provenance": ["assumed"],
    }
    scores = kf.AIInfrastructureExposure().compute(kf.Tables(ai_capex_share=theta), ["2024-01-31"])
    with pytest.raises(kf.KifactorsError, match="an asset has the id 'date'"):
        scores.wide()


@pytest.mark.parametrize("column", ["exposur", "date", "asset_id"])
def test_a_column_that_scores_do_not_have_is_refused(made, column):
    for call in (made.wide, lambda name: made.top(by=name)):
        with pytest.raises(MissingColumnError, match=f"no column '{column}'; they have ticker, exposure"):
            call(column)


def test_a_summary_names_dates_assets_and_definition(made):
    assert repr(made).startswith(
        f"Scores(3 date(s), 2019-12-31 to 2024-06-30, 3 assets, definition {DEFINITION.fingerprint()[:8]})"
    )
    assert "<table" in made._repr_html_()


# The Arrow stream -----------------------------------------------------------------------------------------


def test_pyarrow_reads_the_stream(made):
    got = pa.table(made)
    assert got.equals(made.to_arrow(), check_metadata=True)
    assert_same(kf.Scores.from_arrow(got), made)


def test_polars_reads_the_stream(made):
    assert_frame_equal(pl.DataFrame(made), made.to_polars())


def test_duckdb_reads_the_stream(made):
    duckdb = pytest.importorskip("duckdb")
    scores = made  # duckdb finds it by this name
    got = duckdb.sql("select count(*), count(exposure), max(exposure) from scores").fetchall()
    assert scores is made
    assert got == [(5, 3, pytest.approx(0.2))]


def test_pandas_reads_the_stream(made):
    pd = pytest.importorskip("pandas")
    if not hasattr(pd.DataFrame, "from_arrow"):
        pytest.skip("this pandas does not import Arrow streams")
    got = pd.DataFrame.from_arrow(made)
    assert tuple(got.columns) == SCORES.names
    assert got["exposure"].max() == pytest.approx(0.2)


def test_nanoarrow_reads_the_stream(made):
    nanoarrow = pytest.importorskip("nanoarrow")
    assert nanoarrow.ArrayStream(made).read_all().to_pylist()[0]["asset_id"] == "a"


# Values ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("copied", [lambda x: pickle.loads(pickle.dumps(x)), copy.copy, copy.deepcopy])
def test_scores_survive_pickle_and_copy(made, copied):
    assert_same(copied(made), made)


@pytest.mark.parametrize(
    "name", ["frame", "definition", "inputs", "dates", "diagnostics", "history", "release", "other"]
)
def test_scores_cannot_be_set_or_deleted(made, name):
    again = copy.copy(made)
    with pytest.raises(AttributeError):
        setattr(again, name, None)
    with pytest.raises(AttributeError):
        delattr(again, name)
    assert_same(again, made)


def test_a_frame_that_was_handed_out_is_not_the_one_inside(made):
    again = pickle.loads(pickle.dumps(made))
    again.to_polars()[0, "exposure"] = 0.9
    assert again.to_polars()["exposure"][0] == pytest.approx(0.1)


# Round trip -----------------------------------------------------------------------------------------------


def test_a_file_gives_back_what_was_written(made, path):
    got = kf.read_scores(path)
    assert_same(got, made)
    assert got.dates[0] == EMPTY, "a date without rows survives"
    assert_same(kf.read_scores(str(path)), made)


def test_scores_without_any_row_make_a_round_trip(made, tmp_path):
    nobody = made.at(EMPTY)
    assert_same(kf.read_scores(kf.write_scores(nobody, tmp_path / "nobody.parquet")), nobody)


def test_any_reader_of_parquet_reads_the_file(made, path):
    assert_frame_equal(pl.read_parquet(path), made.to_polars())
    assert pq.read_table(path).schema.field("exposure").metadata[b"unit"] == b"fraction"


def test_writing_again_replaces_and_leaves_nothing_else(made, path):
    kf.write_scores(made.at(LAST), path)
    assert_same(kf.read_scores(path), made.at(LAST))
    assert [file.name for file in path.parent.iterdir()] == ["scores.parquet"]


def test_equal_scores_make_equal_files(made, path, tmp_path):
    again = kf.write_scores(pickle.loads(pickle.dumps(made)), tmp_path / "again.parquet")
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("where", ["missing/scores.parquet", ".", "/", ""])
def test_a_place_that_cannot_be_written_is_refused(made, tmp_path, monkeypatch, where):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="cannot be written to"):
        kf.write_scores(made, where)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_not_overwritten(made, tmp_path):
    folder = tmp_path / "scores.parquet"
    folder.mkdir()
    with pytest.raises(DataError, match="cannot be written to"):
        kf.write_scores(made, folder)
    assert list(tmp_path.iterdir()) == [folder]


def test_only_scores_are_written(made, tmp_path):
    with pytest.raises(DataError, match="takes Scores; got DataFrame"):
        kf.write_scores(made.to_polars(), tmp_path / "scores.parquet")


# Interrupted writes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "seen"),
    [(OSError(28, "No space left on device"), DataError), (KeyboardInterrupt, KeyboardInterrupt), (pa.ArrowInvalid, pa.ArrowInvalid)],
    ids=["disk-full", "interrupt", "arrow"],
)  # fmt: skip
def test_a_write_that_fails_leaves_the_old_file_alone(made, path, monkeypatch, error, seen):
    before = path.read_bytes()

    def half(table, file):
        file.write(b"PAR1 half of it")
        raise error

    monkeypatch.setattr(_scores, "write_groups", half)
    with pytest.raises(seen) as caught:
        kf.write_scores(made.at(LAST), path)
    if seen is DataError:
        assert "No space left on device" in str(caught.value)
        assert str(path) in str(caught.value)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["scores.parquet"]


KILLED = """
import os, signal, sys
import kifactors as kf
from kifactors.io import _parquet, _partitioned, _scores

scores = kf.read_scores(sys.argv[1])
whole = _scores.write_groups

def killed(table, file):
    whole(table, file)
    size = file.tell()
    file.truncate(size // 2)
    file.flush()
    print("half written", flush=True)
    os.kill(os.getpid(), signal.SIGKILL) if sys.argv[3] == "kill" else os._exit(9)

_scores.write_groups = killed
kf.write_scores(scores, sys.argv[2])
"""


@pytest.mark.parametrize(
    "how",
    [
        "exit",
        pytest.param(
            "kill", marks=pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
        ),
    ],
)
def test_a_killed_write_leaves_the_old_file_and_no_readable_half(made, path, tmp_path, how):
    before = path.read_bytes()
    fresh = tmp_path / "fresh.parquet"
    for target in (path, fresh):
        child = subprocess.run(
            [sys.executable, "-c", KILLED, str(path), str(target), how],
            capture_output=True,
            text=True,
            check=False,
        )
        assert child.stdout == "half written\n", child.stderr
        assert child.returncode in (9, -9)
    assert path.read_bytes() == before
    assert_same(kf.read_scores(path), made)
    assert [file.name for file in tmp_path.glob("*.parquet")] == ["scores.parquet"]
    assert not any(file.suffix == ".parquet" for file in tmp_path.iterdir() if file != path)
    kf.write_scores(made, fresh)
    assert_same(kf.read_scores(fresh), made)


# Damaged and foreign files --------------------------------------------------------------------------------


def outcome(path):
    """Return the scores of a file, or the error this library raised on purpose."""
    try:
        return kf.read_scores(path)
    except KifactorsError as error:
        return error


@pytest.mark.parametrize("kept", [0.0, 0.25, 0.5, 0.75, 0.999])
def test_a_cut_file_is_refused(path, kept):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(DataError, match="cut off") as caught:
        kf.read_scores(path)
    assert str(path) in str(caught.value)


def ends_of_columns(path):
    """Return where the data of each column ends."""
    group = pq.ParquetFile(path).metadata.row_group(0)
    chunks = (group.column(i) for i in range(group.num_columns))
    return [
        (chunk.dictionary_page_offset or chunk.data_page_offset) + chunk.total_compressed_size
        for chunk in chunks
    ]


def test_a_flipped_byte_in_the_data_of_any_column_is_detected(path):
    whole = path.read_bytes()
    ends = ends_of_columns(path)
    assert len(ends) == len(SCORES.names)
    for end in ends:
        damaged = bytearray(whole)
        damaged[end - 1] ^= 0x01  # the last byte belongs to a page, not to its header
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="damaged"):
            kf.read_scores(path)


@pytest.mark.parametrize("bits", [0x01, 0x80, 0xFF])
def test_a_flipped_byte_anywhere_is_an_error_of_ours_or_changes_no_score(made, path, bits):
    whole = path.read_bytes()
    for at in range(0, len(whole), 61):
        damaged = bytearray(whole)
        damaged[at] ^= bits
        path.write_bytes(damaged)
        got = outcome(path)
        if isinstance(got, kf.Scores):
            assert_frame_equal(got.to_polars(), made.to_polars(), check_exact=True)
            assert got.definition == made.definition


def test_a_missing_file_is_refused(tmp_path):
    for where in (tmp_path / "nothing.parquet", tmp_path / "nothing"):
        with pytest.raises(DataError, match="there is no file"):
            kf.read_scores(where)


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "scores.parquet"
    path.write_text("date,asset_id,exposure\n")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        kf.read_scores(path)


def test_a_foreign_parquet_file_is_refused(made, tmp_path):
    made.to_polars().write_parquet(tmp_path / "foreign.parquet")
    with pytest.raises(DataError, match=r"foreign.parquet carries no kifactors provenance.*kf.write_scores"):
        kf.read_scores(tmp_path / "foreign.parquet")


def edited(path, **changes):
    table = pq.read_table(path)
    known = {**json.loads(table.schema.metadata[b"kifactors"]), **changes}
    pq.write_table(table.replace_schema_metadata({b"kifactors": json.dumps(known).encode()}), path)
    return path


def rewritten(path, change):
    """Write a provenance that was changed before it was digested."""
    table = pq.read_table(path)
    known = json.loads(table.schema.metadata[b"kifactors"])
    del known["digest"]
    change(known)
    known["digest"] = scores_module._digest(known)
    pq.write_table(table.replace_schema_metadata({b"kifactors": json.dumps(known).encode()}), path)
    return path


def test_a_file_of_the_first_format_is_read_but_cannot_be_continued(made, path):
    def first_format(known):
        del known["release"], known["history"]
        known["format"] = 1

    old = kf.read_scores(rewritten(path, first_format))
    assert (old.history, old.release) == (None, None)
    assert_frame_equal(old.to_polars(), made.to_polars(), check_exact=True)
    with pytest.raises(StaleScoresError, match="do not tell from which past"):
        kf.AIInfrastructureExposure(DEFINITION).update(old, _tables(), ["2024-07-31"])
    again = kf.read_scores(kf.write_scores(old, path))
    assert_same(again, old)


@pytest.mark.parametrize(
    "history",
    [3, {}, {"until": "soon", "universe": None, "tables": {}}, {"until": "2024-06-30", "universe": 3, "tables": {}},
     {"until": "2024-06-30", "universe": None, "tables": {"fx": {"2024": [1]}}}],
    ids=str,
)  # fmt: skip
def test_a_history_that_does_not_fit_is_refused(path, history):
    with pytest.raises(DataError, match="provenance that cannot be read"):
        kf.read_scores(rewritten(path, lambda known: known.update(history=history)))


@pytest.mark.parametrize("delta", ["0.5", "0.250001"])
def test_an_edited_definition_is_detected(path, delta):
    text = DEFINITION.to_toml().replace("delta = 0.25", f"delta = {delta}")
    with pytest.raises(DataError, match=r"provenance that cannot be read .*damaged or was edited"):
        kf.read_scores(edited(path, definition=text))


@pytest.mark.parametrize(
    "changes",
    [
        {"definition": "[time"},
        {"definition": "[tiem]"},
        {"definition": None},
        {"dates": ["yesterday"]},
        {"dates": 3},
        {"dates": []},
        {"dates": ["2024-06-30"]},
        {"diagnostics": {"assets": [1]}},
        {"diagnostics": 3},
        {"inputs": 3},
        {"format": 3},
    ],
    ids=str,
)
def test_a_provenance_that_does_not_fit_is_refused(path, changes):
    with pytest.raises(DataError, match=r"scores\.parquet"):
        kf.read_scores(edited(path, **changes))


@pytest.mark.parametrize("written", [b"", b"{", b"[]", b"3", b"\xff\xfe", b"{}"])
def test_a_provenance_that_is_no_provenance_is_refused(path, written):
    pq.write_table(pq.read_table(path).replace_schema_metadata({b"kifactors": written}), path)
    with pytest.raises(DataError, match="provenance that cannot be read"):
        kf.read_scores(path)


def test_a_file_that_lacks_a_column_is_refused(path):
    pq.write_table(pq.read_table(path).drop_columns(["exposure_low"]), path)
    with pytest.raises(MissingColumnError, match="lacks column 'exposure_low'"):
        kf.read_scores(path)


def test_a_file_with_a_column_of_another_type_is_refused(path):
    table = pq.read_table(path)
    texts = table["score"].cast(pa.string())
    pq.write_table(table.set_column(table.schema.get_field_index("score"), "score", texts), path)
    with pytest.raises(DataError, match="'score' is String; expected Float64"):
        kf.read_scores(path)


def _twice(table):
    return pa.concat_tables([table, table])


def _another_date(table):
    return table.set_column(0, "date", pa.array([date(2024, 1, 31)] * table.num_rows, pa.date32()))


def _not_a_number(table):
    return table.set_column(3, "exposure", pa.array([float("nan")] * table.num_rows))


@pytest.mark.parametrize("change", [_twice, _another_date, _not_a_number])
def test_rows_that_no_computation_makes_are_refused(made, change):
    with pytest.raises(DataError):
        kf.Scores.from_arrow(change(made.to_arrow()))


def test_rows_in_another_order_are_sorted(made):
    shuffled = made.to_arrow().take([4, 1, 3, 0, 2])
    assert_same(kf.Scores.from_arrow(shuffled), made)


# A folder with a file for each month ------------------------------------------------------------------------


@pytest.fixture
def folder(made, tmp_path):
    return kf.write_scores(made, tmp_path / "scores", partition_by="month")


def test_a_folder_comes_back_whole(made, folder):
    assert_same(kf.read_scores(folder), made)
    assert sorted(path.name for path in folder.iterdir()) == [
        "_manifest.json", "month=2019-12", "month=2023-06", "month=2024-06",
    ]  # fmt: skip


def test_the_manifest_says_what_sha256sum_says(made, folder):
    known = json.loads((folder / "_manifest.json").read_text())
    assert known["definition_fingerprint"] == DEFINITION.fingerprint()
    assert (known["first_date"], known["last_date"]) == (str(EMPTY), str(LAST))
    assert [file["rows"] for file in known["files"]] == [0, 2, 3]
    for file in known["files"]:
        data = (folder / file["path"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file["bytes"], file["sha256"])


def test_others_read_the_folder(made, folder):
    read = pl.scan_parquet(folder / "**/*.parquet", hive_partitioning=True).sort("date", "asset_id").collect()
    assert_frame_equal(read.select(SCORES.names), made.to_polars())
    assert read["month"].to_list() == ["2023-06"] * 2 + ["2024-06"] * 3


def test_scores_of_a_folder_are_replaced_as_a_whole(made, folder):
    (folder / "notes.txt").write_text("mine")
    kf.write_scores(made.at(LAST), folder, partition_by="month")
    assert_same(kf.read_scores(folder), made.at(LAST))
    assert sorted(path.name for path in folder.iterdir()) == ["_manifest.json", "month=2024-06", "notes.txt"]
    assert len(list(folder.rglob("*.parquet"))) == 1


@pytest.mark.parametrize("at", [0, 1, 2, 3], ids=["first", "second", "third", "manifest"])
def test_a_folder_that_cannot_be_written_keeps_what_it_had(made, folder, monkeypatch, at):
    files = sorted(folder.rglob("*"))
    whole, done = _partitioned.written, []

    def fails(path, write, *, what):
        if len(done) == at:
            raise DataError("No space left on device")
        done.append(path)
        return whole(path, write, what=what)

    monkeypatch.setattr(_partitioned, "written", fails)
    with pytest.raises(DataError, match="No space left"):
        kf.write_scores(made, folder, partition_by="month")
    assert sorted(folder.rglob("*")) == files
    assert_same(kf.read_scores(folder), made)


def test_files_the_manifest_does_not_name_do_not_count(made, folder):
    (month,) = folder.glob("month=2024-06")
    (month / "2024-06-30_2024-06-30-00000000.parquet").write_bytes(b"half of it")
    assert_same(kf.read_scores(folder), made)


def test_flipped_bytes_of_a_folder_are_found_and_the_file_named(folder):
    (path,) = folder.glob("month=2023-06/*.parquet")
    whole = path.read_bytes()
    for place in range(0, len(whole), 61):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
        with pytest.raises(DataError, match=f"{path.name} is damaged"):
            kf.read_scores(folder)
    path.unlink()
    with pytest.raises(DataError, match=f"{path.name} is gone, and .*_manifest.json names it"):
        kf.read_scores(folder)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 9, "files": []}', '{"format": 1, "files": [{}]}']
)
def test_a_damaged_manifest_is_refused(folder, text):
    (folder / "_manifest.json").write_text(text)
    with pytest.raises(DataError, match=r"_manifest.json (cannot be read|is of format 9)"):
        kf.read_scores(folder)


def test_a_reader_that_is_overtaken_reads_the_new_scores(made, folder, monkeypatch):
    read, calls = _partitioned._read_month, []

    def overtaken(where, entry):
        calls.append(entry)
        if len(calls) == 2:
            kf.write_scores(made.at(LAST), folder, partition_by="month")
        return read(where, entry)

    monkeypatch.setattr(_partitioned, "_read_month", overtaken)
    assert_same(kf.read_scores(folder), made.at(LAST))


def test_a_folder_and_a_file_are_told_apart(made, path, tmp_path):
    for wrong in (tmp_path / "new.parquet", path):
        with pytest.raises(DataError, match="names a file, and partition_by='month' writes a folder"):
            kf.write_scores(made, wrong, partition_by="month")
    with pytest.raises(DataError, match="expected 'month' or None"):
        kf.write_scores(made, tmp_path / "x", partition_by="year")
    with pytest.raises(DataError, match=r"has no _manifest.json, .* Write scores with"):
        kf.read_scores(tmp_path)
    (tmp_path / "_delta_log").mkdir()
    with pytest.raises(DataError, match=r"It is a store: read it with kf.open_store"):
        kf.read_scores(tmp_path)


# Arrow and CSV --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".arrow", ".feather", ".ipc"])
def test_an_arrow_file_comes_back_whole(made, tmp_path, ending):
    path = kf.write_scores(made, tmp_path / f"scores{ending}")
    assert_same(kf.read_scores(path), made)
    assert_frame_equal(pl.read_ipc(path), made.to_polars())
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="cannot be read as Arrow"):
        kf.read_scores(path)


def test_a_csv_is_for_spreadsheets(made, tmp_path):
    path = kf.write_scores(made, tmp_path / "scores.csv")
    assert_frame_equal(pl.read_csv(path, schema=SCORES.polars), made.to_polars())
    with pytest.raises(DataError, match="is for spreadsheets"):
        kf.read_scores(path)


def test_row_groups_are_whole_dates(monkeypatch):
    monkeypatch.setattr(_parquet, "GROUP_ROWS", 4)
    days = [date(2024, 1, 1)] * 3 + [date(2024, 1, 2)] * 2 + [date(2024, 1, 3)] * 9 + [date(2024, 1, 4)]
    table = pa.table({"date": pa.array(days, pa.date32()), "x": pa.array(range(15), pa.float64())})
    sink = pa.BufferOutputStream()
    _parquet.write_groups(table, sink)
    file = pq.ParquetFile(pa.BufferReader(sink.getvalue()), page_checksum_verification=True)
    assert [file.metadata.row_group(k).num_rows for k in range(file.num_row_groups)] == [5, 9, 1]
    assert file.read().equals(table)
    column = file.metadata.row_group(1).column(1)
    assert "BYTE_STREAM_SPLIT" in column.encodings
    assert column.compression == "ZSTD"
    assert column.statistics is None
    days = file.metadata.row_group(1).column(0).statistics
    assert (days.min, days.max) == (date(2024, 1, 3), date(2024, 1, 3))
    _parquet.write_groups(table, plain := pa.BufferOutputStream(), split_bytes=False)
    plainly = pq.ParquetFile(pa.BufferReader(plain.getvalue()), page_checksum_verification=True)
    assert plainly.read().equals(table)
    assert set(plainly.metadata.row_group(1).column(1).encodings) == {"PLAIN", "RLE"}


@pytest.mark.parametrize("name", ["s.xlsx", "s.json", "s.parquet.gz", "s.txt"])
def test_a_file_of_another_format_is_not_written_under_its_name(made, tmp_path, name):
    with pytest.raises(DataError, match=r"ends in \.\w+; expected \.parquet, \.arrow"):
        kf.write_scores(made, tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["S.PARQUET", "s.pq", "s", "S.Arrow"])
def test_endings_are_read_in_any_case(made, tmp_path, name):
    again = kf.read_scores(kf.write_scores(made, tmp_path / name))
    assert_frame_equal(again.to_polars(), made.to_polars())
    kf.write_scores(made, tmp_path / "S.CSV")
    assert (tmp_path / "S.CSV").read_text().startswith("date,asset_id,")
