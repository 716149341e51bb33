"""From printed names to companies: exact aliases, suggestions that match nothing, and what a person confirms."""

import builtins
import csv
import sys
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from kifactors.errors import DataError, MissingColumnError, MissingExtraError
from kifactors.sources import read_aliases, read_confirmed, read_xbrl, write_suggestions
from kifactors.sources._names import alias_lookup

SHARED = Path(__file__).parents[2] / "shared" / "data"
needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason="needs the shared source files beside the checkout"
)

ASSETS = pl.DataFrame(
    {
        "asset_id": ["cik:0001571996", "cik:0000047217", "name:lenovo-group", "cik:0001645590"],
        "name": ["Dell Technologies", "HP Inc.", "Lenovo", "Hewlett Packard Enterprise"],
    }
)


def frame(*rows):
    return pl.DataFrame(
        rows, schema={"label": pl.String, "asset_id": pl.String, "supplier_id": pl.String}, orient="row"
    )


def table(path, *rows, header="label,asset_id,supplier_id,source"):
    path.write_text("\n".join((header, *rows)) + "\n")
    return path


# --- the exact table


def test_labels_match_but_for_case_and_blanks():
    resolve = alias_lookup(frame(("Dell Inc", "dell", None)), supplier_id="intel")
    assert [resolve(label) for label in ("Dell Inc", " dell INC ", "Dell", "Dell Inc.", "")] == [
        "dell", "dell", None, None, None,
    ]  # fmt: skip


def test_an_alias_of_a_filer_goes_before_the_one_of_all():
    aliases = frame(("Alpha", "general", None), ("Alpha", "own", "s"), ("Beta", "beta", "s"))
    mine, others = alias_lookup(aliases, supplier_id="s"), alias_lookup(aliases, supplier_id="t")
    assert (mine("Alpha"), others("Alpha"), mine("Beta"), others("Beta")) == ("own", "general", "beta", None)
    assert alias_lookup(None, supplier_id="s")("Alpha") is None


@needs_shared
def test_shipped_aliases_are_those_of_the_real_ties():
    with (SHARED / "revenue_ties.csv").open() as file:
        ties = [row for row in csv.DictReader(file) if row["customer_id"]]
    known = set(pl.read_csv(SHARED / "assets.csv", infer_schema=False)["asset_id"])
    aliases = read_aliases()
    assert set(aliases["asset_id"]) <= known
    for row in ties:
        resolve = alias_lookup(aliases, supplier_id=row["supplier_id"])
        assert resolve(row["customer_label"]) == row["customer_id"]
    assert aliases["source"].null_count() == 0


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        (("Dell,a,,", "dell ,b,,"), r"rows 2 and 3 say that 'dell' is a and b"),
        (("Dell,a,s,", "Dell,b,s,"), "rows 2 and 3"),
        (("Dell,,,",), "row 2 lacks"),
        ((" ,a,,",), "row 2 lacks"),
        (("Dell,a,,", "Customer A,b,s,"), "row 3: 'Customer A' names nobody"),
    ],
)
def test_tables_that_contradict_themselves_are_refused(tmp_path, rows, match):
    with pytest.raises(DataError, match=match):
        read_aliases(table(tmp_path / "aliases.csv", *rows))


def test_a_table_may_have_two_columns(tmp_path):
    read = read_aliases(table(tmp_path / "aliases.csv", "Dell,a", "Dell,a", header="label,asset_id"))
    assert read.rows() == [("Dell", "a", None, None)] * 2
    with pytest.raises(MissingColumnError, match="asset_id"):
        read_aliases(table(tmp_path / "short.csv", "Dell", header="label"))


# --- suggestions

rapidfuzz = pytest.importorskip("rapidfuzz", reason="suggestions need rapidfuzz")


def test_suggestions_are_ranked_and_confirm_nothing(tmp_path):
    path = tmp_path / "names.csv"
    rows = write_suggestions(["HP Inc.", "Dell Inc", "Customer A", "HP Inc."], ASSETS, path, most=2)
    best = rows.filter(pl.col("rank") == 1)
    assert best.select("label", "suggested_asset_id").rows() == [
        ("Dell Inc", "cik:0001571996"),
        ("HP Inc.", "cik:0000047217"),
    ]
    assert rows["rank"].to_list() == [1, 2, 1, 2]
    assert best["score"].max() == 100.0
    assert set(rows["confirmed_asset_id"]) == {""}
    assert path.read_text().splitlines()[0] == (
        "label,supplier_id,suggested_asset_id,suggested_name,score,rank,confirmed_asset_id"
    )
    assert read_confirmed(path, ASSETS).is_empty()


def test_suggestions_for_ties_ask_only_what_is_open(tmp_path):
    ties = pl.DataFrame(
        {
            "supplier_id": ["s", "s", "t"],
            "customer_label": ["Dell Inc", "HP Inc.", "Customer B"],
            "customer_id": ["cik:0001571996", None, None],
        }
    )
    rows = write_suggestions(ties, ASSETS, tmp_path / "names.csv", most=1)
    assert rows.select("label", "supplier_id").rows() == [("HP Inc.", "s")]


def test_order_of_labels_and_assets_does_not_matter(tmp_path):
    one = write_suggestions(["Dell Inc", "HP"], ASSETS, tmp_path / "a.csv")
    two = write_suggestions(["HP", "Dell Inc"], ASSETS.reverse(), tmp_path / "b.csv")
    assert_frame_equal(one, two)


def test_somebodys_work_is_not_overwritten(tmp_path):
    path = tmp_path / "names.csv"
    path.write_text("mine")
    with pytest.raises(DataError, match="may hold confirmed names"):
        write_suggestions(["Dell Inc"], ASSETS, path)
    assert path.read_text() == "mine"


def test_nothing_to_suggest(tmp_path):
    assert write_suggestions([], ASSETS, tmp_path / "a.csv").is_empty()
    assert write_suggestions(["Dell"], ASSETS.clear(), tmp_path / "b.csv").is_empty()
    with pytest.raises(MissingColumnError, match="name"):
        write_suggestions(["Dell"], ASSETS.drop("name"), tmp_path / "c.csv")


# --- what a person confirmed

HEADER = "label,supplier_id,suggested_asset_id,suggested_name,score,rank,confirmed_asset_id"


def test_only_filled_cells_are_aliases(tmp_path):
    path = table(
        tmp_path / "names.csv",
        "Dell Inc,,cik:0001571996,Dell Technologies,90.0,1,cik:0001571996",
        "Dell Inc,,cik:0000047217,HP Inc.,40.0,2,",
        "Dell Inc,,name:lenovo-group,Lenovo,30.0,3, cik:0001571996 ",
        "HP,s,cik:0001645590,Hewlett Packard Enterprise,80.0,1,",
        "Lenovo Group,s,cik:0001571996,Dell Technologies,20.0,1,name:lenovo-group",
        header=HEADER,
    )
    aliases = read_confirmed(path, ASSETS)
    assert aliases.rows() == [
        ("Dell Inc", "cik:0001571996", None, "confirmed in names.csv"),
        ("Lenovo Group", "name:lenovo-group", "s", "confirmed in names.csv"),
    ]
    assert alias_lookup(aliases, supplier_id="s")("lenovo group") == "name:lenovo-group"
    assert alias_lookup(aliases, supplier_id="s")("HP") is None


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        (("Dell,,,,,1,cik:9", "HP,,,,,1,", "HP,,,,,2,cik:8"), "rows 2, 4: no such asset: cik:8, cik:9"),
        (("Dell,,,,,1,cik:0001571996", "Dell,,,,,2,cik:0000047217"), "rows 2 and 3 say that 'Dell'"),
        (("HP,,,,,1,", "Customer A,s,,,,1,cik:0000047217"), "row 3: 'Customer A' names nobody"),
        ((",,,,,1,cik:0000047217",), "row 2 lacks a label"),
    ],
)
def test_confirmations_that_cannot_be_are_refused_by_row(tmp_path, rows, match):
    with pytest.raises(DataError, match=match):
        read_confirmed(table(tmp_path / "names.csv", *rows, header=HEADER), ASSETS)


# --- extras


@pytest.mark.parametrize(
    ("library", "call"),
    [
        ("lxml", lambda path: read_xbrl(b"<html/>")),
        ("rapidfuzz", lambda path: write_suggestions(["Dell"], ASSETS, path)),
    ],
)
def test_missing_libraries_are_named(monkeypatch, tmp_path, library, call):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.split(".")[0] == library:
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.delitem(sys.modules, library, raising=False)
    with pytest.raises(MissingExtraError, match=r"pip install 'kifactors\[sec\]'"):
        call(tmp_path / "names.csv")


def test_anonymous_customers_stay_anonymous():
    from kifactors.sources import revenue_ties_from_xbrl
    from tests.test_sources_xbrl import FILED, filing

    facts = filing(("x:CustomerAMember", 0.2), ("x:DellIncMember", 0.1))
    aliases = frame(("Dell Inc", "cik:0001571996", None))
    ties = revenue_ties_from_xbrl(facts, available_at=FILED, aliases=aliases).revenue_ties
    assert ties.select("customer_id", "customer_label").rows() == [
        (None, "Customer A"),
        ("cik:0001571996", "Dell Inc"),
    ]
    with pytest.raises(DataError, match="names nobody"):
        revenue_ties_from_xbrl(
            facts, available_at=date(2024, 8, 28), aliases=frame(("Customer A", "cik:0001571996", None))
        )
