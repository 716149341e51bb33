"""Every bad input is refused with a message that helps, and every good form of a table gives one frame."""

import copy
import pickle
from datetime import date, datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import kifactors as kf
from kifactors.errors import DataError, KifactorsError, MissingColumnError
from kifactors.schema import INPUTS, validate

D = date.fromisoformat
NAN, INF = float("nan"), float("inf")
Y22, END22, FILED = date(2022, 1, 1), date(2022, 12, 31), date(2023, 2, 1)

GOOD = {
    "universe": {
        "date": [END22, END22],
        "asset_id": ["a", "b"],
        "industry": ["chips", None],
        "market_cap": [2e9, None],
        "estimation": [True, False],
    },
    "fundamentals": {
        "asset_id": ["a", "a", "a"],
        "metric": ["capex", "revenue", "assets"],
        "period_start": [Y22, Y22, None],
        "period_end": [END22] * 3,
        "value": [10.0, 100.0, 500.0],
        "currency": ["USD"] * 3,
        "available_at": [FILED] * 3,
    },
    "capex_guidance": {
        "asset_id": ["a"],
        "period_start": [Y22],
        "period_end": [END22],
        "low": [10.0],
        "high": [12.0],
        "currency": ["USD"],
        "available_at": [date(2022, 2, 1)],
    },
    "ai_capex_share": {
        "asset_id": ["a", "b"],
        "share": [0.5, 1.0],
        "available_at": [FILED, FILED],
        "provenance": ["disclosed", "assumed"],
    },
    "ai_revenue_share": {
        "asset_id": ["a", "a"],
        "share": [0.25, 0.5],
        "scope": ["ai", "data_center"],
        "period_end": [END22] * 2,
        "available_at": [FILED] * 2,
    },
    "revenue_ties": {
        "supplier_id": ["s", "s"],
        "customer_id": ["a", None],
        "customer_label": ["A Inc", "Customer B"],
        "revenue_share": [0.5, 0.25],
        "ai_share": [1.0, None],
        "period_end": [END22] * 2,
        "available_at": [FILED] * 2,
    },
    "tie_disclosures": {"supplier_id": ["s"], "period_end": [END22], "available_at": [FILED]},
    "index_membership": {
        "index_id": ["i", "i"],
        "asset_id": ["a", "b"],
        "start": [Y22, Y22],
        "end": [None, END22],
        "available_at": [Y22, Y22],
        "weight": [0.75, 0.25],
    },
    "fx": {"date": [END22], "currency": ["EUR"], "usd_per_unit": [1.25]},
    "assets": {"asset_id": ["a"], "ticker": ["AAA"], "name": ["A Inc"]},
}


def table(name, **changes):
    """Return a good table with some columns replaced."""
    return {**GOOD[name], **changes}


def repeated(name, *, times=2, **changes):
    """Return the first row of a good table several times, some columns replaced."""
    first = {column: values[:1] * times for column, values in GOOD[name].items()}
    return {**first, **changes}


def refusal(name, data, error=DataError):
    with pytest.raises(error) as caught:
        validate(name, data)
    message = str(caught.value)
    assert message.startswith(name)
    return message


@pytest.mark.parametrize("name", INPUTS)
def test_a_good_table_passes_unchanged(name):
    frame = validate(name, GOOD[name])
    assert frame.columns == [column for column in INPUTS[name].names if column in GOOD[name]]
    assert all(frame.schema[column] == INPUTS[name][column].dtype for column in frame.columns)
    assert sorted(map(str, frame.rows())) == sorted(
        map(str, pl.DataFrame(GOOD[name]).select(frame.columns).rows())
    )


# What is refused, by its value ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "changes", "parts"),
    [
        pytest.param(
            "ai_capex_share", {"share": [0.5, NAN]},
            ["'share'", "NaN or infinite", "row 1 (asset_id='b'", "share=nan", "Write unknown values as null"], id="nan",
        ),
        pytest.param("fx", {"usd_per_unit": [INF]}, ["'usd_per_unit'", "row 0", "inf", "null"], id="infinity"),
        pytest.param("universe", {"market_cap": [-INF, 1.0]}, ["'market_cap'", "NaN or infinite", "row 0"], id="minus-inf"),
        pytest.param(
            "ai_capex_share", {"share": [None, 1.0]},
            ["'share' must not be null", "row 0 (asset_id='a'", "Fill in or drop"], id="null",
        ),
        pytest.param(
            "ai_capex_share", {"share": [0.5, 50.0]},
            ["'share' must be in [0, 1]", "row 1 (asset_id='b'", "share=50.0", "divide percentages by 100"], id="percent",
        ),
        pytest.param("ai_revenue_share", {"share": [-0.1, 0.5]}, ["'share'", "[0, 1]", "row 0", "share=-0.1"], id="below-0"),
        pytest.param("revenue_ties", {"revenue_share": [0.0, 0.5]}, ["'revenue_share'", "(0, 1]", "row 0"], id="tie-of-0"),
        pytest.param("revenue_ties", {"ai_share": [None, 1.5]}, ["'ai_share'", "[0, 1]", "row 1"], id="ai-share"),
        pytest.param("universe", {"market_cap": [0.0, 1.0]}, ["'market_cap'", "(0, 1e+20]", "row 0", "unit"], id="no-cap"),
        pytest.param("fx", {"usd_per_unit": [0.0]}, ["'usd_per_unit'", "[1e-12, 1e+06]", "row 0"], id="rate-of-0"),
        pytest.param("index_membership", {"weight": [-0.1, 0.5]}, ["'weight'", "[0, 1e+20]", "row 0"], id="weight"),
        pytest.param(
            "fundamentals", {"metric": ["capex", "sales", "assets"]},
            ["'metric' must be one of capex, revenue, assets", "row 1", "'sales'", "spelling"], id="metric",
        ),
        pytest.param("ai_revenue_share", {"scope": ["ai", "AI"]}, ["'scope'", "data_center", "row 1", "'AI'"], id="scope"),
        pytest.param("ai_capex_share", {"provenance": ["guess", "assumed"]}, ["'provenance'", "row 0", "'guess'"], id="prov"),
        pytest.param(
            "fundamentals", {"value": [-10.0, 100.0, 500.0], "note": [None] * 3},
            ["negative without a note", "row 0", "'capex'", "value=-10.0", "turn the sign", "'note'"], id="negative-capex",
        ),
        pytest.param(
            "fundamentals", {"value": [10.0, -100.0, 500.0]},
            ["negative without a note", "row 1", "'revenue'", "value=-100.0", "'note'"], id="negative-revenue-no-note-column",
        ),
        pytest.param(
            "fundamentals", {"period_end": [END22, date(2021, 12, 31), END22]},
            ["period_end lies before period_start", "row 1", "2021-12-31", "swap or correct"], id="period-turned",
        ),
        pytest.param(
            "capex_guidance", {"period_end": [date(2021, 12, 31)]},
            ["period_end lies before period_start", "row 0", "swap or correct"], id="guided-period-turned",
        ),
        pytest.param(
            "fundamentals", {"available_at": [FILED, FILED, date(2022, 12, 30)]},
            ["available_at lies before period_end", "row 2", "2022-12-30", "filing date"], id="known-too-early",
        ),
        pytest.param("revenue_ties", {"available_at": [Y22, FILED]}, ["available_at lies before", "row 0"], id="tie-early"),
        pytest.param("ai_revenue_share", {"available_at": [FILED, Y22]}, ["available_at lies", "row 1"], id="share-early"),
        pytest.param("tie_disclosures", {"available_at": [Y22]}, ["available_at lies before", "row 0"], id="filing-early"),
        pytest.param(
            "fundamentals", {"period_start": [None, Y22, None]},
            ["period_start is null", "row 0", "'capex'", "first day"], id="flow-without-start",
        ),
        pytest.param(
            "fundamentals", {"period_start": [Y22, Y22, Y22]},
            ["period_start is not null", "row 2", "'assets'", "leave period_start empty"], id="stock-with-start",
        ),
        pytest.param(
            "fundamentals", {"currency": ["USD", "EUR", "USD"]},
            ["two currencies", "2 row(s)", "currency='USD'", "currency='EUR'", "convert"], id="two-currencies",
        ),
        pytest.param("capex_guidance", {"high": [9.0]}, ["upper end", "row 0", "high=9.0", "swap low and high"], id="range"),
        pytest.param(
            "revenue_ties", {"customer_id": ["s", None]}, ["its own customer", "row 0", "'s'", "drop the row"], id="self-tie",
        ),
        pytest.param(
            "revenue_ties", {"customer_id": ["a", "b"], "revenue_share": [0.5, 0.506]},
            ["add to more than the whole revenue", "2 row(s)", "'A Inc'", "revenue_share=0.506", "benchmark"], id="sum",
        ),
        pytest.param(
            "index_membership", {"asset_id": ["a", "a"], "start": [Y22, date(2022, 6, 1)], "end": [date(2022, 7, 1), None]},
            ["overlap", "row 1", "'a'", "2022-06-01", "close the earlier"], id="overlap",
        ),
        pytest.param(
            "index_membership", {"asset_id": ["a", "a"], "start": [date(2022, 6, 1), Y22], "end": [None, None]},
            ["overlap", "row 0", "start=2022-06-01"], id="overlap-unsorted-and-open",
        ),
        pytest.param("index_membership", {"end": [None, Y22]}, ["on or before", "row 1", "exclusive"], id="empty-membership"),
        pytest.param("index_membership", {"end": [date(2021, 1, 1), None]}, ["on or before", "row 0"], id="ends-first"),
        pytest.param(
            "index_membership", {"weight": [0.75, None]},
            ["this one has none", "row 1", "'b'", "every member", "or none"], id="weights-partly",
        ),
    ],
)  # fmt: skip
def test_a_bad_value_is_named_with_row_and_remedy(name, changes, parts):
    message = refusal(name, table(name, **changes)).lower()
    missing = [part for part in parts if part.lower() not in message]
    assert not missing, f"{missing} not in: {message}"


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        pytest.param(
            "fundamentals",
            {"value": [-10.0, 100.0, 500.0], "note": ["refund of a cancelled order", None, None]},
            id="note",
        ),
        pytest.param("fundamentals", {"currency": ["USD", "USD", "EUR"]}, id="assets-in-another-currency"),
        pytest.param("fundamentals", {"available_at": [END22] * 3}, id="known-on-the-day-it-ends"),
        pytest.param("capex_guidance", {"high": [10.0]}, id="guidance-is-a-point"),
        pytest.param(
            "revenue_ties", {"customer_id": ["a", "b"], "revenue_share": [0.5, 0.504]}, id="adds-to-1.004"
        ),
        pytest.param("revenue_ties", {"revenue_share": [0.9, 0.9]}, id="anonymous-is-not-counted"),
        pytest.param(
            "revenue_ties",
            {
                "customer_id": ["a", "b"],
                "revenue_share": [0.9, 0.9],
                "available_at": [FILED, date(2023, 3, 1)],
            },
            id="two-filings-are-two-sums",
        ),
        pytest.param("index_membership", {"weight": [None, None]}, id="no-weights"),
        pytest.param(
            "index_membership",
            {"index_id": ["i", "j"], "weight": [None, 0.5]},
            id="weights-of-one-index-only",
        ),
        pytest.param(
            "index_membership",
            {"asset_id": ["a", "a"], "start": [Y22, date(2022, 6, 1)], "end": [date(2022, 6, 1), None]},
            id="back-on-the-day-it-left",
        ),
        pytest.param("universe", {"market_cap": [None, None]}, id="unknown-caps"),
        pytest.param("ai_capex_share", {"share": [0.0, 1.0]}, id="both-ends-of-the-range"),
    ],
)
def test_what_looks_odd_but_is_right_passes(name, changes):
    assert validate(name, table(name, **changes)).height == len(GOOD[name][INPUTS[name].key[0]])


def test_only_the_first_rows_are_shown_and_the_rest_counted():
    many = repeated("ai_capex_share", times=5, asset_id=list("abcde"), share=[2.0] * 5)
    message = refusal("ai_capex_share", many)
    assert "5 row(s): row 0" in message
    assert "row 2 (asset_id='c'" in message
    assert "row 3" not in message
    assert "and 2 more" in message


def test_all_problems_are_told_at_once():
    message = refusal("ai_capex_share", table("ai_capex_share", share=[2.0, 1.0], provenance=["guess", None]))
    assert [line.split("'")[1] for line in message.splitlines()] == ["share", "provenance", "provenance"]


@pytest.mark.parametrize("name", INPUTS)
def test_an_empty_table_is_refused(name):
    assert "has no rows. Leave the table out" in refusal(name, pl.DataFrame(schema=INPUTS[name].polars))


# Keys -----------------------------------------------------------------------------------------------------


def test_one_key_with_two_values_is_refused():
    message = refusal("ai_capex_share", repeated("ai_capex_share", share=[0.5, 0.75]))
    for part in (
        "(asset_id, available_at)",
        "asset_id='a'",
        "share=0.5",
        "share=0.75",
        "its own available_at",
    ):
        assert part in message


def test_one_key_with_two_values_in_a_table_without_available_at():
    message = refusal("fx", repeated("fx", usd_per_unit=[1.25, 1.5]))
    assert "(date, currency)" in message
    assert message.endswith("Keep one.")


def test_a_null_key_repeats_too():
    message = refusal("assets", {"asset_id": ["a", "a"], "ticker": ["X", "Y"], "valid_from": [None, None]})
    assert "valid_from=null" in message


@pytest.mark.parametrize("name", INPUTS)
def test_identical_repeats_are_dropped(name):
    once = validate(name, GOOD[name])
    assert_frame_equal(validate(name, {column: values * 3 for column, values in GOOD[name].items()}), once)


@pytest.mark.parametrize("name", [name for name in INPUTS if "source" in INPUTS[name].names])
def test_repeats_that_differ_in_source_are_dropped_whatever_their_order(name):
    one, other = (repeated(name, times=1, source=[text]) for text in ("10-K", "8-K"))
    both = [
        pl.concat([pl.DataFrame(x), pl.DataFrame(y)], how="vertical_relaxed")
        for x, y in ((one, other), (other, one))
    ]
    kept = [validate(name, frame) for frame in both]
    assert_frame_equal(*kept)
    assert kept[0]["source"].to_list() == ["10-K"]


def test_a_source_is_kept_rather_than_none():
    kept = validate("ai_capex_share", repeated("ai_capex_share", source=[None, "10-K"]))
    assert kept["source"].to_list() == ["10-K"]


def test_rows_come_back_sorted_by_key_with_nulls_first():
    frame = validate("fundamentals", pl.DataFrame(GOOD["fundamentals"]).reverse())
    assert frame["metric"].to_list() == ["assets", "capex", "revenue"]


# Columns --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "column"),
    [(name, column.name) for name, schema in INPUTS.items() for column in schema.columns if column.required],
)
def test_a_missing_column_is_named(name, column):
    message = refusal(name, {k: v for k, v in GOOD[name].items() if k != column}, MissingColumnError)
    assert f"{name} lacks column '{column}'" in message
    assert "Rename or add it; the columns are" in message


def test_a_missing_column_is_the_error_callers_expect():
    for kind in (KeyError, ValueError, KifactorsError):
        with pytest.raises(kind) as caught:
            validate("fx", {"date": [END22]})
    assert not str(caught.value).startswith(("'", '"')), "a KeyError quotes its message"


@pytest.mark.parametrize("optional", [False, True])
def test_an_optional_column_that_is_absent_stays_absent(optional):
    changes = {} if optional else {"market_cap": None}
    columns = {name: values for name, values in table("universe", **changes).items() if values is not None}
    assert ("market_cap" in validate("universe", columns).columns) is optional


@pytest.mark.parametrize(
    "written", ["marketcap", "market_caps", "maket_cap", "marketCap", "MARKET_CAP", "Market Cap"]
)
def test_a_misspelt_optional_column_is_not_ignored(written):
    data = table("universe", **{written: [2e9, None]})
    del data["market_cap"]
    message = refusal("universe", data, MissingColumnError)
    for part in (repr(written), "'market_cap'", "Rename"):
        assert part in message


def test_other_columns_are_left_out():
    assert (
        "cusip"
        not in validate("universe", table("universe", cusip=["1", "2"], market_cap_eur=[1.0, 2.0])).columns
    )


@pytest.mark.parametrize(
    ("name", "changes", "parts"),
    [
        ("ai_capex_share", {"share": ["0.5", "1.0"]}, ["'share' is String; expected Float64", "number"]),
        ("ai_capex_share", {"share": [True, False]}, ["'share' is Boolean; expected Float64"]),
        (
            "ai_capex_share",
            {"available_at": ["2023-02-01"] * 2},
            ["'available_at' is String; expected Date", "to_date"],
        ),
        ("ai_capex_share", {"available_at": [20230201] * 2}, ["'available_at' is Int64; expected Date"]),
        (
            "ai_capex_share",
            {"asset_id": [1045810, 789019]},
            ["'asset_id' is Int64; expected String", "as text"],
        ),
        ("ai_capex_share", {"asset_id": [object(), object()]}, ["'asset_id' is Object; expected String"]),
        ("universe", {"estimation": [1, 0]}, ["'estimation' is Int64; expected Boolean", "true or false"]),
        ("universe", {"market_cap": [2**53 + 1, 1]}, ["market_cap", "above 2**53", "row 0"]),
    ],
)
def test_a_column_of_another_type_is_refused(name, changes, parts):
    message = refusal(name, table(name, **changes)).lower()
    for part in parts:
        assert part.lower() in message


@pytest.mark.parametrize("dtype", [pl.Int8, pl.Int64, pl.UInt64, pl.Float32, pl.Decimal(10, 2)], ids=str)
def test_narrower_numbers_are_widened(dtype):
    frame = pl.DataFrame(table("ai_capex_share", share=[0, 1])).with_columns(pl.col("share").cast(dtype))
    assert validate("ai_capex_share", frame)["share"].to_list() == [0.0, 1.0]


@pytest.mark.parametrize("dtype", [pl.Categorical, pl.Enum(["a", "b"])], ids=["categorical", "enum"])
def test_text_of_any_storage_is_text(dtype):
    frame = pl.DataFrame(GOOD["ai_capex_share"]).with_columns(pl.col("asset_id").cast(dtype))
    assert validate("ai_capex_share", frame).schema["asset_id"] == pl.String


@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_polars_times_are_refused_where_dates_belong(zone):
    frame = pl.DataFrame(table("universe", date=[datetime(2022, 12, 31)] * 2)).with_columns(
        pl.col("date").dt.replace_time_zone(zone)
    )
    message = refusal("universe", frame)
    for part in ("'date' is Datetime", "expected Date", ".dt.date()"):
        assert part in message


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_pandas_midnights_are_dates(unit):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(table("universe", date=pd.to_datetime([END22] * 2).as_unit(unit)))
    assert validate("universe", frame)["date"].to_list() == [END22] * 2


def test_pandas_not_a_time_is_unknown():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(table("index_membership", end=pd.to_datetime([None, END22])))
    assert validate("index_membership", frame)["end"].to_list() == [None, END22]


@pytest.mark.parametrize(
    "times",
    [
        ["2022-12-31 00:00", "2022-12-31 16:00"],
        ["2022-12-31 00:00Z", "2022-12-31 00:00Z"],
    ],
    ids=["a-time-of-day", "a-time-zone"],
)
def test_pandas_times_that_are_not_midnight_dates_are_refused(times):
    pd = pytest.importorskip("pandas")
    message = refusal("universe", pd.DataFrame(table("universe", date=pd.to_datetime(times))))
    assert "'date' is Datetime" in message
    assert ".dt.date()" in message


def test_a_pandas_index_without_a_name_is_refused():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(GOOD["ai_capex_share"], index=["x", "y"])
    message = refusal("ai_capex_share", frame)
    assert "without a name" in message
    assert ".rename_axis()" in message
    half = frame.drop(columns="asset_id").set_index(
        pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["asset_id", None])
    )
    assert "['asset_id', None]" in refusal("ai_capex_share", half)


@pytest.mark.parametrize(
    "columns",
    [
        {"share": [0.5, "half"]},
        {"share": [0.5]},
        {"available_at": [FILED, "2023-02-01"]},
    ],
    ids=["mixed-numbers", "uneven", "mixed-dates"],
)
def test_columns_that_make_no_table_are_refused_by_name(columns):
    refusal("ai_capex_share", table("ai_capex_share", **columns))


def test_an_arrow_table_with_one_name_twice_is_refused():
    pa = pytest.importorskip("pyarrow")
    twice = pa.table(
        [pa.array([END22]), pa.array(["a"]), pa.array(["b"])], names=["date", "asset_id", "asset_id"]
    )
    assert "asset_id" in refusal("universe", twice)


@pytest.mark.parametrize("data", [[("a", 0.5)], 5, object()], ids=["list", "number", "object"])
def test_something_else_is_refused(data):
    message = refusal("ai_capex_share", data)
    assert type(data).__name__ in message
    assert "Convert it first" in message


def test_an_unknown_table_is_refused():
    with pytest.raises(DataError, match=r"no table 'fundamental'; the tables are universe, fundamentals"):
        validate("fundamental", GOOD["fundamentals"])


# Files ----------------------------------------------------------------------------------------------------

HEADER = "asset_id,share,available_at,provenance\n"


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def long_table():
    ids = [f"asset {number}" for number in range(1_000)]
    return pl.DataFrame(
        {column: values[:1] * 1_000 for column, values in GOOD["ai_capex_share"].items()}
    ).with_columns(asset_id=pl.Series(ids))


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize(("ending", "method"), [("parquet", "write_parquet"), ("arrow", "write_ipc")])
def test_a_cut_file_is_refused(tmp_path, ending, method, kept):
    path = tmp_path / f"ai_capex_share.{ending}"
    getattr(long_table(), method)(path)
    assert validate("ai_capex_share", path).height == 1_000
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    message = refusal("ai_capex_share", path)
    for part in (str(path), "cut off", "write it again"):
        assert part in message


@pytest.mark.parametrize("ending", ["parquet", "arrow", "ipc", "feather"])
def test_a_file_of_another_kind_is_refused(tmp_path, ending):
    message = refusal(
        "ai_capex_share", write(tmp_path / f"x.{ending}", HEADER + "a,0.5,2023-02-01,assumed\n")
    )
    assert "another kind" in message


@pytest.mark.parametrize("ending", ["", ".xlsx", ".csv.gz", ".json"])
def test_an_unknown_ending_is_refused(tmp_path, ending):
    message = refusal("ai_capex_share", write(tmp_path / f"x{ending}", HEADER))
    assert "expected one of .parquet, .csv" in message
    assert "convert" in message


@pytest.mark.parametrize("as_type", [str, lambda path: path], ids=["str", "path"])
def test_a_missing_file_is_refused(tmp_path, as_type):
    message = refusal("ai_capex_share", as_type(tmp_path / "nothing.parquet"))
    assert "there is no file" in message
    assert "nothing.parquet" in message


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (
            "id,share,available_at,provenance\na,0.5,2023-02-01,assumed\n",
            "lacks column 'asset_id'; it has ['id', 'share'",
        ),
        (
            "asset_id;share;available_at;provenance\na;0.5;2023-02-01;assumed\n",
            "lacks column 'asset_id', 'share'",
        ),
        (
            "a,0.5,2023-02-01,assumed\nb,0.5,2023-02-01,assumed\n",
            "it has ['a', '0.5', '2023-02-01', 'assumed']",
        ),
    ],
    ids=["renamed", "semicolons", "no-header"],
)
def test_a_csv_with_a_wrong_header_is_refused(tmp_path, text, part):
    assert part in refusal("ai_capex_share", write(tmp_path / "x.csv", text), MissingColumnError)


@pytest.mark.parametrize(
    ("rows", "parts"),
    [
        ("a,0.5,2023-02-01,assumed\nb,50%,2023-02-01,assumed\n", ["'share'", "a number", "line 3: '50%'", "empty means"]),
        ("a,0.5,2023-02-01,assumed\nb,\"0,5\",2023-02-01,assumed\n", ["'share'", "line 3: '0,5'"]),
        ("a,n/a,2023-02-01,assumed\n", ["'share'", "line 2: 'n/a'", "empty means unknown"]),
        ("a,0.5,01.02.2023,assumed\n", ["'available_at'", "a date like 2024-01-31", "line 2: '01.02.2023'"]),
        ("a,0.5,2023-02-30,assumed\n", ["'available_at'", "line 2: '2023-02-30'"]),
        ("a,0.5,2023-02-01T00:00,assumed\n", ["'available_at'", "line 2"]),
        ("a,nan,2023-02-01,assumed\n", ["'share' is NaN", "row 0"]),
        ("a,,2023-02-01,assumed\n", ["'share' must not be null", "row 0"]),
        ("a,0.5,2023-02-01,assumed,more\n", ["cannot be read as CSV"]),
        ("a,0.5\n", ["'available_at' must not be null", "'provenance' must not be null"]),
        ("".join(f"{c},x,2023-02-01,assumed\n" for c in "abcde"), ["5 row(s)", "line 2: 'x', line 3: 'x', line 4: 'x')"]),
    ],
    ids=["percent", "comma", "text", "german-date", "no-such-day", "time", "nan", "empty", "long", "short", "many"],
)  # fmt: skip
def test_a_csv_cell_that_does_not_parse_is_named_by_its_line(tmp_path, rows, parts):
    message = refusal("ai_capex_share", write(tmp_path / "x.csv", HEADER + rows))
    for part in parts:
        assert part in message


def test_a_csv_flag_is_true_or_false(tmp_path):
    rows = "date,asset_id,estimation\n2022-12-31,a,true\n2022-12-31,b,FALSE\n"
    assert validate("universe", write(tmp_path / "x.csv", rows))["estimation"].to_list() == [True, False]
    message = refusal("universe", write(tmp_path / "x.csv", rows.replace("true", "yes")))
    assert "line 2: 'yes'" in message
    assert "true or false" in message


@pytest.mark.parametrize("content", [b"", b"\n", HEADER.encode() + b"\xe9,0.5,2023-02-01,assumed\n"])
def test_a_csv_that_is_no_text_is_refused(tmp_path, content):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    assert "cannot be read as CSV" in refusal("ai_capex_share", path)


def test_a_csv_with_a_header_only_is_an_empty_table(tmp_path):
    assert "has no rows" in refusal("ai_capex_share", write(tmp_path / "x.csv", HEADER))


# Every form of one table ----------------------------------------------------------------------------------


def _file(ending, method):
    def form(frame, folder):
        path = folder / f"universe.{ending}"
        getattr(frame, method)(path)
        return path

    return form


def _pandas(*index):
    def form(frame, folder):
        pytest.importorskip("pandas")
        plain = frame.to_pandas()
        return plain.set_index(list(index)) if index else plain

    return form


def _arrow(frame, folder):
    pytest.importorskip("pyarrow")
    return frame.to_arrow()


def _arrow_chunks(frame, folder):
    pa = pytest.importorskip("pyarrow")
    return pa.concat_tables([frame[:1].to_arrow(), frame[1:].to_arrow()])


def _duckdb(frame, folder):
    duckdb = pytest.importorskip("duckdb")
    return duckdb.from_arrow(frame.to_arrow()).order("asset_id desc")


def _nanoarrow(frame, folder):
    nanoarrow = pytest.importorskip("nanoarrow")
    return nanoarrow.ArrayStream(frame.to_arrow())


def _scan(frame, folder):
    return pl.scan_parquet(_file("parquet", "write_parquet")(frame, folder))


FORMS = {
    "polars": lambda frame, folder: frame,
    "polars-lazy": lambda frame, folder: frame.lazy(),
    "polars-scan": _scan,
    "pandas": _pandas(),
    "pandas-index": _pandas("asset_id"),
    "pandas-multiindex": _pandas("date", "asset_id"),
    "pyarrow": _arrow,
    "pyarrow-chunks": _arrow_chunks,
    "duckdb": _duckdb,
    "nanoarrow": _nanoarrow,
    "dict": lambda frame, folder: frame.to_dict(as_series=False),
    "dict-of-arrays": lambda frame, folder: {c.name: c if c.null_count() else c.to_numpy() for c in frame},
    "parquet": _file("parquet", "write_parquet"),
    "parquet-text-path": lambda frame, folder: str(_file("parquet", "write_parquet")(frame, folder)),
    "parquet-upper-case": _file("PARQUET", "write_parquet"),
    "csv": _file("csv", "write_csv"),
    "arrow": _file("arrow", "write_ipc"),
    "ipc": _file("ipc", "write_ipc"),
    "feather": _file("feather", "write_ipc"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_frame(tmp_path, form):
    frame = pl.DataFrame(GOOD["universe"])
    data = FORMS[form](frame.reverse(), tmp_path)
    got = validate("universe", data)
    assert got.schema == {
        "date": pl.Date, "asset_id": pl.String, "industry": pl.String, "market_cap": pl.Float64, "estimation": pl.Boolean,
    }  # fmt: skip
    assert got.rows() == [(END22, "a", "chips", 2e9, True), (END22, "b", None, None, False)]


@pytest.mark.parametrize("form", ["polars", "pandas", "pandas-multiindex", "pyarrow", "dict"])
def test_inputs_are_not_changed(tmp_path, form):
    frame = pl.DataFrame(GOOD["universe"]).reverse()
    data, before = FORMS[form](frame, tmp_path), FORMS[form](frame, tmp_path)
    kf.Tables(universe=data)
    assert data == before if form == "dict" else data.equals(before)


def test_a_later_change_of_the_input_does_not_reach_the_tables():
    pd = pytest.importorskip("pandas")
    values = np.array([0.5, 1.0])
    framed = pd.DataFrame(GOOD["ai_capex_share"])
    long = pl.DataFrame(GOOD["ai_capex_share"])
    made = [kf.Tables(ai_capex_share=data) for data in (table("ai_capex_share", share=values), framed, long)]
    values[0] = 0.25
    framed.loc[0, "share"] = 0.25
    long[0, "share"] = 0.25
    assert [tables.ai_capex_share["share"][0] for tables in made] == [0.5] * 3


# Tables ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given", [{}, {"fundamentals": None}, {"assets": GOOD["assets"]}], ids=["none", "null", "names"]
)
def test_at_least_one_table_is_needed(given):
    with pytest.raises(DataError, match="needs at least one table; the tables are universe, fundamentals"):
        kf.Tables(**given)


def test_an_unknown_table_is_a_wrong_call():
    with pytest.raises(TypeError, match="prices"):
        kf.Tables(prices=GOOD["fx"])


def test_tables_hold_what_was_given():
    tables = kf.Tables(**GOOD)
    assert [name for name, _ in tables] == list(INPUTS)
    some = tables.replace(fx=None, universe=None)
    assert some.fx is None
    assert some.universe is None
    assert some.ai_capex_share is not None
    assert "ai_capex_share: 2 rows" in repr(some)
    assert "fx" not in repr(some)
    with pytest.raises(DataError, match="ai_capex_share: column 'share'"):
        tables.replace(ai_capex_share=table("ai_capex_share", share=[2.0, 1.0]))


@pytest.mark.parametrize("name", ["ai_capex_share", "fx", "other", "_contents"])
def test_tables_cannot_be_set_or_deleted(name):
    tables = kf.Tables(ai_capex_share=GOOD["ai_capex_share"])
    with pytest.raises(AttributeError):
        setattr(tables, name, None)
    with pytest.raises(AttributeError):
        delattr(tables, name)
    assert tables.ai_capex_share.height == 2


def test_a_frame_that_was_handed_out_is_not_the_one_inside():
    tables = kf.Tables(ai_capex_share=GOOD["ai_capex_share"])
    before = tables.fingerprints()
    tables.ai_capex_share[0, "share"] = 7.0
    assert tables.ai_capex_share["share"].to_list() == [0.5, 1.0]
    assert tables.replace().fingerprints() == before


@pytest.mark.parametrize("copied", [lambda x: pickle.loads(pickle.dumps(x)), copy.copy, copy.deepcopy])
def test_tables_survive_pickle_and_copy(copied):
    tables = kf.Tables(**GOOD)
    again = copied(tables)
    for name, frame in tables:
        assert_frame_equal(getattr(again, name), frame)
    assert again.fingerprints() == tables.fingerprints()


def test_arrow_types_units_and_ranges():
    pa = pytest.importorskip("pyarrow")
    tables = kf.Tables(**GOOD)
    universe = tables.to_arrow("universe").schema
    assert universe.types == [pa.date32(), pa.large_string(), pa.large_string(), pa.float64(), pa.bool_()]
    assert universe.field("market_cap").metadata[b"unit"] == b"USD"
    assert universe.field("market_cap").metadata[b"range"] == b"(0, 1e+20]"
    ties = tables.to_arrow("revenue_ties").schema
    assert ties.field("revenue_share").metadata[b"unit"] == b"fraction"
    assert ties.field("revenue_share").metadata[b"range"] == b"(0, 1]"
    assert ties.field("ai_share").metadata[b"range"] == b"[0, 1]"
    facts = tables.to_arrow("fundamentals").schema
    assert facts.field("value").metadata[b"unit"] == b"currency units"
    assert facts.field("metric").metadata[b"range"] == b"capex, revenue, assets"
    assert b"unit" not in facts.field("asset_id").metadata
    assert all(
        b"description" in field.metadata for name, _ in tables for field in tables.to_arrow(name).schema
    )


@pytest.mark.parametrize("name", ["fx", "prices", "_contents"])
def test_arrow_of_a_table_that_is_not_there(name):
    pytest.importorskip("pyarrow")
    tables = kf.Tables(ai_capex_share=GOOD["ai_capex_share"])
    with pytest.raises(DataError, match=f"no table '{name}' here; there are ai_capex_share"):
        tables.to_arrow(name)


def test_an_arrow_table_goes_in_again():
    pytest.importorskip("pyarrow")
    tables = kf.Tables(**GOOD)
    again = kf.Tables(**{name: tables.to_arrow(name) for name, _ in tables})
    assert again.fingerprints() == tables.fingerprints()


# Fingerprints ---------------------------------------------------------------------------------------------


def test_fingerprints_do_not_depend_on_row_order_chunks_or_form(tmp_path):
    frame = pl.DataFrame(GOOD["universe"])
    chunks = pl.concat([frame[1:], frame[:1]], rechunk=False)
    assert chunks.n_chunks() == 2
    forms = [frame, frame.reverse(), chunks, frame.lazy(), FORMS["csv"](frame, tmp_path)]
    assert len({kf.Tables(universe=form).fingerprints()["universe"] for form in forms}) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"market_cap": [2e9 + 1, None]},
        {"market_cap": [2e9, 0.5]},
        {"industry": ["chips", ""]},
        {"industry": ["chip", "s"]},
        {"asset_id": ["a", "c"]},
        {"date": [date(2022, 12, 30), END22]},
        {"estimation": [True, True]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_fingerprints_change_with_a_value(changes):
    one, other = (kf.Tables(universe=data) for data in (GOOD["universe"], table("universe", **changes)))
    assert one.fingerprints() != other.fingerprints()


def test_fingerprints_change_with_a_column():
    fewer = {name: values for name, values in GOOD["universe"].items() if name != "industry"}
    assert kf.Tables(universe=fewer).fingerprints() != kf.Tables(universe=GOOD["universe"]).fingerprints()


@pytest.mark.parametrize("column", ["source", "provenance"])
def test_fingerprints_leave_out_what_changes_no_score(column):
    plain = GOOD["ai_capex_share"]
    said = {**plain, column: ["estimated"] * 2}
    one, other = (kf.Tables(ai_capex_share=data) for data in (plain, said))
    assert one.fingerprints() == other.fingerprints()


def test_fingerprints_leave_names_out_and_are_handed_out_as_a_copy():
    tables = kf.Tables(fx=GOOD["fx"], assets=GOOD["assets"])
    assert list(tables.fingerprints()) == ["fx"]
    tables.fingerprints().clear()
    assert list(tables.fingerprints()) == ["fx"]


def test_the_digest_stays_what_files_already_carry():
    tables = kf.Tables(universe=GOOD["universe"], index_membership=GOOD["index_membership"])
    assert tables.fingerprints() == {
        "universe": "85f08c0ac06da9730d29921d34bf37fa",
        "index_membership": "e0354ff5fc25813f2064222bbc52e82c",
    }


# what an independent reading found


THETA = {"asset_id": ["a"], "share": [0.5], "available_at": [D("2024-06-01")], "provenance": ["assumed"]}


def written(tmp_path, text, name="ai_capex_share.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("day", ["24-06-01", "2024-6-1", "2024-06-01T00:00", "24-6-1", "+2024-06-01"])
def test_a_date_in_a_csv_has_four_digits_of_year(tmp_path, day):
    """A year of two digits would be one of antiquity, and its row known for ever."""
    path = written(tmp_path, f"asset_id,share,available_at,provenance\na,0.5,{day},assumed\n")
    with pytest.raises(kf.KifactorsError, match="expects a date like 2024-01-31"):
        kf.schema.validate("ai_capex_share", path)


@pytest.mark.parametrize("number", [-1_000_000, 10_000_000, 2**31 - 1, -(2**31)])
def test_a_date_outside_the_calendar_is_refused(number):
    days = pl.Series([number], dtype=pl.Int32).cast(pl.Date)
    with pytest.raises(kf.KifactorsError, match="must lie from 1800-01-01 to 9999-12-31") as caught:
        kf.schema.validate("ai_capex_share", {**THETA, "available_at": days})
    assert "row 0" in str(caught.value)


def test_the_last_day_of_the_calendar_means_never():
    kf.schema.validate("ai_capex_share", {**THETA, "available_at": [D("9999-12-31")]})


def test_a_column_named_twice_in_a_csv_is_refused(tmp_path):
    path = written(tmp_path, "asset_id,share,share,available_at,provenance\na,0.2,0.9,2024-06-01,assumed\n")
    with pytest.raises(kf.KifactorsError, match="names column 'share' twice"):
        kf.schema.validate("ai_capex_share", path)


def test_files_are_found_in_upper_case_and_misspelt_ones_named(tmp_path):
    text = "asset_id,share,available_at,provenance\na,0.5,2024-06-01,assumed\n"
    written(tmp_path, text, "AI_Capex_Share.CSV")
    written(tmp_path, "nothing of ours", "notes.txt")
    assert kf.read_tables(tmp_path).ai_capex_share is not None
    written(tmp_path, "x", "fundamental.csv")
    with pytest.raises(kf.KifactorsError, match=r"fundamental\.csv.*looks like 'fundamentals'"):
        kf.read_tables(tmp_path)


@pytest.mark.parametrize("column", ["low", "high"])
def test_no_company_has_that_much_money(column):
    row = {"asset_id": ["a"], "period_start": [D("2024-01-01")], "period_end": [D("2024-12-31")], "low": [1.0],
           "high": [1e20], "currency": ["USD"], "available_at": [D("2024-02-01")]}  # fmt: skip
    kf.schema.validate("capex_guidance", row)
    with pytest.raises(kf.KifactorsError, match="'high' must be in"):
        kf.schema.validate("capex_guidance", {**row, "high": [1.1e20]})


def test_a_pandas_index_that_is_a_column_too_is_refused():
    frame = pd.DataFrame(THETA).set_index("asset_id", drop=False)
    with pytest.raises(kf.KifactorsError, match="'asset_id' is a level of the pandas index and a column"):
        kf.schema.validate("ai_capex_share", frame)


def test_a_column_of_none_is_unknown_whatever_its_type():
    frame = pd.DataFrame({"index_id": ["m"], "asset_id": ["a"], "start": pd.to_datetime(["2024-01-01"]),
                          "end": [None], "available_at": pd.to_datetime(["2024-01-01"])})  # fmt: skip
    assert kf.schema.validate("index_membership", frame)["end"].to_list() == [None]


def test_whole_numbers_that_a_float_rounds_are_named():
    facts = {"asset_id": ["a"], "date": [D("2024-01-01")], "market_cap": [2**53 + 1]}
    with pytest.raises(kf.KifactorsError, match=r"above 2\*\*53.*row 0"):
        kf.schema.validate("universe", facts)


def test_numbers_of_no_float_are_refused():
    with pytest.raises(kf.KifactorsError, match="ai_capex_share"):
        kf.schema.validate("ai_capex_share", {**THETA, "share": [2**130]})


def test_an_unknown_metric_is_one_problem_only():
    row = {"asset_id": ["a"], "metric": ["capx"], "period_start": [D("2023-01-01")], "period_end": [D("2023-12-31")],
           "value": [1.0], "currency": ["USD"], "available_at": [D("2024-02-01")]}  # fmt: skip
    with pytest.raises(kf.KifactorsError) as caught:
        kf.schema.validate("fundamentals", row)
    assert str(caught.value).count("\n") == 0


def test_shares_may_add_to_their_limit_exactly():
    rows = {"supplier_id": ["s"] * 2, "customer_id": ["x", "y"], "customer_label": ["x", "y"],
            "revenue_share": [0.8, 0.205], "period_end": [D("2023-12-31")] * 2,
            "available_at": [D("2024-02-01")] * 2}  # fmt: skip
    assert kf.schema.validate("revenue_ties", rows).height == 2
