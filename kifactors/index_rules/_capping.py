"""Caps by name and industry: what is above a cap goes to the others in proportion, until all caps hold."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kifactors.errors import DataError, InfeasibleError

__all__ = ["TOLERANCE", "capped", "redistribute", "smallest_cap"]

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]
# Caps that miss the total by less count as feasible: 25 times 0.04 need not be 1 in floating point.
TOLERANCE = 1e-12


def redistribute(
    shares: ArrayLike,
    limits: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    group_limits: ArrayLike | None = None,
    total: float = 1.0,
) -> Floats:
    """Spread a total in proportion to shares, nobody above its limit and no group above its own.

    Parameters
    ----------
    shares : (n,) array
        p, not negative; who has 0 gets nothing.
    limits : (n,) array
        c, not negative.
    groups : (n,) array of int, optional
        Group of each, from 0 on.
    group_limits : (groups,) array, optional
        C, not negative.
    total : float
        What the result adds to.

    Returns
    -------
    (n,) array
        w_i = min(c_i, l_g p_i), where l_g is the same for all groups below their limit.

    Raises
    ------
    InfeasibleError
        The limits add to less than the total.

    Notes
    -----
    The limit of cutting at the caps and giving the excess to the others in proportion, again and again. Of all
    weights within the limits it is nearest to the shares in relative entropy, sum w log(w / p): the conditions of
    Karush, Kuhn and Tucker for that problem are the formula above. It does not depend on any order, and each round
    settles at least one name or group, so there are at most n + groups of them.

    Examples
    --------
    Half, a third and a sixth, at most 0.4 each. 0.1 goes to the other two as 2 to 1:

    >>> kf.index_rules.redistribute([3, 2, 1], [0.4] * 3).round(6).tolist()
    [0.4, 0.4, 0.2]

    The first two in one industry of at most 0.5 share that as 3 to 2; the third has the rest:

    >>> kf.index_rules.redistribute([3, 2, 1], [0.6] * 3, groups=[0, 0, 1], group_limits=[0.5, 1]).round(6).tolist()
    [0.3, 0.2, 0.5]
    """
    p, c = np.asarray(shares, np.float64), np.asarray(limits, np.float64)
    g = np.zeros(p.size, np.intp) if groups is None else np.asarray(groups)
    C = np.full(1, np.inf) if group_limits is None else np.asarray(group_limits, np.float64)
    if p.ndim != 1 or p.shape != c.shape or p.shape != g.shape:
        raise DataError(
            f"shares, limits and groups have the shapes {p.shape}, {c.shape} and {g.shape}; expected (n,)."
        )
    if not (np.isfinite(p) & (p >= 0.0)).all() or not (c >= 0.0).all() or not (C >= 0.0).all():
        raise DataError("a share or limit is negative, NaN, or a share infinite; expected at least 0.")
    if not 0.0 < total < np.inf:
        raise DataError(f"total is {total!r}; expected a finite number above 0.")
    if (groups is None) != (group_limits is None) or g.dtype.kind not in "iu" or C.ndim != 1:
        raise DataError("groups must be whole numbers, and groups and group_limits be given together.")
    if g.size and not 0 <= g.min() <= g.max() < C.size:
        raise DataError(f"groups reach {g.min()} to {g.max()}, and there are {C.size} group limits.")
    room = np.minimum(C, np.bincount(g, np.where(p > 0.0, c, 0.0), C.size)).sum()
    if room < total - TOLERANCE * max(1.0, total):
        raise InfeasibleError(f"the limits add to {room:.6g}, and {total:g} is to be spread. Raise them.")
    return _spread(p, c, g.astype(np.intp), C, total)


def smallest_cap(n: int) -> float:
    """Return the smallest cap that n names can carry, rounded up to 1e-6.

    Examples
    --------
    >>> smallest_cap(3)
    0.333334
    """
    return math.ceil(1e6 / n) / 1e6


def _spread(p: Floats, c: Floats, g: Codes, C: Floats, total: float) -> Floats:
    capped, full = np.zeros(p.size, bool), np.zeros(C.size, bool)
    while True:
        free = ~capped & ~full[g] & (p > 0.0)
        settled = C[full].sum() + c[capped & ~full[g]].sum()
        # A round has fewer caps than the end, so its level is not above that of the end: what is cut stays cut.
        level = max(0.0, total - settled) / p[free].sum() if free.any() else 0.0
        over = free & (level * p > c)
        w = np.where(capped | over, c, level * p)
        crowded = ~full & (np.bincount(g, w, C.size) > C)
        if not over.any() and not crowded.any():
            break
        capped |= over
        full |= crowded
    for group in np.flatnonzero(full):
        inside = g == group
        w[inside] = np.minimum(c[inside], _level(p[inside], c[inside], float(C[group])) * p[inside])
    return w


def _level(p: Floats, c: Floats, total: float) -> float:
    """Return the l with sum min(c, l p) = total; where all that is not enough, the l that reaches every c."""
    capped = p <= 0.0
    level = 0.0
    while not capped.all():
        level = max(0.0, total - c[capped & (p > 0.0)].sum()) / p[~capped].sum()
        over = ~capped & (level * p > c)
        if not over.any():
            return float(level)
        capped |= over
    positive = p > 0.0
    return float((c[positive] / p[positive]).max(initial=0.0))


def capped(
    shares: Floats,
    *,
    max_weight: float,
    industries: Codes | None = None,
    max_industry_weight: float | None = None,
    where: str = "",
) -> Floats:
    """Return weights in proportion to shares, within both caps.

    Parameters
    ----------
    shares : (n,) array
        Positive.
    industries : (n,) array of int, optional
        Codes from 0 on, each used; needed for an industry cap.
    where : str
        Begins the message of an error: the date.

    Raises
    ------
    InfeasibleError
        The caps cannot hold; the smallest feasible ones are named, rounded up to 1e-6.
    """
    n = shares.size
    if industries is None or max_industry_weight is None:
        industries, C = np.zeros(n, np.intp), np.full(1, np.inf)
    else:
        C = np.full(int(industries.max(initial=-1)) + 1, max_industry_weight)
    sizes = np.bincount(industries, minlength=C.size).astype(np.float64)
    room = float(np.minimum(C, sizes * max_weight).sum())
    if room < 1.0 - TOLERANCE:
        raise InfeasibleError(f"{where}{_remedy(n, sizes, C, max_weight, room)}")
    return _spread(shares / shares.max(initial=0.0), np.full(n, max_weight), industries, C, 1.0)


def _remedy(n: int, sizes: Floats, C: Floats, max_weight: float, room: float) -> str:
    if np.isinf(C).all():
        return (
            f"{n} name(s) of at most max_weight={max_weight:g} add to {room:.6g}, not to 1. The smallest feasible "
            f"max_weight is {_up(1.0 / n)}; or let in more names, with min_count={math.ceil(1.0 / max_weight - 1e-9)} say."
        )
    text = (
        f"{n} name(s) of at most max_weight={max_weight:g} in {sizes.size} industries of at most "
        f"max_industry_weight={C[0]:g} add to {room:.6g}, not to 1."
    )
    if C.sum() >= 1.0 - TOLERANCE:
        text += f" The smallest feasible max_weight is {_up(_level(sizes, C, 1.0))}."
    if n * max_weight >= 1.0 - TOLERANCE:
        least = _level(np.ones(sizes.size), sizes * max_weight, 1.0)
        text += f" The smallest feasible max_industry_weight is {_up(least)}."
    if text.endswith("not to 1."):
        text += (
            f" Neither alone is enough: max_weight={_up(1.0 / n)} is feasible with max_industry_weight="
            f"{_up(float(sizes.max()) / n)}."
        )
    return text


def _up(cap: float) -> str:
    return f"{math.ceil(cap * 1e6 - 1e-6) / 1e6:.10g}"
