"""p values of many tests: what is left of each when all are counted."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kifactors.errors import DataError
from kifactors.evaluation._options import whole

__all__ = ["HARVEY_LIU_ZHU", "adjusted_p"]

# The |t| that a new factor needs after the hundreds that were tried: Harvey, Liu, Zhu (2016), "... and the
# Cross-Section of Expected Returns", Review of Financial Studies 29(1), 5-68, abstract.
HARVEY_LIU_ZHU = 3.0
Method = Literal["bonferroni", "holm", "benjamini_hochberg", "benjamini_yekutieli"]


def adjusted_p(p: ArrayLike, method: Method, *, tests: int | None = None) -> NDArray[np.float64]:
    """Return p values that may be compared with the wanted level as if there were one test.

    Parameters
    ----------
    p : (n,) array
        In [0, 1]; NaN stays NaN and does not count.
    method : {"bonferroni", "holm", "benjamini_hochberg", "benjamini_yekutieli"}
        The first two keep the chance of any false finding below the level, the last two the share of false ones among
        the findings; Benjamini-Yekutieli under any dependence.
    tests : int, optional
        How many were made, if more than are given: the others count as p = 1.

    Raises
    ------
    DataError
        A p value is outside [0, 1], or `tests` is no whole number, or smaller than theirs.

    Notes
    -----
    With p_(1) <= ... <= p_(m): Bonferroni, m p_(i); Holm (1979), Scandinavian Journal of Statistics 6(2),
    max_{j<=i} (m - j + 1) p_(j); Benjamini and Hochberg (1995), JRSS B 57(1), min_{j>=i} m p_(j) / j; Benjamini and
    Yekutieli (2001), Annals of Statistics 29(4), that times sum_{k<=m} 1/k. All at most 1.

    Examples
    --------
    3 x 0.01, 2 x 0.03, and 1 x 0.04, which may not be below that:

    >>> kf.evaluation.adjusted_p([0.01, 0.04, 0.03], "holm").tolist()
    [0.03, 0.06, 0.06]

    The same three out of ten that were tried: 10 x 0.01, 9 x 0.03, and 8 x 0.04.

    >>> kf.evaluation.adjusted_p([0.01, 0.04, 0.03], "holm", tests=10).round(12).tolist()
    [0.1, 0.32, 0.27]
    """
    try:
        given = np.asarray(p, np.float64)
    except (TypeError, ValueError) as error:
        raise DataError("p values must be one series of numbers in [0, 1], NaN where unknown.") from error
    known = ~np.isnan(given)
    x = given[known]
    if given.ndim != 1 or ((x < 0.0) | (x > 1.0)).any():
        raise DataError("p values must be one series of numbers in [0, 1], NaN where unknown.")
    m = x.size if tests is None else whole("tests", tests, least=x.size)
    order = np.argsort(x, kind="stable")
    place = np.arange(1, x.size + 1)
    ascending = x[order]
    match method:
        case "bonferroni":
            found = m * ascending
        case "holm":
            found = np.maximum.accumulate((m - place + 1) * ascending)
        case "benjamini_hochberg" | "benjamini_yekutieli":
            factor = 1.0 if method == "benjamini_hochberg" else float((1.0 / np.arange(1, m + 1)).sum())
            # The tests that were not given have p = 1 and stand last: they lower nobody below 1.
            found = np.minimum.accumulate((m * factor * ascending / place)[::-1])[::-1]
        case _:
            raise DataError(f"there is no method {method!r}; take holm or benjamini_yekutieli, say.")
    out = np.full(given.size, np.nan)
    kept = np.empty(x.size)
    kept[order] = np.minimum(found, 1.0)
    out[known] = kept
    return out
