"""Factor exposures by asset name: vectors, gaps, bounds, ranges, alphas, views."""

from datetime import date

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.optimize
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import kifactors as kf
from kifactors.errors import DataError, DateError, InfeasibleError, MissingColumnError, UnmatchedAssetError
from kifactors.portfolio import FactorExposures, achievable_range

JANUARY, FEBRUARY = date(2024, 1, 31), date(2024, 2, 29)


def exposures(**options) -> FactorExposures:
    """A and B are chip makers, C a bank of unknown exposure, D a bank of exposure 0."""
    frame = pl.DataFrame({
        "date": [JANUARY] * 4 + [FEBRUARY] * 2,
        "asset": ["B", "A", "C", "D", "A", "B"],
        "exposure": [0.6, 0.2, None, 0.0, 0.3, 0.5],
        "score": [1.0, -0.5, None, -0.5, 0.1, 0.2],
        "industry": ["Chips", "Chips", "Banks", "Banks", "Chips", "Chips"],
        "market_cap": [3.0, 1.0, 9.0, None, 1.0, 1.0],
    })  # fmt: skip
    return FactorExposures(frame, options.get("units", {"exposure": "share"}))


@pytest.fixture(scope="module")
def scores():
    return kf.AIInfrastructureExposure().compute(kf.load_bundled(), kf.month_ends("2026-08", "2026-10"))


class TestVector:
    def test_order_is_that_of_the_names(self):
        for names in (["A", "B", "D"], ["D", "A", "B"]):
            found = exposures().vector(JANUARY, names)
            assert found.assets == tuple(names)
            assert found.column().tolist() == [{"A": 0.2, "B": 0.6, "D": 0.0}[name] for name in names]
            assert not found.imputed.any()
            assert found.as_of == JANUARY

    def test_the_newest_scores_by_the_day_count(self):
        assert exposures().vector("2024-02-28", ["A"]).as_of == JANUARY
        assert exposures().vector("2024-02-29", ["A"]).column().tolist() == [0.3]
        assert exposures().vector("2024-03-31", ["A"]).as_of == FEBRUARY

    def test_old_scores_are_refused(self):
        with pytest.raises(DateError, match="are of 2024-02-29, 46 days before; at most 45"):
            exposures().vector("2024-04-15", ["A"])
        assert exposures().vector("2024-04-15", ["A"], max_age_days=46).as_of == FEBRUARY
        with pytest.raises(DateError, match="no exposures by 2024-01-30; the first are of 2024-01-31"):
            exposures().vector("2024-01-30", ["A"])

    @pytest.mark.parametrize("name", ["C", "nobody"])
    def test_the_unknown_is_an_error(self, name):
        with pytest.raises(
            UnmatchedAssetError, match=f"1 of 2 assets have no known exposure on 2024-01-31: {name}"
        ):
            exposures().vector(JANUARY, ["A", name])

    def test_neutral_is_the_cap_weighted_mean_of_a_share(self):
        """(3 * 0.6 + 1 * 0.2) / 4; D has no cap."""
        found = exposures().vector(JANUARY, ["C", "A", "nobody"], missing="neutral")
        assert found.column().tolist() == pytest.approx([0.5, 0.2, 0.5])
        assert found.imputed.ravel().tolist() == [True, False, True]

    def test_neutral_is_0_of_a_standardized_score(self):
        found = exposures(units={"score": "z"}).vector(JANUARY, ["C", "A"], missing="neutral")
        assert found.column().tolist() == [0.0, -0.5]

    def test_industry_mean(self):
        found = exposures().vector(JANUARY, ["A", "C"], missing="industry_mean")
        assert found.column().tolist() == [0.2, 0.0]
        with pytest.raises(
            UnmatchedAssetError, match=r"nobody has no known exposure .* its industry \(unknown\)"
        ):
            exposures().vector(JANUARY, ["A", "nobody"], missing="industry_mean")

    def test_excluded_assets_are_named(self):
        found = exposures().vector(JANUARY, ["C", "B", "nobody"], missing="exclude")
        assert found.assets == ("B",)
        assert found.excluded == ("C", "nobody")
        assert found.matrix.tolist() == [[0.6]]

    def test_several_factors(self):
        found = exposures(units={"exposure": "share", "score": "z"}).vector(JANUARY, ["B", "A"])
        assert found.to_pandas().loc["A"].to_dict() == {"exposure": 0.2, "score": -0.5}
        assert found.to_series("score").to_dict() == {"B": 1.0, "A": -0.5}
        with pytest.raises(DataError, match="there are exposure, score"):
            found.column()

    @pytest.mark.parametrize(
        ("names", "said"),
        [(["A", "A"], "'A' is named twice"), ("AB", "is the text 'AB'"), ([1, 2], "an asset is 1")],
    )
    def test_names_are_texts_and_once_each(self, names, said):
        with pytest.raises(DataError, match=said):
            exposures().vector(JANUARY, names)

    def test_a_policy_has_one_of_four_names(self):
        with pytest.raises(DataError, match="missing is 'zero'; expected one of error, neutral"):
            exposures().vector(JANUARY, ["A"], missing="zero")

    def test_an_array_in_numpy(self):
        np.testing.assert_array_equal(np.asarray(exposures().vector(JANUARY, ["B", "A"])), [[0.6], [0.2]])


class TestBounds:
    def test_rows_are_upper_and_negative_lower(self):
        found = exposures().bounds(JANUARY, ["A", "B"], lower=0.3, upper=0.4)
        assert found.A.tolist() == [[0.2, 0.6], [-0.2, -0.6]]
        assert found.b.tolist() == [0.4, -0.3]
        assert found.labels == ("exposure <= 0.4", "exposure >= 0.3")
        assert found.violation([0.5, 0.5]) == 0.0
        assert found.violation([0.0, 1.0]) == pytest.approx(0.2)

    def test_a_benchmark_shifts_them(self):
        """Its exposure is 0.5 * 0.6 + 0.5 * 0; its names need not be held."""
        found = exposures().bounds(JANUARY, ["A", "B"], lower=0.05, benchmark={"D": 0.5, "B": 0.5})
        assert found.b.tolist() == [-0.35]

    def test_bounds_by_factor(self):
        both = exposures(units={"exposure": "share", "score": "z"})
        found = both.bounds(JANUARY, ["A", "B"], upper={"score": 0.1})
        assert found.A.tolist() == [[-0.5, 1.0]]
        with pytest.raises(MissingColumnError, match="'beta'; there are exposure, score"):
            both.bounds(JANUARY, ["A"], upper={"beta": 1.0})
        with pytest.raises(MissingColumnError, match="Name one of them"):
            both.bounds(JANUARY, ["A"], upper=1.0)

    def test_what_cannot_be_reached_is_said(self):
        found = exposures().bounds(JANUARY, ["A", "B", "D"], lower=0.7)
        with pytest.raises(InfeasibleError, match=r"cannot be in \[0\.7, inf\] .* reach 0 to 0\.6"):
            found.check_feasible()
        with pytest.raises(InfeasibleError, match=r"reach 0\.1 to 0\.4"):
            exposures().bounds(JANUARY, ["A", "B", "D"], lower=0.5).check_feasible(max_weight=0.5)
        exposures().bounds(JANUARY, ["A", "B", "D"], lower=0.6).check_feasible()

    @pytest.mark.parametrize("limits", [{}, {"lower": 0.4, "upper": 0.3}, {"upper": float("nan")}])
    def test_bounds_make_sense(self, limits):
        with pytest.raises(DataError):
            exposures().bounds(JANUARY, ["A"], **limits)

    def test_weights_by_position_are_refused(self):
        with pytest.raises(DataError, match="Numbers by position are not taken"):
            exposures().bounds(JANUARY, ["A"], upper=0.1, benchmark=[1.0])
        with pytest.raises(DataError, match="weights of A is nan"):
            exposures().exposure(JANUARY, {"A": float("nan")})


class TestRange:
    @settings(max_examples=200, deadline=None)
    @given(
        st.lists(
            st.tuples(st.floats(-2, 2), st.floats(-0.2, 0.3), st.floats(0, 0.8)), min_size=1, max_size=8
        ),
        st.floats(-0.5, 1.5),
    )
    def test_equals_a_linear_program(self, rows, total):
        x, low, width = map(np.array, zip(*rows, strict=True))
        high = low + width
        assume(low.sum() + 1e-6 < total < high.sum() - 1e-6)
        found = achievable_range(x, min_weight=low, max_weight=high, total=total)
        for sign, value in zip((1, -1), found, strict=True):
            done = scipy.optimize.linprog(
                sign * x, A_eq=np.ones((1, x.size)), b_eq=[total], bounds=np.column_stack([low, high])
            )
            assert value == pytest.approx(sign * done.fun, abs=1e-6)

    def test_weights_that_cannot_add_up(self):
        with pytest.raises(InfeasibleError, match=r"add to 0 to 0\.9, and 1 is asked for"):
            achievable_range([0.1, 0.2, 0.3], max_weight=0.3)

    def test_limits_in_order(self):
        with pytest.raises(DataError, match="above the largest"):
            achievable_range([0.1], min_weight=0.5, max_weight=0.4)


class TestAlphaAndView:
    def test_alpha_is_ic_times_volatility_times_score(self):
        z = exposures(units={"score": "z"})
        found = z.alpha(JANUARY, pd.Series({"A": 0.3, "B": 0.2, "C": 0.5}), ic=0.1, missing="neutral")
        assert found.round(12).to_dict() == {"A": -0.015, "B": 0.02, "C": 0.0}

    def test_alpha_needs_a_standardized_factor(self):
        with pytest.raises(DataError, match=r"exposure is a share in \[0, 1\]"):
            exposures().alpha(JANUARY, {"A": 0.3}, ic=0.1)

    @pytest.mark.parametrize("volatility", [-0.1, 25.0, float("nan")])
    def test_volatilities_are_fractions(self, volatility):
        with pytest.raises(DataError, match="volatility of A is"):
            exposures(units={"score": "z"}).alpha(JANUARY, {"A": volatility}, ic=0.1)

    def test_ic_is_a_correlation(self):
        with pytest.raises(DataError, match="ic is 5"):
            exposures(units={"score": "z"}).alpha(JANUARY, {"A": 0.3}, ic=5)

    def test_a_view_is_long_1_short_1(self):
        view = exposures().view(JANUARY, ["D", "B", "A"], expected_return=0.02, confidence=0.25)
        mean = 0.8 / 3
        np.testing.assert_allclose(view.P[0], np.array([-mean, 0.6 - mean, 0.2 - mean]) / (0.6 - mean))
        assert view.P[view.P > 0].sum() == pytest.approx(1.0)
        assert view.P.sum() == pytest.approx(0.0, abs=1e-15)

    def test_confidence_moves_the_posterior_as_far_as_it_says(self):
        """With one view the posterior mean of its portfolio lies c of the way from the prior to Q."""
        rng = np.random.default_rng(0)
        S = np.cov(rng.normal(size=(3, 50)))
        prior, tau = rng.normal(size=3) / 100, 0.05
        for confidence in (0.1, 0.5, 0.9):
            view = exposures().view(JANUARY, ["A", "B", "D"], expected_return=0.03, confidence=confidence)
            P, Q, omega = view.P, view.Q, view.omega(S, tau=tau)
            posterior = prior + tau * S @ P.T @ np.linalg.solve(tau * P @ S @ P.T + omega, Q - P @ prior)
            before, after = (P @ prior).item(), (P @ posterior).item()
            assert (after - before) / (0.03 - before) == pytest.approx(confidence)

    @pytest.mark.parametrize("options", [{"confidence": 1.0}, {"confidence": 0.0}, {"expected_return": 2.0}])
    def test_views_are_fractions(self, options):
        given_options = {"expected_return": 0.02, "confidence": 0.5} | options
        with pytest.raises(DataError, match="expected"):
            exposures().view(JANUARY, ["A", "B"], **given_options)

    def test_a_view_on_equal_assets_is_none(self):
        with pytest.raises(DataError, match="same exposure"):
            exposures().view(JANUARY, ["D"], expected_return=0.02, confidence=0.5)

    def test_covariance_fits(self):
        view = exposures().view(JANUARY, ["A", "B"], expected_return=0.02, confidence=0.5)
        with pytest.raises(DataError, match=r"covariance is \(3, 3\); expected \(2, 2\)"):
            view.omega(np.eye(3))


class TestFromScores:
    def test_names_by_ticker(self, scores):
        found = FactorExposures.from_scores(scores, names="ticker").vector("2026-10-31", ["NVDA", "MSFT"])
        frame = scores.at("2026-10-31").to_polars()
        expected = [frame.filter(ticker=name)["exposure"].item() for name in ("NVDA", "MSFT")]
        assert found.column().tolist() == expected

    def test_units_come_from_the_schema(self, scores):
        found = FactorExposures.from_scores(scores, ["exposure", "score", "coverage"])
        assert found.units == {"exposure": "share", "score": "z", "coverage": "share"}
        with pytest.raises(DataError, match="abnormal_capex is neither"):
            FactorExposures.from_scores(scores, "abnormal_capex")
        with pytest.raises(MissingColumnError, match="no column 'beta'"):
            FactorExposures.from_scores(scores, "beta")

    def test_wide_is_the_scores(self, scores):
        found = FactorExposures.from_scores(scores).wide()
        assert found.equals(scores.wide("exposure"))

    def test_the_universe_adds_industries(self, scores):
        frame = scores.to_polars()
        universe = frame.select("date", "asset_id", industry=pl.lit("all"), market_cap=1.0)
        found = FactorExposures.from_scores(scores, universe=universe)
        unknown = (
            scores.at("2026-10-31").to_polars().filter(pl.col("exposure").is_null())["asset_id"].to_list()
        )
        mean = scores.at("2026-10-31").to_polars()["exposure"].mean()
        for policy in ("neutral", "industry_mean"):
            imputed = found.vector("2026-10-31", unknown[:2], missing=policy)
            assert imputed.column().tolist() == pytest.approx([mean, mean])
        with pytest.raises(DataError, match=r"pass universe= to FactorExposures\.from_scores"):
            FactorExposures.from_scores(scores).vector("2026-10-31", unknown[:2], missing="industry_mean")

    def test_two_assets_of_one_name_are_refused(self):
        frame = pl.DataFrame({"date": [JANUARY] * 2, "asset": ["A", "A"], "exposure": [0.1, 0.2]})
        with pytest.raises(DataError, match=r"one key \(date, asset\) .* asset='A'"):
            FactorExposures(frame, {"exposure": "share"})

    @pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), float("inf")])
    def test_shares_are_shares(self, value):
        frame = pl.DataFrame({"date": [JANUARY], "asset": ["A"], "exposure": [value]})
        with pytest.raises(DataError, match=r"column 'exposure' .* asset='A'"):
            FactorExposures(frame, {"exposure": "share"})

    def test_the_representation_says_what_it_is(self):
        assert repr(exposures()) == "FactorExposures(exposure (share); 2 date(s), 2024-01-31 to 2024-02-29)"


class TestByName:
    """What has names is taken by them; what is no number is no weight."""

    @pytest.fixture
    def bounds(self):
        frame = pl.DataFrame({"date": [JANUARY] * 2, "asset": ["A", "B"], "e": [0.1, 0.9]})
        return FactorExposures(frame, {"e": "share"}).bounds(JANUARY, ["A", "B"], lower=0.1, upper=0.2)

    def test_weights_of_a_violation(self, bounds):
        held = pd.Series({"B": 0.1, "A": 0.9})
        assert (
            bounds.violation(held)
            == bounds.violation(held[::-1])
            == bounds.violation({"A": 0.9, "B": 0.1})
            == 0.0
        )
        assert bounds.violation([0.1, 0.9]) == pytest.approx(0.62)

    @pytest.mark.parametrize(
        "weights", [[np.nan, np.nan], [np.nan, 1.0], None, [1.0, 0.0, 0.0], {"A": 1.0}, ["x", 1]]
    )
    def test_weights_that_are_none(self, bounds, weights):
        with pytest.raises(DataError):
            bounds.violation(weights)

    def test_limits_of_a_range(self):
        x, limit = pd.Series({"A": 0.0, "B": 1.0}), pd.Series({"B": 0.25, "A": 1.0})
        assert (
            achievable_range(x, max_weight=limit)
            == achievable_range([0.0, 1.0], max_weight=[1.0, 0.25])
            == (0.0, 0.25)
        )
        with pytest.raises(DataError, match="Give both by name"):
            achievable_range([0.0, 1.0], max_weight=limit)
        with pytest.raises(DataError, match="total is nan"):
            achievable_range(x, total=float("nan"))

    def test_covariance_of_a_view(self):
        frame = pl.DataFrame({"date": [JANUARY] * 3, "asset": list("ABC"), "e": [0.1, 0.2, 0.6]})
        view = FactorExposures(frame, {"e": "share"}).view(
            JANUARY, list("ABC"), expected_return=0.02, confidence=0.5
        )
        V = pd.DataFrame(np.diag([0.04, 0.09, 0.16]), list("ABC"), list("ABC"))
        other = V.loc[["C", "B", "A"], ["C", "B", "A"]]
        assert view.omega(V) == view.omega(other) == view.omega(V.to_numpy())
        for wrong, tau in (
            (V * np.nan, 0.05),
            (-V, 0.05),
            (V, 0.0),
            (V.iloc[:2, :2], 0.05),
            (np.eye(2), 0.05),
        ):
            with pytest.raises(DataError):
                view.omega(wrong, tau=tau)


class TestUnknownBenchmark:
    """What a benchmark holds and nobody knows stands beside the bounds."""

    @pytest.mark.parametrize(("missing", "bound"), [("exclude", 0.3), ("neutral", 0.5)])
    def test_it_is_marked(self, missing, bound):
        frame = pl.DataFrame({"date": [JANUARY] * 3, "asset": list("ABC"), "e": [0.2, 0.6, None]})
        found = FactorExposures(frame, {"e": "share"}).bounds(
            JANUARY, ["A", "B"], upper=0.0, benchmark={"B": 0.5, "C": 0.5}, missing=missing
        )
        assert found.b.tolist() == pytest.approx([bound])
        assert found.benchmark.unknown_weight == 0.5
        assert found.benchmark["e"] == found.benchmark[0] == pytest.approx(bound)
        assert (found.benchmark.exposures.excluded == ("C",)) == (missing == "exclude")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"date": [None]}, "'date'.* must not be null"),
        ({"asset": [None]}, "'asset'.* must not be null"),
        ({"asset": [7]}, "expected String"),
        ({"market_cap": [float("nan")]}, "'market_cap' is NaN"),
        ({"market_cap": [-1.0]}, "'market_cap' must be in"),
        ({"market_cap": ["x"]}, "'market_cap' is String"),
        ({"e": ["x"]}, "'e' is String"),
    ],
)
def test_a_cell_that_is_no_exposure(change, said):
    frame = {"date": [JANUARY], "asset": ["A"], "e": [0.1], "market_cap": [1.0], **change}
    with pytest.raises(DataError, match=said):
        FactorExposures(frame, {"e": "share"})


def test_exposures_come_in_any_form():
    frame = pl.DataFrame({"date": [JANUARY], "asset": ["A"], "e": [0.1]})
    for form in (frame, frame.lazy(), frame.to_arrow(), frame.to_pandas(), frame.to_dict(as_series=False)):
        assert FactorExposures(form, {"e": "share"}).vector(JANUARY, ["A"]).matrix.item() == 0.1
    with pytest.raises(DataError, match="a factor is named 'date'"):
        FactorExposures(frame, {"date": "share"})


def test_names_are_one_of_two():
    scores = kf.AIInfrastructureExposure().compute(kf.load_bundled(), ["2026-10-31"])
    with pytest.raises(DataError, match="names is 'cusip'"):
        FactorExposures.from_scores(scores, names="cusip")
    caps = {"date": [date(2026, 10, 31)], "asset_id": ["cik:0001045810"], "market_cap": [4e12]}
    assert FactorExposures.from_scores(scores, universe=caps).to_polars()["market_cap"].count() == 1
    with pytest.raises(DataError, match="market_cap"):
        FactorExposures.from_scores(scores, universe={**caps, "market_cap": [-1.0]})


def test_a_bound_of_infinity_is_none():
    frame = pl.DataFrame({"date": [JANUARY], "asset": ["A"], "e": [0.1]})
    for wrong in ({"lower": float("inf")}, {"upper": float("-inf")}):
        with pytest.raises(DataError, match="leave out what is no bound"):
            FactorExposures(frame, {"e": "share"}).bounds(JANUARY, ["A"], **wrong)
    series = FactorExposures(frame, {"e": "share"}).bounds(JANUARY, ["A"], lower=pd.Series({"e": 0.05}))
    assert series.lower.tolist() == [0.05]


def test_a_bound_in_per_cent_is_refused():
    with pytest.raises(DataError, match=r"a bound on exposure is 40; it is a share in .0, 1.: 0.4 for 40 %"):
        exposures().bounds(JANUARY, ["A"], upper=40)
