"""PyPortfolioOpt: bounds hold, names decide, gaps follow their policy, and what cannot be is said with its range."""

import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.optimize

from kifactors.errors import DataError, InfeasibleError, MissingExtraError, UnmatchedAssetError
from kifactors.portfolio import FactorExposures
from kifactors.portfolio.pypfopt import add_exposure_bounds, black_litterman, expected_returns, solve

library = pytest.importorskip(
    "pypfopt", reason="PyPortfolioOpt is an extra: pip install 'kifactors[pypfopt]'"
)

pytestmark = pytest.mark.portfolio

DAY = "2024-01-31"
NAMES = [f"N{i:02d}" for i in range(12)]
UNKNOWN = "N03"
# Optimisers stop near a bound, not on it.
TOLERANCE = 1e-6
METHODS = {
    "min_volatility": (),
    "max_sharpe": (),
    "max_quadratic_utility": (5,),
    "efficient_risk": (0.05,),
    "efficient_return": (0.012,),
}


@pytest.fixture(scope="module")
def market():
    """Simulated returns of 12 assets: expected returns and covariance per month."""
    rng = np.random.default_rng(11)
    returns = rng.normal(0.01, 0.05, (200, 12)) * rng.uniform(0.5, 2.0, 12)
    returns = pd.DataFrame(returns, columns=NAMES)
    return returns.mean(), returns.cov(), returns


def exposures(unknown=(), units=None) -> FactorExposures:
    """Exposures 0, 1/11 ... 1 and scores around 0; two industries, the even and the odd."""
    share = [None if name in unknown else i / 11 for i, name in enumerate(NAMES)]
    frame = pl.DataFrame({
        "asset": NAMES,
        "exposure": share,
        "score": [None if x is None else 2.0 * x - 1.0 for x in share],
        "industry": ["even", "odd"] * 6,
    }).with_columns(date=pl.lit(DAY).str.to_date())  # fmt: skip
    return FactorExposures(frame, units or {"exposure": "share"})


def frontier(market, names=NAMES, **options):
    """An interior-point solver: OSQP, cvxpy's choice, stops at 1e-5."""
    mu, S, _ = market
    given = {"weight_bounds": (0, 0.4), "solver": "CLARABEL", **options}
    return library.EfficientFrontier(mu[names], S.loc[names, names], **given)


class TestBounds:
    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize(
        ("lower", "upper"),
        [(None, 0.3), (0.7, None), (0.3, 0.3), (0.29, 0.3)],
        ids=["upper", "lower", "equal", "band"],
    )
    def test_hold(self, market, method, lower, upper):
        x, ef = exposures(), frontier(market)
        bounds = add_exposure_bounds(ef, x, DAY, lower=lower, upper=upper)
        weights = solve(ef, bounds, method, *METHODS[method])
        found = x.exposure(DAY, weights)[0]
        assert (lower or 0.0) - TOLERANCE <= found <= (upper or 1.0) + TOLERANCE
        assert sum(weights.values()) == pytest.approx(1.0)
        # It binds: without it the exposure is elsewhere.
        free = x.exposure(DAY, getattr(frontier(market), method)(*METHODS[method]))[0]
        assert not (lower or 0.0) <= free <= (upper or 1.0)

    def test_on_the_exposure_less_the_benchmark(self, market):
        x, ef = exposures(), frontier(market)
        benchmark = {"N11": 0.5, "N05": 0.5}
        bounds = add_exposure_bounds(ef, x, DAY, lower=0.05, upper=0.05, benchmark=benchmark)
        weights = solve(ef, bounds, "min_volatility")
        assert x.exposure(DAY, weights)[0] - (0.5 * 1.0 + 0.5 * 5 / 11) == pytest.approx(0.05, abs=TOLERANCE)

    def test_two_factors(self, market):
        x, ef = exposures(units={"exposure": "share", "score": "z"}), frontier(market)
        bounds = add_exposure_bounds(ef, x, DAY, lower={"score": -0.5}, upper={"exposure": 0.3})
        share, score = x.exposure(DAY, solve(ef, bounds, "min_volatility"))
        assert score >= -0.5 - TOLERANCE
        assert share <= 0.3 + TOLERANCE

    def test_market_neutral(self, market):
        x, ef = exposures(), frontier(market, weight_bounds=(-0.5, 0.5))
        bounds = add_exposure_bounds(ef, x, DAY, lower=0.2, upper=0.2, total=0.0)
        weights = solve(ef, bounds, "max_quadratic_utility", 1, market_neutral=True)
        assert sum(weights.values()) == pytest.approx(0.0, abs=TOLERANCE)
        assert x.exposure(DAY, weights)[0] == pytest.approx(0.2, abs=TOLERANCE)

    def test_frontiers_of_other_risks(self, market):
        mu, _, returns = market
        x, ef = exposures(), library.EfficientCVaR(mu, returns)
        bounds = add_exposure_bounds(ef, x, DAY, upper=0.25)
        assert x.exposure(DAY, solve(ef, bounds, "min_cvar"))[0] <= 0.25 + TOLERANCE

    @pytest.mark.parametrize("method", METHODS)
    def test_the_order_of_assets_changes_nothing(self, market, method):
        shuffled = list(np.random.default_rng(5).permutation(NAMES))
        assert shuffled != NAMES
        found = []
        for names in (NAMES, shuffled):
            ef = frontier(market, names)
            bounds = add_exposure_bounds(ef, exposures([UNKNOWN]), DAY, upper=0.3, missing="exclude")
            found.append(solve(ef, bounds, method, *METHODS[method]))
        assert list(found[1]) == shuffled
        assert found[0] == pytest.approx(found[1], abs=1e-4)

    def test_numbered_assets_are_refused(self, market):
        mu, S, _ = market
        ef = library.EfficientFrontier(mu.to_numpy(), S.to_numpy())
        with pytest.raises(DataError, match="an asset is 0; expected names as text"):
            add_exposure_bounds(ef, exposures(), DAY, upper=0.3)

    def test_a_smallest_weight_without_limit_is_refused(self, market):
        ef = frontier(market, weight_bounds=[(None, 1.0)] * 12)
        with pytest.raises(DataError, match="a smallest weight is not finite"):
            add_exposure_bounds(ef, exposures(), DAY, upper=0.3)


class TestMissing:
    def test_error(self, market):
        ef = frontier(market)
        before = len(ef._constraints)
        with pytest.raises(
            UnmatchedAssetError, match="1 of 12 assets have no known exposure on 2024-01-31: N03"
        ):
            add_exposure_bounds(ef, exposures([UNKNOWN]), DAY, upper=0.3)
        assert len(ef._constraints) == before

    def test_exclude_forces_the_weight_to_0(self, market):
        assert frontier(market).min_volatility()[UNKNOWN] > 0.01
        x, ef = exposures([UNKNOWN]), frontier(market)
        bounds = add_exposure_bounds(ef, x, DAY, upper=0.5, missing="exclude")
        weights = solve(ef, bounds, "min_volatility")
        assert bounds.exposures.excluded == (UNKNOWN,)
        assert list(weights) == NAMES
        assert weights[UNKNOWN] == pytest.approx(0.0, abs=TOLERANCE)
        assert sum(weights.values()) == pytest.approx(1.0)

    @pytest.mark.parametrize(
        ("missing", "imputed"), [("neutral", (66 - 3) / 11 / 11), ("industry_mean", (36 - 3) / 11 / 5)]
    )
    def test_imputed_exposures_bind(self, market, missing, imputed):
        """The mean of the others: (0 + 1 + ... + 11 - 3) / 11 of 11; of the odd (1 + 3 + ... + 11 - 3) / 11 of 5."""
        full = np.arange(12) / 11
        full[3] = imputed
        ef = frontier(market)
        bounds = add_exposure_bounds(ef, exposures([UNKNOWN]), DAY, upper=0.3, missing=missing)
        weights = solve(ef, bounds, "min_volatility")
        assert full @ list(weights.values()) == pytest.approx(0.3, abs=TOLERANCE)
        assert weights[UNKNOWN] > 1e-3

    def test_an_excluded_asset_that_must_be_held(self, market):
        ef = frontier(market, weight_bounds=[(0.05 if name == UNKNOWN else 0.0, 0.4) for name in NAMES])
        with pytest.raises(
            InfeasibleError, match=r"N03 .* is excluded, but its weight must be in \[0.05, 0.4\]"
        ):
            add_exposure_bounds(ef, exposures([UNKNOWN]), DAY, upper=0.5, missing="exclude")


class TestInfeasible:
    @pytest.mark.parametrize(
        "limits", [(0, 0.4), (-0.2, 0.3), [(0.02 * (i % 3), 0.2 + 0.01 * i) for i in range(12)]]
    )
    @pytest.mark.parametrize("unknown", [[], [UNKNOWN, "N11"]])
    def test_the_range_is_that_of_a_linear_program(self, market, limits, unknown):
        pairs = limits if isinstance(limits, list) else [limits] * 12
        pairs = [
            (min(low, 0.0), high) if name in unknown else (low, high)
            for (low, high), name in zip(pairs, NAMES, strict=True)
        ]
        x = np.arange(12) / 11
        kept = [(0, 0) if name in unknown else pair for pair, name in zip(pairs, NAMES, strict=True)]
        low, high = (
            sign * scipy.optimize.linprog(sign * x, A_eq=np.ones((1, 12)), b_eq=[1], bounds=kept).fun
            for sign in (1, -1)
        )
        for bound in ({"upper": low - 1e-3}, {"lower": high + 1e-3}):
            ef = frontier(market, weight_bounds=pairs)
            before = len(ef._constraints)
            with pytest.raises(InfeasibleError, match=f"reach {low:.6g} to {high:.6g}"):
                add_exposure_bounds(ef, exposures(unknown), DAY, missing="exclude", **bound)
            assert len(ef._constraints) == before
        ef = frontier(market, weight_bounds=pairs)
        bounds = add_exposure_bounds(ef, exposures(unknown), DAY, missing="exclude", upper=low + 1e-3)
        weights = solve(ef, bounds, "min_volatility")
        assert x @ list(weights.values()) <= low + 1e-3 + TOLERANCE

    def test_factors_that_contradict_each_other(self, market):
        """The score is twice the exposure less 1: either bound can be kept, but not both."""
        ef = frontier(market)
        x = exposures([UNKNOWN], units={"exposure": "share", "score": "z"})
        bounds = add_exposure_bounds(
            ef, x, DAY, lower={"score": 0.2}, upper={"exposure": 0.5}, missing="exclude"
        )
        # 0.4 of 0, of 1/11 and 0.2 of 2/11; from above 0.4 of 1, of 10/11 and 0.2 of 9/11.
        with pytest.raises(InfeasibleError) as caught:
            solve(ef, bounds, "min_volatility")
        assert (
            "min_volatility has no solution on 2024-01-31 with exposure <= 0.5 and score >= 0.2. Weights within their "
            "limits (1 excluded asset(s) at 0) reach exposure from 0.0727273 to 0.927273 and score from -0.854545 to "
            "0.854545, each factor alone."
        ) in str(caught.value)
        assert isinstance(caught.value.__cause__, library.exceptions.OptimizationError)

    def test_a_target_that_the_bound_rules_out(self, market):
        """With exposure at most 0.1 all is in few assets: their volatility is above the target."""
        ef = frontier(market)
        least = frontier(market)
        least.min_volatility()
        target = float(least.portfolio_performance()[1]) * 1.01
        bounds = add_exposure_bounds(ef, exposures(), DAY, upper=0.1)
        with pytest.raises(InfeasibleError, match="efficient_risk has no solution"):
            solve(ef, bounds, "efficient_risk", target)

    def test_the_range_of_weights_that_add_to_0(self, market):
        """From -0.5 to 0.5 of 12: the upper six less the lower six, 0.5 * (51 - 15) / 11."""
        ef = frontier(market, weight_bounds=(-0.5, 0.5))
        bounds = add_exposure_bounds(ef, exposures(), DAY, lower=0.2, total=0.0)
        ef.add_constraint(lambda w: w[NAMES.index("N00")] >= 0.6)
        with pytest.raises(InfeasibleError, match=r"reach exposure from -1.63636 to 1.63636"):
            solve(ef, bounds, "max_quadratic_utility", market_neutral=True)

    def test_other_failures_stay_what_they_are(self, market):
        """Without an upper weight limit on either side the return is unbounded."""
        ef = frontier(market, weight_bounds=[(-1.0, None)] * 12)
        bounds = add_exposure_bounds(ef, exposures(), DAY, upper=0.5)
        with pytest.raises(library.exceptions.OptimizationError):
            solve(ef, bounds, "convex_objective", lambda w: -(w @ w))

    def test_a_careless_solver_is_caught(self, market, monkeypatch):
        ef = frontier(market)
        bounds = add_exposure_bounds(ef, exposures(), DAY, upper=0.1)
        careless = dict.fromkeys(NAMES, 1 / 12)
        monkeypatch.setattr(ef, "min_volatility", lambda: careless)
        with pytest.raises(
            InfeasibleError, match=r"ended 0\.4 beyond exposure <= 0\.1; at most 1e-06 is allowed"
        ):
            solve(ef, bounds, "min_volatility")

    def test_unknown_methods(self, market):
        ef = frontier(market)
        bounds = add_exposure_bounds(ef, exposures(), DAY, upper=0.3)
        with pytest.raises(DataError, match="method is 'min_vol'; expected a method of EfficientFrontier"):
            solve(ef, bounds, "min_vol")


class TestExpectedReturns:
    def test_a_frontier_takes_them(self, market):
        _, S, _ = market
        x = exposures([UNKNOWN], units={"score": "z"})
        volatility = pd.Series(np.sqrt(np.diag(S)), index=NAMES)[::-1]
        mu = expected_returns(x, DAY, volatility, ic=0.05, missing="exclude")
        assert list(mu.index) == [name for name in NAMES[::-1] if name != UNKNOWN]
        by_hand = {
            name: 0.05 * volatility[name] * (2 * i / 11 - 1)
            for i, name in enumerate(NAMES)
            if name != UNKNOWN
        }
        assert mu.to_dict() == pytest.approx(by_hand)
        ef = library.EfficientFrontier(mu, S.loc[mu.index, mu.index])
        weights = ef.max_quadratic_utility(0.01)
        assert max(weights, key=weights.get) == max(by_hand, key=by_hand.get)

    def test_shares_are_refused(self):
        with pytest.raises(DataError, match="needs a standardized factor"):
            expected_returns(exposures(), DAY, {"N00": 0.1}, ic=0.05)


VIEW = {"expected_return": 0.02, "confidence": 0.3}


class TestBlackLitterman:
    def test_posterior_is_the_formula(self, market):
        """He and Litterman: E = [(tau S)^-1 + P' O^-1 P]^-1 [(tau S)^-1 pi + P' O^-1 Q], and S + that inverse."""
        _, S, _ = market
        tau, confidence = 0.1, 0.3
        pi = np.linspace(0.002, 0.01, 12)
        model = black_litterman(S, exposures(), DAY, prior=dict(zip(NAMES, pi, strict=True)), tau=tau, **VIEW)
        active = np.arange(12) / 11 - 0.5
        P = (active / active[active > 0].sum())[None]
        V = S.to_numpy()
        omega = (1 - confidence) / confidence * tau * P @ V @ P.T
        M = np.linalg.inv(np.linalg.inv(tau * V) + P.T @ np.linalg.inv(omega) @ P)
        by_hand = M @ (np.linalg.inv(tau * V) @ pi + P.T @ np.linalg.inv(omega) @ [0.02])
        assert model.bl_returns().to_numpy() == pytest.approx(by_hand, rel=1e-9)
        assert model.bl_cov().to_numpy() == pytest.approx(V + M, rel=1e-9)
        # Idzorek: the view's portfolio moves that part of the way.
        assert P @ model.bl_returns() - P @ pi == pytest.approx(confidence * (0.02 - P @ pi))

    def test_omega_is_that_of_the_librarys_idzorek_method(self, market):
        _, S, _ = market
        pi = pd.Series(0.01, index=NAMES)
        ours = black_litterman(S, exposures(), DAY, prior=pi, **VIEW)
        theirs = library.BlackLittermanModel(
            S, pi=pi, P=ours.P, Q=ours.Q, omega="idzorek", view_confidences=[0.3]
        )
        assert ours.omega == pytest.approx(theirs.omega)

    def test_the_order_of_assets_changes_nothing(self, market):
        _, S, _ = market
        pi = pd.Series(np.linspace(0.002, 0.01, 12), index=NAMES)
        order = list(np.random.default_rng(5).permutation(NAMES))
        found = [
            black_litterman(covariance, exposures(), DAY, prior=prior, **VIEW).bl_returns()
            for covariance, prior in ((S, pi), (S.loc[order[::-1], order], pi[order]))
        ]
        assert list(found[1].index) == order
        assert found[1].to_dict() == pytest.approx(found[0].to_dict())

    def test_missing(self, market):
        _, S, _ = market
        pi = pd.Series(0.01, index=NAMES)
        with pytest.raises(UnmatchedAssetError, match="N03"):
            black_litterman(S, exposures([UNKNOWN]), DAY, prior=pi, **VIEW)
        model = black_litterman(S, exposures([UNKNOWN]), DAY, prior=pi, missing="exclude", **VIEW)
        assert model.P[0, 3] == 0.0
        assert np.count_nonzero(model.P) == 11
        assert model.P[model.P > 0].sum() == pytest.approx(1.0)
        assert model.omega == pytest.approx(0.7 / 0.3 * 0.05 * model.P @ S.to_numpy() @ model.P.T)
        # The mean of the others makes it the asset that the view is not about, too.
        neutral = black_litterman(S, exposures([UNKNOWN]), DAY, prior=pi, missing="neutral", **VIEW)
        assert pytest.approx(model.P, abs=1e-12) == neutral.P
        industry = black_litterman(S, exposures([UNKNOWN]), DAY, prior=pi, missing="industry_mean", **VIEW)
        assert industry.P[0, 3] > 0.0

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda S, pi: (S.to_numpy(), pi, 0.05), "covariance is a ndarray; expected a DataFrame"),
            (lambda S, pi: (S.iloc[1:], pi, 0.05), "rows and the columns of covariance are not the same"),
            (
                lambda S, pi: (S.where(S.to_numpy().max() > S), pi, 0.05),
                "covariance has an unknown or infinite",
            ),
            (lambda S, pi: (S, pi[1:], 0.05), r"prior has no number for 1 asset\(s\): N00"),
            (lambda S, pi: (S, "market", 0.05), "prior is a str; expected numbers by asset name"),
            (lambda S, pi: (S, pi, 0.0), "tau is 0.0; expected more than 0"),
        ],
    )
    def test_wrong_inputs(self, market, change, message):
        covariance, prior, tau = change(market[1], pd.Series(0.01, index=NAMES))
        with pytest.raises(DataError, match=message):
            black_litterman(covariance, exposures(), DAY, prior=prior, tau=tau, **VIEW)


def test_without_the_library(market, monkeypatch):
    monkeypatch.setitem(sys.modules, "pypfopt", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'kifactors\[pypfopt\]'"):
        black_litterman(market[1], exposures(), DAY, prior={}, expected_return=0.02, confidence=0.5)
