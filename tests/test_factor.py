"""From tables to scores: what the universe, currencies, weights and the definition do, on small hand-made worlds."""

from datetime import date

import numpy as np
import polars as pl
import pytest

import kifactors as kf
from kifactors import definition as parts
from kifactors.errors import DataError, DateError, MissingRateError

DAY = date(2024, 6, 28)
KNOWN = date(2024, 2, 1)


def theta(**shares):
    names = list(shares)
    return pl.DataFrame({"asset_id": names, "share": [float(v) for v in shares.values()]}).with_columns(
        available_at=pl.lit(KNOWN), provenance=pl.lit("assumed")
    )


def year(asset, capex, revenue, currency="USD"):
    return pl.DataFrame({"metric": ["capex", "revenue"], "value": [float(capex), float(revenue)]}).with_columns(
        asset_id=pl.lit(asset), period_start=date(2023, 1, 1), period_end=date(2023, 12, 31),
        currency=pl.lit(currency), available_at=KNOWN,
    )  # fmt: skip


def ai_shares(**shares):
    return pl.DataFrame(
        {"asset_id": list(shares), "share": [float(v) for v in shares.values()]}
    ).with_columns(scope=pl.lit("ai"), period_end=date(2023, 12, 31), available_at=KNOWN)


def universe(assets, **columns):
    return pl.DataFrame({"asset_id": assets, **columns}).with_columns(date=pl.lit(DAY))


def members(*assets, index="m", **columns):
    return pl.DataFrame({"asset_id": list(assets), **columns}).with_columns(
        index_id=pl.lit(index),
        start=date(2020, 1, 1),
        end=pl.lit(None, pl.Date),
        available_at=date(2020, 1, 1),
    )


def compute(dates=(DAY,), definition=None, **tables):
    frame = kf.AIInfrastructureExposure(definition).compute(kf.Tables(**tables), list(dates)).to_polars()
    return {row["asset_id"]: row for row in frame.iter_rows(named=True)}


class TestCapexIntensity:
    def test_theta_zero_is_exactly_zero_without_fundamentals(self):
        row = compute(ai_capex_share=theta(a=0))["a"]
        assert [
            row[n] for n in ("capex_to_revenue", "abnormal_capex", "capex_pool_share", "guided_capex")
        ] == [0.0] * 4

    def test_theta_above_zero_without_fundamentals_is_unknown(self):
        row = compute(ai_capex_share=theta(a=0.5))["a"]
        assert row["capex_to_revenue"] is None
        assert row["role"] == "unknown"

    def test_an_unchanged_ratio_is_no_abnormal_capex(self):
        """Four years of 10 %, in floating point: ln(1 + 1e-16) would be scaled to scores of order 1."""
        years = [(2020, 3e7), (2021, 7e7), (2022, 11e7), (2023, 13e7)]
        facts = pl.concat(
            year("a", 0.1 * revenue, revenue).with_columns(
                period_start=date(y, 1, 1), period_end=date(y, 12, 31)
            )
            for y, revenue in years
        )
        row = compute(ai_capex_share=theta(a=0.5), fundamentals=facts)["a"]
        assert row["abnormal_capex"] == 0.0
        assert row["capex_to_revenue"] == pytest.approx(0.05)

    def test_a_company_that_is_not_listed_has_theta_zero(self):
        assert compute(fundamentals=year("a", 50e6, 100e6))["a"]["capex_to_revenue"] == 0.0

    @pytest.mark.parametrize(("revenue", "expected"), [(10e6, 0.5), (9.9e6, None), (0, None), (4e6, None)])
    def test_small_revenue_gives_no_ratio(self, revenue, expected):
        row = compute(ai_capex_share=theta(a=1), fundamentals=year("a", 5e6, revenue))["a"]
        assert row["capex_to_revenue"] == expected
        assert row["capex_pool_share"] == 1.0

    def test_intensity_above_one_counts_as_one_and_refunds_as_zero(self):
        facts = pl.concat([year("a", 300e6, 100e6), year("b", -1e6, 100e6)]).with_columns(
            note=pl.lit("refund")
        )
        rows = compute(ai_capex_share=theta(a=0.8, b=0.8), fundamentals=facts)
        assert [rows[n]["capex_to_revenue"] for n in "ab"] == [0.8, 0.0]
        assert [rows[n]["capex_pool_share"] for n in "ab"] == [1.0, 0.0]

    def test_the_pool_adds_dollars(self):
        facts = pl.concat([year("a", 100e6, 1e9), year("b", 200e6, 1e9, "EUR")])
        fx = pl.DataFrame({"date": [date(2024, 6, 20)], "currency": ["EUR"], "usd_per_unit": [1.5]})
        rows = compute(ai_capex_share=theta(a=0.5, b=0.5), fundamentals=facts, fx=fx)
        assert [rows[n]["capex_pool_share"] for n in "ab"] == [0.25, 0.75]

    def test_a_missing_rate_is_an_error(self):
        facts = year("b", 200e6, 1e9, "EUR")
        with pytest.raises(MissingRateError, match=r"fx has no rate for EUR on 2024-06-28.*capex_pool_share"):
            compute(ai_capex_share=theta(b=0.5), fundamentals=facts)
        assert compute(ai_capex_share=theta(b=0), fundamentals=facts)["b"]["capex_pool_share"] == 0.0

    def test_guidance_is_converted_at_the_rate_of_its_day(self):
        guidance = pl.DataFrame(
            {"asset_id": ["a"], "low": [300e6], "high": [300e6], "currency": ["EUR"]}
        ).with_columns(
            period_start=date(2024, 1, 1), period_end=date(2024, 12, 31), available_at=date(2024, 3, 1)
        )
        fx = pl.DataFrame(
            {
                "date": [date(2024, 3, 1), date(2024, 6, 1)],
                "currency": ["EUR"] * 2,
                "usd_per_unit": [1.2, 9.0],
            }
        )
        tables = {
            "ai_capex_share": theta(a=0.5),
            "fundamentals": year("a", 200e6, 1e9),
            "capex_guidance": guidance,
        }
        assert compute(**tables, fx=fx)["a"]["guided_capex"] == pytest.approx(
            0.5 * (360 / 200 - 1), abs=1e-12
        )
        with pytest.raises(MissingRateError, match="EUR on 2024-03-01"):
            compute(**tables)

    def test_the_pool_contains_live_assets_outside_the_universe(self):
        facts = pl.concat([year("a", 100e6, 1e9), year("b", 300e6, 1e9)])
        rows = compute(ai_capex_share=theta(a=1, b=1), fundamentals=facts, universe=universe(["a"]))
        assert list(rows) == ["a"]
        assert rows["a"]["capex_pool_share"] == 0.25


class TestSupplierTies:
    def test_scopes_are_discounted_and_the_largest_counts(self):
        shares = pl.concat([ai_shares(a=0.3), ai_shares(a=0.5).with_columns(scope=pl.lit("data_center")),
                            ai_shares(a=0.9).with_columns(scope=pl.lit("broad"))])  # fmt: skip
        row = compute(ai_revenue_share=shares)["a"]
        assert (row["ai_revenue"], row["ai_revenue_high"]) == (0.4, 1.0)

    def test_broad_alone_does_not_cover(self):
        shares = ai_shares(a=0.9).with_columns(scope=pl.lit("broad"))
        assert compute(ai_revenue_share=shares)["a"]["ai_revenue"] is None

    def test_covered_without_ties_is_zero_and_uncovered_is_null(self):
        read = pl.DataFrame(
            {"supplier_id": ["a"], "period_end": [date(2023, 12, 31)], "available_at": [KNOWN]}
        )
        rows = compute(tie_disclosures=read, ai_capex_share=theta(b=0))
        assert (rows["a"]["ai_revenue"], rows["a"]["ai_revenue_high"], rows["a"]["demand_growth"]) == (
            0.0,
            1.0,
            0.0,
        )
        assert rows["a"]["role"] == "none"
        assert rows["b"]["ai_revenue"] is None

    def test_uncovered_zero_says_so_in_the_result(self):
        definition = kf.FactorDefinition(supplier_ties=parts.SupplierTies(uncovered="zero"))
        tables = kf.Tables(ai_capex_share=theta(b=0))
        scores = kf.AIInfrastructureExposure(definition).compute(tables, [DAY])
        assert scores.to_polars()["exposure"].to_list() == [0.0]
        assert b'"uncovered": "zero"' in scores.to_arrow().schema.metadata[b"kifactors"]


class TestIndexMembership:
    def relevance(self, **options):
        tables = {"ai_revenue_share": ai_shares(a=0.8, b=0.4, c=0.2), **options}
        return {a: row["index_relevance"] for a, row in compute(**tables).items()}

    def test_weights_of_the_index(self):
        found = self.relevance(index_membership=members("a", "b", "c", weight=[6.0, 3.0, 1.0]))
        assert found["a"] == pytest.approx((3 * 0.4 + 1 * 0.2) / 4, abs=1e-12)

    def test_market_caps_and_a_missing_one(self):
        caps = universe(["a", "b", "c"], market_cap=[100.0, None, 300.0])
        found = self.relevance(index_membership=members("a", "b", "c"), universe=caps)
        assert found == pytest.approx({"a": 0.2, "b": (100 * 0.8 + 300 * 0.2) / 400, "c": 0.8}, abs=1e-12)

    def test_two_indices_and_one_that_holds_only_the_asset(self):
        both = pl.concat([members("a", "b"), members("a", "c", index="n"), members("a", index="o")])
        found = self.relevance(index_membership=both)
        assert found["a"] == pytest.approx(1 - (1 - 0.4) * (1 - 0.2), abs=1e-12)

    def test_null_before_any_membership_zero_outside(self):
        table = members("b", "c").with_columns(available_at=date(2024, 7, 1), start=date(2024, 7, 1))
        assert set(self.relevance(index_membership=table).values()) == {None}
        assert self.relevance(index_membership=members("b", "c"))["a"] == 0.0
        assert set(self.relevance().values()) == {None}


class TestComposite:
    def test_roles(self):
        facts = pl.concat([year(n, 100e6, 1e9) for n in ("pioneer", "both")])
        rows = compute(
            ai_capex_share=theta(pioneer=1, both=1, unknown=1),
            fundamentals=facts,
            ai_revenue_share=ai_shares(
                both=0.5, supplier=0.5, member=0.0, nothing=0.0, below=0.0199, at=0.02
            ),
            index_membership=members("member", "supplier"),
        )
        assert {name: row["role"] for name, row in rows.items()} == {
            "at": "tool_supplier", "below": "none", "both": "both", "member": "index_only", "nothing": "none",
            "pioneer": "pioneer", "supplier": "tool_supplier", "unknown": "unknown",
        }  # fmt: skip

    def test_a_missing_pillar_never_beats_a_known_zero(self):
        facts = pl.concat([year("p", 100e6, 1e9), year("q", 100e6, 1e9)])
        rows = compute(
            ai_capex_share=theta(p=1, q=1), fundamentals=facts, ai_revenue_share=ai_shares(q=0.0, s=0.5)
        )
        assert rows["p"]["score_supplier_ties"] is None
        assert rows["q"]["score_supplier_ties"] == 0.0
        assert rows["p"]["score"] == rows["q"]["score"]
        assert rows["p"]["coverage"] == pytest.approx(0.4)
        assert rows["q"]["coverage"] == pytest.approx(0.85)

    def test_the_market_itself_scores_zero(self):
        caps = [4e9, 1e9, 5e9]
        rows = compute(
            ai_revenue_share=ai_shares(a=0.6, b=0.3, c=0.0),
            universe=universe(["a", "b", "c"], market_cap=caps),
        )
        scores = [rows[n]["score"] for n in "abc"]
        assert np.average(scores, weights=caps) == pytest.approx(0, abs=1e-12)
        assert np.mean(np.square(scores[:2])) == pytest.approx(1, abs=1e-12)

    def test_a_null_cap_is_scored_but_not_counted(self):
        def with_cap(cap):
            rows = compute(
                ai_revenue_share=ai_shares(a=0.6, b=0.3, c=0.0, d=0.9),
                universe=universe(list("abcd"), market_cap=[4e9, 1e9, 5e9, cap]),
            )
            return rows["a"]["score"], rows["d"]["score"]

        without = compute(
            ai_revenue_share=ai_shares(a=0.6, b=0.3, c=0.0),
            universe=universe(list("abc"), market_cap=[4e9, 1e9, 5e9]),
        )
        assert with_cap(None)[0] == without["a"]["score"]
        assert with_cap(None)[1] > with_cap(None)[0]

    def test_estimation_universe(self):
        mask = universe(list("abc"), estimation=[True, True, False])
        rows = compute(ai_revenue_share=ai_shares(a=0.6, b=0.3, c=0.9), universe=mask)
        pair = compute(ai_revenue_share=ai_shares(a=0.6, b=0.3), universe=universe(list("ab")))
        assert [rows[n]["score"] for n in "ab"] == [pair[n]["score"] for n in "ab"]

    def test_neutral_score_against_least_squares(self):
        rng = np.random.default_rng(5)
        names = [f"a{n:02}" for n in range(30)]
        industry = rng.choice(["chips", "cloud", "power"], 30)
        caps = rng.lognormal(23, 1, 30)
        rows = compute(
            ai_revenue_share=ai_shares(**dict(zip(names, rng.random(30), strict=True))),
            universe=universe(names, industry=industry, market_cap=caps),
        )
        score = np.array([rows[n]["score"] for n in names])
        design = np.column_stack([industry == i for i in np.unique(industry)] + [np.log(caps)]).astype(float)
        root = caps**0.25
        beta = np.linalg.lstsq(design * root[:, None], score * root, rcond=None)[0]
        assert [rows[n]["neutral_score"] for n in names] == pytest.approx(
            list(score - design @ beta), abs=1e-9
        )
        assert [rows[n]["score_fitted"] for n in names] == pytest.approx(list(design @ beta), abs=1e-9)

    def test_neutral_score_reasons(self):
        def reason(**columns):
            names = list("abc")
            tables = kf.Tables(
                ai_revenue_share=ai_shares(a=0.5, b=0.2, c=0.1), universe=universe(names, **columns)
            )
            scores = kf.AIInfrastructureExposure().compute(tables, [DAY])
            return scores.diagnostics["neutral_score"].item(), scores.to_polars()[
                "neutral_score"
            ].null_count()

        assert reason() == ("the universe has no industries", 3)
        assert reason(industry=["x", "x", "x"]) == ("fitted", 0)
        assert reason(industry=["x", "y", "z"]) == ("fewer than one residual degree of freedom", 3)
        flat = {"industry": ["x"] * 3, "market_cap": [1e9] * 3}
        assert reason(**flat) == ("controls do not vary within industries", 3)

    def test_imputation_is_not_a_score(self):
        rows = compute(
            ai_revenue_share=ai_shares(a=0.5, b=0.2, c=0.1),
            universe=universe(list("abcd"), industry=["x"] * 4),
        )
        assert rows["d"]["score"] is None
        assert rows["d"]["neutral_score"] is None
        assert rows["d"]["score_fitted"] == pytest.approx(np.mean([rows[n]["score"] for n in "abc"]))

    def test_dense_scaling_is_offered(self):
        definition = kf.FactorDefinition(scaling=parts.Scaling(method="dense"))
        rows = compute(definition=definition, ai_revenue_share=ai_shares(a=0.6, b=0.3, c=0.0))
        assert rows["b"]["score_supplier_ties"] == pytest.approx(0, abs=1e-12)
        assert rows["a"]["score_supplier_ties"] == pytest.approx(-rows["c"]["score_supplier_ties"])

    def test_nobody_exposed_scores_zero(self):
        rows = compute(ai_revenue_share=ai_shares(a=0, b=0))
        assert [rows[n]["score"] for n in "ab"] == [0.0, 0.0]


class TestDatesAndUniverse:
    def test_a_date_before_any_data_has_no_rows_and_can_be_asked_for(self):
        scores = kf.AIInfrastructureExposure().compute(
            kf.Tables(ai_revenue_share=ai_shares(a=0.5)), ["1990-01-31", DAY]
        )
        assert len(scores.at("1990-01-31")) == 0
        assert len(scores) == 1
        assert scores.diagnostics["assets"].to_list() == [0, 1]

    def test_a_universe_is_scored_before_any_data_as_unknown(self):
        day = date(2010, 1, 29)
        rows = compute(
            [day], ai_revenue_share=ai_shares(a=0.5), universe=universe(["a", "z"]).with_columns(date=day)
        )
        assert {n: row["role"] for n, row in rows.items()} == {"a": "unknown", "z": "unknown"}

    def test_a_date_the_universe_does_not_have(self):
        tables = kf.Tables(ai_revenue_share=ai_shares(a=0.5), universe=universe(["a"]))
        factor = kf.AIInfrastructureExposure()
        with pytest.raises(DateError, match=r"universe has no rows on 2024-06-30 .* is 2024-06-28"):
            factor.compute(tables, ["2024-06-28", "2024-06-30"])
        assert len(factor.compute(tables, ["2024-05-31", "2024-06-28"])) == 1

    @pytest.mark.parametrize(
        ("dates", "message"),
        [
            ([], "dates is empty"),
            (["2024-02-29", "2024-01-31"], "must ascend"),
            ("2024-01-31", "single value"),
        ],
    )
    def test_bad_dates(self, dates, message):
        with pytest.raises(DateError, match=message):
            kf.AIInfrastructureExposure().compute(kf.Tables(ai_revenue_share=ai_shares(a=0.5)), dates)

    def test_only_tables_are_taken(self):
        with pytest.raises(DataError, match=r"expected kf.Tables"):
            kf.AIInfrastructureExposure().compute({"fundamentals": year("a", 1, 2)}, [DAY])
        with pytest.raises(DataError, match="expected a FactorDefinition"):
            kf.AIInfrastructureExposure("my.toml")

    @pytest.mark.parametrize("name", ["fx", "universe", "revenue_ties"])
    def test_any_single_table_computes(self, name):
        single = {
            "fx": pl.DataFrame({"date": [DAY], "currency": ["EUR"], "usd_per_unit": [1.1]}),
            "universe": universe(["a"]),
            "revenue_ties": pl.DataFrame({"supplier_id": ["a"], "customer_id": ["b"], "customer_label": ["B"],
                "revenue_share": [0.3], "period_end": [date(2023, 12, 31)], "available_at": [KNOWN]}),
        }[name]  # fmt: skip
        assert set(compute(**{name: single})) == ({"a"} if name != "fx" else set())

    def test_progress_is_reported(self):
        seen = []
        dates = kf.month_ends("2022-01", "2024-12")
        kf.AIInfrastructureExposure().compute(
            kf.Tables(ai_revenue_share=ai_shares(a=0.5)),
            dates,
            progress=lambda done, total: seen.append((done, total)),
        )
        assert seen[-1] == (36, 36)

    def test_names_are_those_of_the_date(self):
        names = pl.DataFrame({"asset_id": ["a", "a"], "ticker": ["OLD", "NEW"], "valid_from": [None, date(2024, 6, 1)],
                              "valid_to": [date(2024, 6, 1), None]})  # fmt: skip
        tables = kf.Tables(ai_revenue_share=ai_shares(a=0.5), assets=names)
        scores = kf.AIInfrastructureExposure().compute(tables, ["2024-05-31", "2024-06-28"])
        assert scores.to_polars()["ticker"].to_list() == ["OLD", "NEW"]


def test_an_old_rate_never_converts_whatever_the_lag():
    facts = year("a", 200e6, 1e9, "EUR").with_columns(available_at=date(2024, 1, 2))
    fx = pl.DataFrame({"date": [date(2024, 5, 1)], "currency": ["EUR"], "usd_per_unit": [1.1]})
    definition = kf.FactorDefinition(time=parts.Time(lag_days=40))
    tables = {
        "ai_capex_share": theta(a=1).with_columns(available_at=date(2024, 1, 2)),
        "fundamentals": facts,
        "fx": fx,
    }
    with pytest.raises(MissingRateError, match="EUR on 2024-06-10"):
        compute([date(2024, 6, 10)], definition, **tables)


def test_the_upper_bound_does_not_stop_after_some_tiers():
    ties = pl.DataFrame(
        {
            "supplier_id": ["a", "b"],
            "customer_id": ["b", "c"],
            "customer_label": ["B", "C"],
            "revenue_share": [0.4, 0.5],
        }
    ).with_columns(period_end=date(2023, 12, 31), available_at=KNOWN)
    for tiers, expected in ((0, 0.0), (1, 0.0), (2, 0.06), (None, 0.06)):
        definition = kf.FactorDefinition(supplier_ties=parts.SupplierTies(max_tiers=tiers))
        row = compute(definition=definition, revenue_ties=ties, ai_capex_share=theta(c=0.6))["a"]
        assert row["ai_revenue"] == pytest.approx(expected, abs=1e-12)
        assert row["ai_revenue_high"] == pytest.approx(0.6 + 0.4 * 0.5 * (0.5 + 0.5 * 0.8), abs=1e-9)
