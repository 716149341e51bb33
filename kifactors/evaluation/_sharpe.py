"""Sharpe ratios after looking at many: the deflated Sharpe ratio of Bailey and Lopez de Prado."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from kifactors.errors import DataError
from kifactors.evaluation._options import number, series, whole

__all__ = [
    "SharpeMoments",
    "deflated_sharpe",
    "expected_maximum_sharpe",
    "minimum_track_record",
    "probabilistic_sharpe",
    "sharpe_of",
]

EULER = 0.5772156649015329
NORMAL = NormalDist()
# Dispersion below this share of the largest number is rounding.
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class SharpeMoments:
    """What Sharpe ratios are judged by.

    Parameters
    ----------
    sharpe : float
        Mean over standard deviation (n - 1), a period.
    skewness, kurtosis : float
        Of the sample, with n; 0 and 3 for the normal distribution.
    n : int
        Known numbers.
    """

    sharpe: float
    skewness: float
    kurtosis: float
    n: int


def sharpe_of(values: ArrayLike) -> SharpeMoments:
    """Return Sharpe ratio a period, skewness, kurtosis and length of a series of returns; NaN is left out.

    Raises
    ------
    DataError
        Values are no single series, fewer than 3 are known, all are equal, or one is infinite.

    Examples
    --------
    A mean of 0.015 and a standard deviation of sqrt(0.0005 / 3):

    >>> found = kf.evaluation.sharpe_of([0.0, 0.01, 0.02, 0.03])
    >>> round(found.sharpe, 6), round(found.skewness, 6), round(found.kurtosis, 6), found.n
    (1.161895, 0.0, 1.64, 4)
    """
    x = series(values)
    x = x[~np.isnan(x)]
    if x.size < 3 or x.max() - x.min() <= ROUNDING * np.abs(x).max():
        raise DataError(
            f"{x.size} known returns, or all equal, have no Sharpe ratio. Give at least 3 different ones."
        )
    # Powers of tiny numbers would underflow.
    u = x - x.mean()
    u = u / np.abs(u).max()
    m2 = float((u**2).mean())
    return SharpeMoments(
        sharpe=float(x.mean() / x.std(ddof=1)),
        skewness=float((u**3).mean() / m2**1.5),
        kurtosis=float((u**4).mean() / m2**2),
        n=int(x.size),
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
        Fewer than 2 returns, or not a whole number of them, a number that is not finite, or moments that no
        distribution has.

    Notes
    -----
    Phi((s - b) sqrt(n - 1) / sqrt(1 - skewness s + (kurtosis - 1) / 4 s^2)): Bailey and Lopez de Prado (2012), Journal
    of Risk 15(2), equation 9.

    Examples
    --------
    >>> round(kf.evaluation.probabilistic_sharpe(0.1, 101), 6)
    0.840741
    """
    n, benchmark = whole("n", n, least=2), number("benchmark", benchmark)
    scale, spread = _spread(sharpe, skewness, kurtosis)
    return NORMAL.cdf((sharpe / scale - benchmark / scale) * math.sqrt(n - 1) / math.sqrt(spread))


def expected_maximum_sharpe(trials: int, variance: float) -> float:
    """Return the Sharpe ratio that the best of many worthless trials is expected to show.

    Parameters
    ----------
    trials : int
        Independent ones; 1 gives 0.
    variance : float
        Of the trials' Sharpe ratios, a period.

    Raises
    ------
    DataError
        Trials are no whole number of at least 1, or the variance is not at least 0.

    Notes
    -----
    sqrt(variance) ((1 - g) z(1 - 1/N) + g z(1 - 1/(N e))) with Euler's g: Bailey and Lopez de Prado (2014), Journal of
    Portfolio Management 40(5), equation 1.

    Examples
    --------
    >>> round(kf.evaluation.expected_maximum_sharpe(100, 1.0), 4)
    2.5306
    """
    trials, variance = whole("trials", trials, least=1), number("variance", variance)
    if variance < 0.0:
        raise DataError(f"variance is {variance}; expected at least 0.")
    if trials == 1:
        return 0.0
    # z(1 - p) is -z(p), and 1 - p would be 1 for very many trials.
    z = NORMAL.inv_cdf
    return -math.sqrt(variance) * ((1.0 - EULER) * z(1.0 / trials) + EULER * z(1.0 / (trials * math.e)))


def deflated_sharpe(
    sharpe: float, n: int, *, trials: int, variance: float, skewness: float = 0.0, kurtosis: float = 3.0
) -> float:
    """Return the probability that a Sharpe ratio is above what the best of as many worthless trials would show.

    Parameters
    ----------
    sharpe, n, skewness, kurtosis
        Of the chosen trial, as in `probabilistic_sharpe`.
    trials, variance
        How many there were, and the variance of their ratios, as in `expected_maximum_sharpe`.

    Notes
    -----
    `probabilistic_sharpe` with the benchmark of `expected_maximum_sharpe`: Bailey and Lopez de Prado (2014), Journal of
    Portfolio Management 40(5), 94-107, equation 2.

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


def minimum_track_record(
    sharpe: float,
    *,
    skewness: float = 0.0,
    kurtosis: float = 3.0,
    benchmark: float = 0.0,
    confidence: float = 0.95,
) -> float:
    """Return how many returns it takes until a Sharpe ratio is above a benchmark with some confidence.

    Parameters
    ----------
    sharpe, skewness, kurtosis, benchmark : float
        As in `probabilistic_sharpe`.
    confidence : float
        In (0, 1).

    Returns
    -------
    float
        Returns, not years; infinite where the ratio is not above the benchmark.

    Notes
    -----
    1 + (1 - skewness s + (kurtosis - 1) / 4 s^2) (z / (s - b))^2: Bailey and Lopez de Prado (2012), Journal of Risk
    15(2), "The Sharpe Ratio Efficient Frontier", section on the minimum track record length.

    Examples
    --------
    Monthly returns of a hedge fund with an annual ratio of 2, to be above 1: 4.99 years, and 3.24 were they normal.

    >>> year = 12 ** 0.5
    >>> months = [kf.evaluation.minimum_track_record(2 / year, benchmark=1 / year, skewness=s, kurtosis=k)
    ...     for s, k in ((-0.72, 5.78), (0.0, 3.0))]
    >>> [round(n / 12, 2) for n in months]
    [4.99, 3.24]
    """
    benchmark = number("benchmark", benchmark)
    if not 0.0 < number("confidence", confidence) < 1.0:
        raise DataError(f"confidence is {confidence}; expected more than 0 and less than 1.")
    scale, spread = _spread(sharpe, skewness, kurtosis)
    if not sharpe > benchmark:
        return math.inf
    distance = NORMAL.inv_cdf(confidence) / (sharpe / scale - benchmark / scale)
    # A power overflows with an error, a product with infinity.
    return 1.0 + spread * distance * distance


def _spread(sharpe: float, skewness: float, kurtosis: float) -> tuple[float, float]:
    """Return a scale, and the variance of an estimated ratio times the number of returns over its square.

    The square of a large ratio would overflow.
    """
    sharpe, skewness, kurtosis = (
        number(name, given)
        for name, given in (("sharpe", sharpe), ("skewness", skewness), ("kurtosis", kurtosis))
    )
    scale = max(1.0, abs(sharpe))
    s = sharpe / scale
    spread = 1.0 / scale / scale - skewness * s / scale + (kurtosis - 1.0) / 4.0 * s**2
    if not spread > 0.0:
        raise DataError(
            f"no distribution has skewness {skewness:g} and kurtosis {kurtosis:g} (3 for the normal one)."
        )
    return scale, spread
