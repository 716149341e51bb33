"""Active weights of uncorrelated assets within limits of each: two multipliers, one of them bisected."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kifactors.portfolio._bounds import achievable_range

__all__ = ["Box", "Goal", "solve_diagonal"]

Floats = NDArray[np.float64]
# Halvings until a double has no more digits to settle.
HALVINGS = 200
# Beyond a beta of 2 to this power times the variances the digits of the weights are used up.
DOUBLINGS = 50
# The largest exposure counts as reached this near to it; exposures that differ by less would need a beta beyond all
# digits.
ROUNDING = 1e-12
# Two equations whose determinant is smaller, relatively, are one.
DETERMINED = 1e-12


class Box(NamedTuple):
    """Limits of active weights, (n,) each, around 0."""

    low: Floats
    high: Floats


class Goal(NamedTuple):
    """An active exposure, or else a tracking error to use up."""

    exposure: float | None
    tracking_error: float | None


def solve_diagonal(x: Floats, variances: Floats, box: Box, goal: Goal) -> Floats:
    """Return the active weights of smallest risk with an exposure, or of most exposure with a tracking error.

    Parameters
    ----------
    x : (n,) array
        Exposures.
    variances : (n,) array
        Positive.
    box : Box
        Finite limits.
    goal : Goal
        An exposure that can be reached.

    Notes
    -----
    The conditions of Karush, Kuhn and Tucker say a_i = clip((alpha + beta x_i) / v_i, low_i, high_i). For each beta the
    sum rises with alpha, in straight pieces, and the alpha of sum 0 is read off exactly. With it both exposure and
    risk rise with beta >= 0, which is bisected; the straight piece it ends on is then solved for exactly.

    Examples
    --------
    0.12 more of exposures 0, 0.3 and 0.6, but at most 0.1 of A may go: it goes, and B and C do the rest.

    >>> box = Box(np.array([-0.1, -0.5, -0.5]), np.array([0.5, 0.5, 0.5]))
    >>> solve_diagonal(np.array([0.0, 0.3, 0.6]), np.ones(3), box, Goal(0.12, None)).round(12).tolist()
    [-0.1, -0.2, 0.3]
    """
    sign = -1.0 if goal.exposure is not None and goal.exposure < 0.0 else 1.0
    size = float(np.ptp(x))
    # Differences of at most 1: then beta is of the size of the variances.
    z = sign * (x - x.mean()) / size
    _, most = achievable_range(z, min_weight=box.low, max_weight=box.high, total=0.0)
    wanted = np.inf if goal.exposure is None else sign * goal.exposure / size

    def is_enough(a: Floats) -> bool:
        exposure = float(z @ a)
        if goal.tracking_error is not None and goal.exposure is None:
            return float(variances @ a**2) >= goal.tracking_error**2 or exposure >= most - ROUNDING
        return exposure >= min(wanted, most - ROUNDING)

    low, high = 0.0, float(variances.mean())
    for _ in range(DOUBLINGS):
        if is_enough(_at(high, z, variances, box)):
            break
        low, high = high, 2.0 * high
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        if is_enough(_at(middle, z, variances, box)):
            high = middle
        else:
            low = middle
    return _settled(_at(high, z, variances, box), z, variances, box, wanted)


def _at(beta: float, z: Floats, variances: Floats, box: Box) -> Floats:
    """Return clip((alpha + beta z) / v) with the alpha that makes it add to 0."""
    slope = beta * z
    opens, closes = variances * box.low - slope, variances * box.high - slope
    corners = np.concatenate([opens, closes])
    change = np.concatenate([1.0 / variances, -1.0 / variances])
    order = np.argsort(corners, kind="stable")
    corners, change = corners[order], change[order]
    sums = box.low.sum() + np.concatenate([[0.0], np.cumsum(np.cumsum(change)[:-1] * np.diff(corners))])
    k = int(np.searchsorted(sums, 0.0))
    # The sum ends at high.sum() >= 0, but for rounding.
    k = min(max(k, 1), corners.size - 1)
    rise = sums[k] - sums[k - 1]
    part = -sums[k - 1] / rise if rise > 0.0 else 1.0
    alpha = corners[k - 1] + min(max(part, 0.0), 1.0) * (corners[k] - corners[k - 1])
    found: Floats = np.clip((alpha + slope) / variances, box.low, box.high)
    return found


def _settled(a: Floats, z: Floats, variances: Floats, box: Box, wanted: float) -> Floats:
    """Solve exactly for the weights that are not at a limit, so that nothing is left over from the bisection."""
    free = (a > box.low) & (a < box.high)
    if not free.any():
        return a
    inverse, zf = 1.0 / variances[free], z[free]
    rows = np.array([[inverse.sum(), inverse @ zf], [inverse @ zf, inverse @ zf**2]])
    sides = np.array([-a[~free].sum(), wanted - z[~free] @ a[~free]])
    exact = a.copy()
    if np.isfinite(wanted) and np.linalg.det(rows) > DETERMINED * rows[0, 0] * rows[1, 1]:
        alpha, beta = np.linalg.solve(rows, sides)
        exact[free] = (alpha + beta * zf) * inverse
    else:
        exact[free] -= a.sum() * inverse / rows[0, 0]
    # A weight next to its limit may cross it by rounding.
    kept: Floats = np.clip(exact, box.low, box.high)
    return kept
