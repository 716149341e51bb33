"""Exposure bounds, alphas and views for PyPortfolioOpt, whose constraints and views are by position.

Everything here is aligned by the names in ``frontier.tickers`` or in the columns of the covariance. PyPortfolioOpt
itself pairs expected returns and covariance by position: give it ``covariance.loc[mu.index, mu.index]``.
"""

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kifactors.errors import DataError, InfeasibleError, MissingExtraError
from kifactors.portfolio._aligned import Aligned, MissingPolicy, by_name, checked_names
from kifactors.portfolio._bounds import LinearBounds, achievable_range
from kifactors.portfolio._exposures import FactorExposures

if TYPE_CHECKING:
    import pandas as pd
    from pypfopt import BlackLittermanModel, EfficientFrontier

__all__ = ["add_exposure_bounds", "black_litterman", "expected_returns", "solve"]

Floats = NDArray[np.float64]


def add_exposure_bounds(
    ef: "EfficientFrontier",
    exposures: FactorExposures,
    day: str | date,
    *,
    lower: float | Mapping[str, float] | None = None,
    upper: float | Mapping[str, float] | None = None,
    benchmark: "Mapping[str, float] | pd.Series | None" = None,
    total: float = 1.0,
    missing: MissingPolicy = "error",
    max_age_days: int = 45,
) -> LinearBounds:
    """Add to a frontier the constraints that keep the exposure of its weights between bounds.

    Parameters
    ----------
    ef : pypfopt.EfficientFrontier
        Or one of its kin (EfficientCVaR, EfficientCDaR, EfficientSemivariance), not solved yet, with names as
        tickers. Its constraints grow.
    exposures : FactorExposures
    day, max_age_days
        As for `FactorExposures.vector`.
    lower, upper, benchmark
        As for `FactorExposures.bounds`: in the unit of the factor, less the benchmark's exposure if there is one.
    total : float
        What the weights add to: 1, or 0 for the methods that take ``market_neutral=True``. Only the check of
        feasibility reads it.
    missing : {"error", "neutral", "industry_mean", "exclude"}
        What to do with an asset of unknown exposure. With "exclude" its weight is forced to 0: PyPortfolioOpt
        cannot drop an asset, and a free one would let the exposure be anything.

    Returns
    -------
    LinearBounds
        On the assets of known or imputed exposure; ``exposures.excluded`` names those forced to 0. For `solve`.

    Raises
    ------
    InfeasibleError
        No weights within the frontier's weight bounds keep the bounds of one factor; the range that they can reach
        is named. Or an excluded asset must not be 0. Nothing was added then.
    UnmatchedAssetError, DateError, DataError
        As for `FactorExposures.bounds`; DataError too if the tickers are numbers, as from a numpy covariance.
    """
    bounds = exposures.bounds(
        day,
        ef.tickers,
        lower=lower,
        upper=upper,
        benchmark=benchmark,
        missing=missing,
        max_age_days=max_age_days,
    )
    low, high = _weight_bounds(ef)
    kept, gone = _places(ef, bounds.exposures.assets), _places(ef, bounds.exposures.excluded)
    held = gone[(low[gone] > 0.0) | (high[gone] < 0.0)]
    if held.size:
        at = int(held[0])
        raise InfeasibleError(
            f"{ef.tickers[at]} has no known exposure and is excluded, but its weight must be in [{low[at]:g}, "
            f"{high[at]:g}]. Let its weight be 0, or take missing='neutral' or 'industry_mean'."
        )
    bounds.check_feasible(min_weight=low[kept], max_weight=high[kept], total=total)
    X = np.zeros((len(low), len(bounds.lower)))
    X[kept] = bounds.exposures.matrix
    fixed = bounds.lower == bounds.upper
    below, above = np.isfinite(bounds.upper) & ~fixed, np.isfinite(bounds.lower) & ~fixed
    # max_sharpe scales constraints by taking them apart: weights on one side, the constant on the other. Two opposite
    # inequalities instead of an equation cost OSQP, cvxpy's choice for many of these problems, its last digits.
    if fixed.any():
        ef.add_constraint(lambda w: X.T[fixed] @ w == bounds.upper[fixed])
    if below.any():
        ef.add_constraint(lambda w: X.T[below] @ w <= bounds.upper[below])
    if above.any():
        ef.add_constraint(lambda w: X.T[above] @ w >= bounds.lower[above])
    if gone.size:
        ef.add_constraint(lambda w: w[gone] == 0.0)
    return bounds


def solve(
    ef: "EfficientFrontier",
    bounds: LinearBounds,
    method: str,
    *args: Any,
    tolerance: float = 1e-6,
    **options: Any,
) -> dict[str, float]:
    """Run a method of a frontier; if it fails, say which bounds it had and what can be reached.

    Parameters
    ----------
    ef : pypfopt.EfficientFrontier
    bounds : LinearBounds
        What `add_exposure_bounds` returned for this frontier.
    method : str
        "min_volatility", "max_sharpe", "efficient_risk", ...
    *args, **options
        Its arguments.
    tolerance : float
        By how much the solver may miss a bound, in the unit of the factor. OSQP, cvxpy's choice for most of these
        problems, stops some 1e-5 away; ``EfficientFrontier(..., solver="CLARABEL")`` does not.

    Returns
    -------
    dict of str to float
        Weight by asset, unrounded. ``ef.clean_weights()`` cuts and rounds, which can break a bound by a little.

    Raises
    ------
    InfeasibleError
        No weights keep all the constraints, or the solver's miss a bound by more than the tolerance.
    DataError
        The frontier has no such method.
    pypfopt.exceptions.OptimizationError
        The solver failed for another reason: an unbounded or a non-convex problem.
    """
    from_library = _library().exceptions.OptimizationError
    if not callable(getattr(ef, method, None)):
        raise DataError(
            f"method is {method!r}; expected a method of {type(ef).__name__}, 'min_volatility' say."
        )
    try:
        weights = getattr(ef, method)(*args, **options)
    except from_library as error:
        # The status is only in the message: efficient_return solves a copy of the frontier first.
        if "infeasible" not in " ".join(map(str, error.args)):
            raise
        raise InfeasibleError(
            f"{method} has no solution on {bounds.exposures.as_of} with {' and '.join(bounds.labels)}. "
            f"{_reach(ef, bounds)} If the bounds are within that, they contradict each other, another "
            "constraint of the frontier or the target of the method: loosen one."
        ) from error
    found = bounds.violation(by_name("weights", weights, bounds.exposures.assets))
    if found > tolerance:
        raise InfeasibleError(
            f"{method} ended {found:.3g} beyond {' and '.join(bounds.labels)}; at most {tolerance:g} is allowed. Give "
            "the frontier another solver or stricter solver_options, or raise tolerance."
        )
    return dict(weights)


def expected_returns(
    exposures: FactorExposures,
    day: str | date,
    volatility: "Mapping[str, float] | pd.Series",
    *,
    ic: float,
    factor: str | None = None,
    missing: MissingPolicy = "error",
    max_age_days: int = 45,
) -> "pd.Series":
    """Return alphas as the expected returns of a frontier: ``EfficientFrontier(mu, covariance)``.

    Parameters
    ----------
    exposures, day, volatility, ic, factor, missing, max_age_days
        As for `FactorExposures.alpha`. The period of the volatility must be that of the covariance.

    Returns
    -------
    pandas.Series
        By asset, per period, in the order of the volatility; with ``missing="exclude"`` without the excluded. Take
        ``covariance.loc[mu.index, mu.index]``, for PyPortfolioOpt pairs the two by position. They are returns in
        excess of what is expected without the factor: add that by name if the objective needs all of it.

    Raises
    ------
    UnmatchedAssetError, DateError, DataError
        As for `FactorExposures.alpha`.

    Examples
    --------
    0.05 * 0.3 * 2 and 0.05 * 0.2 * -1:

    >>> frame = pl.DataFrame({"date": ["2024-01-31"] * 2, "asset": ["A", "B"],
    ...     "score": [2.0, -1.0]}).with_columns(pl.col("date").str.to_date())
    >>> exposures = kf.portfolio.FactorExposures(frame, {"score": "z"})
    >>> mu = expected_returns(exposures, "2024-01-31", {"B": 0.2, "A": 0.3}, ic=0.05)
    >>> mu.round(12).to_dict()
    {'B': -0.01, 'A': 0.03}
    """
    mu = exposures.alpha(day, volatility, ic=ic, factor=factor, missing=missing, max_age_days=max_age_days)
    return mu.rename("expected_return")


def black_litterman(
    covariance: "pd.DataFrame",
    exposures: FactorExposures,
    day: str | date,
    *,
    expected_return: float,
    confidence: float,
    prior: "Mapping[str, float] | pd.Series",
    factor: str | None = None,
    tau: float = 0.05,
    risk_aversion: float = 1.0,
    missing: MissingPolicy = "error",
    max_age_days: int = 45,
) -> "BlackLittermanModel":
    """Return a Black-Litterman model with one view: what the factor's long-short portfolio will earn.

    Parameters
    ----------
    covariance : pandas.DataFrame
        Of returns per period, names in rows and columns; the order of the columns is that of the model.
    exposures, day, expected_return, confidence, factor, max_age_days
        As for `FactorExposures.view`; the return is per period of the covariance.
    prior : mapping or Series by asset name
        Expected returns without the view, per period: those of ``pypfopt.market_implied_prior_returns``, say.
    tau : float
        Weight of the uncertainty of the prior, in (0, 1].
    risk_aversion : float
        For ``bl_weights`` of the model.
    missing : {"error", "neutral", "industry_mean", "exclude"}
        With "exclude" an asset of unknown exposure stays in the model with 0 in P: the view is not about it, and
        its posterior moves by its covariance with the others only.

    Returns
    -------
    pypfopt.BlackLittermanModel
        With P, Q and omega of `FactorExposures.view`.

    Raises
    ------
    MissingExtraError
        PyPortfolioOpt is not installed.
    UnmatchedAssetError, DateError, DataError
        As for `FactorExposures.view`; DataError too if covariance or prior lack a number or a name.
    """
    library = _library()
    if not 0.0 < tau <= 1.0:
        raise DataError(f"tau is {tau}; expected more than 0 and at most 1.")
    S, names = _square(covariance)
    view = exposures.view(
        day,
        names,
        expected_return=expected_return,
        confidence=confidence,
        factor=factor,
        missing=missing,
        max_age_days=max_age_days,
    )
    known = view.exposures.assets
    P = np.zeros((1, len(names)))
    P[:, [names.index(name) for name in known]] = view.P
    return library.BlackLittermanModel(
        S,
        pi=by_name("prior", prior, names),
        P=P,
        Q=view.Q,
        omega=view.omega(S.loc[list(known), list(known)], tau=tau),
        tau=tau,
        risk_aversion=risk_aversion,
    )


def _library() -> Any:
    try:
        import pypfopt
    except ImportError as error:
        raise MissingExtraError("this needs PyPortfolioOpt: pip install 'kifactors[pypfopt]'.") from error
    return pypfopt


def _weight_bounds(ef: "EfficientFrontier") -> tuple[Floats, Floats]:
    # PyPortfolioOpt keeps them nowhere public.
    low, high = ef._lower_bounds, ef._upper_bounds  # noqa: SLF001
    return np.asarray(low, np.float64), np.asarray(high, np.float64)


def _places(ef: "EfficientFrontier", names: tuple[str, ...]) -> NDArray[np.intp]:
    at = {name: place for place, name in enumerate(ef.tickers)}
    return np.array([at[name] for name in names], np.intp)


def _reach(ef: "EfficientFrontier", bounds: LinearBounds) -> str:
    found: Aligned = bounds.exposures
    kept = _places(ef, found.assets)
    low, high = (limit[kept] for limit in _weight_bounds(ef))
    # Set by the methods that know both: the failed one may have asked for weights that add to 0.
    total = 0.0 if ef._market_neutral else 1.0  # noqa: SLF001
    ranges = []
    for k, factor in enumerate(found.factors):
        least, most = achievable_range(found.matrix[:, k], min_weight=low, max_weight=high, total=total)
        ranges.append(f"{factor} from {least:.6g} to {most:.6g}")
    rest = f" ({len(found.excluded)} excluded asset(s) at 0)" if found.excluded else ""
    return f"Weights within their limits{rest} reach {' and '.join(ranges)}, each factor alone."


def _square(covariance: "pd.DataFrame") -> tuple["pd.DataFrame", list[str]]:
    import pandas as pd

    if not isinstance(covariance, pd.DataFrame):
        raise DataError(
            f"covariance is a {type(covariance).__name__}; expected a DataFrame with asset names in rows and columns."
        )
    names = list(checked_names(list(covariance.columns)))
    if sorted(checked_names(list(covariance.index))) != sorted(names):
        raise DataError("the rows and the columns of covariance are not the same assets.")
    S = covariance.loc[names, names]
    if not np.isfinite(S.to_numpy(np.float64)).all():
        raise DataError("covariance has an unknown or infinite number; leave such assets out.")
    return S, names
