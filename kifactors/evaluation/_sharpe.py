"""Sharpe ratios after looking at many: the deflated Sharpe ratio of Bailey and Lopez de Prado."""

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from kifactors.errors import DataError

__all__ = ["deflated_sharpe", "expected_maximum_sharpe", "probabilistic_sharpe", "sharpe_of"]

EULER = 0.5772156649015329
NORMAL = NormalDist()


def sharpe_of(values: ArrayLike) -> tuple[float, float, float, int]:
    """Return Sharpe ratio a period, skewness, kurtosis and length of a series of returns; NaN is left out.

    Moments are those of the sample: mean and standard deviation with n - 1, skewness and kurtosis (3 for the normal
    distribution) with n.

    Raises
    ------
    DataError
        Fewer than 3 numbers are known, or all are equal.

    Examples
    --------
    >>> [round(x, 6) for x in kf.evaluation.sharpe_of([0.0, 0.01, 0.02, 0.03])]
    [1.161895, 0.0, 1.64, 4]
    """
    x = np.asarray(values, np.float64)
    x = x[~np.isnan(x)]
    if x.size < 3 or x.min() == x.max():
        raise DataError(
            f"{x.size} known returns, or all equal, have no Sharpe ratio. Give at least 3 different ones."
        )
    u = x - x.mean()
    m2 = float((u**2).mean())
    return (
        float(x.mean() / x.std(ddof=1)),
        float((u**3).mean() / m2**1.5),
        float((u**4).mean() / m2**2),
        int(x.size),
    )


def probabilistic_sharpe(
    sharpe: float, n: int, *, skewness: float = 0.0, kurtosis: float = 3.0, benchmark: float = 0.0
) -> float:
    """Return the probability that the true Sharpe ratio is above a benchmark.

    Parameters
    ----------
    sharpe, benchmark : float
        A period, not a year.
    n : int
        Returns seen.
    skewness, kurtosis : float
        Of the returns; 0 and 3 for the normal distribution.

    Raises
    ------
    DataError
        Fewer than 2 returns, or moments that no distribution has.

    Notes
    -----
    Phi((s - b) sqrt(n - 1) / sqrt(1 - skewness s + (kurtosis - 1) / 4 s^2)): Bailey and Lopez de Prado (2012), Journal
    of Risk 15(2), equation 9.

    Examples
    --------
    >>> round(kf.evaluation.probabilistic_sharpe(0.1, 101), 6)
    0.840741
    """
    spread = 1.0 - skewness * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2
    if n < 2 or not spread > 0.0:
        raise DataError(
            f"n={n}, skewness={skewness:g}, kurtosis={kurtosis:g}: no sample of at least 2 returns has these."
        )
    return NORMAL.cdf((sharpe - benchmark) * math.sqrt(n - 1) / math.sqrt(spread))


def expected_maximum_sharpe(trials: int, variance: float) -> float:
    """Return the Sharpe ratio that the best of many worthless trials is expected to show.

    Parameters
    ----------
    trials : int
        Independent ones; 1 gives 0.
    variance : float
        Of the trials' Sharpe ratios, a period.

    Notes
    -----
    sqrt(variance) ((1 - g) z(1 - 1/N) + g z(1 - 1/(N e))) with Euler's g: Bailey and Lopez de Prado (2014), Journal of
    Portfolio Management 40(5), equation 1.

    Examples
    --------
    >>> round(kf.evaluation.expected_maximum_sharpe(100, 1.0), 4)
    2.5306
    """
    if isinstance(trials, bool) or trials < 1 or not variance >= 0.0:
        raise DataError(
            f"trials is {trials!r} and variance {variance!r}; expected at least 1, and at least 0."
        )
    if trials == 1:
        return 0.0
    z = NORMAL.inv_cdf
    return math.sqrt(variance) * (
        (1.0 - EULER) * z(1.0 - 1.0 / trials) + EULER * z(1.0 - 1.0 / (trials * math.e))
    )


def deflated_sharpe(
    sharpe: float, n: int, *, trials: int, variance: float, skewness: float = 0.0, kurtosis: float = 3.0
) -> float:
    """Return the probability that a Sharpe ratio is above what the best of as many worthless trials would show.

    Examples
    --------
    The example of the paper: 2.5 a year over five years of 250 days, skewness -3 and kurtosis 10, the best of 100
    trials whose annual ratios have a variance of 1/2.

    >>> round(kf.evaluation.deflated_sharpe(2.5 / 250 ** 0.5, 1250, trials=100, variance=0.5 / 250, skewness=-3,
    ...     kurtosis=10), 4)
    0.9004
    """
    benchmark = expected_maximum_sharpe(trials, variance)
    return probabilistic_sharpe(sharpe, n, skewness=skewness, kurtosis=kurtosis, benchmark=benchmark)
