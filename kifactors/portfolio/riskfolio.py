"""Riskfolio-Lib: exposure bounds as A w <= b, loadings of a factor model, a Black-Litterman view (extra ``riskfolio``).

Riskfolio-Lib takes arrays by position. Here every row is put in the order of ``port.returns.columns`` by name.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kifactors.errors import DataError, InfeasibleError, MissingExtraError, UnmatchedAssetError
from kifactors.portfolio._aligned import MissingPolicy, by_name, checked_names
from kifactors.portfolio._bounds import LinearBounds
from kifactors.portfolio._exposures import FactorExposures
from kifactors.portfolio._views import View

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["add_exposure_bounds", "loadings", "optimize", "set_view"]

Floats = NDArray[np.float64]
# The linear programs stop within 1e-7 of a limit; a bound on the edge of what can be reached is no contradiction.
EDGE = 1e-7
# The quadratic and conic solvers keep rows to about 1e-8; beyond this the row was not among theirs.
KEPT = 1e-6


def add_exposure_bounds(
    port: Any,
    exposures: FactorExposures,
    day: str | date,
    *,
    lower: float | Mapping[str, float] | None = None,
    upper: float | Mapping[str, float] | None = None,
    benchmark: "Mapping[str, float] | pd.Series | None" = None,
    missing: MissingPolicy = "error",
    max_age_days: int = 45,
) -> LinearBounds:
    """Append bounds on exposures to ``port.ainequality`` and ``port.binequality``; the rows there stay.

    Parameters
    ----------
    port : riskfolio.Portfolio
        With returns, whose columns name the assets, and its limits of weights already set.
    exposures : FactorExposures
    day, lower, upper, benchmark, max_age_days
        As for `FactorExposures.bounds`, in the unit of each factor.
    missing : {"error", "neutral", "industry_mean", "exclude"}
        What an unknown exposure counts as. With ``exclude`` two more rows an asset hold its weight at 0;
        ``exposures.excluded`` of the result names them.

    Returns
    -------
    LinearBounds
        The bounds that were added, over the assets that were not excluded; hand it to `optimize`.

    Raises
    ------
    InfeasibleError
        No weights keep the bounds, the limits of the portfolio (upperlng, lowerlng, budget; with sht uppersht and
        budgetsht) and the rows already there. The range that can be reached is named and the portfolio is unchanged.
    UnmatchedAssetError, DateError
        As for `FactorExposures.bounds`.

    Notes
    -----
    ``port.reset_linear_constraints()`` drops the rows. Limits that are not linear (risk, cardinality, turnover) are
    not looked at here.
    """
    assets = _assets(port)
    bounds = exposures.bounds(
        day, assets, lower=lower, upper=upper, benchmark=benchmark, missing=missing, max_age_days=max_age_days
    )
    A, b = _rows(port)
    held = _held(bounds, assets)
    A, b = np.vstack([A, held]), np.append(b, np.zeros(len(held)))
    for k, factor in enumerate(bounds.exposures.factors):
        x = _spread(bounds.exposures.matrix[:, k], bounds.exposures.assets, assets)
        reach = _reach(port, x, A, b)
        if reach is None:
            raise InfeasibleError(
                f"no weights add to {port.budget:g} and keep upperlng, lowerlng, the short limits, the rows of "
                f"port.ainequality and weights of 0 for {len(bounds.exposures.excluded)} excluded asset(s), whatever their {factor}. "
                "Loosen one of these first."
            )
        low, high = reach
        if bounds.lower[k] > high + EDGE or bounds.upper[k] < low - EDGE:
            raise InfeasibleError(
                f"{factor} cannot be in [{bounds.lower[k]:g}, {bounds.upper[k]:g}] on {bounds.exposures.as_of}: "
                f"weights within the limits of the portfolio reach {low:.6g} to {high:.6g}. Ask for an exposure in "
                "that range, or loosen upperlng, lowerlng, the short limits or the rows of port.ainequality."
            )
        # The next factor is judged with this one's bounds kept: then all hold together.
        for sign, limit in ((1.0, bounds.upper[k]), (-1.0, bounds.lower[k])):
            if np.isfinite(limit):
                A, b = np.vstack([A, sign * x]), np.append(b, sign * limit)
    port.ainequality, port.binequality = A, b[:, None]
    return bounds


def optimize(port: Any, *bounds: LinearBounds, **options: Any) -> "pd.Series":
    """Return the weights ``port.optimization(**options)`` finds; never None.

    Parameters
    ----------
    port : riskfolio.Portfolio
        With statistics, from ``port.assets_stats()`` say.
    *bounds : LinearBounds
        What `add_exposure_bounds` returned: to be named if there is no solution, and checked in the weights.
    **options
        As Riskfolio-Lib takes them: model, rm, obj, rf, l, hist.

    Returns
    -------
    pandas.Series
        By asset name, adding to ``port.budget``.

    Raises
    ------
    InfeasibleError
        Riskfolio-Lib found no weights, or its weights break one of the bounds by more than 1e-6.
    """
    found = port.optimization(**options)
    if found is None:
        raise InfeasibleError(_why(port, bounds))
    weights: pd.Series = found["weights"]
    for bound in bounds:
        broken = bound.violation(by_name("weights", weights, bound.exposures.assets))
        if broken > KEPT:
            raise InfeasibleError(
                f"the weights break {' and '.join(bound.labels)} by up to {broken:.3g}: either the rows are no longer "
                "in port.ainequality (reset_linear_constraints drops them: add them again), or the solver stopped "
                "short (try another in port.solvers)."
            )
    return weights


def loadings(
    exposures: FactorExposures,
    day: str | date,
    assets: Sequence[str],
    *,
    missing: MissingPolicy = "error",
    max_age_days: int = 45,
) -> "pd.DataFrame":
    """Return exposures as the loadings matrix of ``port.factors_stats(B=...)``: const, then the factors.

    Parameters
    ----------
    exposures : FactorExposures
    day, assets, max_age_days
        As for `FactorExposures.vector`; assets in the order of ``port.returns.columns``.
    missing : {"error", "neutral", "industry_mean"}
        ``exclude`` is refused: Riskfolio-Lib takes the rows by position and needs every asset.

    Returns
    -------
    pandas.DataFrame
        Assets in rows. const is 0: exposures are given, not regressed, and leave no intercept.

    Notes
    -----
    The columns of ``port.factors``, the returns of the factors, must be those after const in the same order.
    """
    if missing == "exclude":
        raise DataError(
            "loadings need a row for every asset, and missing='exclude' leaves some out. Drop them from the returns, "
            "or take missing='neutral' or 'industry_mean'."
        )
    frame = exposures.vector(day, assets, missing=missing, max_age_days=max_age_days).to_pandas()
    frame.insert(0, "const", 0.0)
    return frame


def set_view(
    port: Any, view: View, *, prior: "Mapping[str, float] | pd.Series | None" = None, **options: Any
) -> None:
    """Set ``port.mu_bl`` and ``port.cov_bl`` to the Black-Litterman posterior of a view.

    Parameters
    ----------
    port : riskfolio.Portfolio
    view : View
        From `FactorExposures.view`, of a confidence of 0.5: Riskfolio-Lib takes none, its Omega is
        diag(P S P') / T for T returns, which is that confidence. An asset that the view leaves out weighs 0 in it.
    prior : mapping or Series of weights by asset name, optional
        The portfolio whose implied returns are the prior; ``port.benchweights`` by default, taken by name.
    **options
        Of ``port.blacklitterman_stats``: delta (without it from port.mu and port.cov), rf, eq, method_mu, method_cov.

    Raises
    ------
    DataError
        The confidence is not 0.5, the prior lacks an asset, or delta is to be computed and there are no statistics.
    UnmatchedAssetError
        The view names an asset that the portfolio does not have.
    """
    import pandas as pd

    if view.confidence != 0.5:
        raise DataError(
            f"the view has a confidence of {view.confidence:g}, and Riskfolio-Lib can only take 0.5: it computes Omega "
            "itself. Make the view with confidence=0.5, or compute the posterior with View.omega."
        )
    assets = _assets(port)
    if options.get("delta") is None and (port.mu is None or port.cov is None):
        raise DataError(
            "delta is computed from port.mu and port.cov: call port.assets_stats(), or pass delta=."
        )
    P = pd.DataFrame([_spread(view.P[0], view.exposures.assets, assets)], columns=list(assets))
    base = port.benchweights.iloc[:, 0] if prior is None else prior
    w = pd.DataFrame({"weights": by_name("prior", base, assets)}, index=list(assets))
    port.blacklitterman_stats(P=P, Q=pd.DataFrame(view.Q[:, None]), w=w, **options)


def _assets(port: Any) -> tuple[str, ...]:
    if port.returns is None:
        raise DataError(
            "the portfolio has no returns; their columns name the assets. Set port.returns first."
        )
    return checked_names(list(port.returns.columns))


def _spread(values: Floats, names: Sequence[str], assets: Sequence[str]) -> Floats:
    """Put numbers by name into the order of assets; 0 for the rest."""
    absent = [name for name in names if name not in assets]
    if absent:
        raise UnmatchedAssetError(
            f"{len(absent)} asset(s) are not in the returns of the portfolio: {', '.join(absent[:5])}."
        )
    known = dict(zip(names, values, strict=True))
    return np.array([known.get(name, 0.0) for name in assets], np.float64)


def _held(bounds: LinearBounds, assets: Sequence[str]) -> Floats:
    """Return the rows that hold excluded assets at 0 from both sides, for sht may be set later."""
    rows = np.eye(len(assets))[[assets.index(name) for name in bounds.exposures.excluded]]
    return np.vstack([rows, -rows])


def _rows(port: Any) -> tuple[Floats, Floats]:
    """Return the linear rows of a portfolio, none if there are none."""
    A, b = port.ainequality, port.binequality
    if A is None and b is None:
        return np.empty((0, port.numassets)), np.empty(0)
    # With one of the two Riskfolio-Lib ignores it; completed by our rows it would mean something nobody wrote.
    if A is None or b is None:
        raise DataError("of port.ainequality and port.binequality one is None; set both or neither.")
    A, b = np.asarray(A, np.float64), np.asarray(b, np.float64).ravel()
    if A.shape != (len(b), port.numassets):
        raise DataError(
            f"port.ainequality is {A.shape} and port.binequality has {len(b)} rows; expected a row each and "
            f"{port.numassets} columns, one per asset."
        )
    return A, b


def _limits(port: Any) -> tuple[Floats, Floats]:
    """Return the smallest and largest weight by asset, as Riskfolio-Lib reads its attributes."""
    # It tests `sht is True` and `sht is False`, so that 1 or numpy's True would lift every limit.
    if port.sht is not True and port.sht is not False:
        raise DataError(
            f"port.sht is {port.sht!r}; Riskfolio-Lib keeps limits of weights only for True or False."
        )
    if port.sht:
        low, high = -min(port.uppersht, port.budgetsht), min(port.upperlng, port.budget + port.budgetsht)
    else:
        # With integer variables the smallest weight is that of the assets that are held.
        whole = any(
            value is not None for value in (port.card, port.network_ip, port.cluster_ip, port.aintinequality)
        )
        low, high = 0.0 if whole else np.maximum(port.lowerlng, 0.0), port.upperlng
    n = port.numassets
    found = [np.asarray(limit, np.float64).ravel() for limit in (low, high)]
    if any(len(limit) not in {1, n} for limit in found):
        raise DataError(
            f"a limit of weights has {[len(limit) for limit in found]} numbers; expected 1 or {n}."
        )
    return np.broadcast_to(found[0], n), np.broadcast_to(found[1], n)


def _reach(port: Any, x: Floats, A: Floats, b: Floats) -> tuple[float, float] | None:
    """Return the smallest and largest x'w over weights that keep limits, budgets and rows; None if none do.

    Weights are split in a long and a short side; the sum of the short sides is a row like any other.
    """
    try:
        from scipy.optimize import linprog
    except ImportError as error:
        raise MissingExtraError(
            "exposure bounds for Riskfolio-Lib need scipy: pip install 'kifactors[riskfolio]'."
        ) from error

    low, high = _limits(port)
    n = len(x)
    one, none = np.ones(n), np.zeros(n)
    ends = []
    for sign in (1.0, -1.0):
        found = linprog(
            sign * np.append(x, -x),
            A_ub=np.vstack([np.hstack([A, -A]), np.append(none, one)]),
            b_ub=np.append(b, port.budgetsht if port.sht else 0.0),
            A_eq=np.append(one, -one)[None],
            b_eq=[port.budget],
            bounds=np.column_stack(
                [
                    np.append(np.maximum(low, 0.0), none),
                    np.append(np.maximum(high, 0.0), np.maximum(-low, 0.0)),
                ]
            ),
            method="highs",
        )
        if not found.success:
            return None
        ends.append(sign * float(found.fun))
    return ends[0], ends[1]


def _why(port: Any, bounds: Sequence[LinearBounds]) -> str:
    """Say what could not be kept: the bounds with what they could be, and the other limits that are set."""
    A, b = _rows(port)
    said = []
    for bound in bounds:
        for k, factor in enumerate(bound.exposures.factors):
            x = _spread(bound.exposures.matrix[:, k], bound.exposures.assets, _assets(port))
            held = _held(bound, _assets(port))
            reach = _reach(port, x, held, np.zeros(len(held)))
            said.append(
                f"{factor} in [{bound.lower[k]:g}, {bound.upper[k]:g}], where the limits of the weights alone reach "
                + ("nothing" if reach is None else f"{reach[0]:.6g} to {reach[1]:.6g}")
            )
    together = _reach(port, np.zeros(port.numassets), A, b) is not None
    weights = {"upperlng", "lowerlng", "uppersht"}
    other = [
        name
        for name, value in vars(port).items()
        if (name in {"nea", "card"} or name.startswith(("upper", "lower")))
        and name not in weights
        and value is not None
    ]
    other += [name for name in ("allowTO", "allowTE") if getattr(port, name)]
    return (
        f"Riskfolio-Lib found no weights. Bounds: {'; '.join(said) or 'none was passed'}. The {len(b)} linear row(s) "
        f"and the limits of the weights {'can' if together else 'cannot'} be kept together. Other limits: "
        f"{', '.join(f'{name}={getattr(port, name)}' for name in other) or 'none'}. Loosen what stands in the way, or "
        "try another solver in port.solvers."
    )
