"""Point in time, by hand: visibility, vintages, expiry, the four rules of trailing twelve months, ties in force."""

from datetime import date, timedelta

import polars as pl
import pytest

import kifactors as kf
from kifactors import asof
from kifactors.calendar import score_dates
from kifactors.definition import Time, TrailingTwelveMonths

D = date.fromisoformat


def facts(*rows, asset="a", currency="USD"):
    """Rows of (metric, start, end, value, available_at); start None for assets."""
    frame = pl.DataFrame(
        [(asset, m, s and D(s), D(e), float(v), currency, D(at)) for m, s, e, v, at in rows],
        schema=["asset_id", "metric", "period_start", "period_end", "value", "currency", "available_at"],
        orient="row",
    )
    return kf.schema.validate("fundamentals", frame)


def both(*rows):
    """The same flow as capex and, ten times as large, as revenue."""
    return [("capex", *row) for row in rows] + [("revenue", s, e, 10 * v, at) for s, e, v, at in rows]


def ttm(table, *days, **time):
    return asof.trailing_twelve_months(
        table, score_dates(list(days)), time=Time(**time), ttm=TrailingTwelveMonths()
    )


def capex_on(table, day, **time):
    """Trailing capex, rule and period end on one day, or None."""
    rows = ttm(table, day, **time).select("capex", "capex_rule", "period_end").rows()
    return (rows[0][0], rows[0][1], str(rows[0][2])) if rows else None


YEAR_2023 = ("2023-01-01", "2023-12-31", 100, "2024-02-01")
HALF_2023 = ("2023-01-01", "2023-06-30", 40, "2023-08-01")
HALF_2024 = ("2024-01-01", "2024-06-30", 70, "2024-08-01")
QUARTERS = [
    ("2023-04-01", "2023-06-30", 10, "2023-08-01"),
    ("2023-07-01", "2023-09-30", 20, "2023-11-01"),
    ("2023-10-01", "2023-12-31", 30, "2024-02-01"),
    ("2024-01-01", "2024-03-31", 40, "2024-05-01"),
]


class TestTrailingTwelveMonths:
    def test_annual(self):
        assert capex_on(facts(*both(YEAR_2023)), "2024-02-02") == (100, "annual", "2023-12-31")

    def test_not_before_the_lag(self):
        table = facts(*both(YEAR_2023))
        assert capex_on(table, "2024-02-01") is None
        assert capex_on(table, "2024-02-01", lag_days=0) == (100, "annual", "2023-12-31")
        assert capex_on(table, "2024-02-03", lag_days=3) is None

    def test_year_to_date(self):
        table = facts(*both(YEAR_2023, HALF_2023, HALF_2024))
        assert capex_on(table, "2024-08-02") == (130, "year_to_date", "2024-06-30")

    def test_year_to_date_needs_the_same_span_a_year_ago(self):
        nine_months = ("2023-01-01", "2023-09-30", 60, "2023-11-01")
        table = facts(*both(YEAR_2023, nine_months, HALF_2024))
        assert capex_on(table, "2024-08-02") == (100, "annual", "2023-12-31")

    def test_longest_year_to_date_wins_over_its_last_quarter(self):
        quarters = [
            ("2023-04-01", "2023-06-30", 25, "2023-08-01"),
            ("2024-04-01", "2024-06-30", 45, "2024-08-01"),
        ]
        table = facts(*both(YEAR_2023, HALF_2023, HALF_2024, *quarters))
        assert capex_on(table, "2024-08-02") == (130, "year_to_date", "2024-06-30")

    def test_four_quarters(self):
        assert capex_on(facts(*both(*QUARTERS)), "2024-05-02") == (100, "four_quarters", "2024-03-31")

    def test_annual_wins_over_year_to_date_and_quarters(self):
        rolling = ("2023-04-01", "2024-03-31", 99, "2024-05-01")
        assert capex_on(facts(*both(*QUARTERS, rolling)), "2024-05-02") == (99, "annual", "2024-03-31")

    def test_a_missing_quarter_is_a_gap_and_gives_null(self):
        assert capex_on(facts(*both(*QUARTERS[:2], QUARTERS[3])), "2024-05-02") is None

    @pytest.mark.parametrize(("days", "expected"), [(10, True), (11, False)])
    def test_gap_and_overlap_up_to_ten_days(self, days, expected):
        for shift in (days, -days):
            last = [
                (str(D(s) + timedelta(shift)), str(D(e) + timedelta(shift)), v, at)
                for s, e, v, at in QUARTERS[3:]
            ]
            end = last[0][1]
            found = capex_on(facts(*both(*QUARTERS[:3], *last)), "2024-05-20")
            assert found == ((100, "four_quarters", end) if expected else None)

    @pytest.mark.parametrize(
        ("start", "end", "counts"),
        [
            ("2023-01-29", "2024-02-03", True),  # 53 weeks: 371 days
            ("2023-01-30", "2024-01-28", True),  # 52 weeks: 364 days
            ("2023-01-16", "2024-01-30", True),  # 380 days, the limit
            ("2023-01-15", "2024-01-30", False),
            ("2023-02-15", "2024-01-30", True),  # 350 days, the limit
            ("2023-02-16", "2024-01-30", False),
        ],
    )
    def test_52_and_53_week_years(self, start, end, counts):
        found = capex_on(facts(*both((start, end, 5, "2024-03-01"))), "2024-03-02")
        assert found == ((5, "annual", end) if counts else None)

    def test_year_to_date_of_a_53_week_year(self):
        rows = [
            ("2023-01-29", "2024-02-03", 100, "2024-03-01"),  # 53 weeks
            ("2023-01-29", "2023-07-29", 40, "2023-09-01"),
            ("2024-02-04", "2024-08-03", 70, "2024-09-01"),
        ]
        assert capex_on(facts(*both(*rows)), "2024-09-02") == (130, "year_to_date", "2024-08-03")

    def test_rolling_twelve_month_facts(self):
        rolling = [
            ("2022-04-01", "2023-03-31", 80, "2023-05-01"),
            ("2022-07-01", "2023-06-30", 85, "2023-08-01"),
            ("2022-10-01", "2023-09-30", 90, "2023-11-01"),
        ]
        table = facts(*both(*rolling))
        assert [capex_on(table, day)[0] for day in ("2023-05-02", "2023-08-02", "2023-11-02")] == [80, 85, 90]

    def test_restatement_counts_from_its_own_date(self):
        restated = ("2023-01-01", "2023-12-31", 97, "2025-01-30")
        table = facts(*both(YEAR_2023, restated))
        assert capex_on(table, "2025-01-30", max_age_days=700)[0] == 100
        assert capex_on(table, "2025-01-31", max_age_days=700)[0] == 97

    def test_restated_part_of_a_year_to_date_sum(self):
        restated_half = ("2023-01-01", "2023-06-30", 45, "2024-08-01")
        table = facts(*both(YEAR_2023, HALF_2023, HALF_2024, restated_half))
        assert capex_on(table, "2024-08-02")[0] == 125

    def test_late_vintage_of_an_old_period_never_moves_the_current_period_back(self):
        late = ("2023-01-01", "2023-12-31", 111, "2024-09-01")
        table = facts(*both(YEAR_2023, HALF_2023, HALF_2024, late))
        assert capex_on(table, "2024-09-02") == (141, "year_to_date", "2024-06-30")

    def test_current_period_needs_both_flows(self):
        table = facts(*both(YEAR_2023), ("capex", "2024-01-01", "2024-12-31", 500, "2025-02-01"))
        assert capex_on(table, "2025-02-02") == (100, "annual", "2023-12-31")

    def test_expired(self):
        table = facts(*both(YEAR_2023))
        last = D("2023-12-31") + timedelta(550)
        assert capex_on(table, str(last)) == (100, "annual", "2023-12-31")
        assert capex_on(table, str(last + timedelta(1))) is None

    def test_missing(self):
        assert capex_on(facts(("capex", "2023-01-01", "2023-12-31", 100, "2024-02-01")), "2024-03-01") is None
        assert ttm(None, "2024-03-01").is_empty()

    def test_three_years_of_history_within_twenty_days(self):
        years = [
            (f"{y}-01-01", f"{y}-12-31", v, "2024-02-01")
            for y, v in ((2020, 1), (2021, 2), (2022, 3), (2023, 4))
        ]
        row = ttm(facts(*both(*years)), "2024-03-01").row(0, named=True)
        assert [row[n] for n in ("capex", "capex_1y", "capex_2y", "capex_3y")] == [4, 3, 2, 1]
        moved = [*years[1:], ("2020-01-26", "2021-01-25", 1, "2024-02-01")]
        row = ttm(facts(*both(*moved)), "2024-03-01").row(0, named=True)
        assert row["capex_3y"] is None
        assert row["capex_2y"] == 2

    def test_assets_are_the_value_at_the_period_end(self):
        table = facts(*both(YEAR_2023), ("assets", None, "2023-12-31", 777, "2024-02-01"))
        assert ttm(table, "2024-02-02")["assets"].to_list() == [777]
        assert ttm(facts(*both(YEAR_2023)), "2024-02-02")["assets"].to_list() == [None]

    def test_negative_values_keep_their_sign(self):
        refund = pl.DataFrame(facts(*both(YEAR_2023))).with_columns(
            value=pl.when(pl.col("metric") == "capex").then(-5.0).otherwise("value"),
            note=pl.lit("refund of deposits"),
        )
        assert capex_on(kf.schema.validate("fundamentals", refund), "2024-02-02")[0] == -5

    def test_dates_before_any_data_and_between_filings(self):
        table = facts(*both(YEAR_2023, HALF_2023, HALF_2024))
        found = ttm(table, "1999-12-31", "2024-02-02", "2024-08-01", "2024-08-02")
        assert found["capex"].to_list() == [100, 100, 130]


def theta(*rows):
    return pl.DataFrame(
        [("a", s, D(at), "assumed") for s, at in rows],
        schema=["asset_id", "share", "available_at", "provenance"],
        orient="row",
    )


def test_guidance_takes_the_next_period_end_and_its_latest_statement():
    rows = [
        ("2024-01-01", "2024-12-31", 10, 20, "2024-02-01"),
        ("2024-01-01", "2024-12-31", 30, 40, "2024-05-01"),
        ("2025-01-01", "2025-12-31", 90, 110, "2024-05-01"),
    ]
    table = kf.schema.validate(
        "capex_guidance",
        pl.DataFrame(
            [("a", D(s), D(e), float(lo), float(hi), "USD", D(at)) for s, e, lo, hi, at in rows],
            schema=["asset_id", "period_start", "period_end", "low", "high", "currency", "available_at"],
            orient="row",
        ),
    )
    at = ["2024-02-01", "2024-02-02", "2024-05-02", "2024-12-31", "2025-01-01", "2025-12-31", "2026-01-01"]
    found = asof.capex_guidance(table, score_dates(at), time=Time(), ttm=TrailingTwelveMonths())
    assert dict(found.select(pl.col("date").cast(pl.String), "guided").rows()) == {
        "2024-02-02": 15, "2024-05-02": 35, "2024-12-31": 35, "2025-01-01": 100, "2025-12-31": 100,
    }  # fmt: skip


def shares(*rows):
    return kf.schema.validate(
        "ai_revenue_share",
        pl.DataFrame(
            [("a", v, scope, D(end), D(at)) for scope, v, end, at in rows],
            schema=["asset_id", "share", "scope", "period_end", "available_at"],
            orient="row",
        ),
    )


def test_each_scope_has_its_own_latest_unexpired_period():
    table = shares(
        ("ai", 0.1, "2023-12-31", "2024-02-01"),
        ("data_center", 0.5, "2024-03-31", "2024-05-01"),
        ("ai", 0.9, "2023-09-30", "2024-06-01"),  # an older period, told later: never counts
        ("ai", 0.2, "2023-12-31", "2024-07-01"),  # a later vintage of the same period
    )
    at = score_dates(["2024-06-30", "2024-07-02", "2025-07-03", "2025-07-04", "2025-10-02", "2025-10-03"])
    found = asof.ai_revenue_share(table, at, time=Time())
    by_day = {str(day[0]): dict(rows.select("scope", "share").rows()) for day, rows in found.group_by("date")}
    assert by_day == {
        "2024-06-30": {"ai": 0.1, "data_center": 0.5},
        "2024-07-02": {"ai": 0.2, "data_center": 0.5},
        "2025-07-03": {"ai": 0.2, "data_center": 0.5},
        "2025-07-04": {"data_center": 0.5},
        "2025-10-02": {"data_center": 0.5},
    }


def ties(*rows):
    return kf.schema.validate(
        "revenue_ties",
        pl.DataFrame(
            [("s", c, c, v, D(end), D(at)) for c, v, end, at in rows],
            schema=[
                "supplier_id",
                "customer_id",
                "customer_label",
                "revenue_share",
                "period_end",
                "available_at",
            ],
            orient="row",
        ),
    )


def read_filings(*rows):
    frame = pl.DataFrame(
        [("s", D(end), D(at)) for end, at in rows],
        schema=["supplier_id", "period_end", "available_at"],
        orient="row",
    )
    return kf.schema.validate("tie_disclosures", frame)


def customers(table, disclosures, *days):
    found = asof.revenue_ties(table, disclosures, score_dates(list(days)), time=Time())
    return {str(day): sorted(found.filter(pl.col("date") == D(day))["customer_id"].to_list()) for day in days}


def test_a_set_of_ties_replaces_the_earlier_set_whole_and_expires():
    table = ties(
        ("x", 0.3, "2023-12-31", "2024-02-01"),
        ("y", 0.2, "2023-12-31", "2024-02-01"),
        ("y", 0.4, "2024-12-31", "2025-02-01"),
    )
    assert customers(table, None, "2024-02-01", "2024-02-02", "2025-02-01", "2025-02-02", "2026-07-04", "2026-07-05") == {
        "2024-02-01": [], "2024-02-02": ["x", "y"], "2025-02-01": ["x", "y"], "2025-02-02": ["y"],
        "2026-07-04": ["y"], "2026-07-05": [],
    }  # fmt: skip


def test_a_later_disclosure_without_names_empties_the_set():
    table = ties(("x", 0.3, "2023-12-31", "2024-02-01"))
    read = read_filings(("2023-12-31", "2024-02-01"), ("2024-03-31", "2024-05-01"))
    assert customers(table, read, "2024-04-30", "2024-05-02") == {"2024-04-30": ["x"], "2024-05-02": []}


def test_names_that_arrive_after_an_empty_reading_of_the_same_period_count_from_then():
    table = ties(("x", 0.3, "2023-12-31", "2024-02-01"), ("y", 0.3, "2024-03-31", "2024-06-01"))
    read = read_filings(("2024-03-31", "2024-05-01"))
    assert customers(table, read, "2024-04-30", "2024-05-02", "2024-06-02") == {
        "2024-04-30": ["x"], "2024-05-02": [], "2024-06-02": ["y"],
    }  # fmt: skip


def test_an_older_set_told_later_never_counts():
    table = ties(("x", 0.3, "2024-12-31", "2025-02-01"), ("y", 0.3, "2023-12-31", "2025-03-01"))
    assert customers(table, None, "2025-03-02") == {"2025-03-02": ["x"]}


def test_coverage_is_any_unexpired_row_of_a_weighty_scope():
    tables = kf.Tables(
        ai_revenue_share=shares(
            ("broad", 0.4, "2023-12-31", "2024-02-01"), ("ai", 0.4, "2024-12-31", "2025-02-01")
        ),
        tie_disclosures=read_filings(("2023-12-31", "2024-02-01")),
    )
    dates = score_dates(["2024-02-01", "2024-02-02", "2025-01-31", "2025-02-02"])
    found = asof.covered_suppliers(tables, dates, time=Time(), scopes=["ai", "data_center"])
    assert [(str(d), a) for d, a in found.rows()] == [
        ("2024-02-02", "s"), ("2025-01-31", "s"), ("2025-02-02", "a"), ("2025-02-02", "s"),
    ]  # fmt: skip


def memberships(*rows):
    frame = pl.DataFrame(
        [("m", a, D(s), e and D(e), D(at)) for a, s, e, at in rows],
        schema={
            "index_id": pl.String,
            "asset_id": pl.String,
            "start": pl.Date,
            "end": pl.Date,
            "available_at": pl.Date,
        },
        orient="row",
    )
    return kf.schema.validate("index_membership", frame)


def test_membership_counts_from_announcement_to_removal():
    table = memberships(
        ("a", "2024-06-24", "2024-12-23", "2024-06-14"), ("b", "2024-06-24", None, "2024-06-24")
    )
    dates = score_dates(["2024-06-14", "2024-06-15", "2024-06-25", "2024-12-22", "2024-12-23"])
    found = asof.index_membership(table, dates, time=Time())
    assert [(str(d), a) for d, a in found.select("date", "asset_id").rows()] == [
        ("2024-06-15", "a"), ("2024-06-25", "a"), ("2024-06-25", "b"), ("2024-12-22", "a"), ("2024-12-22", "b"),
        ("2024-12-23", "b"),
    ]  # fmt: skip
    known = asof.membership_known(table, dates, time=Time())["membership_known"].to_list()
    assert known == [False, True, True, True, True]


def test_rates_are_the_latest_known_and_missing_ones_are_an_error():
    fx = kf.schema.validate(
        "fx",
        pl.DataFrame({"date": [D("2024-01-31")], "currency": ["EUR"], "usd_per_unit": [1.1]}),
    )
    wanted = pl.DataFrame({"date": [D("2024-02-01"), D("2024-02-01")], "currency": ["EUR", "USD"]})
    options = {"time": Time(), "lag_days": 1, "what": "the pool"}
    assert asof.fx_rates(fx, wanted, **options).sort("currency")["usd_per_unit"].to_list() == [1.1, 1.0]
    for day in ("2024-01-31", "2024-03-04"):  # not yet known; too old
        late = wanted.with_columns(date=pl.lit(D(day)))
        with pytest.raises(
            kf.KifactorsError, match=rf"fx has no rate for EUR on {day} .* the pool needs one"
        ):
            asof.fx_rates(fx, late, **options)
    with pytest.raises(kf.KifactorsError, match="fx has no rate for EUR"):
        asof.fx_rates(None, wanted, **options)
