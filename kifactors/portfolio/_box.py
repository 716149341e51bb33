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
    risk rise with beta >= 0, which is bisected to the last digit.

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
    wanted = None if goal.exposure is None else sign * goal.exposure / size

    def is_enough(a: Floats) -> bool:
        exposure = float(z @ a)
        if wanted is not None:
            return exposure >= min(wanted, most - ROUNDING)
        assert goal.tracking_error is not None  # noqa: S101
        return float(variances @ a**2) >= goal.tracking_error**2 or exposure >= most - ROUNDING

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
    return _at(high, z, variances, box)


def _at(beta: float, z: Floats, variances: Floats, box: Box) -> Floats:
    """Return clip((alpha + beta z) / v) with the alpha that makes it add to 0."""
    pivot = 0.0
    # Twice: the second time from the asset that decides, so that a large beta does not eat the digits around it.
    for _ in range(2):
        slope = beta * (z - pivot)
        corners = np.concatenate([variances * box.low - slope, variances * box.high - slope])
        order = np.argsort(corners, kind="stable")
        corners = corners[order]
        # The sum is low.sum() <= 0 at the first corner and high.sum() >= 0 at the last; straight between two.
        first, last = 0, corners.size - 1
        while last - first > 1:
            middle = (first + last) // 2
            if _clipped(corners[middle], slope, variances, box).sum() < 0.0:
                first = middle
            else:
                last = middle
        pivot = float(z[order[last] % z.size])
    under, over = (float(_clipped(corners[k], slope, variances, box).sum()) for k in (first, last))
    part = -under / (over - under) if over > under else 1.0
    alpha = corners[first] + min(max(part, 0.0), 1.0) * (corners[last] - corners[first])
    return _clipped(alpha, slope, variances, box)


def _clipped(alpha: float, slope: Floats, variances: Floats, box: Box) -> Floats:
    found: Floats = np.clip((alpha + slope) / variances, box.low, box.high)
    return found
