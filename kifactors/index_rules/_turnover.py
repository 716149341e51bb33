"""A turnover limit: from the old weights toward the target only as far as it allows."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kifactors.errors import InfeasibleError
from kifactors.index_rules._capping import TOLERANCE, redistribute

__all__ = ["Caps", "Step", "one_way", "step_toward"]

Floats = NDArray[np.float64]


class Caps(NamedTuple):
    """Caps of n names in their industries.

    names : (n,) largest weights.
    industries : (n,) codes from 0 on.
    by_industry : (industries,) largest weights; inf where there is no cap.
    """

    names: Floats
    industries: NDArray[np.intp]
    by_industry: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """Where a turnover limit lets the weights go.

    weights : (n,) new weights.
    share : how far of the way to the target, in [0, 1].
    turnover : one-way, 0.5 sum |dw|.
    forced : the least that caps and names that cannot be held need.
    """

    weights: Floats
    share: float
    turnover: float
    forced: float


def one_way(old: Floats, new: Floats) -> float:
    """Return 0.5 sum |new - old|.

    Examples
    --------
    >>> one_way(np.array([0.5, 0.5, 0.0]), np.array([0.5, 0.25, 0.25]))
    0.25
    """
    return float(0.5 * np.abs(new - old).sum())


def step_toward(
    old: Floats,
    target: Floats,
    *,
    limit: float | None,
    must_leave: NDArray[np.bool_],
    caps: Caps,
    may_exceed: bool = False,
    where: str = "",
) -> Step:
    """Move from old weights toward the target within a turnover limit.

    Parameters
    ----------
    old, target : (n,) arrays
        Each adds to 1; the target keeps the caps.
    limit : float, optional
        Largest one-way turnover; None: none, and the step is the target.
    must_leave : (n,) bool array
        Who cannot be held any more; the target has none of it.
    caps : Caps
        Those of today, which the old weights need not keep.
    may_exceed : bool
        Whether what is forced may exceed the limit.
    where : str
        Begins the message of an error.

    Raises
    ------
    InfeasibleError
        What must be sold is more than the limit; the smallest feasible limit is named.

    Notes
    -----
    The step is w_0 + k (target - w_0) with the largest k in [0, 1] that the limit allows. If all of the old weights
    can be kept, w_0 is the old weights, the turnover is proportional to k, and k = limit / (0.5 sum |target - old|).
    Otherwise w_0 is the portfolio within today's caps that is nearest to the old weights in turnover: who must leave
    is sold, what is above a cap is cut, and the proceeds go to the names of the target in proportion to it, as far as
    caps allow. The turnover against the old weights is then convex and piecewise linear in k, and the largest k is
    read off between two of its corners. Both ends keep the caps, which are convex, and so does every step.

    Examples
    --------
    A becomes B, 0.5 one-way, and 0.1 is allowed: a fifth of the way.

    >>> caps = Caps(np.ones(3), np.zeros(3, np.intp), np.array([np.inf]))
    >>> old, target = np.array([0.5, 0.0, 0.5]), np.array([0.0, 0.5, 0.5])
    >>> step = step_toward(old, target, limit=0.1, must_leave=np.zeros(3, bool), caps=caps)
    >>> step.weights.round(12).tolist(), round(step.share, 12)
    ([0.4, 0.1, 0.5], 0.2)
    """
    whole = one_way(old, target)
    start = _nearest(old, target, must_leave, caps)
    forced = one_way(old, start)
    if limit is None or whole <= limit:
        return Step(target, 1.0, whole, forced)
    if forced > limit:
        if forced > limit + TOLERANCE and not may_exceed:
            raise InfeasibleError(
                f"{where}names that must leave and caps turn over {forced:.6g} one-way, and max_turnover={limit:g}. "
                f"From the weights before it, the smallest feasible max_turnover on this date is "
                f"{np.ceil(forced * 1e6) / 1e6:.6f}; or take forced_turnover='exceed'."
            )
        return Step(start, 0.0, forced, forced)
    share = _largest_share(old, start, target, limit)
    weights = start + share * (target - start)
    return Step(weights, share, one_way(old, weights), forced)


def _nearest(old: Floats, target: Floats, must_leave: NDArray[np.bool_], caps: Caps) -> Floats:
    """Return the weights within the caps that turn over least; the old ones if they can be kept."""
    kept = np.where(must_leave, 0.0, np.minimum(old, caps.names))
    held = np.bincount(caps.industries, kept, caps.by_industry.size)
    cut = np.where(held > caps.by_industry, caps.by_industry / np.where(held > 0.0, held, 1.0), 1.0)
    kept *= cut[caps.industries]
    spare = 1.0 - kept.sum()
    if spare <= TOLERANCE:
        return kept
    held = np.bincount(caps.industries, kept, caps.by_industry.size)
    return kept + redistribute(
        target,
        np.maximum(caps.names - kept, 0.0),
        groups=caps.industries,
        group_limits=np.maximum(caps.by_industry - held, 0.0),
        total=spare,
    )


def _largest_share(old: Floats, start: Floats, target: Floats, limit: float) -> float:
    way = target - start
    moved = way != 0.0
    corners = (old[moved] - start[moved]) / way[moved]
    corners = np.unique(np.concatenate([[0.0, 1.0], corners[(corners > 0.0) & (corners < 1.0)]]))
    turnover = np.array([one_way(old, start + k * way) for k in corners])
    # Convex with its smallest value at 0, so it never falls; the target is beyond the limit.
    beyond = turnover > limit
    if not beyond.any():  # by rounding only
        return 1.0
    above = int(np.argmax(beyond))
    if above == 0:
        return 0.0
    a, b = above - 1, above
    return float(corners[a] + (limit - turnover[a]) / (turnover[b] - turnover[a]) * (corners[b] - corners[a]))
