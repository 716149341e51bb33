"""A percentile of the numbers of one date."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["percentile"]

# A place nearer than this to a whole one is that one: 4.4 / 100 * 750 is 33 and some 4e-15.
WHOLE = 1e-9


def percentile(values: NDArray[np.float64], q: float, *, count: int | None = None) -> float:
    """Return a percentile, interpolated linearly: definition 7 of Hyndman and Fan (1996), as numpy's default.

    Unlike numpy's it is exact at whole places, so that who stands on the line does not miss it by a rounding, and
    infinite numbers have their place.

    Parameters
    ----------
    values : (n,) array
        Without NaN, in any order.
    q : float
        In [0, 100].
    count : int, optional
        How many of the smallest are meant; absent: all.

    Returns
    -------
    float
        NaN if there are no numbers.

    Examples
    --------
    The place is 0.8 x 4 = 3.2, between the fourth and the fifth.

    >>> round(percentile(np.array([0.5, 0.1, 0.2, 0.3, 0.4]), 80.0), 12)
    0.42
    >>> percentile(np.array([-np.inf, 0.0, np.inf]), 60.0)
    inf
    """
    n = values.size if count is None else count
    if n == 0:
        return float("nan")
    # Multiplied before it is divided: 55 / 100 * 100 is not 55.
    place = q * (n - 1) / 100.0
    place = float(round(place)) if abs(place - round(place)) < WHOLE else place
    below = int(place)
    above = min(below + 1, n - 1)
    part = np.partition(values, above)
    low, high, weight = float(part[: below + 1].max()), float(part[above]), place - below
    if weight == 0.0 or low == high or low == -np.inf:
        return low
    return low + (high - low) * weight if weight < 0.5 else high - (high - low) * (1.0 - weight)
