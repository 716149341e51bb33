"""Explanations of real companies name the customers, shares, days and filings of the bundled tables."""

from datetime import date

import polars as pl
import pytest

import kifactors as kf
from tests.test_explain import assert_adds_up

LAST = "2026-10-31"
EXACT = 1e-12


@pytest.fixture(scope="module")
def tables():
    return kf.load_bundled()


@pytest.fixture(scope="module")
def scores(tables):
    return kf.AIInfrastructureExposure().compute(tables, kf.month_ends("2024-01", "2026-10"))


@pytest.fixture
def explain(scores, tables):
    return lambda asset, day=LAST, **options: kf.explain(scores, tables, asset, day, **options)


@pytest.fixture
def change(scores, tables):
    return lambda asset, start, end: kf.explain_change(scores, tables, asset, start, end)


def tie_of(why, name):
    """Return share, period and filing of a tie, and the day it was known, as the tree tells them."""
    (source,) = why.find(name).sources
    return (
        source.row["revenue_share"],
        str(source.row["period_end"]),
        source.source.split()[0],
        str(source.known_at),
    )


def test_arista_names_microsoft_and_meta_with_shares_days_and_filings(explain):
    why = explain("ANET")
    filing = "0001596532-26-000013"
    assert tie_of(why, "ANET -> MSFT") == (0.26, "2025-12-31", filing, "2026-07-02")
    assert tie_of(why, "ANET -> META") == (0.16, "2025-12-31", filing, "2026-07-02")
    amounts = dict(why.paths.select("path", "contribution").rows())
    assert amounts == {"ANET -> MSFT": pytest.approx(0.26 * 0.67), "ANET -> META": pytest.approx(0.16 * 0.5)}
    disclosed, through = why.find("disclosed share"), why.find("ties")
    assert (disclosed.contribution, through.contribution) == (pytest.approx(0.384, abs=EXACT), 0.0)
    assert "alpha-sense.com" in disclosed.sources[0].source
    assert why.bounds.value == pytest.approx(0.9171 - 0.384, abs=EXACT)
    printed = str(why)
    for said in (
        "ANET -> MSFT",
        "26.0%",
        "ANET -> META",
        "16.0%",
        filing,
        "known 2026-07-02",
        "theta of MSFT 0.6700",
    ):
        assert said in printed


def test_meta_is_added_up_from_its_reports(explain):
    why = explain("META")
    capex = why.find("capex of twelve months")
    assert capex.value == 75_747e6
    assert {(node.name, node.contribution) for node in capex.children} == {
        ("2025-01-01 to 2025-12-31", 69_691e6),
        ("2026-01-01 to 2026-03-31", 18_997e6),
        ("2025-01-01 to 2025-03-31", -12_941e6),
    }
    sources = {source.source.split()[1] for node in capex.children for source in node.sources}
    assert sources == {"0001628280-26-003942", "0001628280-26-028526"}
    assert why.find("ai_revenue").value is None


def test_core_scientific_reaches_microsoft_only_through_coreweave(explain):
    why = explain("CORZ")
    assert why.paths.select("path", "tier", "ends_in").rows() == [("CORZ -> CRWV", 1, "capex")]
    far = why.find("MSFT at tier 2")
    # CoreWeave's own capex is AI as a whole, so nothing more passes to it.
    assert far.value == 0.0
    assert far.text.startswith("only through CRWV")
    assert "MSFT at tier 2 0.0000: only through CRWV" in str(why)


def test_two_tiers_are_told_where_the_middle_does_not_spend_all_on_ai(tables):
    """With half of CoreWeave's capex AI, the path to Microsoft carries 0.205 x 0.5 x 0.5 x 0.67 x 0.67."""
    theta = tables.ai_capex_share.with_columns(
        share=pl.when(pl.col("asset_id") == "cik:0001769628").then(0.5).otherwise("share")
    )
    other = tables.replace(ai_capex_share=theta)
    found = kf.AIInfrastructureExposure().compute(other, [LAST])
    why = kf.explain(found, other, "CORZ")
    assert dict(why.paths.select("path", "contribution").rows()) == {
        "CORZ -> CRWV": pytest.approx(0.205 * 0.5),
        "CORZ -> CRWV -> MSFT": pytest.approx(0.205 * 0.25 * 0.67 * 0.67),
    }
    assert why.find("MSFT at tier 2").value == pytest.approx(0.205 * 0.25 * 0.67 * 0.67)


def test_applied_optoelectronics(explain):
    why = explain("AAOI")
    assert tie_of(why, "AAOI -> MSFT") == (0.288, "2025-12-31", "0001437749-26-005875", "2026-02-26")
    assert why.exposure.value == pytest.approx(0.288 * 0.67, abs=EXACT)
    assert "carries too little" in why.find("AAOI -> name:digicomm-international").text


def test_fabrinet_earns_from_nvidia_that_earns_from_everybody(explain):
    why = explain("FN")
    assert why.paths.select("path", "ends_in").rows() == [("FN -> NVDA", "disclosed share")]
    assert tie_of(why, "FN -> NVDA") == (0.276, "2025-06-27", "0001408710-25-000039", "2025-12-27")
    assert why.exposure.value == pytest.approx(0.276 * 0.5 * 0.8 * 0.922, abs=EXACT)


def test_advanced_energy_names_its_customers_who_are_not_known_to_earn_from_ai(explain):
    """AMAT and LRCX have neither ties nor shares in the bundle: the second tier is there, and carries nothing."""
    why = explain("AEIS", "2024-06-30")
    assert tie_of(why, "AEIS -> AMAT") == (0.2, "2022-12-31", "0001558370-23-001498", "2023-07-02")
    assert tie_of(why, "AEIS -> LRCX")[0] == 0.14
    assert why.exposure.value == 0.0
    assert "is known to spend on AI or to earn from it" in why.find("ties").text


def test_intel_names_dell_hp_and_lenovo(explain, change):
    why = explain("INTC", "2025-06-30")
    filing = "0000050863-24-000010"
    told = {name: tie_of(why, f"INTC -> {name}") for name in ("DELL", "HPQ", "name:lenovo-group")}
    assert {name: tie[0] for name, tie in told.items()} == {
        "DELL": 0.19,
        "HPQ": 0.1,
        "name:lenovo-group": 0.11,
    }
    assert {tie[1:] for tie in told.values()} == {("2023-12-30", filing, "2024-01-26")}
    expired = change("INTC", "2025-06-30", "2025-07-31")
    (tie,) = [step for step in expired.steps if step.group == "ties"]
    assert tie.text.endswith("(expired: of the period to 2023-12-30)")
    assert expired.exposure == (0.0, None)


def test_coreweave_rises_with_its_tie_to_microsoft(change):
    """35 % (2023) and 62 % (2024) stand in one filing of March 2025, so 62 % is the first that counts; then 67 %."""
    first = change("CRWV", "2025-02-28", "2025-03-31")
    (tie,) = [step for step in first.steps if step.group == "ties"]
    assert tie.exposure == pytest.approx(0.62 * 0.5, abs=EXACT)
    assert first.exposure == (None, pytest.approx(0.31))
    assert [(s.row["revenue_share"], s.known_at) for s in tie.after] == [(0.62, date(2025, 3, 3))]
    assert "MSFT not named -> 62.0%" in tie.text
    assert "MSFT 35.0% of the period to 2023-12-31, known 2025-03-03" in tie.text
    second = change("CRWV", "2026-06-30", "2026-07-31")
    (tie,) = [step for step in second.steps if step.group == "ties"]
    assert tie.text == "MSFT 62.0% -> 67.0%"
    assert tie.exposure == pytest.approx(0.05 * 0.67, abs=EXACT)
    assert [(s.row["revenue_share"], s.known_at) for s in tie.before] == [(0.62, date(2025, 3, 3))]
    assert [(s.row["revenue_share"], s.known_at) for s in tie.after] == [(0.67, date(2026, 7, 2))]
    for quiet in (change("CRWV", "2026-05-31", "2026-06-30"), change("CRWV", "2026-07-31", "2026-08-31")):
        assert not [step for step in quiet.steps if step.group == "ties"]


def test_what_microsoft_says_of_its_capex_moves_its_suppliers(change):
    found = change("CRWV", "2025-12-31", "2026-01-31")
    (step,) = [step for step in found.steps if step.group == "theta"]
    assert (step.name, step.text) == ("MSFT", "0.5 -> 0.67")
    assert step.exposure == pytest.approx(0.62 * 0.17, abs=EXACT)
    assert step.after[0].known_at == date(2026, 1, 28)


def test_every_known_company_adds_up(explain, scores):
    known = scores.at(LAST).to_polars().filter(pl.col("exposure") > 0)
    assert known.height >= 20
    for row in known.iter_rows(named=True):
        why = explain(row["asset_id"])
        assert_adds_up(why.tree)
        assert (why.exposure.value, why.score.value) == (row["exposure"], row["score"])
