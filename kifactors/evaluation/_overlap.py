"""What an estimate of a long-run variance gets wrong by construction: its bias, and how few numbers it rests on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Calibration", "calibrate"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Moments of an estimated variance of a mean, where the truth is known.

    bias : its expectation, over the variance it estimates; below 1 the estimate is too small.
    df : of the chi-square with the same mean and variance (Satterthwaite).
    """

    bias: float
    df: float


def calibrate(weights: Floats, n: int, *, overlap: int) -> Calibration:
    """Return how an estimated variance of a mean does on returns over overlapping periods of pure noise.

    Parameters
    ----------
    weights : (lags + 1,) array
        What each autocovariance counts, ``weights[0]`` = 1; each later one counts twice, for both sides.
    n : int
        Numbers in the series, more than `lags`.
    overlap : int
        Later numbers that share days with one: h - 1 for returns over h days on every day. 0: independent numbers.

    Notes
    -----
    Sums of h = overlap + 1 independent shocks have autocorrelations rho_j = max(0, 1 - j / h). Of the estimate
    (g_0 + 2 sum w_j g_j) / (n - 1), with g_j of deviations from the mean, the expectation is exact. The degrees of
    freedom are those of Satterthwaite (1946), Biometrics Bulletin 2(6), over the Fourier frequencies other than 0,
    which the mean takes away: df = (sum K f)^2 / sum (K f)^2, K the transform of the weights, each times the share (n - j) / n
    of pairs it has, and f that of rho. For
    overlap 0 it is the equivalent degrees of freedom of fixed-b theory: Kiefer and Vogelsang (2005), Econometric
    Theory 21(6); Sun (2014), Journal of Econometrics 178(3).

    Examples
    --------
    Without lags it is the ordinary t-test; with Bartlett's weights up to h - 1 a third of the variance is missed:

    >>> calibrate(np.ones(1), 50, overlap=0)
    Calibration(bias=1.0, df=49.0)
    >>> bartlett = 1.0 - np.arange(21) / 21
    >>> found = calibrate(bartlett, 2500, overlap=20)
    >>> round(found.bias, 3), round(found.df)
    (0.66, 110)
    """
    lags = weights.size - 1
    rho = np.maximum(0.0, 1.0 - np.arange(n) / (overlap + 1.0))
    sums = np.concatenate([[0.0], rho.cumsum()])
    place = np.arange(n)
    # row[t]: mean correlation of place t with all others, itself included.
    row = (sums[place + 1] + sums[n - place] - 1.0) / n
    variance = float(row.mean())
    until = np.concatenate([[0.0], row.cumsum()])
    j = np.arange(lags + 1)
    expected = ((n - j) * (rho[: lags + 1] + variance) - (until[n] - until[j]) - until[n - j]) / n
    twice = np.where(j == 0, 1.0, 2.0) * weights
    bias = float(twice @ expected) / (n - 1) / variance
    spectrum = (_transform(weights, n) * _transform(rho, n))[1:]
    return Calibration(bias, float(spectrum.sum() ** 2 / (spectrum @ spectrum)))


def _transform(values: Floats, n: int) -> Floats:
    """Return v_0 + 2 sum (1 - j / n) v_j cos(2 pi j k / n) for k = 0 .. n - 1, for a pair j is n - j times there."""
    there = np.zeros(n)
    there[: values.size] = values * (1.0 - np.arange(values.size) / n)
    there[1:] += there[:0:-1].copy()
    return np.asarray(np.fft.fft(there).real, np.float64)
