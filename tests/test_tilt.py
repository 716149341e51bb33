"""Tilts: closed form against projections, limits against linear and quadratic programs, unreachable targets."""

import builtins

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize

import kifactors as kf
from kifactors.errors import DataError, InfeasibleError, MissingExtraError, UnmatchedAssetError
from kifactors.portfolio.tilt import tilt

EXACT = 1e-10
# SLSQP stops at about this.
PROGRAM = 2e-6
NAMES = list("ABCDEFGH")


def world(seed, n=8):
    """Simulated weights, exposures and a covariance; some weights are 0, some exposures equal."""
    rng = np.random.default_rng(seed)
    b = rng.dirichlet(np.ones(n)) * (rng.random(n) < 0.8)
    b = np.full(n, 1 / n) if b.sum() == 0 else b / b.sum()
    x = np.round(rng.random(n), int(rng.integers(1, 4)))
    x[0], x[1] = 0.05, 0.95
    root = rng.normal(size=(n, 3)) * 0.2
    V = root @ root.T + np.diag(rng.uniform(0.01, 0.1, n))
    return dict(zip(NAMES, b, strict=True)), dict(zip(NAMES, x, strict=True)), V


def frame(V):
    # In another order than the benchmark: names must count.
    order = list(range(len(V)))[::-1]
    names = [NAMES[i] for i in order]
    return pd.DataFrame(V[np.ix_(order, order)], index=names, columns=names)


def arrays(b, x):
    return np.array(list(b.values())), np.array(list(x.values()))


def limits(b, *, long_only, most):
    low = np.full(b.size, -np.inf) if not long_only else -b
    high = np.full(b.size, np.inf) if not long_only else 1 - b
    if most is not None:
        low, high = np.maximum(low, -most), np.minimum(high, most)
    return low, high


def reach(x, low, high):
    """The range of x'a, by linear programs."""
    found = [
        linprog(s * x, A_eq=np.ones((1, x.size)), b_eq=[0], bounds=list(zip(low, high, strict=True)))
        for s in (1, -1)
    ]
    return float(x @ found[0].x), float(x @ found[1].x)


def quadratic_program(V, x, t, low, high):
    """min a'Va, 1'a = 0, x'a = t, low <= a <= high."""
    scale = np.trace(V) / len(V)
    start = np.zeros(x.size)
    return minimize(
        lambda a: a @ V @ a / scale, start, jac=lambda a: 2 * V @ a / scale, method="SLSQP",
        bounds=list(zip(low, high, strict=True)),
        constraints=[
            {"type": "eq", "fun": np.sum, "jac": np.ones_like},
            {"type": "eq", "fun": lambda a: x @ a - t, "jac": lambda a: x},
        ],
        options={"ftol": 1e-15, "maxiter": 1000},
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_closed_form_is_the_projection(seed):
    """Solved as the linear system of Lagrange's conditions, for a full covariance, in names' order."""
    b, x, V = world(seed)
    found = tilt(b, x, target_active_exposure=0.1, covariance=frame(V), long_only=False)
    _, xs = arrays(b, x)
    n = xs.size
    sides = np.zeros((2, n))
    sides[0], sides[1] = 1.0, xs
    system = np.block([[V, sides.T], [sides, np.zeros((2, 2))]])
    expected = np.linalg.solve(system, np.append(np.zeros(n), [0.0, 0.1]))[:n]
    assert found.method == "closed form"
    np.testing.assert_allclose(found.active, expected, atol=EXACT)
    assert found.tracking_error == pytest.approx(np.sqrt(expected @ V @ expected), rel=EXACT)
    assert not found.at_limit.any()


def test_variances_weigh_against_risk():
    """A and B: the same exposure, B four times the variance: a quarter of the weight."""
    found = tilt({"A": 0.2, "B": 0.2, "C": 0.6}, {"A": 1.0, "B": 1.0, "C": 0.0}, target_active_exposure=0.1,
                 covariance={"C": 1.0, "A": 0.04, "B": 0.16})  # fmt: skip
    np.testing.assert_allclose(found.active, [0.08, 0.02, -0.1], atol=EXACT)
    assert found.active_exposure == pytest.approx(0.1)
    assert found.to_series().to_dict() == pytest.approx({"A": 0.28, "B": 0.22, "C": 0.5})


@settings(max_examples=300, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    part=st.floats(-1.0, 1.0),
    long_only=st.booleans(),
    most=st.one_of(st.none(), st.floats(0.02, 0.3)),
    scale=st.sampled_from([1.0, 1e-6]),
)
def test_limits_hold_and_the_target_is_met_exactly(seed, part, long_only, most, scale):
    b, x, V = world(seed)
    bs, xs = arrays(b, x)
    low, high = limits(bs, long_only=long_only, most=most)
    bottom, top = reach(xs, low, high) if long_only or most is not None else (-1.0, 1.0)
    target = part * top if part > 0 else -part * bottom
    variances = dict(zip(NAMES, np.diag(V) * scale, strict=True))
    found = tilt(b, x, target_active_exposure=target, covariance=variances, long_only=long_only,
                 max_active_weight=most)  # fmt: skip
    assert found.active.sum() == pytest.approx(0.0, abs=EXACT)
    assert xs @ found.active == pytest.approx(target, abs=EXACT)
    assert (found.active >= low - EXACT).all()
    assert (found.active <= high + EXACT).all()
    # Karush, Kuhn, Tucker: v a = alpha + beta x where free; at a limit the rest of it points outwards.
    free = (found.active > low + 1e-9) & (found.active < high - 1e-9)
    gradient = np.diag(V) * found.active
    if np.unique(xs[free]).size < 2:
        return
    alpha, beta = np.linalg.lstsq(
        np.column_stack([np.ones(free.sum()), xs[free]]), gradient[free], rcond=None
    )[0]
    rest = gradient - alpha - beta * xs
    np.testing.assert_allclose(rest[free], 0.0, atol=1e-8)
    assert (rest[~free & (found.active <= low + 1e-9)] >= -1e-8).all()
    assert (rest[~free & (found.active >= high - 1e-9)] <= 1e-8).all()


@pytest.mark.parametrize("seed", range(0, 60, 3))
def test_exposures_that_hardly_differ_cost_no_digits(seed):
    """Differences of 1e-9 beside one of 0.4, variances over four orders, the target at the end of what is possible."""
    rng = np.random.default_rng(seed)
    n = int(rng.choice([3, 100, 1000]))
    names = [f"a{k}" for k in range(n)]
    b = rng.dirichlet(np.full(n, 0.3))
    x = 0.5 + 1e-9 * rng.integers(0, 3, n) + 0.4 * (rng.random(n) < 0.1)
    x[0] = 0.9
    v = np.exp(rng.normal(-4, 2, n))
    most = 1.5 / n
    low, high = limits(b, long_only=True, most=most)
    top = kf.portfolio.achievable_range(x, min_weight=low, max_weight=high, total=0.0)[1]
    for part in (0.5, 0.999999, 1.0):
        found = tilt(
            dict(zip(names, b, strict=True)), dict(zip(names, x, strict=True)), target_active_exposure=part * top,
            covariance=dict(zip(names, v, strict=True)), max_active_weight=most,
        )  # fmt: skip
        assert found.active.sum() == pytest.approx(0.0, abs=1e-13)
        assert found.active_exposure == pytest.approx(part * top, abs=1e-11)


def test_most_cases_of_the_property_bind():
    """The property above is about limits: they must bind in a good part of its cases."""
    methods = []
    for seed in range(40):
        b, x, V = world(seed)
        bs, xs = arrays(b, x)
        low, high = limits(bs, long_only=True, most=0.1)
        found = tilt(b, x, target_active_exposure=0.5 * reach(xs, low, high)[1], max_active_weight=0.1,
                     covariance=dict(zip(NAMES, np.diag(V), strict=True)))  # fmt: skip
        methods.append(found.method)
    assert methods.count("bisection") > 20


@pytest.mark.parametrize("seed", range(25))
def test_bisection_is_the_quadratic_program(seed):
    b, x, V = world(seed)
    bs, xs = arrays(b, x)
    low, high = limits(bs, long_only=True, most=0.1)
    target = 0.8 * reach(xs, low, high)[1]
    D = np.diag(np.diag(V))
    found = tilt(b, x, target_active_exposure=target, covariance=dict(zip(NAMES, np.diag(V), strict=True)),
                 max_active_weight=0.1)  # fmt: skip
    assert found.method == "bisection"
    done = quadratic_program(D, xs, target, low, high)
    assert done.success
    assert found.tracking_error**2 <= done.x @ D @ done.x * (1 + 1e-7)
    np.testing.assert_allclose(found.active, done.x, atol=PROGRAM * 50)


@pytest.mark.parametrize("seed", range(10))
def test_a_full_covariance_with_limits_is_the_quadratic_program(seed):
    pytest.importorskip("cvxpy")
    b, x, V = world(seed)
    bs, xs = arrays(b, x)
    low, high = limits(bs, long_only=True, most=0.1)
    target = 0.8 * reach(xs, low, high)[1]
    found = tilt(b, x, target_active_exposure=target, covariance=frame(V), max_active_weight=0.1)
    assert found.method == "cvxpy"
    done = quadratic_program(V, xs, target, low, high)
    assert found.tracking_error == pytest.approx(np.sqrt(done.x @ V @ done.x), rel=1e-5)
    assert found.active_exposure == pytest.approx(target, abs=1e-7)
    # The most exposure for that tracking error is that target.
    again = tilt(b, x, max_tracking_error=found.tracking_error, covariance=frame(V), max_active_weight=0.1)
    assert again.active_exposure == pytest.approx(target, abs=1e-5)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10**6), part=st.floats(0.05, 0.95), most=st.floats(0.02, 0.3))
def test_most_exposure_for_a_tracking_error_and_least_error_for_an_exposure_agree(seed, part, most):
    b, x, V = world(seed)
    bs, xs = arrays(b, x)
    top = reach(xs, *limits(bs, long_only=True, most=most))[1]
    options = {"covariance": dict(zip(NAMES, np.diag(V), strict=True)), "max_active_weight": most}
    one = tilt(b, x, target_active_exposure=part * top, **options)
    other = tilt(b, x, max_tracking_error=one.tracking_error, **options)
    assert other.active_exposure == pytest.approx(part * top, rel=1e-6)
    assert other.tracking_error <= one.tracking_error * (1 + 1e-9)
    # Both given: met, or said how much is possible.
    tilt(b, x, target_active_exposure=part * top, max_tracking_error=one.tracking_error * 1.001, **options)
    with pytest.raises(InfeasibleError, match=r"needs a tracking error of .* allows 0\.\d+"):
        tilt(b, x, target_active_exposure=part * top, max_tracking_error=one.tracking_error * 0.9, **options)


def test_more_tracking_error_than_the_limits_can_use_gives_the_most_exposure():
    b, x, V = world(3)
    bs, xs = arrays(b, x)
    top = reach(xs, *limits(bs, long_only=True, most=0.05))[1]
    found = tilt(b, x, max_tracking_error=9.0, covariance=dict(zip(NAMES, np.diag(V), strict=True)),
                 max_active_weight=0.05)  # fmt: skip
    assert found.active_exposure == pytest.approx(top, abs=EXACT)
    assert found.active.sum() == pytest.approx(0.0, abs=EXACT)


def test_long_only_sells_no_more_than_there_is():
    """A has 0.05 and the most of it goes; without limits 0.15 of it would."""
    thirds = {"A": 0.05, "B": 0.35, "C": 0.6}
    x = {"A": 0.0, "B": 0.5, "C": 1.0}
    free = tilt(thirds, x, target_active_exposure=0.15 * 1.0, long_only=False)
    np.testing.assert_allclose(free.active, [-0.15, 0.0, 0.15], atol=EXACT)
    # A gives 0.05; B gives d, C takes 0.05 + d: 0.05 + 0.5 d = 0.15, so d = 0.2.
    found = tilt(thirds, x, target_active_exposure=0.15)
    np.testing.assert_allclose(found.weights, [0.0, 0.15, 0.85], atol=EXACT)
    assert found.at_limit.tolist() == [True, False, False]


def test_a_weight_at_its_limit_may_come_back_as_the_tilt_grows():
    """Bought only when the tilt is strong: D is not held, costly in risk, and next to the mean at first."""
    b = {"A": 0.5, "B": 0.5, "D": 0.0}
    x = {"A": 0.0, "B": 1.0, "D": 0.55}
    v = {"A": 0.01, "B": 0.04, "D": 0.01}
    D = np.diag(list(v.values()))
    bs, xs = arrays(b, x)
    low, high = limits(bs, long_only=True, most=0.3)
    for target in (0.01, 0.1, 0.2, 0.29):
        found = tilt(b, x, target_active_exposure=target, covariance=v, max_active_weight=0.3)
        done = quadratic_program(D, xs, target, low, high)
        np.testing.assert_allclose(found.active, done.x, atol=1e-4)


def test_an_unreachable_target_names_the_range():
    b, x, _ = world(1)
    bs, xs = arrays(b, x)
    low, high = reach(xs, *limits(bs, long_only=True, most=0.1))
    for beyond in (high + 1e-6, low - 1e-6):
        with pytest.raises(InfeasibleError, match=rf"from {low:.6g} to {high:.6g}"):
            tilt(b, x, target_active_exposure=beyond, max_active_weight=0.1)
    for end in (high, low):
        found = tilt(b, x, target_active_exposure=end, max_active_weight=0.1)
        assert found.active_exposure == pytest.approx(end, abs=EXACT)
    with pytest.raises(InfeasibleError, match=r"all 2 assets have exposure 0\.3"):
        tilt({"A": 0.5, "B": 0.5}, {"A": 0.3, "B": 0.3}, target_active_exposure=0.1, long_only=False)


def test_no_tilt_is_the_benchmark():
    b, x, V = world(2)
    found = tilt(b, x, target_active_exposure=0.0, covariance=frame(V))
    assert found.weights.tolist() == list(b.values())
    assert found.tracking_error == 0.0


def test_a_shift_of_all_exposures_changes_nothing():
    b, x, V = world(4)
    far = {name: value + 1e6 for name, value in x.items()}
    one, other = (
        tilt(b, e, target_active_exposure=0.05, covariance=frame(V), long_only=False) for e in (x, far)
    )
    # 1e6 leaves ten digits of the exposures.
    np.testing.assert_allclose(one.active, other.active, atol=1e-8)


def test_exposures_by_date_are_taken_by_name_and_unknown_ones_refused():
    day = pl.DataFrame({"date": ["2024-01-31"] * 3, "asset": ["A", "B", "C"], "exposure": [0.0, 0.6, None]})
    exposures = kf.portfolio.FactorExposures(
        day.with_columns(pl.col("date").str.to_date()), {"exposure": "share"}
    )
    b = pd.Series({"B": 0.5, "A": 0.5})
    found = tilt(b, exposures.vector("2024-01-31", ["A", "B"]), target_active_exposure=0.06)
    assert found.to_series().to_dict() == pytest.approx({"B": 0.6, "A": 0.4})
    b = {"A": 0.3, "B": 0.3, "C": 0.4}
    with pytest.raises(UnmatchedAssetError, match=r"1 of 3 .*: C"):
        tilt(b, exposures.vector("2024-01-31", ["A", "B"]), target_active_exposure=0.01)
    with pytest.raises(UnmatchedAssetError, match=r"1 of 3 .*: C"):
        tilt(b, {"A": 0.0, "B": 0.6, "C": np.nan}, target_active_exposure=0.01)
    neutral = exposures.vector("2024-01-31", ["A", "B", "C"], missing="neutral")
    assert tilt(b, neutral, target_active_exposure=0.03).active.round(12).tolist() == [-0.05, 0.05, 0.0]


def test_without_cvxpy_the_extra_is_named(monkeypatch):
    real = builtins.__import__

    def absent(name, *args, **kwargs):
        if name == "cvxpy":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    b, x, V = world(0)
    with pytest.raises(MissingExtraError, match=r"kifactors\[cvxpy\]"):
        tilt(b, x, target_active_exposure=0.02, covariance=frame(V), max_active_weight=0.03)


HALVES, ENDS = {"A": 0.5, "B": 0.5}, {"A": 0.0, "B": 1.0}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "neither target_active_exposure nor max_tracking_error"),
        ({"target_active_exposure": np.nan}, "expected a finite number"),
        ({"max_tracking_error": 0.1}, "needs a covariance"),
        ({"max_tracking_error": -0.1, "covariance": HALVES}, "expected a positive number"),
        ({"target_active_exposure": 0.1, "max_active_weight": 0.0}, "max_active_weight is 0"),
        ({"target_active_exposure": 0.1, "covariance": {"A": 0.1, "B": 0.0}}, "variance of B is 0"),
        ({"target_active_exposure": 0.1, "covariance": {"A": 0.1}}, "no number for 1 asset"),
        ({"target_active_exposure": 0.1, "covariance": np.eye(2)}, "covariance is a ndarray"),
        ({"target_active_exposure": 0.1, "covariance": pd.DataFrame({"A": [1.0]}, index=["A"])}, "lacks 1 asset"),
        (
            {"target_active_exposure": 0.1, "covariance": pd.DataFrame(np.ones((2, 2)), list("AB"), list("AB"))},
            "not positive definite",
        ),
        (
            {"target_active_exposure": 0.1, "covariance": pd.DataFrame([[1, 0.5], [0, 1.0]], list("AB"), list("AB"))},
            "symmetric",
        ),
        (
            {"target_active_exposure": 0.1, "covariance": pd.DataFrame(np.eye(3), list("ABA"), list("ABA"))},
            "names an asset twice",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(options, message):
    with pytest.raises(DataError, match=message):
        tilt(HALVES, ENDS, **options)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"A": 0.5, "B": 0.4}, "add to 0.9"),
        ({"A": 1.5, "B": -0.5}, "benchmark weight of B is -0.5"),
        ({"A": 1.0}, "at least 2"),
        (np.array([0.5, 0.5]), "by position"),
    ],
)
def test_a_wrong_benchmark_is_refused(weights, message):
    with pytest.raises(DataError, match=message):
        tilt(weights, ENDS, target_active_exposure=0.1)


def test_a_solver_says_who_is_at_a_limit_as_the_exact_way_does():
    pytest.importorskip("cvxpy")
    names, variances = list("ABCDE"), np.array([0.02, 0.03, 0.04, 0.05, 0.06])
    b = dict(zip(names, [0.4, 0.3, 0.2, 0.1, 0.0], strict=True))
    x = dict(zip(names, [0.0, 0.1, 0.3, 0.7, 0.9], strict=True))
    # A variance that all share is in no active portfolio: the same problem.
    full = pd.DataFrame(0.01 + np.diag(variances), names, names)
    exact, solved = (
        tilt(b, x, target_active_exposure=0.6, covariance=c)
        for c in (dict(zip(names, variances, strict=True)), full)
    )
    assert (exact.method, solved.method) == ("bisection", "cvxpy")
    assert solved.at_limit.tolist() == exact.at_limit.tolist() == [True, True, False, False, False]
