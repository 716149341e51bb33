"""The mean of a series through time, and how sure it is where neighbours resemble each other (Newey-West)."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kifactors.errors import DataError
from kifactors.evaluation._options import series
from kifactors.evaluation._overlap import calibrate
from kifactors.evaluation._student import two_sided_p

__all__ = ["MeanTest", "all_equal", "hac_mean", "newey_west_bandwidth", "newey_west_lag"]

Floats = NDArray[np.float64]
# Constant of the Bartlett kernel, Newey and West (1994), table II.
BARTLETT = 1.1447
# Fewer numbers have a mean but no standard error worth the name.
FEWEST = 3
# Periods that a series has to hold: below, too many means of noise come out significant (8 % with one period).
FEWEST_PERIODS = 2
# Dispersion below this share of the largest number is rounding.
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class MeanTest:
    """A mean and its test against 0.

    Parameters
    ----------
    mean : float, optional
        None if no number is known.
    std : float, optional
        Standard deviation with n - 1; None for fewer than 2 numbers.
    se, t : float, optional
        Newey-West standard error and mean / se; None with a reason.
    p : float, optional
        Two-sided, of Student's distribution after calibration (see `hac_mean`), so not that of a normal t.
    df : float, optional
        Degrees of freedom of p.
    lag : int, optional
        Autocovariances counted.
    n : int
        Known numbers.
    dropped : int
        Unknown ones, left out.
    reason : str, optional
        Why t or p is None; None if both are known.
    """

    mean: float | None
    std: float | None
    se: float | None
    t: float | None
    p: float | None
    df: float | None
    lag: int | None
    n: int
    dropped: int
    reason: str | None


def hac_mean(values: ArrayLike, *, lag: int | Literal["auto"] = "auto", minimum_lag: int = 0) -> MeanTest:
    """Test the mean of a series whose neighbours may be correlated.

    Parameters
    ----------
    values : (n,) array
        In the order of time; NaN is left out and counted, and its neighbours become neighbours.
    lag : int or "auto"
        Autocovariances to count; 0 is the plain t-test. "auto": the whole part of `newey_west_bandwidth`.
    minimum_lag : int
        Later numbers that share days with one: h - 1 for returns over h days on every day. No fewer autocovariances
        are counted, and p allows for what they still miss.

    Returns
    -------
    MeanTest

    Raises
    ------
    DataError
        A number is infinite, or a lag negative.

    Notes
    -----
    se^2 = (g_0 + 2 sum_{j=1}^L (1 - j / (L + 1)) g_j) / (n - 1) with g_j = sum_t u_t u_{t-j} / n and u the deviations
    from the mean: Newey and West (1987), Econometrica 55(3), with the small-sample factor n / (n - 1) of a regression
    on a constant. L is at most n - 1.

    t is mean / se. Its p is not that of the normal distribution, which finds far too much: of 2,500 daily means of
    21-day returns of pure noise, tested with L = 20, 12 % come out below 0.05. Bartlett's weights count the
    autocovariances that the overlap makes, at 1 - j / 21, a second time at 1 - j / 21, and so miss a third of the
    variance, however long the series. Hence p is that of t sqrt(b) with Student's distribution, where b is the
    expected se^2 over the true variance, and df its degrees of freedom, both for sums of `minimum_lag` + 1 independent
    shocks (`kifactors.evaluation._overlap`). With `lag=0, minimum_lag=0` this is Student's t-test exactly. A series
    that overlaps less than `minimum_lag` says gets a p too large rather than too small.

    Examples
    --------
    1, 2, 3, 4: g_0 = 1.25 and g_1 = 0.3125, so with one lag se^2 = (1.25 + 0.3125) / 3.

    >>> test = hac_mean([1.0, 2.0, float("nan"), 3.0, 4.0], lag=1)
    >>> test.mean, round(test.se ** 2 * 3, 12), test.n, test.dropped
    (2.5, 1.5625, 4, 1)
    >>> hac_mean([2.0, 2.0, 2.0]).reason
    'all numbers are equal'
    """
    given = series(values)
    if (lag != "auto" and not _is_lag(lag)) or not _is_lag(minimum_lag):
        raise DataError(
            f"lag is {lag!r} and minimum_lag {minimum_lag}; expected whole numbers of at least 0."
        )
    x = given[~np.isnan(given)]
    n, dropped = x.size, int(given.size - x.size)
    mean = float(x.mean()) if n else None
    std = float(x.std(ddof=1)) if n > 1 else None
    reason = _too_little(x)
    if mean is None or reason is not None:
        return MeanTest(mean, std, None, None, None, None, None, n, dropped, reason)
    used = min(n - 1, max(minimum_lag, int(newey_west_bandwidth(x)) if lag == "auto" else lag))
    weights = 1.0 - np.arange(used + 1) / (used + 1.0)
    u = x - mean
    g = np.array([u[j:] @ u[: n - j] for j in range(used + 1)]) / n
    # Above 0, as Bartlett's weights are a positive definite matrix.
    long_run = float(2.0 * (weights @ g) - g[0])
    se = math.sqrt(long_run / (n - 1))
    t = mean / se
    if n < FEWEST_PERIODS * (minimum_lag + 1):
        reason = f"{n} numbers hold fewer than two periods of {minimum_lag + 1}"
        return MeanTest(mean, std, se, t, None, None, used, n, dropped, reason)
    found = calibrate(weights, n, overlap=minimum_lag)
    p = two_sided_p(t * math.sqrt(found.bias), found.df)
    return MeanTest(mean, std, se, t, p, found.df, used, n, dropped, None)


def _is_lag(given: object) -> bool:
    return isinstance(given, int | np.integer) and not isinstance(given, bool) and int(given) >= 0


def _too_little(x: Floats) -> str | None:
    """Return why a series has no standard error."""
    if x.size < FEWEST:
        return f"{x.size} known numbers, fewer than {FEWEST}"
    return "all numbers are equal" if all_equal(x) else None


def all_equal(x: Floats) -> bool:
    """Return whether known numbers differ by no more than rounding, so that nothing is divided by their dispersion."""
    return not x.size or bool(x.max() - x.min() <= ROUNDING * np.abs(x).max())


def newey_west_lag(n: int) -> int:
    """Return 4 (n / 100)^(2/9), its whole part: the lags that Newey and West look at first.

    It depends on nothing but the length of the series, and many programs take it as the lag itself. `hac_mean` uses
    it only within `newey_west_bandwidth`.

    References
    ----------
    Newey, West (1994), Review of Economic Studies 61(4), 631-653, table II: lag selection parameter of the Bartlett
    kernel.

    Examples
    --------
    >>> newey_west_lag(100), newey_west_lag(2500)
    (4, 8)
    """
    return min(int(4.0 * (n / 100.0) ** (2.0 / 9.0)), max(n - 1, 0))


def newey_west_bandwidth(values: ArrayLike) -> float:
    """Return the bandwidth that Newey and West choose from the data; its whole part is the lag.

    Parameters
    ----------
    values : (n,) array
        Known numbers, in the order of time.

    Returns
    -------
    float
        At most n - 1; 0 for equal numbers.

    Notes
    -----
    1.1447 ((s_1 / s_0)^2 n)^(1/3), with s_0 = g_0 + 2 sum g_j and s_1 = 2 sum j g_j over j = 1 .. `newey_west_lag`(n):
    Newey and West (1994), Review of Economic Studies 61(4), 631-653, section 3 and table II, without prewhitening. R's
    sandwich (`bwNeweyWest`) takes the whole part too; arch and linearmodels round `newey_west_lag` up, linearmodels the
    bandwidth as well.

    Examples
    --------
    1, 2, 3, 4 with one lag: g_0 = 1.25 and g_1 = 0.3125, so s_0 = 1.875 and s_1 = 0.625, a third of it:
    1.1447 (4 / 9)^(1/3).

    >>> round(newey_west_bandwidth([1.0, 2.0, 3.0, 4.0]) / 1.1447, 6), round((4 / 9) ** (1 / 3), 6)
    (0.763143, 0.763143)
    """
    x = np.asarray(values, np.float64)
    if x.ndim != 1 or not np.isfinite(x).all():
        raise DataError("values must be one series of finite numbers. Leave out what is unknown.")
    n, last = x.size, newey_west_lag(x.size)
    if n < FEWEST or all_equal(x):
        return 0.0
    u = x - x.mean()
    g = np.array([u[j:] @ u[: n - j] for j in range(last + 1)]) / n
    s0, s1 = g[0] + 2.0 * g[1:].sum(), 2.0 * (np.arange(1, last + 1) * g[1:]).sum()
    if abs(s0) <= ROUNDING * g[0]:
        return float(n - 1)
    return float(min(BARTLETT * ((s1 / s0) ** 2 * n) ** (1.0 / 3.0), n - 1.0))
