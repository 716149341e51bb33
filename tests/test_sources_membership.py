"""Index memberships: intervals by hand, what was known when, tickers, packages, and pickles that want more."""

import pickle
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kifactors.errors import DataError, MissingColumnError, MissingExtraError
from kifactors.sources import read_index_membership
from kifactors.sources._index_packages import ALLOWED, unpickled
from tests.sec import DATA, needs_files

DAY = date(2020, 1, 1)
NOBODY = {"asset_id": ["z"], "ticker": ["Z"]}


def day(number):
    return None if number is None else DAY + timedelta(number)


def source(*rows, **more):
    """Intervals: asset_id, start, end, and the day of the announcement (None: the start), of index i."""
    return pl.DataFrame(
        [("i", who, day(start), day(end), day(known)) for who, start, end, known in rows],
        schema={"index_id": pl.String, "asset_id": pl.String, "start": pl.Date, "end": pl.Date, "available_at": pl.Date},
        orient="row",
    ).with_columns(**more)  # fmt: skip


def spans(membership):
    days = [(pl.col(name) - DAY).dt.total_days().alias(name) for name in ("start", "end", "available_at")]
    return membership.select("asset_id", *days).rows()


def reasons(skipped):
    return dict(skipped.group_by("reason").agg(pl.col("rows").sum()).sort("reason").rows())


MERGED = "merged with an interval it overlaps or touches"
LATE = "known only after an earlier one had ended: starts there"
TOO_LATE = "known only after it had ended"


@pytest.mark.parametrize(
    ("rows", "expected", "counted"),
    [
        # Apart, touching, overlapping, inside, open.
        ([("a", 0, 5, None), ("a", 6, 9, None)], [("a", 0, 5, 0), ("a", 6, 9, 6)], {}),
        ([("a", 0, 5, None), ("a", 5, 9, None)], [("a", 0, 9, 0)], {MERGED: 1}),
        ([("a", 0, 5, None), ("a", 3, 9, None)], [("a", 0, 9, 0)], {MERGED: 1}),
        ([("a", 0, 9, None), ("a", 3, 5, None)], [("a", 0, 9, 0)], {MERGED: 1}),
        ([("a", 0, None, None), ("a", 3, 5, None), ("a", 8, None, None)], [("a", 0, None, 0)], {MERGED: 2}),
        # Another asset is another matter.
        ([("a", 0, 5, None), ("b", 3, 9, None)], [("a", 0, 5, 0), ("b", 3, 9, 3)], {}),
        # Announced before the start.
        ([("a", 4, 9, 1)], [("a", 4, 9, 1)], {}),
        # The second was known after the first had ended: nobody could tell on day 6 that it goes on.
        ([("a", 0, 5, None), ("a", 3, 9, 7)], [("a", 0, 5, 0), ("a", 5, 9, 7)], {LATE: 1}),
        # The first was known late: until then only the second one says something.
        ([("a", 0, 9, 6), ("a", 3, 7, 3)], [("a", 3, 9, 3)], {MERGED: 1}),
        ([("a", 0, 5, 5), ("a", 5, 9, None)], [("a", 5, 9, 5)], {TOO_LATE: 1}),
        # The same row twice.
        ([("a", 0, 5, None), ("a", 0, 5, None)], [("a", 0, 5, 0)], {"the same row again": 1}),
    ],
)
def test_intervals_by_hand(rows, expected, counted):
    read = read_index_membership(source(*rows), assets=NOBODY)
    assert spans(read.membership) == expected
    assert reasons(read.skipped) == counted


INTERVALS = st.lists(
    st.tuples(
        st.sampled_from("ab"), st.integers(0, 12), st.none() | st.integers(1, 14), st.none() | st.integers(0, 16)
    ).filter(lambda row: row[2] is None or row[1] < row[2]),
    min_size=1, max_size=7,
)  # fmt: skip


def members(rows, at):
    return {
        who
        for who, start, end, known in rows
        if start <= at and (end is None or at < end) and (start if known is None else known) <= at
    }


@settings(deadline=None, max_examples=200)
@given(INTERVALS, st.randoms())
def test_who_is_known_to_be_in_stays_the_same_on_every_day(rows, random):
    read = read_index_membership(source(*rows), assets=NOBODY)
    for at in range(18):
        assert members(spans(read.membership), at) == members(rows, at)
    shuffled = random.sample(rows, len(rows))
    again = read_index_membership(source(*shuffled), assets=NOBODY)
    assert again.membership.equals(read.membership)
    assert again.skipped.equals(read.skipped)


@settings(deadline=None)
@given(INTERVALS, st.integers(0, 16))
def test_later_rows_change_nothing_before(rows, at):
    known = [row for row in rows if (row[1] if row[3] is None else row[3]) <= at]
    assume(known)
    whole = read_index_membership(source(*rows), assets=NOBODY).membership
    part = read_index_membership(source(*known), assets=NOBODY).membership
    for before in range(at + 1):
        assert members(spans(whole), before) == members(spans(part), before)


def test_weights():
    rows = [("a", 0, 5, None), ("a", 5, 9, None), ("b", 0, 5, None), ("b", 5, 9, None)]
    read = read_index_membership(
        source(*rows, weight=pl.Series([0.1, 0.2, 0.3, 0.3])), assets=NOBODY
    ).membership
    assert read.select("asset_id", "start", "weight").rows() == [
        ("a", day(0), 0.1), ("a", day(5), 0.2), ("b", day(0), 0.3)
    ]  # fmt: skip
    overlap = source(("a", 0, 5, None), ("a", 3, 9, None), weight=pl.Series([0.1, 0.2]))
    with pytest.raises(
        DataError, match=r"'weight': two intervals of 'a' in 'i' overlap.*0\.1.*0\.2.*Close the"
    ):
        read_index_membership(overlap, assets=NOBODY)


def ticker_rows(*rows):
    return source(*rows).rename({"asset_id": "ticker"})


def test_tickers_match_exactly():
    assets = pl.DataFrame({"asset_id": ["one", "one", "two"], "ticker": ["A", "B", None]})
    read = read_index_membership(
        ticker_rows(("A", 0, 5, None), ("B", 5, 9, None), ("a", 0, 9, None)), assets=assets
    )
    assert spans(read.membership) == [("one", 0, 9, 0), ("ticker:a", 0, 9, 0)]
    assert reasons(read.skipped) == {MERGED: 1, "no asset has that ticker": 1}


def test_a_ticker_of_two_companies_needs_their_times():
    assets = pl.DataFrame({"asset_id": ["old", "new"], "ticker": ["Q", "Q"]})
    rows = ticker_rows(("Q", 0, 5, None), ("Q", 20, None, None), ("Q", 7, 9, None), ("Q", 9, 21, None))
    read = read_index_membership(rows, assets=assets)
    assert set(read.membership["asset_id"]) == {"ticker:Q"}
    assert reasons(read.skipped)["several assets have that ticker"] == 4
    times = {"valid_from": [None, day(15)], "valid_to": [day(6), None]}
    read = read_index_membership(
        rows, assets=assets.with_columns(**{k: pl.Series(v) for k, v in times.items()})
    )
    assert spans(read.membership) == [("new", 9, None, 9), ("old", 0, 5, 0), ("ticker:Q", 7, 9, 7)]
    assert reasons(read.skipped) == {MERGED: 1, "no asset has that ticker at that time": 1}


def test_a_key_goes_before_a_ticker(tmp_path):
    path = tmp_path / "members.csv"
    path.write_text(
        "index_id,asset_id,ticker,start,end,source\ni,a,Z,2020-01-01,,page\ni,,Z,2020-01-01,2021-01-01,\n"
    )
    read = read_index_membership(path, assets=NOBODY)
    assert read.membership.select("asset_id", "source", "available_at").rows() == [
        ("a", "page", DAY), ("z", "members.csv", DAY)
    ]  # fmt: skip
    parquet = tmp_path / "members.parquet"
    pl.read_csv(path, try_parse_dates=True).write_parquet(parquet)
    assert read_index_membership(str(parquet), assets=NOBODY).membership.height == 2


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        (
            source(("a", 5, 5, None)),
            DataError,
            "index_membership: the membership ends on or before.*row 0.*'a'",
        ),
        (source((None, 1, 5, None)), DataError, "neither asset_id nor ticker.*row 0.*Fill in one"),
        (source((" a", 1, 5, None)), DataError, "index_membership: column 'asset_id' must match.*row 0"),
        (source(("a", None, 5, None)), DataError, "index_membership: column 'start' must not be null.*row 0"),
        (source(), DataError, "index_membership has no rows. Give"),
        (source(("a", 1, 5, None)).drop("end"), MissingColumnError, "index_membership lacks column 'end'"),
        (source(("a", 1, 5, None)).drop("asset_id"), MissingColumnError, "'asset_id' and column 'ticker'"),
        ("index_constitution", DataError, "index_constitution has the ending"),
    ],
)
def test_odd_input(table, error, message):
    with pytest.raises(error, match=f"(?s){message}"):
        read_index_membership(table, assets=NOBODY)


def test_tickers_need_tickers_of_assets():
    with pytest.raises(MissingColumnError, match=r"assets lacks column 'ticker'.*Add it"):
        read_index_membership(ticker_rows(("A", 0, 5, None)), assets={"asset_id": ["a"]})
    assert read_index_membership(source(("a", 0, 5, None)), assets={"asset_id": ["a"]}).membership.height == 1


class Evil:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def test_a_malicious_pickle_does_not_run(tmp_path):
    touched = tmp_path / "touched"
    for function, arguments, name in (
        (exec, (f"open({str(touched)!r}, 'w')",), "builtins.exec"),
        (open, (str(touched), "w"), "io.open|_io.open"),
        (getattr, ("", "join"), "builtins.getattr"),
    ):
        for protocol in (0, 2, 4):
            data = pickle.dumps(Evil(function, *arguments), protocol=protocol)
            # Protocols below 3 write the names of Python 2.
            with pytest.raises(DataError, match=rf"x\.pkl: the pickle asks for ({name}|__builtin__\.\w+)"):
                unpickled(data, name="x.pkl")
    assert not touched.exists()
    # Were it loaded otherwise, it would run.
    pickle.loads(pickle.dumps(Evil(open, str(touched), "w"))).close()
    assert touched.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x04\x8c\x06pandas\x8c\x13DataFrame.to_pickle\x93.",
        b"cpandas\nDataFrame.to_pickle\n.",
        b"\x80\x04\x8c\x0bpandas.core\x8c\x07generic\x93.",
        b"cos\nsystem\n(S'true'\ntR.",
    ],
)
def test_a_path_to_something_inside_what_is_allowed_is_refused(data):
    with pytest.raises(DataError, match="the pickle asks for"):
        unpickled(data, name="x.pkl")


@pytest.mark.parametrize("data", [b"", b"\x80", b"nonsense", pickle.dumps([1]), pickle.dumps({"symbol": 1})])
def test_a_damaged_pickle_is_no_table(data):
    with pytest.raises(DataError, match=r"x\.pkl: no table with symbol, opt-in and opt-out"):
        unpickled(data, name="x.pkl")


def test_what_is_allowed_is_needed():
    """The list is that of the package, no longer."""
    package = pytest.importorskip("index_constitution")
    asked = set()

    class Listening(pickle.Unpickler):
        def find_class(self, module, name):
            asked.add((module, name))
            return super().find_class(module, name)

    folder = Path(package.__file__).parent / "_data" / "history"
    for path in folder.iterdir():
        with path.open("rb") as file:
            Listening(file).load()
    assert asked == ALLOWED


@pytest.mark.parametrize("name", ["index-constitution", "pitindex"])
def test_a_package_that_is_not_there(name, monkeypatch):
    monkeypatch.setattr("kifactors.sources._index_packages.find_spec", lambda module: None)
    with pytest.raises(MissingExtraError, match=rf"{name}.*pip install 'kifactors\[membership\]'"):
        read_index_membership(name, assets=NOBODY)


@pytest.mark.parametrize("module", ["index_constitution", "pitindex"])
def test_no_code_of_a_package_runs(module):
    pytest.importorskip(module)
    code = (
        "import sys; from kifactors.sources import read_index_membership as read; "
        f"read({module.replace('_', '-')!r}, assets={NOBODY!r}); print({module!r} in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("name", "module"), [("index-constitution", "index_constitution"), ("pitindex", "pitindex")]
)
def test_a_package_of_another_form(name, module, tmp_path, monkeypatch):
    pytest.importorskip(module)
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr("kifactors.sources._index_packages.find_spec", lambda _: spec)
    with pytest.raises(DataError, match=rf"{name} [\d.]+ has no histories"):
        read_index_membership(name, assets=NOBODY)
    (tmp_path / "data").mkdir()
    (tmp_path / "_data" / "history").mkdir(parents=True)
    (tmp_path / "_data" / "history" / "i.pkl").write_bytes(pickle.dumps(Evil(print, "no")))
    (tmp_path / "data" / "i_seed.csv").write_text("day,symbol\n2020-01-01,A\n")
    (tmp_path / "data" / "i_changes.csv").write_text("")
    with pytest.raises(
        DataError, match=rf"{name} [\d.]+, i(\.pkl: the pickle asks for builtins.print|: its seed or)"
    ):
        read_index_membership(name, assets=NOBODY)


# Of one company assets.csv has one ticker. The collected table knew these classes of shares, and left them out.
SECOND_CLASSES = {"BATRK", "FOX", "GOOG", "LBTYK", "LILAK", "NWS", "UA"}
# It found these by name: assets.csv has no ticker for them, or another one.
BY_NAME = {"BF.B", "BRK.B", "ECHO", "GRN"}
# Memberships that end on the day they start.
EMPTY = {"AYE", "HNG"}


@needs_files
def test_index_constitution_against_the_collected_table():
    pytest.importorskip("index_constitution")
    read = read_index_membership("index-constitution", assets=DATA / "assets.csv")
    assert read.membership["available_at"].equals(read.membership["start"].alias("available_at"))
    assert set(read.membership["index_id"]) == {"csi300", "csi500", "dow30", "nasdaq100", "sp500"}
    collected = pl.read_csv(DATA / "index_membership.csv", try_parse_dates=True)
    found = read.membership.filter(pl.col("index_id").is_in(["nasdaq100", "sp500"]))
    key = ["index_id", "asset_id", "start", "end"]
    same = collected.join(found, on=key, how="inner", nulls_equal=True)
    ours = found.join(collected, on=key, how="anti", nulls_equal=True)
    theirs = collected.join(found, on=key, how="anti", nulls_equal=True)
    assert (same.height, ours.height, theirs.height) == (1181, 14, 7)
    # Both call the same starts placeholders.
    placed = same.select(
        (pl.col("start_quality") == "at_or_before")
        == pl.col("source_right").str.contains("start at or before")
    )
    assert placed.to_series().all()
    tickers = ours.filter(pl.col("asset_id").str.starts_with("ticker:"))["asset_id"].str.strip_prefix(
        "ticker:"
    )
    assert set(tickers) == SECOND_CLASSES | BY_NAME
    # FOX: the two classes of Fox began on different days, and the collected table took the other one.
    fox = pl.col("asset_id") == "cik:0001754301"
    assert set(theirs["ticker"]) == BY_NAME | EMPTY | {"FOX"}
    assert ours.filter(~pl.col("asset_id").str.starts_with("ticker:")).filter(~fox).is_empty()
    ended = read.skipped.filter(pl.col("reason").str.starts_with("ends on or before"))
    assert set(ended["filer"]) == {"ticker:AYE", "ticker:GAS", "ticker:HNG"}


@needs_files
def test_with_the_missing_tickers_only_the_empty_memberships_differ():
    pytest.importorskip("index_constitution")
    assets = pl.read_csv(DATA / "assets.csv").select("asset_id", "ticker")
    collected = pl.read_csv(DATA / "index_membership.csv", try_parse_dates=True)
    named = collected.filter(pl.col("ticker").is_in(BY_NAME)).select("asset_id", "ticker").unique()
    second = {"GOOG": "GOOGL", "FOX": "FOXA", "NWS": "NWSA"}
    classes = pl.DataFrame({"first": list(second.values()), "other": list(second)}).join(
        assets, left_on="first", right_on="ticker"
    )
    more = pl.concat([assets, named, classes.select("asset_id", ticker="other")])
    found = read_index_membership("index-constitution", assets=more).membership
    key = ["index_id", "asset_id", "start", "end"]
    theirs = collected.join(found, on=key, how="anti", nulls_equal=True)
    assert set(theirs["ticker"]) == EMPTY


def test_pitindex_against_its_own_functions():
    pitindex = pytest.importorskip("pitindex")
    assets = {"asset_id": ["meta", "meta"], "ticker": ["FB", "META"]}
    read = read_index_membership("pitindex", assets=assets)
    assert set(read.membership["index_id"]) == {"sp400", "sp500", "sp600"}
    for index, at in (
        ("sp500", date(2010, 6, 30)),
        ("sp400", date(2016, 9, 1)),
        ("sp600", date(2023, 6, 19)),
    ):
        held = read.membership.filter(
            (pl.col("index_id") == index)
            & (pl.col("start") <= at)
            & ((pl.col("end") > at) | pl.col("end").is_null())
        )
        found = {name.removeprefix("ticker:") for name in held["asset_id"]}
        expected = set(pitindex._loader.load_seed(index)[1])
        for event in pitindex._loader.load_events(index):
            if event.date <= at:
                (expected.add if event.action == "added" else expected.discard)(event.ticker)
        assert found == {"meta" if name in {"FB", "META"} else name for name in expected}
    # The change of the ticker is no change of the member.
    meta = read.membership.filter(pl.col("asset_id") == "meta", pl.col("index_id") == "sp500")
    assert meta.select("start", "end").rows() == [(date(2013, 12, 23), None)]


def test_pandas_reads_no_pickle(monkeypatch):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("index_constitution")

    def refuse(*_, **__):
        raise AssertionError

    monkeypatch.setattr(pandas, "read_pickle", refuse)
    assert read_index_membership("index-constitution", assets=NOBODY).membership.height > 3000
