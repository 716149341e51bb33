"""Linear bounds on the exposure of a portfolio, and what exposures weights can reach at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kifactors.errors import DataError, InfeasibleError
from kifactors.portfolio._aligned import Aligned, HeldExposure, by_name, numbers_of

__all__ = ["LinearBounds", "WeightLimit", "achievable_range", "weight_limits"]

Floats = NDArray[np.float64]
# A limit of all weights, of each in the order of the assets, or of each by name (a dict or a pandas Series).
WeightLimit = ArrayLike | Mapping[str, float]
# A bound that a solver misses by less counts as kept.
TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class LinearBounds:
    """A w <= b on weights w, in the order of ``exposures.assets``.

    Parameters
    ----------
    A : (m, n) array
        A row per bound: the exposures for an upper one, their negative for a lower one.
    b : (m,) array
        With a benchmark, its exposure is already added.
    labels : tuple of str
        What each row says, "exposure <= 0.4".
    exposures : Aligned
        The exposures, their names and what of them was imputed.
    lower, upper : (k,) array
        The bounds on A's exposures by factor; -inf and inf where there is none.
    benchmark : HeldExposure, optional
        What was added to the bounds, and how much of the benchmark's weight is unknown.
    """

    A: Floats
    b: Floats
    labels: tuple[str, ...]
    exposures: Aligned
    lower: Floats
    upper: Floats
    benchmark: HeldExposure | None = None

    def check_feasible(
        self, *, min_weight: WeightLimit = 0.0, max_weight: WeightLimit = 1.0, total: float = 1.0
    ) -> None:
        """Refuse bounds that no weights within limits can keep, one factor at a time.

        Parameters
        ----------
        min_weight, max_weight : float, (n,) array, or mapping by asset name
            Limits of every weight.
        total : float
            What the weights add to.

        Raises
        ------
        InfeasibleError
            A factor cannot be where its bounds are; the range it can reach is named.
        """
        floor = weight_limits("min_weight", min_weight, self.exposures.assets)
        ceiling = weight_limits("max_weight", max_weight, self.exposures.assets)
        for k, factor in enumerate(self.exposures.factors):
            low, high = achievable_range(
                self.exposures.matrix[:, k], min_weight=floor, max_weight=ceiling, total=total
            )
            if (
                self.lower[k] > high + TOLERANCE
                or self.upper[k] < low - TOLERANCE
                or self.lower[k] > self.upper[k]
            ):
                raise InfeasibleError(
                    f"{factor} cannot be in [{self.lower[k]:g}, {self.upper[k]:g}] on {self.exposures.as_of}: weights "
                    f"within their limits reach {low:.6g} to {high:.6g}. Ask for an exposure in that range, or loosen "
                    "the limits of the weights."
                )

    def violation(self, weights: WeightLimit) -> float:
        """Return by how much the worst bound is broken; 0 if all hold.

        Parameters
        ----------
        weights : (n,) array, or mapping or Series by asset name
            An array is in the order of ``exposures.assets``; names may be in any.

        Raises
        ------
        DataError
            A weight is absent or not a finite number, as after a solver that failed.
        """
        w = weight_limits("weights", weights, self.exposures.assets)
        if not np.isfinite(w).all():
            at = int(np.flatnonzero(~np.isfinite(w))[0])
            raise DataError(
                f"the weight of {self.exposures.assets[at]} is {w[at]}; expected a finite number."
            )
        over = self.A @ w - self.b
        return float(max(0.0, over.max(initial=0.0)))


def achievable_range(
    exposures: WeightLimit,
    *,
    min_weight: WeightLimit = 0.0,
    max_weight: WeightLimit = 1.0,
    total: float = 1.0,
) -> tuple[float, float]:
    """Return the smallest and largest x'w over weights within limits that add to a total.

    Parameters
    ----------
    exposures : (n,) array, or mapping or Series by asset name
        x, finite.
    min_weight, max_weight : float, (n,) array, or mapping or Series by asset name
        Limits of every weight; only the largest may be infinite. By name only if the exposures are.
    total : float
        What the weights add to.

    Returns
    -------
    tuple of float
        Lowest and highest exposure.

    Raises
    ------
    InfeasibleError
        No weights within the limits add to the total.
    DataError
        An exposure or a smallest weight is not finite.

    Notes
    -----
    A linear program with one equation and limits is solved by filling the assets in the order of x, each to its
    limit (the continuous knapsack; Dantzig 1957, Operations Research 5(2)).

    Examples
    --------
    Exposures 0.1, 0.5 and 0.9, at most half in each: 0.5 * 0.1 + 0.5 * 0.5 to 0.5 * 0.5 + 0.5 * 0.9.

    >>> low, high = kf.portfolio.achievable_range([0.1, 0.5, 0.9], max_weight=0.5)
    >>> round(low, 12), round(high, 12)
    (0.3, 0.7)
    """
    names: Any = exposures
    named = hasattr(names, "items")
    assets = list(numbers_of("exposures", names)) if named else []
    x = by_name("exposures", names, assets) if named else np.asarray(exposures, np.float64)
    if x.ndim != 1 or not np.isfinite(x).all():
        raise DataError("exposures must be one finite number per asset.")
    limits: tuple[Any, Any] = (min_weight, max_weight)
    if not named and any(hasattr(limit, "items") for limit in limits):
        raise DataError("limits are by asset name and exposures by position. Give both by name.")
    places = assets if named else [str(k) for k in range(x.size)]
    low, high = (weight_limits("weight limits", limit, places) for limit in limits)
    if not np.isfinite(total):
        raise DataError(f"total is {total}; expected what the weights add to.")
    if not np.isfinite(low).all() or np.isnan(high).any():
        raise DataError(
            "a smallest weight is not finite, or a largest unknown; give every weight limits, (-1, 1) say."
        )
    if (low > high).any():
        raise DataError("a smallest weight is above the largest of the same asset.")
    room, spare = high - low, total - low.sum()
    slack = TOLERANCE * max(1.0, abs(total))
    if spare < -slack or spare > room.sum() + slack:
        raise InfeasibleError(
            f"weights within their limits add to {low.sum():g} to {high.sum():g}, and {total:g} is asked for."
        )

    def filled(order: NDArray[np.intp]) -> float:
        taken = np.clip(spare - np.append(0.0, room[order].cumsum()[:-1]), 0.0, room[order])
        return float(x @ low + x[order] @ taken)

    order = np.argsort(x, kind="stable")
    return filled(order), filled(order[::-1])


def weight_limits(what: str, given: WeightLimit, assets: Sequence[str]) -> Floats:
    """Return the limit of every weight in the order of assets."""
    limit: Any = given
    if hasattr(limit, "items"):
        return by_name(what, limit, assets)
    try:
        return np.broadcast_to(np.asarray(limit, np.float64), (len(assets),))
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{what} must be one number, or one for each of {len(assets)} assets: {error}."
        ) from error
