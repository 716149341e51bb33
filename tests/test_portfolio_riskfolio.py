"""Riskfolio-Lib: bounds by name in its weights, what it cannot reach, factor loadings, the Black-Litterman view."""

import sys
from datetime import date
from itertools import product

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.optimize

from kifactors.errors import DataError, InfeasibleError, MissingExtraError, UnmatchedAssetError
from kifactors.portfolio import FactorExposures, achievable_range
from kifactors.portfolio.riskfolio import add_exposure_bounds, loadings, optimize, set_view

rp = pytest.importorskip("riskfolio", reason="needs Riskfolio-Lib: pip install 'kifactors[riskfolio]'")

pytestmark = [
    pytest.mark.portfolio,
    # Riskfolio-Lib multiplies cvxpy matrices by `*` in its Sharpe ratio.
    pytest.mark.filterwarnings(r"ignore:\s*This use of ``\*`` has resulted in matrix multiplication"),
]

DAY = date(2024, 1, 31)
EXPOSURE = {"A": 0.1, "B": 0.2, "C": 0.4, "D": 0.5, "E": 0.9}
SCORE = {"A": 1.0, "B": -2.0, "C": 0.5, "D": 1.5, "E": -1.0}
# What interior-point solvers leave of a bound.
KEPT = 1e-6


def exposures(*factors, **unknown) -> FactorExposures:
    """A to E are known, U is not; every other row is of another industry."""
    names = [*EXPOSURE, "U"]
    frame = pl.DataFrame({
        "date": [DAY] * 6,
        "asset": names,
        "exposure": [*EXPOSURE.values(), None],
        "score": [*SCORE.values(), None],
        "industry": ["Chips", "Power"] * 3,
    })  # fmt: skip
    units = {"exposure": "share", "score": "z"}
    return FactorExposures(frame, {name: units[name] for name in factors or ("exposure",)})


def simulated(names) -> pd.DataFrame:
    """Simulated daily returns that belong to the names, whatever their order."""
    rng = np.random.default_rng(7)
    # Every mean is above 0: the largest Sharpe ratio is a convex problem only then.
    market = rng.normal(0.004, 0.01, 300)
    known = {name: market + rng.normal(0.0002 * k, 0.012, 300) for k, name in enumerate("ABCDEU")}
    return pd.DataFrame({name: known[name] for name in names})


def portfolio(names="ABCDE", **limits):
    port = rp.Portfolio(returns=simulated(names), **limits)
    port.assets_stats()
    return port


def exposure_of(weights) -> float:
    return sum(EXPOSURE[name] * weights[name] for name in EXPOSURE)


def reachable(x, low, high, *, total, short=np.inf):
    """Smallest and largest x'w in the weights themselves: every set of assets is short by no more than `short`."""
    sets = -np.array(list(product([0.0, 1.0], repeat=len(x))))
    ends = []
    for sign in (1, -1):
        found = scipy.optimize.linprog(
            sign * np.array(x),
            A_ub=sets if np.isfinite(short) else None,
            b_ub=np.full(len(sets), short) if np.isfinite(short) else None,
            A_eq=np.ones((1, len(x))),
            b_eq=[total],
            bounds=(low, high),
        )
        ends.append(sign * found.fun)
    return ends


class TestBounds:
    @pytest.mark.parametrize("sht", [False, True])
    @pytest.mark.parametrize("obj", ["MinRisk", "Sharpe", "MaxRet", "Utility"])
    @pytest.mark.parametrize(("lower", "upper"), [(None, 0.3), (0.55, None), (0.42, 0.42)])
    def test_the_weights_keep_them(self, obj, lower, upper, sht):
        port = portfolio(upperlng=0.4, sht=sht)
        free = exposure_of(optimize(port, obj=obj))
        bounds = add_exposure_bounds(port, exposures(), DAY, lower=lower, upper=upper)
        weights = optimize(port, bounds, obj=obj)
        low, high = (-np.inf if lower is None else lower), (np.inf if upper is None else upper)
        assert low - KEPT <= exposure_of(weights) <= high + KEPT
        assert weights.sum() == pytest.approx(1.0, abs=KEPT)
        assert weights.max() <= 0.4 + KEPT
        # A bound that the free portfolio breaks is where the bounded one ends up: convex problems.
        if not low - KEPT <= free <= high + KEPT:
            assert exposure_of(weights) == pytest.approx(np.clip(free, low, high), abs=1e-4)

    def test_some_bound_binds(self):
        port = portfolio(upperlng=0.4)
        assert 0.3 < exposure_of(optimize(port, obj="MinRisk")) < 0.55

    def test_conditional_value_at_risk_keeps_them_too(self):
        port = portfolio()
        bounds = add_exposure_bounds(port, exposures(), DAY, upper=0.25)
        assert exposure_of(optimize(port, bounds, rm="CVaR", obj="MinRisk")) <= 0.25 + KEPT

    def test_order_of_assets_changes_nothing(self):
        found = []
        for names in ("ABCDE", "ECADB"):
            port = portfolio(names, upperlng=0.5)
            bounds = add_exposure_bounds(port, exposures(), DAY, upper=0.3)
            assert dict(zip(names, port.ainequality[0], strict=True)) == EXPOSURE
            found.append(optimize(port, bounds, obj="MinRisk"))
        assert found[0].index.tolist() != found[1].index.tolist()
        pd.testing.assert_series_equal(found[0], found[1][found[0].index], atol=KEPT, rtol=0)

    def test_rows_already_there_stay(self):
        row = np.array([[1.0, 1.0, 0.0, 0.0, 0.0]])
        port = portfolio(ainequality=row, binequality=np.array([[0.3]]))
        bounds = add_exposure_bounds(port, exposures(), DAY, lower=0.2, upper=0.5)
        x = np.array(list(EXPOSURE.values()))
        assert np.array_equal(port.ainequality, np.vstack([row, x, -x]))
        assert port.binequality.tolist() == [[0.3], [0.5], [-0.2]]
        assert optimize(port, bounds, obj="MinRisk")[["A", "B"]].sum() <= 0.3 + KEPT

    def test_they_are_relative_to_a_benchmark_by_name(self):
        port = portfolio()
        base = {"E": 0.5, "A": 0.5}
        bounds = add_exposure_bounds(port, exposures(), DAY, upper=-0.1, benchmark=base)
        assert port.binequality.tolist() == [[pytest.approx(0.4)]]
        assert exposure_of(optimize(port, bounds, obj="MaxRet")) <= 0.4 + KEPT

    def test_two_factors_at_once(self):
        port = portfolio()
        both = exposures("exposure", "score")
        bounds = add_exposure_bounds(port, both, DAY, lower={"score": 0.2}, upper={"exposure": 0.3})
        weights = optimize(port, bounds, obj="MinRisk")
        assert exposure_of(weights) <= 0.3 + KEPT
        assert sum(SCORE[name] * weights[name] for name in SCORE) >= 0.2 - KEPT


class TestMissing:
    def test_error(self):
        port = portfolio("ABCDEU")
        with pytest.raises(
            UnmatchedAssetError, match="1 of 6 assets have no known exposure on 2024-01-31: U"
        ):
            add_exposure_bounds(port, exposures(), DAY, upper=0.5)
        assert port.ainequality is None

    # Neutral is the mean 2.1 / 5; U is in the industry of B and D, of mean 0.35.
    @pytest.mark.parametrize(("missing", "counts"), [("neutral", 0.42), ("industry_mean", 0.35)])
    def test_it_counts_as_a_mean(self, missing, counts):
        port = portfolio("UABCDE")
        bounds = add_exposure_bounds(port, exposures(), DAY, upper=0.3, missing=missing)
        assert port.ainequality[0].tolist() == pytest.approx([counts, *EXPOSURE.values()])
        assert bounds.exposures.imputed.ravel().tolist() == [True] + [False] * 5
        weights = optimize(port, bounds, obj="MinRisk")
        assert exposure_of(weights) + counts * weights["U"] <= 0.3 + KEPT

    @pytest.mark.parametrize("sht", [False, True])
    def test_excluded_assets_weigh_nothing(self, sht):
        port = portfolio("AUBCDE", sht=sht)
        assert abs(optimize(port, obj="MinRisk")["U"]) > 0.01
        bounds = add_exposure_bounds(port, exposures(), DAY, upper=0.4, missing="exclude")
        assert bounds.exposures.excluded == ("U",)
        weights = optimize(port, bounds, obj="MinRisk")
        assert weights["U"] == pytest.approx(0.0, abs=KEPT)
        assert exposure_of(weights) <= 0.4 + KEPT

    def test_an_excluded_asset_that_must_be_held_is_said(self):
        port = portfolio("ABCDEU", lowerlng=0.05)
        with pytest.raises(InfeasibleError, match=r"weights of 0 for 1 excluded asset\(s\)"):
            add_exposure_bounds(port, exposures(), DAY, upper=0.5, missing="exclude")


LONG = [{}, {"upperlng": 0.3}, {"upperlng": 0.35, "lowerlng": 0.1}, {"upperlng": 1.0, "budget": 0.8}]
SHORT = [{}, {"upperlng": 0.4}, {"uppersht": 0.05}, {"uppersht": 0.5, "budgetsht": 0.7}, {"upperlng": 0.22}]


class TestInfeasible:
    def refused_at(self, port, low, high):
        """Just inside the range is taken, just outside refused with the range in the message."""
        for bound in ({"lower": high - 1e-5}, {"upper": low + 1e-5}):
            add_exposure_bounds(port, exposures(), DAY, **bound)
            port.reset_linear_constraints()
        for bound in ({"lower": high + 1e-5}, {"upper": low - 1e-5}):
            with pytest.raises(InfeasibleError, match=f"reach {low:.6g} to {high:.6g}"):
                add_exposure_bounds(port, exposures(), DAY, **bound)
            assert port.ainequality is None
            assert port.binequality is None

    @pytest.mark.parametrize("limits", LONG)
    def test_range_of_long_portfolios(self, limits):
        port = portfolio(**limits)
        options = (port.lowerlng, port.upperlng)
        low, high = reachable(list(EXPOSURE.values()), *options, total=port.budget)
        assert (low, high) == pytest.approx(
            achievable_range(list(EXPOSURE.values()), min_weight=options[0], max_weight=options[1],
                             total=port.budget)
        )  # fmt: skip
        self.refused_at(port, round(low, 9), round(high, 9))

    @pytest.mark.parametrize("limits", SHORT)
    def test_range_of_short_portfolios(self, limits):
        port = portfolio(sht=True, **limits)
        smallest = -min(port.uppersht, port.budgetsht)
        largest = min(port.upperlng, port.budget + port.budgetsht)
        x = list(EXPOSURE.values())
        low, high = reachable(x, smallest, largest, total=port.budget, short=port.budgetsht)
        self.refused_at(port, round(low, 9), round(high, 9))

    def test_range_by_hand(self):
        """Long 0.4 each of E, D and C and short 0.2 of A: 0.72 - 0.02; the other way round 0.28 - 0.18."""
        with pytest.raises(InfeasibleError, match=r"reach 0\.1 to 0\.7\."):
            add_exposure_bounds(portfolio(sht=True, upperlng=0.4), exposures(), DAY, lower=0.71)

    @pytest.mark.parametrize("obj", ["MaxRet", "MinRisk"])
    def test_the_ends_are_weights_that_the_library_finds(self, obj):
        port = portfolio(sht=True, upperlng=0.4)
        bounds = add_exposure_bounds(port, exposures(), DAY, lower=0.7 - 1e-4)
        assert exposure_of(optimize(port, bounds, obj=obj)) == pytest.approx(0.7, abs=2e-4)

    def test_rows_already_there_narrow_it(self):
        port = portfolio(ainequality=np.array([[0.0, 0.0, 0.0, 0.0, 1.0]]), binequality=np.array([[0.25]]))
        with pytest.raises(InfeasibleError, match=r"reach 0\.1 to 0\.6\."):
            add_exposure_bounds(port, exposures(), DAY, lower=0.61)
        assert port.ainequality.shape == (1, 5)

    def test_factors_that_exclude_each_other(self):
        """Each alone can be had. An exposure of 0.8 takes from 3/4 of E (the rest D) to 6/7 (the rest B): a score of 0.75 *
        -1 + 0.25 * 1.5 = -0.375 at most, of 6/7 * -1 + 1/7 * -2 = -1.14286 at least."""
        both = exposures("exposure", "score")
        for one in ({"exposure": 0.8}, {"score": 1.2}):
            add_exposure_bounds(portfolio(), both, DAY, lower=one)
        with pytest.raises(
            InfeasibleError, match=r"score cannot be in \[1\.2, inf\].* reach -1\.14286 to -0\.375"
        ):
            add_exposure_bounds(portfolio(), both, DAY, lower={"exposure": 0.8, "score": 1.2})

    def test_limits_that_nothing_keeps(self):
        with pytest.raises(InfeasibleError, match="no weights add to 1 and keep upperlng"):
            add_exposure_bounds(portfolio(upperlng=0.1), exposures(), DAY, upper=0.5)

    def test_smallest_weights_do_not_bind_what_a_cardinality_leaves_out(self):
        """At least 0.3 in each of five is impossible; in the three that are held it is not."""
        port = portfolio(lowerlng=0.3)
        with pytest.raises(InfeasibleError, match="no weights add to 1"):
            add_exposure_bounds(port, exposures(), DAY, upper=0.3)
        port.card = 3
        add_exposure_bounds(port, exposures(), DAY, upper=0.3)
        assert port.ainequality.shape == (1, 5)

    @pytest.mark.parametrize("sht", [1, 0, np.True_])
    def test_sht_that_lifts_every_limit(self, sht):
        with pytest.raises(DataError, match="keeps limits of weights only for True or False"):
            add_exposure_bounds(portfolio(sht=sht), exposures(), DAY, upper=0.5)


class TestOptimize:
    def test_no_solution_names_bounds_range_and_other_limits(self):
        port = portfolio("ABCDEU", upperlng=0.4, upperdev=1e-4)
        bounds = add_exposure_bounds(port, exposures(), DAY, upper=0.3, missing="exclude")
        with pytest.raises(InfeasibleError) as refused:
            optimize(port, bounds, obj="MinRisk")
        low, high = achievable_range(list(EXPOSURE.values()), max_weight=0.4)
        assert (
            f"exposure in [-inf, 0.3], where the limits of the weights alone reach {low:g} to {high:g}"
            in str(refused.value)
        )
        assert "can be kept together" in str(refused.value)
        assert "upperdev=0.0001" in str(refused.value)

    def test_rows_that_came_later(self):
        port = portfolio()
        bounds = add_exposure_bounds(port, exposures(), DAY, upper=0.2)
        port.ainequality = np.vstack([port.ainequality, [0.0, 0.0, 0.0, -1.0, -1.0]])
        port.binequality = np.vstack([port.binequality, [-0.9]])
        with pytest.raises(InfeasibleError, match=r"The 2 linear row\(s\) and .* cannot be kept together"):
            optimize(port, bounds, obj="MinRisk")

    def test_rows_that_were_dropped(self):
        port = portfolio()
        bounds = add_exposure_bounds(port, exposures(), DAY, upper=0.2)
        port.reset_linear_constraints()
        with pytest.raises(InfeasibleError, match=r"the weights break exposure <= 0\.2 by up to 0\."):
            optimize(port, bounds, obj="MinRisk")

    def test_a_row_without_its_other_side(self):
        port = portfolio(ainequality=np.ones((1, 5)))
        with pytest.raises(DataError, match="one is None; set both or neither"):
            add_exposure_bounds(port, exposures(), DAY, upper=0.5)

    def test_scipy_is_named_by_its_extra(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "scipy.optimize", None)
        with pytest.raises(MissingExtraError, match=r"kifactors\[riskfolio\]"):
            add_exposure_bounds(portfolio(), exposures(), DAY, upper=0.5)


class TestLoadings:
    def test_the_factor_model_takes_them(self):
        names = list("DBAEC")
        port = portfolio(names)
        B = loadings(exposures("exposure", "score"), DAY, names)
        assert B.columns.tolist() == ["const", "exposure", "score"]
        rng = np.random.default_rng(3)
        port.factors = pd.DataFrame(
            rng.normal(0.001, 0.01, (300, 2)), index=port.returns.index, columns=["exposure", "score"]
        )
        port.factors_stats(B=B, const=True)
        X = np.array([[EXPOSURE[name], SCORE[name]] for name in names])
        F, R = port.factors.to_numpy(), port.returns.to_numpy()
        assert port.mu_fm.columns.tolist() == names
        assert port.mu_fm.to_numpy()[0] == pytest.approx(X @ F.mean(axis=0), rel=1e-12)
        by_hand = X @ np.cov(F.T) @ X.T + np.diag((R - F @ X.T).var(axis=0, ddof=1))
        assert port.cov_fm.to_numpy() == pytest.approx(by_hand, rel=1e-10)

    def test_missing(self):
        found = loadings(exposures(), DAY, ["U", "A"], missing="neutral")
        assert found.to_numpy().tolist() == [[0.0, pytest.approx(0.42)], [0.0, 0.1]]
        with pytest.raises(DataError, match="need a row for every asset"):
            loadings(exposures(), DAY, ["U", "A"], missing="exclude")
        with pytest.raises(UnmatchedAssetError):
            loadings(exposures(), DAY, ["U", "A"])


def posterior(R, P, q, prior, delta, *, rf=0.0):
    """He and Litterman (1999): the posterior of one view, with tau = 1 / T and Omega = P tau S P'."""
    S = np.cov(R.T)
    tau = 1 / len(R)
    pi = delta * S @ prior
    spread = tau * S @ P
    variance = P @ spread
    mean = pi + spread * (q - P @ pi) / (2 * variance)
    return mean + rf, S + tau * S - np.outer(spread, spread) / (2 * variance)


class TestView:
    def view(self, names, **options):
        given = {"expected_return": 0.002, "confidence": 0.5} | options
        return exposures().view(DAY, list(names), **given)

    def test_posterior_by_hand(self):
        names = list("CEABD")
        port = portfolio(names)
        set_view(port, self.view("ABCDE"), delta=2.5, rf=0.0001)
        active = np.array([EXPOSURE[name] - 0.42 for name in names])
        P = active / active[active > 0].sum()
        mean, covariance = posterior(port.returns.to_numpy(), P, 0.002, np.full(5, 0.2), 2.5, rf=0.0001)
        assert port.mu_bl.columns.tolist() == names
        assert port.mu_bl.to_numpy()[0] == pytest.approx(mean, rel=1e-9)
        assert port.cov_bl.to_numpy() == pytest.approx(covariance, rel=1e-9)
        assert optimize(port, model="BL", obj="MaxRet").idxmax() == names[int(np.argmax(mean))]

    def test_it_moves_half_of_the_way(self):
        """What a confidence of 0.5 means; another one cannot be handed over."""
        port = portfolio()
        view = self.view("ABCDE")
        set_view(port, view, delta=2.5)
        before = (view.P @ (2.5 * port.cov.to_numpy() @ np.full(5, 0.2))).item()
        assert (view.P @ port.mu_bl.to_numpy()[0]).item() == pytest.approx((before + 0.002) / 2, rel=1e-9)
        with pytest.raises(DataError, match=r"confidence of 0\.7, and Riskfolio-Lib can only take 0\.5"):
            set_view(port, self.view("ABCDE", confidence=0.7), delta=2.5)

    def test_the_prior_is_taken_by_name(self):
        prior = {"E": 0.1, "D": 0.3, "A": 0.2, "B": 0.15, "C": 0.25}
        port = portfolio()
        set_view(port, self.view("ABCDE"), prior=prior, delta=2.5)
        P = self.view("ABCDE").P[0]
        mean, _ = posterior(port.returns.to_numpy(), P, 0.002, np.array([prior[n] for n in "ABCDE"]), 2.5)
        assert port.mu_bl.to_numpy()[0] == pytest.approx(mean, rel=1e-9)
        own = portfolio()
        own.benchweights = pd.DataFrame({"weights": prior})
        set_view(own, self.view("ABCDE"), delta=2.5)
        assert own.mu_bl.to_numpy() == pytest.approx(port.mu_bl.to_numpy(), rel=1e-12)
        with pytest.raises(DataError, match="prior has no number for 1"):
            set_view(port, self.view("ABCDE"), prior=dict.fromkeys("ABCD", 0.25), delta=2.5)

    def test_an_asset_that_the_view_leaves_out(self):
        port = portfolio("UABCDE")
        set_view(port, self.view("UABCDE", missing="exclude"), delta=2.5)
        P = np.append(0.0, self.view("ABCDE").P[0])
        mean, _ = posterior(port.returns.to_numpy(), P, 0.002, np.full(6, 1 / 6), 2.5)
        assert port.mu_bl.to_numpy()[0] == pytest.approx(mean, rel=1e-9)

    def test_an_asset_that_the_portfolio_lacks(self):
        with pytest.raises(
            UnmatchedAssetError, match=r"1 asset.s. are not in the returns of the portfolio: E"
        ):
            set_view(portfolio("ABCD"), self.view("ABCDE"), delta=2.5)

    def test_delta_without_statistics(self):
        port = rp.Portfolio(returns=simulated("ABCDE"))
        with pytest.raises(DataError, match=r"call port\.assets_stats"):
            set_view(port, self.view("ABCDE"))
        port.assets_stats()
        set_view(port, self.view("ABCDE"))
        w = np.full(5, 0.2)
        delta = (port.mu.to_numpy() @ w).item() / (w @ port.cov.to_numpy() @ w)
        mean, _ = posterior(port.returns.to_numpy(), self.view("ABCDE").P[0], 0.002, w, delta)
        assert port.mu_bl.to_numpy()[0] == pytest.approx(mean, rel=1e-9)
