"""From downloaded files to tables: restart, same bytes, damaged documents, and what the folder says."""

import json
import os
import signal
import subprocess
import sys
import time
import zipfile

import polars as pl
import pytest

import kifactors as kf
from kifactors.errors import DataError
from kifactors.ingest import ingest_sec
from kifactors.sources import TagMap
from tests.sec import DATA, companyfacts_files, document, needs_files
from tests.test_sources_fsds import NUM, SUB, archive
from tests.test_sources_submissions import RECENT

YEAR = ("2023-01-01", "2023-12-31")
CAPEX, REVENUE = "us-gaap:PaymentsToAcquirePropertyPlantAndEquipment", "us-gaap:Revenues"


class Stop(Exception):  # noqa: N818
    """A run that is stopped."""


def one_filer(cik, value=10.0, filed="2024-02-01"):
    return document(
        [
            (CAPEX, "USD", *YEAR, value, filed),
            (REVENUE, "USD", *YEAR, 10 * value, filed),
            ("dei:EntityCommonStockSharesOutstanding", "shares", None, "2024-01-15", 3, filed),
        ],
        cik=cik,
        name=f"Filer {cik}",
    )


def facts_archive(path, count=5, **more):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for cik in range(1, count + 1):
            file.writestr(f"CIK{cik:010d}.json", one_filer(cik, cik))
        for name, data in more.items():
            file.writestr(f"{name}.json", data)
    return path


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_folder_of_tables_and_a_report(tmp_path):
    stages = []
    done = ingest_sec(
        tmp_path / "out", companyfacts=facts_archive(tmp_path / "companyfacts.zip"),
        progress=lambda *what: stages.append(what),
    )  # fmt: skip
    tables = kf.read_tables(tmp_path / "out")
    assert tables.fundamentals.filter(pl.col("metric") == "capex").select("asset_id", "value").rows() == [
        (f"cik:{k:010d}", float(k)) for k in range(1, 6)
    ]
    assert tables.assets.select("asset_id", "name", "cik").rows()[0] == (
        "cik:0000000001",
        "Filer 1",
        "0000000001",
    )
    assert done.report["tables"] == {"assets": 5, "fundamentals": 10, "other_facts": 5, "tag_report": 15}
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == done.report
    assert stages[0] == ("companyfacts", 5, 5)
    assert sorted(contents(tmp_path / "out")) == [
        "assets.parquet", "fundamentals.parquet", "other_facts.parquet", "report.json", "skipped.csv",
        "tag_report.parquet",
    ]  # fmt: skip
    scores = kf.AIInfrastructureExposure().compute(tables, ["2024-06-30"])
    assert len(scores) == 5


def test_times_of_acceptance_and_names(tmp_path):
    facts, told = tmp_path / "facts", tmp_path / "told"
    facts.mkdir()
    told.mkdir()
    (facts / "CIK0000000001.json").write_bytes(one_filer(1, filed="2024-02-02"))
    (facts / "CIK0000000002.json").write_bytes(one_filer(2, filed="2024-02-03"))
    # Accepted at 18:00 in New York.
    recent = {
        **RECENT, "accessionNumber": ["a-2024-02-02"], "filingDate": ["2024-02-02"],
        "acceptanceDateTime": ["2024-02-02T23:00:00.000Z"],
    }  # fmt: skip
    tree = {"cik": "1", "name": "New Name", "tickers": ["NEW"], "filings": {"recent": recent, "files": []}}
    (told / "CIK0000000001.json").write_text(json.dumps(tree))
    (told / "CIK0000000002-submissions-001.json").write_text(json.dumps({**RECENT}))
    done = ingest_sec(tmp_path / "out", companyfacts=facts, submissions=told)
    tables = kf.read_tables(tmp_path / "out")
    days = (
        tables.fundamentals.select("asset_id", pl.col("available_at").cast(pl.String))
        .unique()
        .sort("asset_id")
    )
    assert days.rows() == [("cik:0000000001", "2024-02-03"), ("cik:0000000002", "2024-02-03")]
    assert tables.assets.select("ticker", "name").rows() == [("NEW", "New Name"), (None, "Filer 2")]
    assert (done.report["filings"], done.report["filings_with_a_time"]) == (2, 1)


def test_of_a_filer_in_companyfacts_data_sets_say_nothing(tmp_path):
    facts = tmp_path / "CIK0000320193.json"
    facts.write_bytes(one_filer(320193))
    other = {**SUB, "adsh": "b-1", "cik": "2", "name": "TWO"}
    quarter = archive(tmp_path / "q.zip", [NUM, {**NUM, "adsh": "b-1"}], [SUB, other])
    done = ingest_sec(tmp_path / "out", companyfacts=facts, fsds=[quarter])
    tables = kf.read_tables(tmp_path / "out")
    capex = tables.fundamentals.filter(pl.col("metric") == "capex")
    assert capex.select("asset_id", "value", pl.col("available_at").cast(pl.String)).rows() == [
        # Accepted at 16:07, so the next day.
        ("cik:0000000002", 5.0, "2024-08-02"),
        ("cik:0000320193", 10.0, "2024-02-01"),
    ]
    assert tables.assets["name"].to_list() == ["TWO", "Filer 320193"]
    assert done.report["skipped"] == {"in companyfacts already": 1}


def test_a_document_that_cannot_be_read_is_counted_or_stops_a_strict_run(tmp_path):
    path = facts_archive(tmp_path / "c.zip", CIK0000000009=b"{", CIK0000000008=one_filer(8)[:-9])
    done = ingest_sec(tmp_path / "out", companyfacts=path)
    assert done.report["skipped"] == {"a document that cannot be read": 2}
    assert done.report["filers"] == 5
    assert done.skipped["file"].to_list() == ["CIK0000000008.json", "CIK0000000009.json"]
    with pytest.raises(DataError, match=r"c\.zip, CIK0000000008\.json: it is no companyfacts document"):
        ingest_sec(tmp_path / "strict", companyfacts=path, strict=True)
    assert not list((tmp_path / "strict").glob("*.parquet"))


def test_members_that_point_outside_write_nothing_there(tmp_path):
    path = tmp_path / "c.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("../CIK0000000001.json", one_filer(1))
        file.writestr("CIK0000000002.json", one_filer(2))
        file.writestr("CIK0000000003.json", b" " * 5_000_000)
    done = ingest_sec(tmp_path / "out", companyfacts=path)
    assert done.report["skipped"] == {
        "a name that points outside the archive": 1, "packed more than 200 times: a zip bomb": 1,
    }  # fmt: skip
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c.zip", "out"]
    with pytest.raises(DataError, match="a name that points outside the archive"):
        ingest_sec(tmp_path / "strict", companyfacts=path, strict=True)


def test_the_same_files_give_the_same_bytes(tmp_path, monkeypatch):
    path = facts_archive(tmp_path / "c.zip", 20)
    quarter = archive(
        tmp_path / "q.zip", [{**NUM, "adsh": "b-1"}], [SUB, {**SUB, "adsh": "b-1", "cik": "77"}]
    )
    ingest_sec(tmp_path / "one", companyfacts=path, fsds=[quarter])
    once = contents(tmp_path / "one")
    ingest_sec(tmp_path / "one", companyfacts=path, fsds=[quarter])
    assert contents(tmp_path / "one") == once
    # Neither do batches of documents matter to what the tables say.
    monkeypatch.setattr("kifactors.ingest._facts.BATCH", 3)
    monkeypatch.setattr("kifactors.ingest._facts.CHUNK", 4)
    ingest_sec(tmp_path / "two", companyfacts=path, fsds=[quarter])
    for name in ("fundamentals", "other_facts", "tag_report", "assets"):
        one, two = (pl.read_parquet(tmp_path / folder / f"{name}.parquet") for folder in ("one", "two"))
        assert one.equals(two), name
    assert (tmp_path / "two" / "report.json").read_bytes() == once["report.json"]


def test_a_stopped_run_goes_on_where_it_was(tmp_path, monkeypatch):
    path = facts_archive(tmp_path / "c.zip", 12)
    ingest_sec(tmp_path / "whole", companyfacts=path)
    monkeypatch.setattr("kifactors.ingest._facts.BATCH", 4)
    read = []

    def stop(stage, done, _total):
        if stage == "companyfacts" and done == 8:
            raise Stop

    from kifactors.ingest import _facts

    decode = _facts.companyfacts
    monkeypatch.setattr(_facts, "companyfacts", lambda data, tags: read.append(1) or decode(data, tags))
    with pytest.raises(Stop):
        ingest_sec(tmp_path / "out", companyfacts=path, progress=stop)
    assert not list((tmp_path / "out").glob("*.parquet"))
    assert len(read) == 8
    ingest_sec(tmp_path / "out", companyfacts=path)
    assert len(read) == 12
    assert (
        contents(tmp_path / "out")["fundamentals.parquet"]
        == contents(tmp_path / "whole")["fundamentals.parquet"]
    )


def test_other_files_or_tags_start_anew(tmp_path):
    path = facts_archive(tmp_path / "c.zip", 3)

    def stop(stage, *_):
        if stage == "tables":
            raise Stop

    with pytest.raises(Stop):
        ingest_sec(tmp_path / "out", companyfacts=path, progress=stop)
    tags = TagMap.parse(f'[capex]\nkind = "flow"\nunit = "money"\ntags = ["{REVENUE}"]')
    ingest_sec(tmp_path / "out", companyfacts=path, tags=tags)
    assert kf.read_tables(tmp_path / "out").fundamentals["value"].to_list() == [10.0, 20.0, 30.0]
    assert not (tmp_path / "out" / ".ingest").exists()


@needs_files
@pytest.mark.slow
def test_a_killed_run_leaves_no_table_and_can_be_taken_up(tmp_path):
    documents = list(companyfacts_files().values())
    path = tmp_path / "c.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for cik in range(1, 41):
            data = documents[cik % len(documents)]
            start = data.index(b":") + 1
            file.writestr(f"CIK{cik:010d}.json", data[:start] + str(cik).encode() + data[data.index(b",") :])
    code = (
        "import sys, kifactors.ingest._facts as f; f.BATCH = 2\n"
        "from kifactors.ingest import ingest_sec; ingest_sec(sys.argv[1], companyfacts=sys.argv[2])"
    )
    run = [sys.executable, "-c", code]
    subprocess.run([*run, tmp_path / "whole", path], check=True)
    for wait in (0.6, 0.9, 1.2):
        process = subprocess.Popen([*run, tmp_path / "out", path])
        time.sleep(wait)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    subprocess.run([*run, tmp_path / "out", path], check=True)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@needs_files
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_memory_does_not_grow_with_the_number_of_filers(tmp_path):
    documents = list(companyfacts_files().values())
    code = (
        "import sys, resource, kifactors.ingest._facts as f; f.BATCH, f.CHUNK = 16, 16\n"
        "from kifactors.ingest import ingest_sec; ingest_sec(sys.argv[1], companyfacts=sys.argv[2])\n"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    peaks = []
    for count in (32, 128):
        path = tmp_path / f"{count}.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
            for cik in range(1, count + 1):
                data = documents[cik % len(documents)]
                start = data.index(b":") + 1
                file.writestr(
                    f"CIK{cik:010d}.json", data[:start] + str(cik).encode() + data[data.index(b",") :]
                )
        run = [sys.executable, "-c", code, tmp_path / str(count), path]
        peaks.append(int(subprocess.run(run, check=True, capture_output=True, text=True).stdout) / 1000)
    assert max(peaks) < 700
    # Four times as many filers; an allocator never gives back quite everything.
    assert peaks[1] < 1.35 * peaks[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "there are no facts to read"),
        ({"submissions": "x"}, "there are no facts to read"),
        ({"companyfacts": "absent"}, "there is no file or folder absent"),
        ({"fsds": ["absent.zip"]}, r"there is no file or folder absent\.zip"),
    ],
)
def test_nothing_to_read(tmp_path, options, message):
    with pytest.raises(DataError, match=message):
        ingest_sec(tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_a_folder_without_documents_and_a_damaged_data_set(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no companyfacts document"):
        ingest_sec(tmp_path / "out", companyfacts=tmp_path / "empty")
    bad = tmp_path / "bad.zip"
    bad.write_bytes(b"no archive")
    done = ingest_sec(tmp_path / "out", companyfacts=facts_archive(tmp_path / "c.zip", 1), fsds=[bad])
    assert done.report["skipped"] == {"an archive that cannot be read": 1}
    with pytest.raises(DataError, match="no whole zip archive"):
        ingest_sec(tmp_path / "out", fsds=[bad], strict=True)


@needs_files
def test_the_real_files_together(tmp_path):
    done = ingest_sec(
        tmp_path / "out", companyfacts=DATA / "sec" / "companyfacts", submissions=DATA / "sec" / "submissions",
        fsds=sorted((DATA / "sec" / "fsds").glob("*.zip")),
        xbrl=DATA / "sec" / "xbrl",
    )  # fmt: skip
    tables = kf.read_tables(tmp_path / "out")
    assert done.report["filers"] == 9
    known = {row["asset_id"]: row["ticker"] for row in tables.assets.rows(named=True)}
    assert known["cik:0001045810"] == "NVDA"
    # NVIDIA's quarter of July 2024 was accepted at 17:05 New York time on 28 August.
    second = tables.fundamentals.filter(
        (pl.col("asset_id") == "cik:0001045810") & pl.col("source").str.contains("0001045810-24-000264")
    )
    assert second["available_at"].unique().cast(pl.String).to_list() == ["2024-08-29"]
    intel = tables.fundamentals.filter(pl.col("asset_id") == "cik:0000050863")
    # Intel's years end on its own days, not on those the data sets round them to.
    assert pl.Series(["2023-12-30"]).str.to_date().item() in intel["period_end"].to_list()
    ties = tables.revenue_ties.select("supplier_id", "customer_label", "revenue_share", "available_at")
    assert ties.with_columns(pl.col("available_at").cast(pl.String)).rows() == [
        # Its name has no accession number: 183 days after 30 December 2023.
        ("cik:0000050863", "Dell Inc", 0.19, "2024-06-30"),
        ("cik:0000050863", "HP Inc.", 0.10, "2024-06-30"),
        ("cik:0000050863", "Lenovo Group Limited", 0.11, "2024-06-30"),
        ("cik:0001045810", "Customer A", 0.14, "2024-08-29"),
        ("cik:0001045810", "Customer D", 0.10, "2024-08-29"),
        ("cik:0001045810", "Customer E", 0.10, "2024-08-29"),
    ]
    shares = dict(tables.ai_revenue_share.select("asset_id", "share").rows())
    assert shares == {
        "cik:0000050863": pytest.approx(15521 / 54228),
        "cik:0001045810": pytest.approx(48835 / 56084),
    }
    scores = kf.AIInfrastructureExposure().compute(tables, ["2024-09-30"])
    assert scores.to_polars().filter(pl.col("asset_id") == "cik:0001045810")["exposure"].item() > 0.5
