"""Exposure bounds in scipy's optimisers: kept, by name."""

import re
import runpy
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import kifactors as kf
from kifactors.errors import DataError, InfeasibleError, UnmatchedAssetError
from kifactors.portfolio.scipy import coefficients, linear_constraint, linprog_arguments, named_weights

optimize = pytest.importorskip("scipy.optimize", reason="needs the extra 'scipy'")
pytestmark = pytest.mark.portfolio

KEPT = 1e-6
DAY = date(2024, 1, 31)
SHARES = {"A": 0.1, "B": 0.5, "C": 0.9, "D": 0.3}
RETURNS = {"D": 0.04, "C": 0.03, "B": 0.02, "A": 0.01}
VARIANCES = {"A": 0.01, "B": 0.04, "C": 0.09, "D": 0.16}


def exposures(**changes):
    shares = SHARES | changes
    frame = pl.DataFrame({"date": [DAY] * 4, "asset": list(shares), "exposure": list(shares.values())})
    return kf.portfolio.FactorExposures(frame, {"exposure": "share"})


def least_variance(bounds, method):
    n = len(bounds.exposures.assets)
    v = coefficients(VARIANCES, bounds)
    # Scaled, so that the optimiser's accuracy is one of the weights.
    found = optimize.minimize(
        lambda w: 50.0 * v @ w**2,
        np.full(n, 1.0 / n),
        jac=lambda w: 100.0 * v * w,
        hess=lambda w: np.diag(100.0 * v),
        bounds=[(0.0, 1.0)] * n,
        constraints=[linear_constraint(bounds), optimize.LinearConstraint(np.ones((1, n)), 1.0, 1.0)],
        method=method,
        tol=1e-12,
    )
    return named_weights(found.x, bounds)


# SLSQP has no use for a Hessian, and says so.
@pytest.mark.filterwarnings("ignore:Method SLSQP does not use Hessian:RuntimeWarning")
@pytest.mark.parametrize("method", ["SLSQP", "trust-constr"])
@pytest.mark.parametrize("limits", [{"lower": 0.55}, {"upper": 0.2}, {"lower": 0.5, "upper": 0.52}])
def test_minimize_keeps_the_bounds(method, limits):
    bounds = exposures().bounds(DAY, ["A", "B", "C", "D"], **limits)
    weights = least_variance(bounds, method)
    found = sum(weights[name] * SHARES[name] for name in SHARES)
    assert limits.get("lower", -1.0) - KEPT <= found <= limits.get("upper", 2.0) + KEPT
    assert weights.sum() == pytest.approx(1.0, abs=KEPT)
    # Unbounded it would be outside.
    free = least_variance(exposures().bounds(DAY, ["A", "B", "C", "D"], lower=0.0), "SLSQP")
    unbounded = sum(free[name] * SHARES[name] for name in SHARES)
    assert not limits.get("lower", -1.0) <= unbounded <= limits.get("upper", 2.0)


@pytest.mark.filterwarnings("ignore:Method SLSQP does not use Hessian:RuntimeWarning")
def test_order_of_assets_changes_nothing():
    straight, shuffled = (
        least_variance(exposures().bounds(DAY, order, lower=0.55), "SLSQP")
        for order in (["A", "B", "C", "D"], ["C", "D", "A", "B"])
    )
    assert list(shuffled.index) == ["C", "D", "A", "B"]
    assert shuffled[list(straight.index)].to_numpy() == pytest.approx(straight.to_numpy(), abs=1e-6)


@pytest.mark.parametrize("order", [["A", "B", "C", "D"], ["D", "B", "A", "C"]])
def test_linprog_by_hand(order):
    """The best return is D's; exposure 0.6 needs half in C, of 0.9."""
    bounds = exposures().bounds(DAY, order, lower=0.6)
    found = optimize.linprog(-coefficients(RETURNS, bounds), **linprog_arguments(bounds))
    weights = named_weights(found.x, bounds)
    assert weights[["A", "B", "C", "D"]].to_numpy() == pytest.approx([0.0, 0.0, 0.5, 0.5], abs=1e-9)


def test_limits_of_weights_go_by_name():
    bounds = exposures().bounds(DAY, ["D", "C", "B", "A"], lower=0.6)
    # C at most 0.4: D and B share the rest, 0.36 + 0.3 d + 0.5 b = 0.6 with d + b = 0.6.
    limits = linprog_arguments(bounds, max_weight={"A": 1.0, "B": 1.0, "C": 0.4, "D": 1.0})
    weights = named_weights(optimize.linprog(-coefficients(RETURNS, bounds), **limits).x, bounds)
    assert weights.to_dict() == pytest.approx({"D": 0.3, "C": 0.4, "B": 0.3, "A": 0.0}, abs=1e-9)


def test_infeasible_names_what_can_be_reached():
    bounds = exposures().bounds(DAY, ["A", "B", "C", "D"], lower=0.75)
    for prepare in (linear_constraint, linprog_arguments):
        with pytest.raises(InfeasibleError, match=r"reach 0\.2 to 0\.7\."):
            prepare(bounds, max_weight=0.5)
        prepare(bounds)


def test_together_infeasible_names_what_each_can_reach():
    frame = pl.DataFrame(
        {"date": [DAY] * 3, "asset": ["A", "B", "C"], "exposure": [0.0, 0.5, 1.0], "score": [-1.0, 0.0, 1.0]}
    )
    both = kf.portfolio.FactorExposures(frame, {"exposure": "share", "score": "z"})
    clash = both.bounds(DAY, ["C", "B", "A"], lower={"exposure": 0.9}, upper={"score": 0.2})
    # exposure is (1 + score) / 2.
    with pytest.raises(InfeasibleError, match=r"exposure reaches 0 to 0\.6; .*score reaches 0\.8 to 1\."):
        linear_constraint(clash)
    fine = both.bounds(DAY, ["C", "B", "A"], lower={"exposure": 0.6}, upper={"score": 0.2})
    assert linear_constraint(fine).A.tolist() == [[1.0, 0.5, 0.0], [1.0, 0.0, -1.0]]


def test_an_unbounded_factor_has_no_row():
    frame = pl.DataFrame(
        {"date": [DAY] * 2, "asset": ["A", "B"], "exposure": [0.0, 0.5], "score": [-1.0, 1.0]}
    )
    both = kf.portfolio.FactorExposures(frame, {"exposure": "share", "score": "z"})
    rows = linear_constraint(both.bounds(DAY, ["B", "A"], upper={"score": 0.2}))
    assert (rows.A.tolist(), rows.lb.tolist(), rows.ub.tolist()) == ([[1.0, -1.0]], [-np.inf], [0.2])


def test_missing_as_the_policy_says():
    gap = exposures(C=None)
    with pytest.raises(UnmatchedAssetError, match="C"):
        gap.bounds(DAY, ["A", "C"], lower=0.2)
    neutral = gap.bounds(DAY, ["A", "C"], lower=0.2, missing="neutral")
    assert linear_constraint(neutral).A[0] == pytest.approx([0.1, 0.3])
    excluded = gap.bounds(DAY, ["C", "B", "A"], lower=0.45, missing="exclude")
    found = optimize.linprog(-coefficients(RETURNS, excluded), **linprog_arguments(excluded))
    weights = named_weights(found.x, excluded)
    assert list(weights.index) == ["B", "A"]
    assert weights["B"] * 0.5 + weights["A"] * 0.1 >= 0.45 - KEPT
    with pytest.raises(InfeasibleError, match=r"reach 0\.1 to 0\.5"):
        linprog_arguments(gap.bounds(DAY, ["C", "B", "A"], lower=0.6, missing="exclude"))


def test_positions_and_gaps_are_refused():
    bounds = exposures().bounds(DAY, ["A", "B"], upper=0.4)
    with pytest.raises(DataError, match="no number for 1 asset"):
        coefficients({"A": 1.0}, bounds)
    with pytest.raises(DataError, match="by position are not taken"):
        coefficients([1.0, 2.0], bounds)
    with pytest.raises(DataError, match="a solution is None"):
        named_weights(None, bounds)


def test_example_keeps_its_bounds(capsys):
    runpy.run_path(str(Path(__file__).parents[1] / "examples" / "scipy_weights.py"), run_name="__main__")
    printed = capsys.readouterr().out
    achieved = [float(text) for text in re.findall(r"exposure achieved ([\d.]+)", printed)]
    assert len(achieved) == 2
    assert all(0.45 - KEPT <= found <= 0.5 + KEPT for found in achieved)
    assert "SIMULATED" in printed
    assert "InfeasibleError" in printed
