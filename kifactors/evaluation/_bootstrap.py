"""Confidence intervals of a mean through time by the stationary bootstrap."""

import math
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kifactors.errors import DataError, MissingExtraError

__all__ = ["Bootstrap"]

Floats = NDArray[np.float64]
# Fewer dates hold too few blocks to draw from.
FEWEST = 10
LENGTHS = sorted({k << j for k in (2, 3) for j in range(16)} | {1})


@dataclass(frozen=True, slots=True, eq=False)
class Bootstrap:
    """Draws of whole stretches of time, of random length, with the library arch (extra ``evaluation``).

    Parameters
    ----------
    draws : int
        How many; 0 for none, and intervals are unknown.
    confidence : float
        Share of the draws inside the interval, in (0, 1).
    seed : int
        The same seed gives the same interval.

    Notes
    -----
    Politis and Romano (1994), JASA 89(428): blocks of geometric length begin anywhere and go round the end. The mean
    length is the optimal one of Politis and White (2004, corrected 2009), but no shorter than the dates that share
    returns. Intervals are percentiles of the means drawn, a little further out than the confidence says, as few blocks
    vary less than what they are drawn from: the expanded percentiles of Hesterberg (2015), American Statistician 69(4),
    section 4, with the number of blocks for that of observations. Series of one length and mean length share their
    draws.
    """

    draws: int = 1_000
    confidence: float = 0.95
    seed: int = 0
    _drawn: dict[tuple[int, int], NDArray[np.uint16]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.draws < 0 or not 0.0 < self.confidence < 1.0:
            raise DataError(
                f"draws is {self.draws} and confidence {self.confidence}; expected at least 0, and a share in (0, 1)."
            )

    def interval(self, values: ArrayLike, *, overlap: int = 0) -> tuple[float | None, float | None]:
        """Return both ends of the interval of the mean; None where fewer than ten numbers are known or all are equal.

        Parameters
        ----------
        values : (n,) array
            In the order of time; NaN is left out.
        overlap : int
            How many later dates share days with one.

        Examples
        --------
        >>> low, high = kf.evaluation.Bootstrap(seed=1).interval(np.random.default_rng(0).normal(0.1, 1.0, 400))
        >>> low < 0.1 < high
        True
        """
        given = np.asarray(values, np.float64)
        x = given[~np.isnan(given)]
        if self.draws == 0 or x.size < FEWEST or x.min() == x.max():
            return None, None
        length = self._length(x, overlap)
        # What a draw holds how often, times the numbers: a product instead of a thousand look-ups of every date.
        means = self._counts(x.size, length).astype(np.float64) @ (x / x.size)
        tail = 100.0 * self._tail(x.size / length)
        low, high = np.percentile(means, [tail, 100.0 - tail])
        return float(low), float(high)

    def _tail(self, blocks: float) -> float:
        """Return the share of the draws beyond each end."""
        from scipy.special import ndtr, stdtrit

        t = stdtrit(blocks - 1.0, (1.0 - self.confidence) / 2.0)
        return float(ndtr(math.sqrt(blocks / (blocks - 1.0)) * t))

    def _length(self, x: Floats, overlap: int) -> int:
        """Return the mean length of a block, in whole dates."""
        # Of a short series arch may divide by a variance of 0 on its way; the result is then not finite.
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            best = float(_arch().optimal_block_length(x)["stationary"].iloc[0])
        wanted = max(overlap + 1, math.ceil(best) if math.isfinite(best) else 1)
        # Rounded up to 1, 2, 3, 4, 6, 8, 12, ..., so that more series share their draws.
        length = next(n for n in LENGTHS if n >= wanted or n == LENGTHS[-1])
        return min(length, max(1, x.size // 3))

    def _counts(self, n: int, length: int) -> NDArray[np.uint16]:
        """Return (draws, n): how often each draw holds each place."""
        if (n, length) not in self._drawn:
            drawn = _arch().StationaryBootstrap(length, np.arange(n), seed=self.seed).bootstrap(self.draws)
            counts = [np.bincount(positional[0], minlength=n).astype(np.uint16) for positional, _ in drawn]
            self._drawn[n, length] = np.stack(counts)
        return self._drawn[n, length]


def _arch() -> Any:
    try:
        import arch.bootstrap
    except ImportError as error:
        raise MissingExtraError(
            "confidence intervals need arch: pip install 'kifactors[evaluation]', or pass draws=0 to do without."
        ) from error
    return arch.bootstrap
