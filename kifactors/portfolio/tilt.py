"""Tilts: from benchmark weights toward an exposure, at the smallest tracking error; closed form where there is one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from kifactors.errors import DataError, InfeasibleError, MissingExtraError, UnmatchedAssetError
from kifactors.portfolio._aligned import Aligned, by_name, numbers_of
from kifactors.portfolio._bounds import achievable_range
from kifactors.portfolio._box import Box, Goal, solve_diagonal
from kifactors.portfolio._covariance import covariance_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Tilt", "tilt"]

Floats = NDArray[np.float64]
# Weights that miss 1 by more were not meant to add to 1.
SUM_TOLERANCE = 1e-8
# A limit that the closed form breaks by less counts as kept.
TOLERANCE = 1e-12
# A tracking error above its limit by less, relatively, is the solver's rounding.
SOLVER_TOLERANCE = 1e-6
# How near to its limit a weight is at it.
ROUNDED, NEAR_LIMIT = 1e-10, 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Tilt:
    """Tilted weights and what they do.

    Parameters
    ----------
    assets : tuple of str
        The n assets of the benchmark, in its order.
    weights, active : (n,) arrays
        Weights, and weights less those of the benchmark.
    active_exposure : float
        x'(w - b), in the unit of the exposures.
    tracking_error : float or None
        Of the active weights, as a fraction per period of the covariance; None where no risk was given.
    method : {"closed form", "bisection", "cvxpy"}
        How they were found; the first two are exact to rounding.
    at_limit : (n,) bool array
        Whose weight cannot go further: within 1e-10 of a limit, after cvxpy within 1e-6.
    """

    assets: tuple[str, ...]
    weights: Floats
    active: Floats
    active_exposure: float
    tracking_error: float | None
    method: Literal["closed form", "bisection", "cvxpy"]
    at_limit: NDArray[np.bool_]

    def to_series(self) -> "pd.Series":
        """Return the weights by asset."""
        import pandas as pd

        return pd.Series(self.weights, index=list(self.assets), name="weight")


def tilt(
    benchmark: "Mapping[str, float] | pd.Series",
    exposures: "Aligned | Mapping[str, float] | pd.Series",
    *,
    target_active_exposure: float | None = None,
    max_tracking_error: float | None = None,
    covariance: "pd.DataFrame | Mapping[str, float] | pd.Series | None" = None,
    long_only: bool = True,
    max_active_weight: float | None = None,
) -> Tilt:
    """Tilt benchmark weights toward an exposure.

    Parameters
    ----------
    benchmark : mapping or Series of weights by asset name
        They add to 1. What may be bought beyond the benchmark stands in it with 0.
    exposures : Aligned, mapping or Series by asset name
        Of one factor; every asset of the benchmark must have one, others are not looked at. `FactorExposures.vector`
        makes them, and says what an unknown one counts as.
    target_active_exposure : float, optional
        x'(w - b) that is wanted, in the unit of the exposures; negative: away from it. It is reached at the smallest
        tracking error. Absent: the largest that `max_tracking_error` allows.
    max_tracking_error : float, optional
        Fraction per period of the covariance.
    covariance : DataFrame, mapping or Series, optional
        Covariance of returns by asset name in rows and columns, or variances (of residuals, say) by name where assets
        count as uncorrelated; as fractions per period, squared. Absent: all are alike, and the sum of squared active
        weights is the smallest.
    long_only : bool
        No weight below 0.
    max_active_weight : float, optional
        Largest |w - b| of one asset.

    Returns
    -------
    Tilt

    Raises
    ------
    InfeasibleError
        The target cannot be reached within the limits; what can be reached is named.
    UnmatchedAssetError
        An asset has no known exposure.
    DataError
        Weights do not add to 1, or risk is missing, not positive or not symmetric.
    MissingExtraError
        A full covariance with limits that bind needs cvxpy.

    Notes
    -----
    Without limits that bind, active weights are t y / x'y, where y = V^-1 x - V^-1 1 (1'V^-1 x) / (1'V^-1 1): V^-1 x
    less what makes its sum 0. Their tracking error is abs(t) / sqrt(x'y), so the most exposure for a tracking error s
    is s sqrt(x'y). This is also the answer with limits, if it keeps them. With uncorrelated assets and limits that
    bind, a_i = clip((alpha + beta x_i) / v_i): alpha makes their sum 0, exposure and tracking error rise with beta,
    and beta is bisected. With a full covariance and limits that bind a quadratic program is solved (cvxpy, Clarabel).

    References
    ----------
    Grinold, Kahn (2000), Active Portfolio Management, chapter 2, appendix: characteristic portfolios.

    Examples
    --------
    A third each, exposures 0, 0.3 and 0.6. Alike in risk, 0.03 more costs 0.05 each way: 0.05 * 0.6 = 0.03.

    >>> from kifactors.portfolio.tilt import tilt
    >>> thirds = dict.fromkeys("ABC", 1 / 3)
    >>> found = tilt(thirds, {"C": 0.6, "B": 0.3, "A": 0.0}, target_active_exposure=0.03)
    >>> found.active.round(12).tolist(), found.method
    ([-0.05, 0.0, 0.05], 'closed form')

    No more than 0.2 in or out of each reaches 0.2 * 0.6 = 0.12:

    >>> tilt(thirds, {"A": 0.0, "B": 0.3, "C": 0.6}, target_active_exposure=0.15, max_active_weight=0.2)
    Traceback (most recent call last):
        ...
    kifactors.errors.InfeasibleError: an active exposure of 0.15 cannot be reached; within the limits it is from -0.12
    to 0.12. Ask for one in that range, or loosen the limits.
    """
    assets, b = _weights(benchmark, long_only=long_only)
    x = _exposures(exposures, assets)
    risk = _Risk.of(covariance, assets)
    goal = _goal(target_active_exposure, max_tracking_error, has_risk=covariance is not None)
    box = _box(b, long_only=long_only, max_active_weight=max_active_weight)
    _check_reachable(x, box, goal.exposure)
    active, method = _solve(x, risk, box, goal)
    error = risk.tracking_error(active)
    if goal.exposure is not None and goal.tracking_error is not None:
        _check_risk(error, x, risk, box, goal)
    # A solver stops somewhere near a limit, the other ways within the last digits of it.
    near = NEAR_LIMIT if method == "cvxpy" else ROUNDED
    at_limit = (active <= box.low + near) | (active >= box.high - near)
    return Tilt(
        assets, b + active, active, float(x @ active), None if covariance is None else error, method, at_limit
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Risk:
    """Variances (n,) of uncorrelated assets, or a covariance (n, n) with its Cholesky factor."""

    variances: Floats | None
    covariance: Floats | None = None
    root: Floats | None = None

    @classmethod
    def of(cls, given: Any, assets: tuple[str, ...]) -> "_Risk":
        if given is None:
            return cls(np.ones(len(assets)))
        if getattr(given, "ndim", 1) == 2:
            return cls._full(given, assets)
        variances = by_name("covariance", given, assets)
        if not (variances > 0.0).all():
            at = int(np.argmin(variances))
            raise DataError(f"the variance of {assets[at]} is {variances[at]:g}; expected a positive number.")
        return cls(variances)

    @classmethod
    def _full(cls, frame: Any, assets: tuple[str, ...]) -> "_Risk":
        V = covariance_of(frame, assets, by_position=False)
        try:
            root = np.asarray(np.linalg.cholesky(V), np.float64)
        except np.linalg.LinAlgError as error:
            raise DataError(
                "covariance is not positive definite: some portfolio would have no risk. Shrink it, or take a factor "
                "model with residual variances."
            ) from error
        return cls(None, V, root)

    def solve(self, y: Floats) -> Floats:
        """Return V^-1 y."""
        if self.variances is not None:
            return np.asarray((y.T / self.variances).T)
        return np.asarray(np.linalg.solve(self.covariance, y))  # type: ignore[arg-type]

    def tracking_error(self, active: Floats) -> float:
        if self.variances is not None:
            return float(np.sqrt(self.variances @ active**2))
        return float(np.linalg.norm(self.root.T @ active))  # type: ignore[union-attr]


def _solve(
    x: Floats, risk: _Risk, box: Box, goal: Goal
) -> tuple[Floats, Literal["closed form", "bisection", "cvxpy"]]:
    active = _closed_form(x, risk, goal)
    if (active >= box.low - TOLERANCE).all() and (active <= box.high + TOLERANCE).all():
        return np.clip(active, box.low, box.high), "closed form"
    if risk.variances is not None:
        return solve_diagonal(x, risk.variances, box, goal), "bisection"
    return _solve_cvxpy(x, risk, box, goal), "cvxpy"


def _check_risk(error: float, x: Floats, risk: _Risk, box: Box, goal: Goal) -> None:
    assert goal.exposure is not None and goal.tracking_error is not None  # noqa: S101, PT018
    if error > goal.tracking_error * (1.0 + SOLVER_TOLERANCE):
        sign = float(np.sign(goal.exposure))
        most, _ = _solve(sign * x, risk, box, Goal(None, goal.tracking_error))
        raise InfeasibleError(
            f"an active exposure of {goal.exposure:g} needs a tracking error of {error:.6g}; max_tracking_error="
            f"{goal.tracking_error:g} allows {float(x @ most):.6g}. Ask for less exposure, or allow more risk."
        )


def _closed_form(x: Floats, risk: _Risk, goal: Goal) -> Floats:
    # Active weights add to 0, so only differences of x count; centred, nothing is lost to a large mean.
    z = x - x.mean()
    inverse = risk.solve(np.column_stack([z, np.ones(z.size)]))
    y = inverse[:, 0] - inverse[:, 1] * (inverse[:, 0].sum() / inverse[:, 1].sum())
    if goal.exposure == 0.0:
        return np.zeros(x.size)
    steep = float(z @ y)
    if goal.exposure is not None:
        return np.asarray(y * (goal.exposure / steep), np.float64)
    assert goal.tracking_error is not None  # noqa: S101
    return np.asarray(y * (goal.tracking_error / np.sqrt(steep)), np.float64)


def _solve_cvxpy(x: Floats, risk: _Risk, box: Box, goal: Goal) -> Floats:
    try:
        import cvxpy
    except ImportError as error:
        raise MissingExtraError(
            "a full covariance with limits that bind needs cvxpy: pip install 'kifactors[cvxpy]'. Variances by name "
            "(uncorrelated assets), or no limits (long_only=False, no max_active_weight), need nothing."
        ) from error
    # cvxpy's own types do not know its functions.
    cp: Any = cvxpy
    a = cp.Variable(x.size)
    z = x - x.mean()
    # Risk of about 1, whatever the period is: solvers stop at absolute tolerances.
    scale = float(np.sqrt(np.trace(risk.covariance) / x.size))  # type: ignore[arg-type]
    spread = risk.root.T @ a / scale  # type: ignore[union-attr]
    limits = [cp.sum(a) == 0.0, a >= box.low, a <= box.high]
    if goal.exposure is not None:
        problem = cp.Problem(cp.Minimize(cp.sum_squares(spread)), [*limits, z @ a == goal.exposure])
    else:
        assert goal.tracking_error is not None  # noqa: S101
        problem = cp.Problem(cp.Maximize(z @ a), [*limits, cp.norm(spread, 2) <= goal.tracking_error / scale])
    problem.solve(solver=cp.CLARABEL)
    if problem.status != cp.OPTIMAL or a.value is None:
        raise InfeasibleError(
            f"the solver ended with status {problem.status!r}; loosen the limits or the target."
        )
    return np.clip(np.asarray(a.value, np.float64), box.low, box.high)


def _weights(benchmark: Any, *, long_only: bool) -> tuple[tuple[str, ...], Floats]:
    assets = tuple(numbers_of("benchmark", benchmark))
    if len(assets) < 2:
        raise DataError(f"benchmark has {len(assets)} asset(s); a tilt needs at least 2.")
    b = by_name("benchmark", benchmark, assets)
    if abs(b.sum() - 1.0) > SUM_TOLERANCE:
        raise DataError(f"benchmark weights add to {b.sum():.10g}; expected 1. Divide by their sum.")
    if long_only and (b < 0.0).any():
        at = int(np.argmin(b))
        raise DataError(f"the benchmark weight of {assets[at]} is {b[at]:g}; with long_only none is below 0.")
    return assets, b


def _exposures(given: Any, assets: tuple[str, ...]) -> Floats:
    if isinstance(given, Aligned):
        given = dict(zip(given.assets, given.column().tolist(), strict=True))
    known = numbers_of("exposures", given)
    absent = [name for name in assets if known.get(name) is None or np.isnan(known[name])]
    if absent:
        raise UnmatchedAssetError(
            f"{len(absent)} of {len(assets)} assets of the benchmark have no known exposure: {', '.join(absent[:8])}"
            f"{' ...' if len(absent) > 8 else ''}. Leave them out, or say what an unknown exposure counts as: "
            "FactorExposures.vector(day, assets, missing='neutral')."
        )
    return by_name("exposures", known, assets)


def _goal(exposure: float | None, error: float | None, *, has_risk: bool) -> Goal:
    if exposure is None and error is None:
        raise DataError(
            "neither target_active_exposure nor max_tracking_error is given; expected at least one."
        )
    if exposure is not None and not np.isfinite(exposure):
        raise DataError(f"target_active_exposure is {exposure}; expected a finite number.")
    if error is not None and not 0.0 < error < np.inf:
        raise DataError(f"max_tracking_error is {error}; expected a positive number, 0.02 for 2 %.")
    if error is not None and not has_risk:
        raise DataError("max_tracking_error needs a covariance, or variances by asset name.")
    return Goal(exposure, error)


def _box(b: Floats, *, long_only: bool, max_active_weight: float | None) -> Box:
    low, high = np.full(b.size, -np.inf), np.full(b.size, np.inf)
    if long_only:
        # Weights that add to 1 and are not negative are at most 1.
        low, high = np.minimum(-b, 0.0), np.maximum(1.0 - b, 0.0)
    if max_active_weight is not None:
        if not 0.0 < max_active_weight < np.inf:
            raise DataError(f"max_active_weight is {max_active_weight}; expected a positive number.")
        low, high = np.maximum(low, -max_active_weight), np.minimum(high, max_active_weight)
    return Box(low, high)


def _check_reachable(x: Floats, box: Box, target: float | None) -> None:
    if target != 0.0 and not np.ptp(x) > 0.0:
        raise InfeasibleError(
            f"all {x.size} assets have exposure {x[0]:g}: every active exposure but 0 is out of reach. A tilt needs two "
            "that differ."
        )
    if target is None or np.isinf(box.low).any():
        return
    low, high = achievable_range(x, min_weight=box.low, max_weight=box.high, total=0.0)
    # Rounding of sums of products of this size.
    slack = 1e-12 * max(1.0, float(np.abs(x).max()))
    if not low - slack <= target <= high + slack:
        raise InfeasibleError(
            f"an active exposure of {target:g} cannot be reached; within the limits it is from {low:.6g} to {high:.6g}. "
            "Ask for one in that range, or loosen the limits."
        )
