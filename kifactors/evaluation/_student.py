"""Student's t distribution, which neither numpy nor the standard library knows."""

import math
from functools import lru_cache

from kifactors.errors import DataError

__all__ = ["student_quantile", "two_sided_p"]

# The continued fraction converges in a few dozen steps wherever it is asked for.
STEPS = 10_000
TINY = 1e-300


def two_sided_p(t: float, df: float) -> float:
    """Return the chance of a t further from 0, on either side, with `df` degrees of freedom, whole or not.

    Notes
    -----
    I_x(df / 2, 1 / 2) at x = df / (df + t^2), the incomplete beta function: Abramowitz and Stegun (1964), 26.7.1;
    its continued fraction 26.5.8 is evaluated by the method of Lentz (1976), Applied Optics 15(3).

    Examples
    --------
    With one degree of freedom (Cauchy) half of the mass lies beyond 1:

    >>> round(two_sided_p(1.0, 1.0), 12), two_sided_p(0.0, 5.0)
    (0.5, 1.0)
    """
    if not df > 0.0 or math.isnan(t):
        raise DataError(f"t is {t} and df {df}; expected a number, and more than 0 degrees of freedom.")
    if math.isinf(t):
        return 0.0
    a, square = 0.5 * df, t * t
    # Both x and 1 - x without cancellation.
    x, y = df / (df + square), square / (df + square)
    log_front = (
        math.lgamma(a + 0.5)
        - math.lgamma(a)
        - math.lgamma(0.5)
        - a * math.log1p(square / df)
        + (0.5 * math.log(y) if y > 0.0 else -math.inf)
    )
    front = math.exp(log_front)
    if x < (a + 1.0) / (a + 2.5):
        return front * _fraction(a, 0.5, x) / a
    return 1.0 - front * _fraction(0.5, a, y) / 0.5


def _fraction(a: float, b: float, x: float) -> float:
    """Evaluate the continued fraction of the incomplete beta function."""
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > TINY else TINY)
    value = d
    for m in range(1, STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        for term in (even, odd):
            d = 1.0 + term * d
            c = 1.0 + term / c
            d = 1.0 / (d if abs(d) > TINY else TINY)
            c = c if abs(c) > TINY else TINY
            value *= d * c
        if abs(d * c - 1.0) < 1e-16:
            break
    return value


@lru_cache(maxsize=4096)
def student_quantile(p: float, df: float) -> float:
    """Return the t that is exceeded in size with chance `p`: 2.57 for 0.05 and 5 degrees of freedom.

    Examples
    --------
    >>> round(student_quantile(0.05, 5.0), 4)
    2.5706
    """
    if not 0.0 < p < 1.0:
        raise DataError(f"p is {p}; expected more than 0 and less than 1.")
    low, high = 0.0, 1.0
    while two_sided_p(high, df) > p:
        low, high = high, 2.0 * high
    # Halving until two neighbouring numbers are left.
    while True:
        middle = 0.5 * (low + high)
        if middle in (low, high):
            return middle
        low, high = (middle, high) if two_sided_p(middle, df) > p else (low, middle)
