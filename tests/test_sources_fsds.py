"""Financial Statement Data Sets: columns by name, months from quarters, parts of companies left out."""

import zipfile
from datetime import date

import duckdb
import polars as pl
import pytest

from kifactors.errors import DataError
from kifactors.sources import Skips, TagMap, read_fsds, tagged
from tests.sec import DATA, needs_files

TAGS = TagMap.default()
CAPEX = "PaymentsToAcquirePropertyPlantAndEquipment"
SUB = {"adsh": "a-1", "cik": "320193", "name": "ONE", "form": "10-Q", "filed": "20240801", "accepted": "2024-08-01 16:07:00.0"}  # fmt: skip
NUM = {"adsh": "a-1", "tag": CAPEX, "version": "us-gaap/2023", "ddate": "20240630", "qtrs": "2", "uom": "USD",
       "segments": "", "coreg": "", "value": "5.0000", "footnote": ""}  # fmt: skip


def text(rows):
    names = list(rows[0])
    lines = ["\t".join(names), *("\t".join(row[name] for name in names) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def archive(path, num=None, sub=None, **files):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("sub.txt", text([SUB] if sub is None else sub))
        file.writestr("num.txt", text([NUM] if num is None else num))
        for name, data in files.items():
            file.writestr(f"{name}.txt", data)
    return path


def read(path):
    skips = Skips()
    return read_fsds(path, TAGS, skips=skips), dict(skips.to_polars().select("reason", "rows").rows())


def test_a_fact_by_hand(tmp_path):
    found, _ = read(archive(tmp_path / "q.zip"))
    assert found.facts.rows() == [
        ("0000320193", f"us-gaap:{CAPEX}", "USD", date(2024, 1, 1), date(2024, 6, 30), 5.0, "10-Q",
         date(2024, 8, 1), "a-1")
    ]  # fmt: skip
    assert found.filings.rows(named=True) == [
        {"cik": "0000320193", "name": "ONE", "form": "10-Q", "filed": date(2024, 8, 1),
         "accepted": "2024-08-01 16:07:00.0", "accession": "a-1"}
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ddate", "quarters", "start", "end"),
    [
        ("20240229", "1", date(2023, 12, 1), date(2024, 2, 29)),
        ("20240531", "4", date(2023, 6, 1), date(2024, 5, 31)),
        ("20240831", "2", date(2024, 3, 1), date(2024, 8, 31)),
        ("20240630", "0", None, date(2024, 6, 30)),
        ("20240630", "x", None, None),
        ("20240631", "1", None, None),
    ],
)
def test_the_first_day_follows_from_quarters(tmp_path, ddate, quarters, start, end):
    found, _ = read(archive(tmp_path / "q.zip", [{**NUM, "ddate": ddate, "qtrs": quarters}]))
    assert found.facts.select("period_start", "period_end").rows() == [(start, end)]


def test_columns_in_any_order_and_without_those_that_may_lack(tmp_path):
    num = [{name: NUM[name] for name in reversed(NUM) if name not in {"segments", "coreg", "footnote"}}]
    sub = [{name: SUB[name] for name in ("filed", "form", "cik", "adsh")}]
    found, skipped = read(archive(tmp_path / "q.zip", num, sub))
    assert found.facts["value"].to_list() == [5.0]
    assert found.filings.select("name", "accepted").rows() == [(None, None)]
    assert skipped == {}


def test_what_is_not_the_whole_company_is_counted(tmp_path):
    num = [
        NUM,
        {**NUM, "segments": "BusinessSegments=X;"},
        {**NUM, "coreg": "Subsidiary"},
        {**NUM, "adsh": "a-2"},
        {**NUM, "tag": "Own", "version": "a-1"},
    ]
    found, skipped = read(archive(tmp_path / "q.zip", num))
    assert (found.rows, found.facts.height) == (5, 1)
    assert skipped == {
        "a part of the company: segment or co-registrant": 2,
        "a filing that sub.txt lacks": 1,
    }


def test_international_taxonomy_and_quotes_in_texts(tmp_path):
    num = [{**NUM, "tag": "Revenue", "version": "ifrs/2023", "footnote": 'a "quoted'}]
    found, _ = read(archive(tmp_path / "q.zip", num))
    assert found.facts["tag"].to_list() == ["ifrs-full:Revenue"]


def test_pieces_do_not_matter(tmp_path, monkeypatch):
    num = [{**NUM, "value": str(k), "footnote": "x" * k} for k in range(60)]
    path = archive(tmp_path / "q.zip", num)
    whole = read(path)[0].facts
    for size in (70, 97, 1000):
        monkeypatch.setattr("kifactors.sources._fsds.CHUNK", size)
        assert read(path)[0].facts.equals(whole)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num": [{k: v for k, v in NUM.items() if k != "uom"}]}, "num.txt lacks uom; it has adsh"),
        ({"sub": [{k: v for k, v in SUB.items() if k != "cik"}]}, "sub.txt lacks cik"),
    ],
)
def test_a_missing_column_is_named(tmp_path, change, message):
    with pytest.raises(DataError, match=message):
        read(archive(tmp_path / "q.zip", **change))


def test_a_missing_file_and_damage(tmp_path):
    path = tmp_path / "q.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("sub.txt", text([SUB]))
    with pytest.raises(DataError, match=r"holds 0 files num\.txt"):
        read(path)
    data = archive(path).read_bytes()
    path.write_bytes(data[:-9])
    with pytest.raises(DataError, match="no whole zip archive"):
        read(path)
    at = data.index(b"num.txt") + 60
    path.write_bytes(data[:at] + b"~" + data[at + 1 :])
    with pytest.raises(DataError, match=r"q\.zip is damaged"):
        read(path)


@needs_files
@pytest.mark.parametrize(("name", "rows", "capex"), [("2009q3", 126_650, 767), ("20250701", 1_598, 7)])
def test_real_data_sets_equal_an_independent_count(tmp_path, name, rows, capex):
    path = DATA / "sec" / "fsds" / f"{name}.zip"
    skips = Skips()
    found = read_fsds(path, TAGS, skips=skips)
    assert found.rows == rows
    assert found.filings["accession"].n_unique() == found.filings.height
    ours = tagged(found.facts, TAGS, file=name, skips=skips).filter(pl.col("metric") == "capex")
    with zipfile.ZipFile(path) as file:
        raw = tmp_path / "num.txt"
        raw.write_bytes(file.read("num.txt"))
    tags = [tag.partition(":")[2] for (tag,) in TAGS.metrics["capex"].groups if tag.startswith("us-gaap:")]
    theirs = duckdb.sql(
        f"""
        SELECT adsh, tag, value::DOUBLE AS value
        FROM read_csv('{raw}', delim = '\t', quote = '', all_varchar = true, header = true)
        WHERE tag IN {tuple(tags)} AND version LIKE 'us-gaap/%' AND segments IS NULL AND coreg IS NULL
            AND value IS NOT NULL
        """
    ).fetchall()
    assert ours.height == len(theirs) == capex
    assert sorted(
        ours.select("accession", pl.col("tag").str.replace("us-gaap:", ""), "value").rows()
    ) == sorted(theirs)
