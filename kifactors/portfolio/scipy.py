"""Exposure bounds as scipy's optimisers take them, by asset name (extra ``scipy``)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kifactors.errors import DataError, InfeasibleError, MissingExtraError
from kifactors.portfolio._aligned import by_name
from kifactors.portfolio._bounds import LinearBounds

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_together", "coefficients", "linear_constraint", "linprog_arguments", "named_weights"]

Floats = NDArray[np.float64]
INFEASIBLE = 2


def linear_constraint(
    bounds: LinearBounds,
    *,
    min_weight: "float | Mapping[str, float] | pd.Series" = 0.0,
    max_weight: "float | Mapping[str, float] | pd.Series" = 1.0,
    total: float = 1.0,
) -> Any:
    """Return a `scipy.optimize.LinearConstraint` for ``minimize`` with SLSQP, COBYQA or trust-constr.

    Parameters
    ----------
    bounds : LinearBounds
        Of `FactorExposures.bounds`; ``bounds.exposures.assets`` names the weights in their order.
    min_weight, max_weight : float, or mapping or Series by asset name
        Limits of the weights; used to refuse bounds that they cannot keep, not added to the constraint.
    total : float
        What the weights add to; as the limits.

    Returns
    -------
    scipy.optimize.LinearConstraint
        A row per bounded factor, both of its bounds in it.

    Raises
    ------
    MissingExtraError
        scipy is not installed.
    InfeasibleError
        No weights within the limits keep the bounds; what they reach is named.
    """
    check_together(bounds, min_weight=min_weight, max_weight=max_weight, total=total)
    optimize = _optimize()
    bounded = np.isfinite(bounds.lower) | np.isfinite(bounds.upper)
    return optimize.LinearConstraint(
        bounds.exposures.matrix.T[bounded], bounds.lower[bounded], bounds.upper[bounded]
    )


def linprog_arguments(
    bounds: LinearBounds,
    *,
    min_weight: "float | Mapping[str, float] | pd.Series" = 0.0,
    max_weight: "float | Mapping[str, float] | pd.Series" = 1.0,
    total: float = 1.0,
) -> dict[str, Any]:
    """Return A_ub, b_ub, A_eq, b_eq and bounds for ``scipy.optimize.linprog(c, **arguments)``.

    Parameters
    ----------
    bounds, min_weight, max_weight, total
        As for `linear_constraint`; here limits and total are in the result.

    Returns
    -------
    dict
        A_ub (m, n), b_ub (m,): the exposure bounds. A_eq (1, n), b_eq (1,): the total. bounds (n, 2): the limits.

    Raises
    ------
    MissingExtraError, InfeasibleError
        As for `linear_constraint`.
    """
    check_together(bounds, min_weight=min_weight, max_weight=max_weight, total=total)
    return _arguments(bounds, min_weight, max_weight, total)


def coefficients(values: "Mapping[str, float] | pd.Series", bounds: LinearBounds) -> Floats:
    """Return numbers by asset name in the order of the weights, c of linprog say.

    Parameters
    ----------
    values : mapping or Series by asset name
        May know more assets; one that lacks an asset is refused.

    Raises
    ------
    DataError
        An asset has no number, or one that is not finite.

    Examples
    --------
    >>> frame = pl.DataFrame({"date": ["2024-01-31"] * 2, "asset": ["A", "B"], "exposure": [0.2, 0.6]})
    >>> exposures = kf.portfolio.FactorExposures(frame.with_columns(pl.col("date").str.to_date()), {"exposure": "share"})
    >>> bounds = exposures.bounds("2024-01-31", ["B", "A"], upper=0.4)
    >>> coefficients({"A": 1.0, "B": 2.0, "C": 3.0}, bounds).tolist()
    [2.0, 1.0]
    """
    return by_name("values", values, bounds.exposures.assets)


def named_weights(x: ArrayLike, bounds: LinearBounds) -> "pd.Series":
    """Return a solution by asset name; assets that a policy excluded are not in it.

    Parameters
    ----------
    x : (n,) array
        ``result.x``; None, as linprog returns it without a solution, is refused.
    """
    import pandas as pd

    if x is None or np.shape(x) != (len(bounds.exposures.assets),):
        raise DataError(
            f"a solution is {'None' if x is None else np.shape(x)}; expected ({len(bounds.exposures.assets)},). "
            "Look at result.message."
        )
    return pd.Series(np.asarray(x, np.float64), index=list(bounds.exposures.assets), name="weight")


def _arguments(bounds: LinearBounds, min_weight: Any, max_weight: Any, total: float) -> dict[str, Any]:
    assets = bounds.exposures.assets
    limits = [
        np.full(len(assets), limit, np.float64) if np.isscalar(limit) else by_name(name, limit, assets)
        for name, limit in (("min_weight", min_weight), ("max_weight", max_weight))
    ]
    return {
        "A_ub": bounds.A,
        "b_ub": bounds.b,
        "A_eq": np.ones((1, len(assets))),
        "b_eq": np.array([float(total)]),
        "bounds": np.column_stack(limits),
    }


def check_together(
    bounds: LinearBounds, *, min_weight: Any = 0.0, max_weight: Any = 1.0, total: float = 1.0
) -> None:
    """Refuse bounds that no weights within limits can keep together, by a linear program.

    Raises
    ------
    MissingExtraError
        scipy is not installed.
    InfeasibleError
        A factor cannot be where its bounds are, or not while the others are; what each reaches is named.
    """
    optimize = _optimize()
    arguments = _arguments(bounds, min_weight, max_weight, total)
    low, high = arguments["bounds"].T
    bounds.check_feasible(min_weight=low, max_weight=high, total=total)
    factors = bounds.exposures.factors
    if len(factors) == 1:
        return
    # Each factor can keep its bounds alone; together they may not.
    if optimize.linprog(np.zeros(len(low)), **arguments).status != INFEASIBLE:
        return
    reached = [text for k in range(len(factors)) if (text := _reach(optimize, bounds, arguments, k))]
    raise InfeasibleError(
        f"{'; '.join(bounds.labels)} cannot be kept together on {bounds.exposures.as_of}"
        f"{': ' if reached else ''}{'; '.join(reached)}. Loosen a bound, or the limits of the weights."
    )


def _reach(optimize: Any, bounds: LinearBounds, arguments: dict[str, Any], k: int) -> str | None:
    x = bounds.exposures.matrix[:, k]
    sides = np.isfinite(bounds.lower).astype(int) + np.isfinite(bounds.upper)
    others = np.repeat(np.arange(len(sides)), sides) != k
    rest = arguments | {"A_ub": bounds.A[others], "b_ub": bounds.b[others]}
    ends = [optimize.linprog(sign * x, **rest) for sign in (1.0, -1.0)]
    if others.all() or any(end.status == INFEASIBLE for end in ends):
        return None
    return (
        f"with the others kept, {bounds.exposures.factors[k]} reaches {ends[0].fun:.6g} to {-ends[1].fun:.6g}"
    )


def _optimize() -> Any:
    try:
        from scipy import optimize
    except ImportError as error:
        raise MissingExtraError(
            "bounds for scipy's optimisers need scipy: pip install 'kifactors[scipy]'."
        ) from error
    return optimize
