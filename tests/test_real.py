"""Real companies, retraced filing by filing; the bundle against the files of the SEC it was made from."""

import csv
import gzip
import json
from datetime import date
from importlib.resources import files
from pathlib import Path

import polars as pl
import pytest

import kifactors as kf
from kifactors.calendar import score_dates

SHARED = Path(__file__).parents[2] / "shared" / "data"
needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason="needs the shared source files beside the checkout"
)

LAST = "2026-10-31"
META, AMZN, NVDA, MSFT, ORCL = (
    "cik:0001326801", "cik:0001018724", "cik:0001045810", "cik:0000789019", "cik:0001341439",
)  # fmt: skip
ANET, CRWV = "cik:0001596532", "cik:0001769628"
ROUNDING = 1e-12


@pytest.fixture(scope="module")
def tables():
    return kf.load_bundled()


@pytest.fixture(scope="module")
def scores(tables):
    return kf.AIInfrastructureExposure().compute(tables, kf.month_ends("2022-01", "2026-10"))


@pytest.fixture(scope="module")
def last(scores):
    return {
        row["ticker"] or row["asset_id"]: row for row in scores.at(LAST).to_polars().iter_rows(named=True)
    }


def rows_of(table, **wanted):
    """Read the bundled CSV itself, without the library."""
    with (files("kifactors") / "data" / f"{table}.csv").open(encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if all(row[k] == v for k, v in wanted.items())]


def trailing(tables, asset_id, day):
    definition = kf.FactorDefinition()
    found = kf.asof.trailing_twelve_months(
        tables.fundamentals, score_dates([day]), time=definition.time, ttm=definition.ttm
    )
    return found.row(by_predicate=pl.col("asset_id") == asset_id, named=True)


@pytest.mark.parametrize(
    "ticker", ["NVDA", "MRVL", "AVGO", "MU", "AMD", "CRWV", "ANET", "ORCL", "MSFT", "GOOGL", "META", "AMZN"]
)
def test_the_companies_people_ask_for_have_an_exposure(last, ticker):
    row = last[ticker]
    assert 0 < row["exposure_low"] <= row["exposure"] <= row["exposure_high"] <= 1
    assert row["score"] is not None


def test_nvidia_leads_the_chip_makers(last):
    chips = ["AVGO", "AMD", "INTC", "MPWR", "MRVL", "MU", "ON", "QCOM", "TSM", "TXN"]
    assert all(last["NVDA"]["exposure"] > (last[t]["exposure"] or 0) for t in chips if t in last)
    assert {"AVGO", "AMD", "MRVL", "MU"} <= {
        t for t in chips if t in last and last[t]["exposure"] is not None
    }


@pytest.mark.parametrize("asset_id", ["name:tencent", "name:bytedance", "cik:0001577552"])
def test_companies_without_data_are_unknown_not_zero(scores, asset_id):
    row = scores.at(LAST).to_polars().row(by_predicate=pl.col("asset_id") == asset_id, named=True)
    assert row["role"] == "unknown"
    assert [row[n] for n in ("exposure", "exposure_low", "exposure_high", "score")] == [None] * 4


def test_roles(last):
    pioneers = {t for t, row in last.items() if row["role"] == "pioneer"}
    assert pioneers == {"ORCL", "MSFT", "GOOGL", "META", "AMZN"}
    assert {"NVDA", "CRWV", "ANET", "MU"} <= {t for t, row in last.items() if row["role"] == "tool_supplier"}


def test_pioneer_retraced_filing_by_filing(last):
    """META: annual report, two quarterly reports, the share of capex that is AI, divided by hand."""
    value = {
        (row["metric"], row["period_end"], row["source"].split()[1]): float(row["value"])
        for row in rows_of("fundamentals", asset_id=META)
        if row["period_start"] in {"2025-01-01", "2026-01-01"}
    }
    year, quarter = "0001628280-26-003942", "0001628280-26-028526"
    capex = (
        value["capex", "2025-12-31", year]
        + value["capex", "2026-03-31", quarter]
        - value["capex", "2025-03-31", quarter]
    )
    revenue = (
        value["revenue", "2025-12-31", year]
        + value["revenue", "2026-03-31", quarter]
        - value["revenue", "2025-03-31", quarter]
    )
    assert capex == 69_691e6 + 18_997e6 - 12_941e6 == 75_747e6
    assert revenue == 200_966e6 + 56_311e6 - 42_314e6
    theta = [row for row in rows_of("ai_capex_share", asset_id=META) if row["available_at"] < LAST][-1]
    assert (theta["share"], theta["available_at"]) == ("0.5", "2025-04-30")
    # Nothing covers META as a supplier, so its exposure is that of its spending.
    assert last["META"]["ai_revenue"] is None
    assert last["META"]["exposure"] == pytest.approx(0.5 * capex / revenue, abs=ROUNDING)
    assert last["META"]["exposure"] == pytest.approx(0.176186, abs=5e-7)


def test_supplier_retraced_filing_by_filing(last):
    """ANET: a disclosed data-centre share against ties to Microsoft and Meta; the larger bound counts."""
    share = [row for row in rows_of("ai_revenue_share", asset_id=ANET) if row["available_at"] < LAST][-1]
    assert (share["share"], share["scope"], share["period_end"]) == ("0.48", "data_center", "2025-12-31")
    ties = [row for row in rows_of("revenue_ties", supplier_id=ANET) if row["available_at"] < LAST]
    latest = max(row["period_end"] for row in ties)
    named = {row["customer_id"]: float(row["revenue_share"]) for row in ties if row["period_end"] == latest}
    assert (latest, named) == ("2025-12-31", {MSFT: 0.26, META: 0.16})
    theta = {MSFT: 0.67, META: 0.5}
    for customer, expected in theta.items():
        stated = [row for row in rows_of("ai_capex_share", asset_id=customer) if row["available_at"] < LAST]
        assert float(stated[-1]["share"]) == expected
    disclosed = 0.8 * 0.48
    through_ties = sum(
        named[c] * theta[c] for c in named
    )  # the customers earn no known AI revenue themselves
    assert through_ties == pytest.approx(0.2542, abs=ROUNDING)
    assert last["ANET"]["exposure"] == pytest.approx(max(disclosed, through_ties), abs=ROUNDING)
    # Upper bound: nothing is known of the customers' own revenue, and 58 % of ANET's names nobody.
    upper = sum(named[c] * (theta[c] + 0.5 * (1 - theta[c])) for c in named) + 1 - sum(named.values())
    assert last["ANET"]["exposure_high"] == pytest.approx(upper, abs=ROUNDING)


def test_coreweave_lives_off_its_tie_to_microsoft(scores):
    frame = scores.to_polars().filter(pl.col("asset_id") == CRWV)
    by_day = {str(day): r for day, r in frame.select("date", "ai_revenue").rows()}
    assert "2025-02-28" not in by_day
    assert by_day["2025-03-31"] == pytest.approx(0.62 * 0.5, abs=ROUNDING)
    assert by_day["2026-06-30"] == pytest.approx(0.62 * 0.67, abs=ROUNDING)
    assert by_day["2026-07-31"] == pytest.approx(0.67 * 0.67, abs=ROUNDING)


def test_core_scientific_reaches_microsoft_only_through_coreweave(last):
    # CoreWeave's own capex is AI as a whole (theta 1), so the tie passes it on in full.
    assert last["CORZ"]["ai_revenue"] == pytest.approx(0.205, abs=ROUNDING)


def test_meta_2023_is_restated_from_the_day_of_the_filing(tables):
    assert trailing(tables, META, "2024-02-03")["capex"] == 27_266e6
    nine_months = [float(r["value"]) for r in rows_of("fundamentals", asset_id=META, metric="capex")
                   if r["period_end"] == "2024-09-30" and r["period_start"] == "2024-01-01"]  # fmt: skip
    ago = [float(r["value"]) for r in rows_of("fundamentals", asset_id=META, metric="capex")
           if r["period_end"] == "2023-09-30" and r["period_start"] == "2023-01-01"]  # fmt: skip
    assert trailing(tables, META, "2025-01-30")["capex"] == 27_266e6 + nine_months[-1] - ago[-1]
    after = trailing(tables, META, "2025-01-31")
    assert (str(after["period_end"]), after["capex_1y"]) == ("2024-12-31", 27_045e6)


@pytest.mark.parametrize("asset_id", [NVDA, AMZN])
def test_capex_through_productive_assets(tables, asset_id):
    facts = rows_of("fundamentals", asset_id=asset_id, metric="capex")
    newest = max(facts, key=lambda row: row["period_end"])
    assert newest["source"].endswith("PaymentsToAcquireProductiveAssets")
    assert str(trailing(tables, asset_id, LAST)["period_end"]) == newest["period_end"]


def test_rolling_facts_of_amazon_are_trailing_values_not_fiscal_years(tables):
    facts = {
        (row["period_start"], row["period_end"]): float(row["value"])
        for row in rows_of("fundamentals", asset_id=AMZN, metric="capex")
    }
    yearlong = [key for key in facts if (date.fromisoformat(key[1]) - date.fromisoformat(key[0])).days >= 350]
    assert len(yearlong) > 60  # most of them end in the middle of a fiscal year
    row = trailing(tables, AMZN, LAST)
    assert row["capex"] == facts["2025-07-01", "2026-06-30"]
    assert row["capex_1y"] == facts["2024-07-01", "2025-06-30"]
    assert row["capex_3y"] == facts["2022-07-01", "2023-06-30"]
    assert trailing(tables, AMZN, "2026-02-28")["capex"] == facts["2025-01-01", "2025-12-31"] == 131_819e6


def test_no_value_before_the_first_filing(tables):
    facts = tables.fundamentals
    definition = kf.FactorDefinition()
    dates = score_dates(kf.month_ends("2007-01", "2026-10"))
    found = kf.asof.trailing_twelve_months(facts, dates, time=definition.time, ttm=definition.ttm)
    first_value = dict(found.group_by("asset_id").agg(pl.col("date").min()).rows())
    first_filing = dict(facts.group_by("asset_id").agg(pl.col("available_at").min()).rows())
    assert set(first_value) == set(first_filing)
    assert all(first_value[a] > first_filing[a] for a in first_value)
    scored = kf.AIInfrastructureExposure().compute(tables, ["2008-01-31", "2009-07-31"]).to_polars()
    assert scored["capex_to_revenue"].max() == 0.0  # nobody's AI share of capex was stated yet


def test_no_theta_of_the_bundle_is_known_before_2023(scores):
    early = scores.to_polars().filter(pl.col("date") < date(2023, 1, 1))
    assert (early["capex_to_revenue"].drop_nulls() == 0).all()


@needs_shared
@pytest.mark.parametrize("cik", ["0001045810", "0000789019", "0001018724", "0001341439", "0000050863"])
def test_bundled_facts_stand_in_the_sec_files(cik):
    """Every bundled fact of a filer is in its companyfacts file: same tag, period, value, accession, date."""
    with gzip.open(SHARED / "sec" / "companyfacts" / f"CIK{cik}.json.gz") as file:
        tags = json.load(file)["facts"]["us-gaap"]
    bundled = rows_of("fundamentals", asset_id=f"cik:{cik}")
    assert len(bundled) > 100
    known = {
        (tag, fact.get("start", ""), fact["end"], float(fact["val"]), fact["accn"], fact["filed"])
        for tag in {row["source"].split()[2] for row in bundled}
        for fact in tags[tag]["units"]["USD"]
    }
    for row in bundled:
        _, accession, tag = row["source"].split()
        fact = (
            tag,
            row["period_start"],
            row["period_end"],
            float(row["value"]),
            accession,
            row["available_at"],
        )
        assert fact in known


@needs_shared
def test_restatement_of_meta_stands_in_the_sec_file():
    with gzip.open(SHARED / "sec" / "companyfacts" / "CIK0001326801.trimmed.json.gz") as file:
        facts = json.load(file)["facts"]["us-gaap"]["PaymentsToAcquirePropertyPlantAndEquipment"]["units"][
            "USD"
        ]
    year = {
        (f["filed"], f["val"]) for f in facts if (f.get("start"), f["end"]) == ("2023-01-01", "2023-12-31")
    }
    assert {("2024-02-02", 27_266_000_000), ("2025-01-30", 27_045_000_000)} <= year


@needs_shared
def test_the_bundle_is_what_its_script_builds(tmp_path):
    script = Path(__file__).parents[1] / ".ci" / "build_bundle.py"
    namespace = {"__file__": str(script), "__name__": "build_bundle"}
    exec(compile(script.read_text(), str(script), "exec"), namespace)
    namespace["TARGET"] = tmp_path
    namespace["main"](SHARED)
    for built in tmp_path.iterdir():
        assert built.read_bytes() == (files("kifactors") / "data" / built.name).read_bytes(), built.name
