"""Tags to metrics, and one value a period as it became known: by hand, and the traps of real filings."""

from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kifactors as kf
from kifactors.errors import DataError
from kifactors.sources import RAW, Skips, TagMap, merge, tagged
from tests.sec import raw

TAGS = TagMap.default()
PPE, PRODUCTIVE = (
    "us-gaap:PaymentsToAcquirePropertyPlantAndEquipment",
    "us-gaap:PaymentsToAcquireProductiveAssets",
)
REVENUES, CONTRACTS = "us-gaap:Revenues", "us-gaap:RevenueFromContractWithCustomerExcludingAssessedTax"
YEAR = ("2023-01-01", "2023-12-31")


def facts_of(frame, tags=TAGS, currencies=None):
    """Return the facts, the report of tags, and what was left out by reason."""
    skips = Skips()
    found = tagged(frame, tags, file="f", skips=skips).rename({"filed": "available_at"})
    done = merge(found, currencies or {}, file="f", skips=skips)
    left_out = dict(skips.to_polars().group_by("reason").agg(pl.col("rows").sum()).rows())
    return done.facts, done.tags, left_out


def values(facts, metric="capex"):
    return facts.filter(pl.col("metric") == metric).select("available_at", "value").rows()


class TestTagMoves:
    """A company changes the tag of a metric."""

    def test_the_tag_that_comes_first_counts_from_the_day_it_is_seen(self):
        frame = raw(
            (PPE, *YEAR, 10.0, "2024-02-01"),
            (PRODUCTIVE, *YEAR, 12.0, "2025-02-01"),
            (PPE, *YEAR, 10.5, "2026-02-01"),
        )
        facts, tags, left_out = facts_of(frame)
        assert values(facts) == [(date(2024, 2, 1), 10.0), (date(2025, 2, 1), 12.0)]
        assert left_out == {"a tag that comes after another for the period": 1}
        assert tags.select("tag", "others", "changed", "disagreement").rows() == [
            (PRODUCTIVE, PPE, True, None)
        ]

    def test_two_tags_of_one_filing_and_how_far_they_are_apart(self):
        frame = raw((CONTRACTS, *YEAR, 60.0, "2024-02-01"), (REVENUES, *YEAR, 100.0, "2024-02-01"))
        facts, tags, _ = facts_of(frame)
        assert values(facts, "revenue") == [(date(2024, 2, 1), 100.0)]
        assert tags.select("tag", "others", "changed", "disagreement").rows() == [
            (REVENUES, CONTRACTS, False, pytest.approx(0.4))
        ]
        assert facts["source"].to_list() == [f"10-Q a-2024-02-01 {REVENUES}"]

    def test_another_tag_for_other_periods_is_no_conflict(self):
        frame = raw(
            (CONTRACTS, "2022-01-01", "2022-12-31", 1.0, "2023-02-01"), (REVENUES, *YEAR, 2.0, "2024-02-01")
        )
        _, tags, left_out = facts_of(frame)
        assert tags["tag"].to_list() == [CONTRACTS, REVENUES]
        assert left_out == {}


class TestSums:
    """Capital expenditure in two tags."""

    TAGS = TagMap.parse(
        '[capex]\nkind = "flow"\nunit = "money"\ntags = ["us-gaap:Total", ["us-gaap:Tools", "us-gaap:Other"]]'
    )

    def test_parts_of_one_filing_add_up(self):
        frame = raw(("us-gaap:Tools", *YEAR, 3.0, "2024-02-01"), ("us-gaap:Other", *YEAR, 4.0, "2024-02-01"))
        facts, tags, _ = facts_of(frame, self.TAGS)
        assert values(facts) == [(date(2024, 2, 1), 7.0)]
        assert tags["tag"].to_list() == ["us-gaap:Tools + us-gaap:Other"]

    def test_a_part_alone_is_no_sum(self):
        frame = raw(
            ("us-gaap:Tools", *YEAR, 3.0, "2024-02-01"),
            ("us-gaap:Other", *YEAR, 4.0, "2025-02-01"),
            ("us-gaap:Total", *YEAR, 9.0, "2025-02-01"),
        )
        facts, _, left_out = facts_of(frame, self.TAGS)
        assert values(facts) == [(date(2025, 2, 1), 9.0)]
        assert left_out == {"a sum with a part missing": 2}

    def test_a_filer_may_have_its_own(self):
        own = TagMap.parse(
            '[capex]\nkind = "flow"\nunit = "money"\ntags = ["us-gaap:Total"]\n'
            '[filers.0000000002]\ncapex = [["us-gaap:Tools", "us-gaap:Other"]]'
        )
        rows = [(f"us-gaap:{name}", *YEAR, 1.0, "2024-02-01") for name in ("Tools", "Other", "Total")]
        one, other = (values(facts_of(raw(*rows, cik=f"000000000{n}"), own)[0]) for n in (1, 2))
        assert (one, other) == ([(date(2024, 2, 1), 1.0)], [(date(2024, 2, 1), 2.0)])


class TestVintages:
    """Restatements, amendments, and several filings of one day."""

    def test_a_restatement_counts_from_its_own_day(self):
        rows = [(PPE, *YEAR, 27266e6, "2024-02-02"), (PPE, *YEAR, 27045e6, "2025-01-30")]
        facts, *_ = facts_of(raw(*rows))
        assert values(facts) == [(date(2024, 2, 2), 27266e6), (date(2025, 1, 30), 27045e6)]

    def test_of_one_day_the_amendment_counts(self):
        rows = [
            (PPE, *YEAR, 2.0, "2024-02-02", {"form": "10-K/A", "accession": "1"}),
            (PPE, *YEAR, 1.0, "2024-02-02", {"form": "10-K", "accession": "2"}),
            (PPE, *YEAR, 3.0, "2024-02-02", {"form": "10-K", "accession": "0"}),
        ]
        assert values(facts_of(raw(*rows))[0]) == [(date(2024, 2, 2), 2.0)]
        assert values(facts_of(raw(*rows[1:]))[0]) == [(date(2024, 2, 2), 1.0)]

    def test_a_filing_that_contradicts_itself_is_left_out(self):
        rows = [(PPE, *YEAR, value, "2024-02-02") for value in (1.0, 1.0, 2.0)]
        facts, _, left_out = facts_of(raw(*rows))
        assert facts.is_empty()
        assert left_out == {"one filing states two values": 3}
        assert values(facts_of(raw(*rows[:2]))[0]) == [(date(2024, 2, 2), 1.0)]


class TestCurrencies:
    """A European filer, and one that adds dollars for convenience."""

    def test_the_currency_of_the_first_filing_counts(self):
        rows = [
            (PPE, *YEAR, 9.0, "2024-03-01", {"unit": "EUR"}),
            ("us-gaap:Assets", None, "2023-12-31", 90.0, "2024-03-01", {"unit": "EUR"}),
            (PPE, *YEAR, 10.0, "2024-03-01"),
            (PPE, "2024-01-01", "2024-12-31", 11.0, "2025-03-01"),
        ]
        facts, _, left_out = facts_of(raw(*rows))
        assert facts["currency"].unique().to_list() == ["EUR"]
        assert left_out == {"another currency of the company": 2}
        chosen, *_ = facts_of(raw(*rows), currencies={"cik:0000000001": "USD"})
        assert chosen["value"].to_list() == [10.0, 11.0]

    def test_international_tags(self):
        rows = [
            (
                "ifrs-full:PurchaseOfPropertyPlantAndEquipmentClassifiedAsInvestingActivities",
                *YEAR, 5.0, "2024-03-01", {"unit": "EUR", "form": "20-F"},
            ),
            ("ifrs-full:Revenue", *YEAR, 50.0, "2024-03-01", {"unit": "EUR", "form": "20-F"}),
        ]  # fmt: skip
        facts, *_ = facts_of(raw(*rows))
        assert facts.select("metric", "value", "currency").rows() == [
            ("capex", 5.0, "EUR"),
            ("revenue", 50.0, "EUR"),
        ]

    def test_shares_have_no_currency(self):
        rows = [
            (PPE, *YEAR, 9.0, "2024-03-01", {"unit": "EUR"}),
            (
                "dei:EntityCommonStockSharesOutstanding",
                None,
                "2024-02-01",
                7.0,
                "2024-03-01",
                {"unit": "shares"},
            ),
        ]
        assert values(facts_of(raw(*rows))[0], "shares_outstanding") == [(date(2024, 3, 1), 7.0)]


class TestYears:
    """Years of 52 or 53 weeks, and twelve months in every quarter: dates count as filed, and `asof` tells them apart."""

    REVENUE = (REVENUES, "2023-01-30", "2024-01-28", 60.0, "2024-02-21")

    def ttm(self, rows, day):
        facts, *_ = facts_of(raw(*rows).with_columns(pl.col("value") * 1e9))
        known = facts.filter(pl.col("available_at") < date.fromisoformat(day))
        tables = kf.Tables(fundamentals=known, ai_capex_share={
            "asset_id": ["cik:0000000001"], "share": [1.0], "available_at": [date(2020, 1, 1)],
            "provenance": ["assumed"],
        })  # fmt: skip
        return kf.AIInfrastructureExposure().compute(tables, [day]).to_polars()["capex_to_revenue"].item()

    def test_53_weeks_are_a_year(self):
        rows = [
            (PPE, "2022-01-31", "2023-02-05", 6.0, "2023-03-01"),
            (REVENUES, "2022-01-31", "2023-02-05", 60.0, "2023-03-01"),
        ]
        assert self.ttm(rows, "2023-06-30") == pytest.approx(0.1)

    def test_52_weeks_after_53_stand_in_a_year_to_date(self):
        """Twelve months to July: the year, the half after it, less the half before."""
        rows = [
            (PPE, "2023-01-30", "2024-01-28", 10.0, "2024-02-21"), (PPE, "2023-01-30", "2023-07-30", 4.0, "2023-08-28"),
            (PPE, "2024-01-29", "2024-07-28", 7.0, "2024-08-28"), self.REVENUE,
            (REVENUES, "2023-01-30", "2023-07-30", 20.0, "2023-08-28"),
            (REVENUES, "2024-01-29", "2024-07-28", 60.0, "2024-08-28"),
        ]  # fmt: skip
        assert self.ttm(rows, "2024-09-30") == pytest.approx(13.0 / 100.0)

    def test_a_month_too_much_is_no_year(self):
        rows = [(PPE, "2022-12-01", "2024-01-28", 6.0, "2024-02-21"), self.REVENUE]
        assert self.ttm(rows, "2024-06-30") is None

    def test_twelve_months_stated_in_a_quarter_are_twelve_months(self):
        rows = [
            (PPE, "2023-07-01", "2024-06-30", 8.0, "2024-08-01", {"form": "10-Q"}),
            (REVENUES, "2023-07-01", "2024-06-30", 80.0, "2024-08-01", {"form": "10-Q"}),
        ]
        assert self.ttm(rows, "2024-09-30") == pytest.approx(0.1)

    def test_they_come_before_a_sum_and_are_never_added_to_it(self):
        rows = [
            (PPE, "2023-01-01", "2023-12-31", 5.0, "2024-02-01"), (PPE, "2023-07-01", "2024-06-30", 8.0, "2024-08-01"),
            (PPE, "2023-01-01", "2023-06-30", 2.0, "2023-08-01"), (PPE, "2024-01-01", "2024-06-30", 6.0, "2024-08-01"),
            (REVENUES, "2023-07-01", "2024-06-30", 80.0, "2024-08-01"),
        ]  # fmt: skip
        assert self.ttm(rows, "2024-09-30") == pytest.approx(0.1)

    def test_the_last_year_of_a_company_is_not_the_last_twelve_months(self):
        rows = [
            (PPE, "2023-01-01", "2023-12-31", 5.0, "2024-02-01"), (REVENUES, "2023-01-01", "2023-12-31", 100.0, "2024-02-01"),
            (PPE, "2023-07-01", "2024-06-30", 8.0, "2024-08-01"), (REVENUES, "2023-07-01", "2024-06-30", 80.0, "2024-08-01"),
        ]  # fmt: skip
        assert (self.ttm(rows, "2024-07-31"), self.ttm(rows, "2024-09-30")) == pytest.approx((0.05, 0.1))


class TestSuccession:
    """A company goes on under another CIK."""

    TAGS = TagMap.parse(
        '[assets]\nkind = "stock"\nunit = "money"\ntags = ["us-gaap:Assets"]\n'
        '[filers.0000000001]\nasset_id = "cik:0000000002"'
    )

    def rows(self, *values):
        return raw(
            *(
                ("us-gaap:Assets", None, end, value, filed, {"cik": cik})
                for (end, value, filed), cik in zip(values, ("0000000001", "0000000002"), strict=False)
            )
        )

    def test_the_successor_takes_over_the_history(self):
        facts, *_ = facts_of(
            self.rows(("2022-12-31", 1.0, "2023-02-01"), ("2023-12-31", 2.0, "2024-02-01")), self.TAGS
        )
        assert facts.select("asset_id", "value").rows() == [("cik:0000000002", 1.0), ("cik:0000000002", 2.0)]

    def test_what_both_say_of_a_period_are_vintages(self):
        facts, *_ = facts_of(
            self.rows(("2022-12-31", 1.0, "2023-02-01"), ("2022-12-31", 2.0, "2024-02-01")), self.TAGS
        )
        assert facts.select("available_at", "value").rows() == [
            (date(2023, 2, 1), 1.0),
            (date(2024, 2, 1), 2.0),
        ]

    def test_without_a_rule_they_are_two_companies(self):
        facts, *_ = facts_of(self.rows(("2022-12-31", 1.0, "2023-02-01"), ("2023-12-31", 2.0, "2024-02-01")))
        assert facts["asset_id"].to_list() == ["cik:0000000001", "cik:0000000002"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ((PPE, *YEAR, 1.0, "2024-02-01", {"unit": "USD/shares"}), "another unit"),
        ((PPE, *YEAR, 1.0, "2024-02-01", {"unit": "shares"}), "another unit"),
        ((PPE, *YEAR, 1.0, "2023-12-30"), "a period that ends after its filing"),
        ((PPE, *YEAR, None, "2024-02-01"), "no number, or one beyond all money"),
        ((PPE, *YEAR, 1e21, "2024-02-01"), "no number, or one beyond all money"),
        ((PPE, *YEAR, float("nan"), "2024-02-01"), "no number, or one beyond all money"),
        ((PPE, *YEAR, float("inf"), "2024-02-01"), "no number, or one beyond all money"),
        ((PPE, "2024-01-01", "2023-12-31", 1.0, "2024-02-01"), "a period that ends before it starts"),
        ((PPE, None, "2023-12-31", 1.0, "2024-02-01"), "a flow without a first day"),
        (("us-gaap:Assets", *YEAR, 1.0, "2024-02-01"), "a value on a day with a first day"),
        ((PPE, *YEAR, 1.0, None), "no such date"),
        ((PPE, "2023-01-01", None, 1.0, "2024-02-01"), "no such date"),
    ],
)
def test_what_can_be_no_fact_is_counted(row, reason):
    facts, _, left_out = facts_of(raw(row, (REVENUES, *YEAR, 2.0, "2024-02-01")))
    assert facts["metric"].to_list() == ["revenue"]
    assert left_out == {reason: 1}


def test_a_fact_dated_after_its_filing_counts_from_a_later_one():
    rows = [
        (PPE, *YEAR, 1.0, "2023-11-01", {"accession": "1"}),
        (PPE, *YEAR, 2.0, "2024-02-01", {"accession": "2"}),
    ]
    facts, _, left_out = facts_of(raw(*rows))
    assert values(facts) == [(date(2024, 2, 1), 2.0)]
    assert left_out == {"a period that ends after its filing": 1}
    # On the day of filing itself it is one.
    assert values(facts_of(raw((PPE, *YEAR, 1.0, "2023-12-31")))[0]) == [(date(2023, 12, 31), 1.0)]


def test_negative_values_say_so_and_pass_the_schema():
    facts, *_ = facts_of(raw((PPE, *YEAR, -1.0, "2024-02-01"), (REVENUES, *YEAR, 2.0, "2024-02-01")))
    assert facts["note"].to_list() == ["negative as filed", None]
    assert kf.schema.validate("fundamentals", facts).height == 2


DATES = st.dates(date(2020, 1, 1), date(2024, 12, 31))
ROWS = st.lists(
    st.builds(
        lambda tag, start, span, value, late, unit, form: {
            "cik": "0000000001", "tag": tag, "unit": unit, "value": value, "form": form,
            "period_start": start, "period_end": date.fromordinal(start.toordinal() + span),
            "filed": date.fromordinal(start.toordinal() + span + late), "accession": f"a{start}{span}{late}{form}",
        },
        st.sampled_from([PPE, PRODUCTIVE, REVENUES, CONTRACTS]), st.sampled_from([date(2021, 1, 1), date(2022, 1, 1)]),
        st.sampled_from([90, 364]), st.sampled_from([1.0, 2.0, 3.0]), st.integers(1, 4),
        st.sampled_from(["USD", "EUR"]), st.sampled_from(["10-K", "10-K/A"]),
    ),
    max_size=12,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(ROWS, st.randoms(use_true_random=False), DATES)
def test_order_does_not_matter_and_later_filings_change_nothing_before(rows, random, day):
    frame = pl.DataFrame(rows, schema=RAW)
    facts, *_ = facts_of(frame)
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert facts_of(pl.DataFrame(shuffled, schema=RAW))[0].equals(facts)
    if facts.height:
        kf.schema.validate("fundamentals", facts)
    early = pl.col("available_at") <= day
    before, *_ = facts_of(frame.filter(pl.col("filed") <= day))
    assert before.equals(facts.filter(early))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no metric"),
        ("[capex]\nkind = 1", "kind is 1; expected flow or stock"),
        ('[capex]\nkind = "flow"\nunit = "USD"\ntags = ["a:B"]', "unit is 'USD'; expected money or shares"),
        ('[capex]\nkind = "flow"\nunit = "money"\ntags = []', "tags are"),
        ('[capex]\nkind = "flow"\nunit = "money"\ntags = ["Assets"]', "'Assets' is no tag"),
        ('[capex]\nkind = "flow"\nunit = "money"\ntags = ["a:B", "a:B"]', "a:B stands twice"),
        ('[capex]\nkind = "flow"\nunit = "money"\ntags = [["a:B", "a:B"]]', "stands twice"),
        ('[capex]\nkind = "flow"\nunit = "money"\ntags = ["a:B", []]', "tags are"),
        ('[capex]\nkind = "flow"\nunit = "money"\ntag = ["a:B"]', "has tag; known are kind, tags, unit"),
        ("capex = 1", "expected a table"),
        ("[capex", "is not TOML"),
    ],
)
def test_a_wrong_map_is_refused(text, message):
    with pytest.raises(DataError, match=message):
        TagMap.parse(text)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("[filers.1]", "ten digits"),
        ("[filers.0000000001]\nrevenue = ['a:B']", "has revenue"),
        ("[filers.0000000001]\ncurrency = 'usd'", "ISO 4217"),
        ("[filers.0000000001]\nasset_id = ' x'", "asset_id is ' x'"),
    ],
)
def test_a_wrong_rule_for_a_filer_is_refused(rule, message):
    with pytest.raises(DataError, match=message):
        TagMap.parse(f"[capex]\nkind = 'flow'\nunit = 'money'\ntags = ['a:B']\n{rule}")


def test_a_map_is_read_from_a_file(tmp_path):
    path = tmp_path / "tags.toml"
    path.write_text("[capex]\nkind = 'flow'\nunit = 'money'\ntags = ['a:B']")
    assert TagMap.read(path).wanted == {"a:B"}
    with pytest.raises(DataError, match=r"absent\.toml cannot be read"):
        TagMap.read(tmp_path / "absent.toml")
