"""120 months of time-varying exposure bounds: a cvxpy problem whose numbers change, against one made anew each month.

Weights are compared first. The returns behind the covariance are simulated. Both ways read the same exposures by name
each month; what differs is only whether cvxpy compiles again. How much that saves depends on the rest of the problem:
a bare one is measured, and one with the limits of a mandate, as matrices and as the list that one writes first. With
one problem cvxpy still spends about 4 ms a solve on putting numbers in place, and the solver its own time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl
from alternatives import optional
from measure import Case

import kifactors as kf

MONTHS, STYLES = 120, 10
# Tight, so that weights of two ways differ by less than the comparison allows.
SOLVER = {"solver": "CLARABEL", "tol_gap_abs": 1e-10, "tol_gap_rel": 1e-10, "tol_feas": 1e-10}


@dataclass(frozen=True)
class World:
    """Names, months, exposures, a simulated risk model and the months' bounds."""

    assets: list[str]
    days: list[date]
    exposures: Any
    loadings: np.ndarray
    residual: np.ndarray
    index: np.ndarray
    industry: np.ndarray
    low: np.ndarray


def cases(*, quick: bool) -> list[Case]:
    """Return the cases; none without cvxpy."""
    if optional("cvxpy") is None:
        return []
    months = 6 if quick else MONTHS
    return [
        case(f"{what}, {months} months x {assets} assets", world(assets, months), rest)
        for what, rest, assets in (
            ("least variance", bare, 50),
            ("tracker, limits as matrices", as_matrices, 50),
            ("tracker, a limit each", as_list, 50),
            ("tracker, a limit each", as_list, 200),
        )
    ]


def case(title: str, data: World, rest: Callable[..., Any]) -> Case:
    """Return a case: one problem for all months, or one a month."""
    return Case(
        f"cvxpy, {title}",
        {
            "one problem": lambda: compiled_once(data, rest),
            "a problem a month": lambda: made_anew(data, rest),
        },
        rtol=1e-6,
        targets={"a problem a month": 5.0},
        rounds=3,
    )


def world(assets: int, months: int) -> World:
    """Return exposures of invented assets, and simulated risk."""
    rng = np.random.default_rng(0)
    names = [f"asset {i:04}" for i in range(assets)]
    days = kf.month_ends("2016-01", "2025-12")[:months]
    values = np.clip(
        rng.random(assets) + 0.02 * rng.standard_normal((months, assets)).cumsum(axis=0), 0.0, 1.0
    )
    frame = pl.DataFrame(
        {"date": [day for day in days for _ in names], "asset": names * months, "exposure": values.ravel()}
    )
    size = rng.lognormal(0.0, 1.0, assets)
    index = size / size.sum()
    return World(
        assets=names,
        days=days,
        exposures=kf.portfolio.FactorExposures(frame, {"exposure": "share"}),
        loadings=0.05 * rng.standard_normal((STYLES, assets)),
        residual=rng.uniform(0.1, 0.4, assets),
        index=index,
        industry=np.eye(STYLES)[rng.integers(0, STYLES, assets)].T,
        low=values @ index + 0.05 + 0.02 * np.sin(np.arange(months) / 6.0),
    )


def bare(data: World, w: Any) -> tuple[Any, list[Any]]:
    """Return least variance of a fully invested portfolio of long positions."""
    cp = optional("cvxpy")
    return variance(data, w), [cp.sum(w) == 1, w >= 0, w <= 0.2]


def as_matrices(data: World, w: Any) -> tuple[Any, list[Any]]:
    """Return least tracking error, with limits of positions, industries and styles."""
    cp = optional("cvxpy")
    active = w - data.index
    return variance(data, active), [
        cp.sum(w) == 1,
        w >= 0,
        cp.abs(active) <= 0.05,
        cp.abs(data.industry @ active) <= 0.05,
        cp.abs(data.loadings @ active) <= 0.02,
    ]


def as_list(data: World, w: Any) -> tuple[Any, list[Any]]:
    """Return the same with a constraint for every industry and style."""
    cp = optional("cvxpy")
    active = w - data.index
    return variance(data, active), [
        cp.sum(w) == 1,
        w >= 0,
        cp.abs(active) <= 0.05,
        *(cp.abs(row @ active) <= 0.05 for row in data.industry),
        *(cp.abs(row @ active) <= 0.02 for row in data.loadings),
    ]


def variance(data: World, w: Any) -> Any:
    """Return the variance of weights by the risk model."""
    cp = optional("cvxpy")
    return cp.sum_squares(data.loadings @ w) + cp.sum_squares(cp.multiply(data.residual, w))


def compiled_once(data: World, rest: Callable[..., Any]) -> np.ndarray:
    """Return weights of all months from one problem."""
    cp, constraint = optional("cvxpy"), optional("kifactors.portfolio.cvxpy").ExposureConstraint
    w = cp.Variable(len(data.assets))
    bound = constraint(data.exposures, w, data.assets, lower=0.0, upper=1.0)
    goal, limits = rest(data, w)
    problem = cp.Problem(cp.Minimize(goal), [*limits, *bound.constraints])
    weights = []
    for day, low in zip(data.days, data.low, strict=True):
        bound.at(day, lower=low, upper=low + 0.02).solve(problem, **SOLVER)
        weights.append(w.value)
    return np.array(weights)


def made_anew(data: World, rest: Callable[..., Any]) -> np.ndarray:
    """Return weights of all months, each from a problem of its own with plain numbers in it."""
    cp = optional("cvxpy")
    weights = []
    for day, low in zip(data.days, data.low, strict=True):
        w = cp.Variable(len(data.assets))
        bounds = data.exposures.bounds(day, data.assets, lower=low, upper=low + 0.02)
        goal, limits = rest(data, w)
        cp.Problem(cp.Minimize(goal), [*limits, bounds.A @ w <= bounds.b]).solve(**SOLVER)
        weights.append(w.value)
    return np.array(weights)
