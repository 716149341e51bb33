"""Exposure bounds of a cvxpy problem that is compiled once: only its numbers change with the date (extra ``cvxpy``)."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from kifactors.errors import DataError, InfeasibleError, MissingColumnError, MissingExtraError
from kifactors.portfolio._aligned import MissingPolicy, checked_names
from kifactors.portfolio._bounds import LinearBounds
from kifactors.portfolio._exposures import FactorExposures

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ExposureConstraint"]

Limit = float | Mapping[str, float]
# A bound outside what can be reached by less is not why a solver found nothing.
TOLERANCE = 1e-7
# Bounds hold to this in a solution.
BROKEN = 1e-6
SOLVED = ("optimal", "optimal_inaccurate")


class ExposureConstraint:
    """Bounds on the exposure of weights, whose numbers are cvxpy parameters.

    Add `constraints` to a problem, set a date with `at`, and solve; the next date needs no new problem. The problem
    stays disciplined parametrised (DPP) if the rest of it is, and cvxpy then compiles it only once.

    Parameters
    ----------
    exposures : FactorExposures
    weights : cvxpy.Variable or affine expression
        (n,) weights of `assets`, in that order.
    assets : sequence of str
        Names, each once.
    lower, upper : float or mapping of factor to float, optional
        Bounds in the unit of the factor; at least one. `at` may give other numbers for a date, not other factors.
    benchmark : mapping or Series of weights by asset name, optional
        Then the bounds are on the exposure less that of the benchmark.
    missing : {"error", "neutral", "industry_mean", "exclude"}
        As for `FactorExposures.vector`. ``exclude`` holds the weight at 0: the problem keeps its size.
    max_age_days : int
        Older scores are refused.

    Attributes
    ----------
    constraints : list of cvxpy.Constraint
        What to add to a problem.
    exposure : cvxpy.Expression
        (k,) exposures of the weights to all factors, of the benchmark nothing taken off; for an objective, say.
    bounds : LinearBounds or None
        What `at` has set: bounds, exposures by name, what was imputed or left out.

    Raises
    ------
    MissingExtraError
        cvxpy is not installed.

    References
    ----------
    Agrawal, Amos, Barratt, Boyd, Diamond, Kolter (2019), Differentiable convex optimization layers, NeurIPS, section 4
    (disciplined parametrised programming).
    """

    def __init__(
        self,
        exposures: FactorExposures,
        weights: Any,
        assets: Sequence[str],
        *,
        lower: Limit | None = None,
        upper: Limit | None = None,
        benchmark: "Mapping[str, float] | pd.Series | None" = None,
        missing: MissingPolicy = "error",
        max_age_days: int = 45,
    ) -> None:
        cp = _cvxpy()
        self.assets = checked_names(assets)
        if getattr(weights, "shape", None) != (len(self.assets),):
            raise DataError(
                f"weights have the shape {getattr(weights, 'shape', None)}; expected a cvxpy expression of "
                f"({len(self.assets)},), a weight for every asset."
            )
        self._exposures = exposures
        self._given: dict[str, Any] = {"lower": lower, "upper": upper, "benchmark": benchmark}
        self._options: dict[str, Any] = {"missing": missing, "max_age_days": max_age_days}
        self._low, self._high = (_places(exposures, limit) for limit in (lower, upper))
        if not self._low and not self._high:
            raise DataError("neither lower nor upper is given; expected at least one bound.")
        self._X = cp.Parameter((len(exposures.factors), len(self.assets)), name="exposures")
        self.exposure = self._X @ weights
        self._sides: list[Any] = []
        self._lower = self._side(cp, self._low, "lower")
        self._upper = self._side(cp, self._high, "upper")
        self.constraints = list(self._sides)
        self._excluded: Any = None
        if missing == "exclude":
            self._excluded = cp.Parameter(len(self.assets), nonneg=True, name="excluded")
            self.constraints.append(cp.multiply(self._excluded, weights) == 0)
        self.bounds: LinearBounds | None = None

    def _side(self, cp: Any, places: list[int], which: str) -> Any:
        if not places:
            return None
        limit, exposure = cp.Parameter(len(places), name=which), self.exposure[places]
        self._sides.append(exposure >= limit if which == "lower" else exposure <= limit)
        return limit

    def at(
        self,
        day: str | date,
        *,
        lower: Limit | None = None,
        upper: Limit | None = None,
        benchmark: "Mapping[str, float] | pd.Series | None" = None,
    ) -> "ExposureConstraint":
        """Set the date: its exposures, and its bounds if they differ from those at the start.

        Parameters
        ----------
        day : str or date
            The newest scores of that day or before it count.
        lower, upper, benchmark : optional
            For this date only; absent: as given at the start.

        Returns
        -------
        ExposureConstraint
            Itself. If an error is raised it still is at the date before.

        Raises
        ------
        UnmatchedAssetError, DateError
            As for `FactorExposures.vector`.
        DataError
            A factor is bounded that was not at the start, or is no longer.
        """
        changed = {"lower": lower, "upper": upper, "benchmark": benchmark}
        given = self._given | {name: value for name, value in changed.items() if value is not None}
        found = self._exposures.bounds(day, self.assets, **given, **self._options)
        for which, places, limits in (("lower", self._low, found.lower), ("upper", self._high, found.upper)):
            if np.flatnonzero(np.isfinite(limits)).tolist() != places:
                raise DataError(
                    f"{which} must bound the factors that it did at the start: "
                    f"{', '.join(self._exposures.factors[k] for k in places) or 'none'}. Give those a loose bound, or "
                    "make another ExposureConstraint."
                )
        kept = np.isin(self.assets, found.exposures.assets)
        X = np.zeros(self._X.shape)
        X[:, kept] = found.exposures.matrix.T
        self._X.value = X
        if self._excluded is not None:
            self._excluded.value = (~kept).astype(np.float64)
        if self._lower is not None:
            self._lower.value = found.lower[self._low]
        if self._upper is not None:
            self._upper.value = found.upper[self._high]
        self.bounds = found
        return self

    def solve(self, problem: Any, **options: Any) -> float:
        """Solve a problem that holds the constraints; one without a solution is an error.

        Parameters
        ----------
        problem : cvxpy.Problem
        **options
            For ``problem.solve``; ``warm_start`` is False by default, see Notes.

        Returns
        -------
        float
            The value of the objective; the weights are in the variable.

        Raises
        ------
        InfeasibleError
            The bounds cannot be kept; what exposures the other constraints allow is named.
        DataError
            No date is set, the problem lacks the constraints or is unbounded, or the solver stopped before it had a
            solution, or calls weights one that break the bounds by more than 1e-6.

        Notes
        -----
        Started warm, OSQP 1 may refuse new bounds with no more than a line on the terminal and return the optimum of
        old ones (cvxpy issue 2235): each date gives it all its data. That compiles nothing again. After
        ``problem.solve(solver="OSQP")`` without ``warm_start=False``, of a second date, trust no weights.
        """
        if self.bounds is None:
            raise DataError("no date is set: call at(day) first.")
        held = {id(constraint) for constraint in problem.constraints}
        if not all(id(constraint) in held for constraint in self.constraints):
            raise DataError(
                "the problem does not hold the constraints: add *constraint.constraints to its own."
            )
        value = problem.solve(**({"warm_start": False} | options))
        if problem.status.startswith("infeasible"):
            raise InfeasibleError(self._explanation(problem))
        if problem.status not in SOLVED or self.exposure.value is None:
            raise DataError(
                f"the solver ended with the status {problem.status!r} on {self.bounds.exposures.as_of}, without a "
                "solution. Bound the objective, allow more iterations, or take another solver."
            )
        over = max(
            (self.exposure.value - self.bounds.upper).max(), (self.bounds.lower - self.exposure.value).max()
        )
        if over > BROKEN:
            raise DataError(
                f"the solver's weights break a bound on {self.bounds.exposures.as_of} by {over:.2g}. Ask for more "
                "accuracy (eps_abs=1e-9, eps_rel=1e-9 say), or take another solver, CLARABEL say."
            )
        return float(value)

    def achieved(self) -> dict[str, float]:
        """Return the exposure of the solution by factor."""
        if self.exposure.value is None:
            raise DataError("there is no solution yet: set a date with at(day), then solve the problem.")
        return dict(zip(self._exposures.factors, self.exposure.value.tolist(), strict=True))

    def achievable(self, problem: Any) -> dict[str, tuple[float, float]]:
        """Return the exposures by factor that the other constraints of a problem allow, each factor alone.

        Parameters
        ----------
        problem : cvxpy.Problem
            Its own bounds on exposures are left out; excluded assets stay at 0.

        Returns
        -------
        dict of factor to (lowest, highest)
            Infinite where nothing limits it.

        Raises
        ------
        InfeasibleError
            The other constraints cannot be kept at all.
        """
        cp = _cvxpy()
        ours = {id(side) for side in self._sides}
        others = [other for other in problem.constraints if id(other) not in ours]
        found = {}
        for k, factor in enumerate(self._exposures.factors):
            ends = []
            for goal in (cp.Minimize(self.exposure[k]), cp.Maximize(self.exposure[k])):
                part = cp.Problem(goal, others)
                ends.append(float(part.solve()))
                if part.status in {"infeasible", "infeasible_inaccurate"}:
                    gone = self.bounds.exposures.excluded if self.bounds is not None else ()
                    raise InfeasibleError(
                        "the other constraints of the problem cannot be kept together, whatever the exposure"
                        + (f", with the weights of {', '.join(gone[:5])} held at 0" if gone else "")
                        + ". Loosen them."
                    )
            found[factor] = (ends[0], ends[1])
        return found

    def _explanation(self, problem: Any) -> str:
        found = self.bounds
        assert found is not None  # noqa: S101
        rows = []
        for k, (factor, (low, high)) in enumerate(self.achievable(problem).items()):
            lower, upper = found.lower[k], found.upper[k]
            if np.isfinite([lower, upper]).any():
                alone = lower <= high + TOLERANCE and upper >= low - TOLERANCE
                rows.append((alone, f"{factor} in [{lower:g}, {upper:g}] of {low:.6g} to {high:.6g}"))
        wrong = [text for alone, text in rows if not alone]
        what = "cannot be reached" if wrong else "cannot be kept together, though each can alone"
        return (
            f"bounds on {found.exposures.as_of} {what}: {'; '.join(wrong or [text for _, text in rows])} that the other "
            "constraints of the problem allow. Ask for exposures in that range, or loosen the other constraints."
        )


def _places(exposures: FactorExposures, limit: Limit | None) -> list[int]:
    if limit is None:
        return []
    if not isinstance(limit, Mapping):
        if len(exposures.factors) > 1:
            raise DataError(f"a bound is {limit}; expected one by factor: {', '.join(exposures.factors)}.")
        return [0]
    unknown = [name for name in limit if name not in exposures.factors]
    if unknown:
        raise MissingColumnError(f"factor is {unknown[0]!r}; there are {', '.join(exposures.factors)}.")
    return sorted(exposures.factors.index(name) for name in limit)


def _cvxpy() -> Any:
    try:
        import cvxpy
    except ImportError as error:
        raise MissingExtraError("exposure constraints need cvxpy: pip install 'kifactors[cvxpy]'.") from error
    return cvxpy
