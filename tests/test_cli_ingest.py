"""`kifactors ingest sec`: from files to tables to scores, and what goes wrong."""

import json

import polars as pl
import pytest

import kifactors as kf
from tests.sec import DATA, needs_files
from tests.test_cli import one_line_error, run
from tests.test_ingest import facts_archive, one_filer

REPORT = """<xbrl xmlns="http://www.xbrl.org/2003/instance" xmlns:us-gaap="http://fasb.org/us-gaap/2023"
    xmlns:srt="http://fasb.org/srt/2023" xmlns:dei="http://xbrl.sec.gov/dei/2023" xmlns:x="http://x.com/2023"
    xmlns:xbrldi="http://xbrl.org/2006/xbrldi">
  <context id="c"><entity><identifier scheme="http://www.sec.gov/CIK">0000000001</identifier></entity>
    <period><startDate>2023-01-01</startDate><endDate>2023-12-31</endDate></period></context>
  <context id="d"><entity><identifier scheme="http://www.sec.gov/CIK">0000000001</identifier><segment>
    <xbrldi:explicitMember dimension="srt:MajorCustomersAxis">x:AcmeCloudMember</xbrldi:explicitMember>
    <xbrldi:explicitMember dimension="us-gaap:ConcentrationRiskByBenchmarkAxis"
      >us-gaap:SalesRevenueNetMember</xbrldi:explicitMember></segment></entity>
    <period><startDate>2023-01-01</startDate><endDate>2023-12-31</endDate></period></context>
  <unit id="u"><measure>pure</measure></unit>
  <dei:DocumentType contextRef="c">10-K</dei:DocumentType>
  <dei:DocumentPeriodEndDate contextRef="c">2023-12-31</dei:DocumentPeriodEndDate>
  <us-gaap:ConcentrationRiskPercentage1 contextRef="d" unitRef="u" decimals="2">0.3</us-gaap:ConcentrationRiskPercentage1>
</xbrl>"""


def test_files_to_tables_to_scores(tmp_path):
    facts_archive(tmp_path / "companyfacts.zip", 3, CIK0000000009=b"{")
    done = run(tmp_path, "ingest", "sec", "--companyfacts", "companyfacts.zip", "--out", "data")
    words = " ".join(done.stdout.split())
    assert "fundamentals.parquet 6" in words
    assert "a document that cannot be read 1" in words
    assert kf.read_tables(tmp_path / "data").fundamentals.height == 6
    assert json.loads((tmp_path / "data" / "report.json").read_text())["filers"] == 3
    run(
        tmp_path,
        "score",
        "--data",
        "data",
        "--from",
        "2024-06-30",
        "--to",
        "2024-06-30",
        "--out",
        "s.parquet",
    )
    assert len(kf.read_scores(tmp_path / "s.parquet")) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "there are no facts to read. Give companyfacts, fsds or xbrl."),
        (("--companyfacts", "absent.zip"), "there is no file or folder absent.zip"),
        (
            ("--companyfacts", "c.zip", "--strict"),
            "c.zip, CIK0000000009.json: it is no companyfacts document",
        ),
        (("--companyfacts", "c.zip", "--tags", "absent.toml"), "the tag map absent.toml cannot be read"),
        (("--companyfacts", "c.zip", "--xbrl", "empty"), "empty holds no xbrl document"),
    ],
)
def test_what_goes_wrong_is_one_line(tmp_path, options, message):
    facts_archive(tmp_path / "c.zip", 1, CIK0000000009=b"{")
    (tmp_path / "empty").mkdir()
    assert message in one_line_error(run(tmp_path, "ingest", "sec", *options, "--out", "data", code=1))
    assert not list(tmp_path.glob("data/*.parquet"))


def test_a_person_says_who_a_customer_is(tmp_path):
    facts, filings = tmp_path / "facts", tmp_path / "filings" / "000000000124000001"
    facts.mkdir()
    filings.mkdir(parents=True)
    (filings / "x-20231231_htm.xml").write_text(REPORT)
    (facts / "CIK0000000001.json").write_bytes(one_filer(1))
    acme = one_filer(2).replace(b"Filer 2", b"Acme Cloud Corp")
    (facts / "CIK0000000002.json").write_bytes(acme)
    arguments = ("ingest", "sec", "--companyfacts", "facts", "--xbrl", "filings", "--out", "data")
    assert "customers_to_confirm.csv" in run(tmp_path, *arguments).stdout
    ties = kf.read_tables(tmp_path / "data").revenue_ties
    assert ties.select("customer_id", "customer_label", "revenue_share").rows() == [(None, "Acme Cloud", 0.3)]
    asked = tmp_path / "data" / "customers_to_confirm.csv"
    rows = pl.read_csv(asked, infer_schema=False)
    assert rows.filter(pl.col("rank") == "1")["suggested_asset_id"].to_list() == ["cik:0000000002"]
    best = pl.when(pl.col("rank") == "1").then("suggested_asset_id")
    rows.with_columns(confirmed_asset_id=best).write_csv(tmp_path / "confirmed.csv")
    asked.unlink()
    assert "customers_to_confirm.csv" not in run(tmp_path, *arguments, "--confirmed", "confirmed.csv").stdout
    tables = kf.read_tables(tmp_path / "data")
    assert tables.revenue_ties["customer_id"].to_list() == ["cik:0000000002"]
    # Known to be filed by nobody's facts: 183 days after the period.
    assert tables.revenue_ties["available_at"].cast(pl.String).to_list() == ["2024-07-01"]
    assert tables.tie_disclosures.height == 1


@needs_files
def test_names_that_the_package_knows_are_not_asked_for(tmp_path):
    facts = facts_archive(tmp_path / "c.zip", 1)
    arguments = ("ingest", "sec", "--companyfacts", facts, "--xbrl", DATA / "sec" / "xbrl", "--out", "data")
    assert "2 XBRL filings" in " ".join(run(tmp_path, *arguments).stdout.split())
    assert not (tmp_path / "data" / "customers_to_confirm.csv").exists()
    # NVIDIA's customers A, D and E are nobody's names.
    assert kf.read_tables(tmp_path / "data").revenue_ties["customer_id"].null_count() == 3
