"""Exposure bounds in cvxpy: kept, by name, for any date of one problem."""

import builtins
import re
import runpy
import warnings
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import kifactors as kf
from kifactors.errors import (
    DataError,
    InfeasibleError,
    MissingColumnError,
    MissingExtraError,
    UnmatchedAssetError,
)
from kifactors.portfolio.cvxpy import ExposureConstraint

cp = pytest.importorskip("cvxpy", reason="needs the extra 'cvxpy'")
pytestmark = pytest.mark.portfolio

KEPT = 1e-6
ASSETS = ["A", "B", "C", "D"]
DAYS = [date(2024, 1, 31), date(2024, 2, 29)]
SHARES = [[0.1, 0.5, 0.9, 0.3], [0.6, 0.2, 0.4, 0.8]]
EXACT = {"solver": "CLARABEL", "tol_gap_abs": 1e-11, "tol_gap_rel": 1e-11, "tol_feas": 1e-11}


def exposures(shares=SHARES, assets=ASSETS):
    frame = pl.DataFrame(
        {
            "date": [day for day in DAYS for _ in assets],
            "asset": assets * len(DAYS),
            "exposure": np.ravel(shares),
            "industry": (["x", "y"] * len(assets))[: len(assets)] * len(DAYS),
        }
    ).with_columns(pl.col("exposure").fill_nan(None))
    return kf.portfolio.FactorExposures(frame, {"exposure": "share"})


def problem(bound, w, volatility):
    return cp.Problem(
        cp.Minimize(cp.sum_squares(cp.multiply(volatility, w))), [cp.sum(w) == 1, w >= 0, *bound.constraints]
    )


def solved(day, assets=ASSETS, *, data=None, volatility=None, **bounds):
    risk = volatility or {"A": 0.1, "B": 0.2, "C": 0.3, "D": 0.4}
    w = cp.Variable(len(assets))
    bound = ExposureConstraint(data or exposures(), w, assets, **bounds)
    bound.at(day).solve(problem(bound, w, np.array([risk[name] for name in assets])), **EXACT)
    return dict(zip(assets, w.value, strict=True)), bound


@pytest.mark.parametrize(("day", "shares"), list(zip(DAYS, SHARES, strict=True)))
@pytest.mark.parametrize("bounds", [{"lower": 0.55}, {"upper": 0.4}, {"lower": 0.45, "upper": 0.47}])
def test_bounds_hold(day, shares, bounds):
    weights, bound = solved(day, **bounds)
    found = float(np.dot(list(weights.values()), shares))
    assert bounds.get("lower", -1.0) - KEPT <= found <= bounds.get("upper", 2.0) + KEPT
    assert bound.achieved()["exposure"] == pytest.approx(found, abs=1e-12)


def test_a_binding_bound_binds():
    weights, _ = solved(DAYS[0], lower=0.55)
    free, _ = solved(DAYS[0], lower=0.0)
    assert np.dot(list(free.values()), SHARES[0]) < 0.5
    assert np.dot(list(weights.values()), SHARES[0]) == pytest.approx(0.55, abs=KEPT)


def test_order_of_assets_changes_nothing():
    straight, _ = solved(DAYS[0], lower=0.55)
    shuffled, _ = solved(DAYS[0], ["C", "A", "D", "B"], lower=0.55)
    assert [shuffled[name] for name in ASSETS] == pytest.approx([straight[name] for name in ASSETS], abs=1e-7)


def test_dates_change_without_a_new_problem():
    w = cp.Variable(4)
    bound = ExposureConstraint(exposures(), w, ASSETS, lower=0.0, upper=1.0)
    one = problem(bound, w, np.array([0.1, 0.2, 0.3, 0.4]))
    assert one.is_dpp()
    compiled = []
    for day, low in ((DAYS[0], 0.55), (DAYS[1], 0.6), (DAYS[0], 0.7), (DAYS[1], 0.3)):
        bound.at(day, lower=low).solve(one, **EXACT)
        compiled.append(one.get_problem_data("CLARABEL")[0]["param_prob"])
        expected, _ = solved(day, lower=low, upper=1.0)
        assert w.value == pytest.approx(list(expected.values()), abs=1e-7)
    assert all(program is compiled[0] for program in compiled)


def test_bounds_of_the_start_come_back():
    w = cp.Variable(4)
    bound = ExposureConstraint(exposures(), w, ASSETS, lower=0.55)
    assert bound.at(DAYS[0], lower=0.7).bounds.lower.tolist() == [0.7]
    assert bound.at(DAYS[1]).bounds.lower.tolist() == [0.55]


def test_osqp_does_not_keep_old_bounds():
    """Started warm it does: an update of limits that its scaling of others contradicts is refused in print only."""
    rng = np.random.default_rng(0)
    assets = [f"asset {i:02}" for i in range(12)]
    data = exposures(rng.random((2, 12)), assets)
    w = cp.Variable(12)
    bound = ExposureConstraint(data, w, assets, lower=0.0, upper=1.0)
    active = w - rng.dirichlet(np.ones(12))
    one = cp.Problem(
        cp.Minimize(cp.sum_squares(cp.multiply(rng.uniform(0.1, 0.4, 12), active))),
        [cp.sum(w) == 1, w >= 0, *bound.constraints],
    )
    found = {}
    # One solver after the other: another solver in between makes cvxpy compile anew.
    for options in ({"solver": "OSQP", "eps_abs": 1e-9, "eps_rel": 1e-9}, EXACT):
        weights = []
        for day, low in zip(DAYS * 3, (0.5, 0.55, 0.3, 0.6, 0.5, 0.4), strict=True):
            bound.at(day, lower=low, upper=low + 0.02).solve(one, **options)
            weights.append(w.value)
        found[options["solver"]] = np.array(weights)
    assert found["OSQP"] == pytest.approx(found["CLARABEL"], abs=1e-6)


def test_a_problem_without_the_constraints_is_refused():
    w = cp.Variable(4)
    bound = ExposureConstraint(exposures(), w, ASSETS, lower=0.55)
    forgotten = cp.Problem(cp.Minimize(cp.sum_squares(w)), [cp.sum(w) == 1, w >= 0])
    with pytest.raises(DataError, match="no date is set"):
        bound.solve(forgotten, **EXACT)
    with pytest.raises(DataError, match="does not hold the constraints"):
        bound.at(DAYS[0]).solve(forgotten, **EXACT)


def test_what_is_no_solution_is_refused():
    w = cp.Variable(4)
    bound = ExposureConstraint(exposures(), w, ASSETS, lower=0.55).at(DAYS[0])
    endless = cp.Problem(cp.Maximize(w[0]), [cp.sum(w) == 1, *bound.constraints])
    with pytest.raises(DataError, match="status 'unbounded"):
        bound.solve(endless, **EXACT)
    cut = problem(bound, w, np.array([0.1, 0.2, 0.3, 0.4]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(DataError, match="status 'user_limit'"):
            bound.solve(cut, solver="CLARABEL", max_iter=1)


def test_weights_that_miss_a_bound_are_refused(monkeypatch):
    w = cp.Variable(4)
    bound = ExposureConstraint(exposures(), w, ASSETS, lower=0.55).at(DAYS[0])
    whole = problem(bound, w, np.array([0.1, 0.2, 0.3, 0.4]))
    solve = cp.Problem.solve

    def careless(self, **options):
        value = solve(self, **options)
        w.value = w.value - 1e-5 * np.array([0.0, 0.0, 1.0, -1.0])
        return value

    bound.solve(whole, **EXACT)
    monkeypatch.setattr(cp.Problem, "solve", careless)
    with pytest.raises(DataError, match="break a bound on 2024-01-31 by 6e-06"):
        bound.solve(whole, **EXACT)


def test_bounds_against_a_benchmark():
    benchmark = {"D": 0.5, "A": 0.5}
    weights, bound = solved(DAYS[0], lower=0.1, upper=0.2, benchmark=benchmark)
    assert 0.3 - KEPT <= np.dot(list(weights.values()), SHARES[0]) <= 0.4 + KEPT
    changed = bound.at(DAYS[0], benchmark={"C": 1.0}).bounds
    assert [changed.lower[0], changed.upper[0]] == pytest.approx([1.0, 1.1])


def test_infeasible_names_what_the_other_constraints_allow():
    w = cp.Variable(4)
    bound = ExposureConstraint(exposures(), w, ASSETS, lower=0.75)
    limited = cp.Problem(cp.Minimize(cp.sum(w)), [cp.sum(w) == 1, w >= 0, w <= 0.5, *bound.constraints])
    # Half in 0.5 and half in 0.9; half in 0.1 and half in 0.3.
    with pytest.raises(InfeasibleError, match=r"exposure in \[0.75, inf\] of 0\.2 to 0\.7 "):
        bound.at(DAYS[0]).solve(limited)
    low, high = bound.achievable(limited)["exposure"]
    assert [low, high] == pytest.approx([0.2, 0.7], abs=1e-6)
    bound.at(DAYS[0], lower=0.69).solve(limited)
    assert bound.achieved()["exposure"] >= 0.69 - KEPT


def test_infeasible_whatever_the_exposure():
    w = cp.Variable(4)
    bound = ExposureConstraint(exposures(), w, ASSETS, lower=0.5)
    with pytest.raises(InfeasibleError, match="whatever the exposure"):
        bound.at(DAYS[0]).solve(cp.Problem(cp.Minimize(0), [cp.sum(w) == 1, w <= 0.2, *bound.constraints]))


def test_two_factors_that_each_can_and_together_cannot():
    frame = pl.DataFrame(
        {"date": [DAYS[0]] * 2, "asset": ["A", "B"], "exposure": [0.0, 1.0], "score": [-1.0, 1.0]}
    )
    both = kf.portfolio.FactorExposures(frame, {"exposure": "share", "score": "z"})
    w = cp.Variable(2)
    bound = ExposureConstraint(both, w, ["A", "B"], lower={"exposure": 0.9}, upper={"score": 0.0})
    one = cp.Problem(cp.Minimize(0), [cp.sum(w) == 1, w >= 0, *bound.constraints])
    with pytest.raises(
        InfeasibleError, match=r"together.*exposure in \[0.9, inf\] of .* 1; score in \[-inf, 0\] of -1 to 1"
    ):
        bound.at(DAYS[0]).solve(one)
    bound.at(DAYS[0], lower={"exposure": 0.4}).solve(one)
    assert bound.achieved()["score"] <= KEPT


GAP = [[0.1, 0.5, np.nan, 0.3], SHARES[1]]


def test_missing_is_an_error_and_the_old_date_stays():
    w = cp.Variable(4)
    bound = ExposureConstraint(exposures(GAP), w, ASSETS, lower=0.2)
    bound.at(DAYS[1])
    with pytest.raises(UnmatchedAssetError, match="C"):
        bound.at(DAYS[0])
    assert bound.bounds.exposures.as_of == DAYS[1]


@pytest.mark.parametrize(("policy", "counts_as"), [("neutral", 0.3), ("industry_mean", 0.1)])
def test_missing_counts_as_the_policy_says(policy, counts_as):
    weights, bound = solved(DAYS[0], data=exposures(GAP), lower=0.35, missing=policy)
    shares = [0.1, 0.5, counts_as, 0.3]
    assert np.dot(list(weights.values()), shares) >= 0.35 - KEPT
    assert weights["C"] > 0.01
    assert bound.bounds.exposures.imputed.ravel().tolist() == [False, False, True, False]


def test_excluded_has_no_weight_until_it_is_known():
    w = cp.Variable(4)
    bound = ExposureConstraint(exposures(GAP), w, ASSETS, lower=0.35, missing="exclude")
    one = problem(bound, w, np.array([0.1, 0.2, 0.1, 0.4]))
    assert one.is_dpp()
    bound.at(DAYS[0]).solve(one, **EXACT)
    assert abs(w.value[2]) < KEPT
    assert bound.bounds.exposures.excluded == ("C",)
    # Without C the most is 0.5.
    assert bound.achievable(one)["exposure"] == pytest.approx((0.1, 0.5), abs=1e-6)
    bound.at(DAYS[1]).solve(one, **EXACT)
    assert w.value[2] > 0.01


def test_requests_that_make_no_sense():
    data, w = exposures(), cp.Variable(4)
    with pytest.raises(DataError, match="at least one bound"):
        ExposureConstraint(data, w, ASSETS)
    with pytest.raises(DataError, match=r"\(3,\), a weight for every asset"):
        ExposureConstraint(data, w, ASSETS[:3], upper=0.5)
    with pytest.raises(MissingColumnError, match="scroe"):
        ExposureConstraint(data, w, ASSETS, upper={"scroe": 0.5})
    bound = ExposureConstraint(data, w, ASSETS, upper=0.5)
    with pytest.raises(DataError, match="no solution yet"):
        bound.achieved()
    with pytest.raises(DataError, match="lower must bound the factors that it did at the start: none"):
        bound.at(DAYS[0], lower=0.1)


def test_without_cvxpy(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **options):
        if name == "cvxpy":
            raise ImportError(name)
        return real(name, *args, **options)

    w = cp.Variable(4)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"kifactors\[cvxpy\]"):
        ExposureConstraint(exposures(), w, ASSETS, upper=0.5)


def test_example_keeps_its_bounds(capsys):
    runpy.run_path(str(Path(__file__).parents[1] / "examples" / "cvxpy_weights.py"), run_name="__main__")
    printed = capsys.readouterr().out
    months = re.findall(r"^2026-\d\d-\d\d  ([\d.]+) to ([\d.]+)  ([\d.]+) ", printed, re.MULTILINE)
    assert len(months) == 6
    assert all(float(low) - KEPT <= float(found) <= float(high) + KEPT for low, high, found in months)
    assert "SIMULATED" in printed
    assert "InfeasibleError" in printed
