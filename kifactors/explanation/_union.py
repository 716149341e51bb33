"""Who is to thank for a union: 1 - (1 - a)(1 - b)... split among its parts."""

from collections.abc import Sequence

import numpy as np

__all__ = ["shapley_of_union"]


def shapley_of_union(parts: Sequence[float]) -> list[float]:
    """Split 1 - prod(1 - a_k) among its parts by their Shapley values.

    Parameters
    ----------
    parts : sequence of float
        a_k in [0, 1].

    Returns
    -------
    list of float
        A number for each part; they add up to the union.

    Notes
    -----
    The value of part k is a_k times the integral over t in [0, 1] of prod over the others of (1 - t a_j): what k adds
    where each other part is there with probability t. Of two parts p and r: p - p r / 2 and r - p r / 2.

    References
    ----------
    Shapley (1953), Contributions to the Theory of Games 2. Owen (1972), Management Science 18(5), for the integral.

    Examples
    --------
    >>> [round(x, 6) for x in shapley_of_union([0.2, 0.5])]
    [0.15, 0.45]
    >>> [round(x, 6) for x in shapley_of_union([1.0, 1.0, 1.0])]
    [0.333333, 0.333333, 0.333333]
    """
    found = []
    for k, part in enumerate(parts):
        others = np.polynomial.Polynomial([1.0])
        for j, other in enumerate(parts):
            if j != k:
                others *= np.polynomial.Polynomial([1.0, -other])
        found.append(float(part * others.integ()(1.0)))
    return found
