"""The mean of a series through time, and how sure it is where neighbours resemble each other (Newey-West)."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kifactors.errors import DataError, MissingExtraError

__all__ = ["MeanTest", "hac_mean", "least_lag", "newey_west_bandwidth"]

Floats = NDArray[np.float64]
# Constant of the Bartlett kernel, Newey and West (1994), table II.
BARTLETT = 1.1447
# Fewer numbers have a mean but no standard error worth the name.
FEWEST = 3
# See the notes of `hac_mean`.
LONGER = 6


@dataclass(frozen=True, slots=True)
class MeanTest:
    """A mean and its test against 0.

    Parameters
    ----------
    mean : float, optional
        None if nothing is known.
    std : float, optional
        Standard deviation with n - 1.
    se, t, p : float, optional
        Standard error, t and two-sided p; None for fewer than 3 numbers or equal ones.
    lag : int, optional
        Autocovariances counted.
    n : int
        Known numbers.
    """

    mean: float | None
    std: float | None
    se: float | None
    t: float | None
    p: float | None
    lag: int | None
    n: int


def hac_mean(values: ArrayLike, *, lag: int | None = None, minimum_lag: int = 0) -> MeanTest:
    """Test the mean of a series whose neighbours may be correlated.

    Parameters
    ----------
    values : (n,) array
        In the order of time; NaN is left out, and its neighbours become neighbours.
    lag : int, optional
        Autocovariances to count; 0 is the plain t-test. Absent: the automatic lag of Newey and West (1994), and
        `minimum_lag` at least.
    minimum_lag : int
        Of returns over h dates neighbours share days up to a lag of h - 1: pass that, or better six times as much
        (see Notes).

    Returns
    -------
    MeanTest

    Raises
    ------
    DataError
        A number is infinite, or a lag negative.
    MissingExtraError
        scipy is not installed (extra ``evaluation``).

    Notes
    -----
    se^2 = (g_0 + 2 sum_{j=1}^L (1 - j / (L + 1)) g_j) / (n - 1) with g_j = sum_t u_t u_{t-j} / n and u the deviations
    from the mean: Newey and West (1987), Econometrica 55(3), with the n / (n - 1) of a regression on a constant. A lag
    is at most n - 1. p is Student's, with n / sum_{|j|<=L} (1 - |j| / (L + 1))^2 degrees of freedom, which is what the
    error's own variance leaves (Andrews, 1991, Econometrica 59(3); Lazarus, Lewis, Stock, Watson, 2018, JBES 36(4)):
    the normal distribution finds too much where the lag is long.

    A true mean of 0 is called significant at 5 % in 5 to 7 % of samples if n is a thousand or more, and in 8 % with 250
    dates of which 5 share days. Bartlett's weights fall at once and count too little of what neighbours share: lags of
    six times its length do better than of its length, which find 8 to 12 %.

    Examples
    --------
    1, 2, 3, 4: g_0 = 1.25 and g_1 = 0.3125, so with one lag se^2 = (1.25 + 0.3125) / 3.

    >>> test = hac_mean([1.0, 2.0, 3.0, 4.0], lag=1)
    >>> test.mean, round(test.se ** 2 * 3, 12)
    (2.5, 1.5625)
    """
    given = np.asarray(values, np.float64)
    if given.ndim != 1 or np.isinf(given).any():
        raise DataError("values must be one series of finite numbers, NaN where unknown.")
    if (lag is not None and lag < 0) or minimum_lag < 0:
        raise DataError(f"lag is {lag} and minimum_lag {minimum_lag}; expected at least 0.")
    x = given[~np.isnan(given)]
    n = x.size
    if n == 0:
        return MeanTest(None, None, None, None, None, None, 0)
    mean = float(x.mean())
    if n < FEWEST or x.min() == x.max():
        std = float(x.std(ddof=1)) if n > 1 else None
        return MeanTest(mean, std, None, None, None, None, n)
    u = x - mean
    used = max(minimum_lag, int(newey_west_bandwidth(x))) if lag is None else lag
    used = min(used, n - 1)
    # Bartlett's weights keep the sum from being negative, but not from being 0.
    weights = 1.0 - np.arange(1, used + 1) / (used + 1.0)
    long_run = u @ u + 2.0 * sum(w * float(u[j:] @ u[:-j]) for j, w in enumerate(weights, start=1))
    se = math.sqrt(max(float(long_run), 0.0) / n / (n - 1))
    std = float(x.std(ddof=1))
    if se <= 1e-14 * std:
        return MeanTest(mean, std, None, None, None, used, n)
    t = mean / se
    freedom = n / (1.0 + 2.0 * float((weights**2).sum()))
    return MeanTest(mean, std, se, t, _two_sided(t, freedom), used, n)


def _two_sided(t: float, freedom: float) -> float:
    try:
        from scipy.special import stdtr
    except ImportError as error:
        raise MissingExtraError("p values need scipy: pip install 'kifactors[evaluation]'.") from error
    return float(2.0 * stdtr(freedom, -abs(t)))


def least_lag(overlap: int) -> int:
    """Return the lag for a series each of whose dates shares days with so many later ones."""
    return LONGER * overlap


def newey_west_bandwidth(values: ArrayLike) -> float:
    """Return the bandwidth that Newey and West choose from the data; its whole part is the lag.

    Notes
    -----
    1.1447 (s_1^2 / s_0^2 n)^(1/3), with s_0 = g_0 + 2 sum g_j, s_1 = 2 sum j g_j over j = 1 .. 4 (n / 100)^(2/9):
    Newey and West (1994), Review of Economic Studies 61(4), section 3, without prewhitening. At most n - 1.

    Examples
    --------
    Independent numbers need next to none, a random walk many.

    >>> noise = np.random.default_rng(0).standard_normal(500)
    >>> newey_west_bandwidth(noise) < 3 < 10 < newey_west_bandwidth(noise.cumsum())
    True
    """
    x = np.asarray(values, np.float64)
    u, n = x - x.mean(), x.size
    last = min(int(4.0 * (n / 100.0) ** (2.0 / 9.0)), n - 1)
    g = np.array([u[j:] @ u[: n - j] for j in range(last + 1)]) / n
    s0, s1 = g[0] + 2.0 * g[1:].sum(), 2.0 * (np.arange(1, last + 1) * g[1:]).sum()
    if s0 == 0.0:
        return 0.0
    return float(min(BARTLETT * ((s1 / s0) ** 2 * n) ** (1.0 / 3.0), n - 1.0))
