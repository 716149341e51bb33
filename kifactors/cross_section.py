"""One date at a time: standardize (sparse, dense), scale the composite, neutralize. Frames in, series out.

Frames are long and sorted by date. Statistics come from the estimation universe, every row is scored, null
stays null.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors import _kernels
from kifactors.errors import DataError

__all__ = [
    "Neutralized",
    "composite_standardize",
    "date_offsets",
    "dense_standardize",
    "neutralize",
    "sparse_standardize",
]


# Integer industries up to here are used as they are; the kernel keeps a row per number.
MAX_PLAIN_CODE = 1_000


@dataclass(frozen=True, slots=True)
class Neutralized:
    """Result of `neutralize`.

    residual, fitted : (rows,) series; null without a fit or with an unknown input.
    reasons : (dates,) series: ``"fitted"``, or why a date has none.
    """

    residual: pl.Series
    fitted: pl.Series
    reasons: pl.Series


def sparse_standardize(
    frame: pl.DataFrame,
    column: str,
    *,
    estimation: str | None = None,
    clip: float = 5.0,
    n_threads: int | None = None,
) -> pl.Series:
    """Scale a descriptor that most assets have at exactly 0, without moving that 0.

    Parameters
    ----------
    frame : polars.DataFrame
        Sorted by ``date``.
    column : str
        The descriptor; null stays null.
    estimation : str, optional
        Boolean column of the estimation universe; absent: all rows.
    clip : float
        Largest absolute value of the result.
    n_threads : int, optional
        Threads; the result does not depend on it.

    Returns
    -------
    polars.Series
        ``value / sqrt(mean(value**2))``, the mean over exposed (non-zero) rows of the estimation universe of
        that date. Without an exposed row every known value becomes 0.

    Notes
    -----
    METHODOLOGY section 8. No centring, so "not exposed" stays 0; no percentile winsorizing, which would set
    25 exposed names in 3,000 to 0.

    Examples
    --------
    The exposed values are 3 and 4: the root mean square is sqrt(25 / 2) = 3.5355.

    >>> day = pl.DataFrame({"date": [1, 1, 1, 1], "p": [0.0, 3.0, 4.0, None]})
    >>> sparse_standardize(day, "p").round(4).to_list()
    [0.0, 0.8485, 1.1314, None]
    """
    out = _kernels.sparse_standardize(
        _floats(frame, column), _mask(frame, estimation), date_offsets(frame), clip=clip, n_threads=n_threads
    )
    return _series(column, out)


def dense_standardize(
    frame: pl.DataFrame,
    column: str,
    *,
    weights: str | None = None,
    estimation: str | None = None,
    low: float = 0.01,
    high: float = 0.99,
    clip: float = 3.0,
    min_assets: int = 3,
    n_threads: int | None = None,
) -> pl.Series:
    """Turn a descriptor that most assets have into z-scores of its cross-section.

    Parameters
    ----------
    frame, column, estimation, n_threads
        As in `sparse_standardize`.
    weights : str, optional
        Column of weights of the mean (market capitalisation); a null weight leaves the row out of it.
        Absent: equal weights.
    low, high : float
        Quantiles (linear interpolation) at which the descriptor is winsorized.
    clip : float
        Largest absolute z-score.
    min_assets : int
        Fewest known values of the estimation universe; with fewer the date is null.

    Returns
    -------
    polars.Series
        ``(winsorized - weighted mean) / standard deviation`` (ddof 1, about the plain mean); null for a date
        without dispersion (max - min <= 1e-12 of the largest absolute value).

    References
    ----------
    Menchero, Orr, Wang (2011), The Barra US Equity Model (USE4), Methodology Notes.

    Examples
    --------
    Without winsorizing: the mean of 1, 2, 6 is 3, their standard deviation sqrt(7) = 2.6458.

    >>> day = pl.DataFrame({"date": [1, 1, 1], "x": [1.0, 2.0, 6.0]})
    >>> dense_standardize(day, "x", low=0.0, high=1.0).round(4).to_list()
    [-0.7559, -0.378, 1.1339]
    """
    out = _kernels.dense_standardize(
        _floats(frame, column), _weights(frame, weights), _mask(frame, estimation), date_offsets(frame),
        low=low, high=high, clip=clip, min_assets=min_assets, n_threads=n_threads,
    )  # fmt: skip
    return _series(column, out)


def composite_standardize(
    frame: pl.DataFrame,
    column: str,
    *,
    exposed: str,
    weights: str | None = None,
    estimation: str | None = None,
    clip: float = 5.0,
    n_threads: int | None = None,
) -> pl.Series:
    """Centre a composite on the market's own exposure and scale it by the exposed assets.

    Parameters
    ----------
    frame, column, weights, estimation, clip, n_threads
        As in `dense_standardize`.
    exposed : str
        Boolean column of the assets whose root mean square scales the result.

    Returns
    -------
    polars.Series
        ``(value - weighted mean) / root mean square of that over exposed rows``, clipped. Known values are 0
        where nobody is exposed.

    Examples
    --------
    The mean is 1; the exposed rows lie 1 and 2 away from it: sqrt(5 / 2) = 1.5811.

    >>> day = pl.DataFrame({"date": [1, 1, 1], "x": [0.0, 0.0, 3.0], "hit": [False, True, True]})
    >>> composite_standardize(day, "x", exposed="hit").round(4).to_list()
    [-0.6325, -0.6325, 1.2649]
    """
    out = _kernels.composite_standardize(
        _floats(frame, column), _weights(frame, weights), _mask(frame, exposed), _mask(frame, estimation),
        date_offsets(frame), clip=clip, n_threads=n_threads,
    )  # fmt: skip
    return _series(column, out)


def neutralize(
    frame: pl.DataFrame,
    column: str,
    *,
    industry: str,
    controls: tuple[str, ...] = (),
    weights: str | None = None,
    estimation: str | None = None,
    n_threads: int | None = None,
) -> Neutralized:
    """Remove what industry and continuous controls explain, by weighted least squares per date.

    Parameters
    ----------
    frame, column, estimation, n_threads
        As in `sparse_standardize`.
    industry : str
        Text column; a null leaves the row without a residual.
    controls : tuple of str
        Continuous columns; shifting or scaling one changes nothing. A null leaves the row out.
    weights : str, optional
        Regression weights, above 0; null leaves the row out of the fit. Absent: equal weights.

    Returns
    -------
    Neutralized
        Residuals and fitted values of every row whose industry is in the fit, and a reason per date: with
        fewer than one residual degree of freedom, or controls that do not vary within industries, the date
        is null.

    Notes
    -----
    Values and controls are demeaned within industry, which equals including a dummy for each (Frisch, Waugh
    1933, Econometrica 1(4); Lovell 1963, JASA 58).

    Examples
    --------
    Industry means are 2 and 7:

    >>> day = pl.DataFrame({"date": [1] * 4, "x": [1.0, 3.0, 6.0, 8.0], "industry": ["a", "a", "b", "b"]})
    >>> neutralize(day, "x", industry="industry").residual.to_list()
    [-1.0, 1.0, -1.0, 1.0]
    """
    matrix = np.empty((len(controls), frame.height))
    for row, control in enumerate(controls):
        matrix[row] = _floats(frame, control)
    found = _kernels.neutralize(
        _floats(frame, column), matrix, _weights(frame, weights), _codes(frame[industry]), _mask(frame, estimation),
        date_offsets(frame), n_threads=n_threads,
    )  # fmt: skip
    return Neutralized(
        _series("residual", found.residual),
        _series("fitted", found.fitted),
        pl.Series("reason", [_kernels.FIT_REASONS[code] for code in found.status], dtype=pl.String),
    )


def date_offsets(frame: pl.DataFrame) -> NDArray[np.int64]:
    """Return where each date of a sorted frame begins, and where the last one ends.

    Examples
    --------
    >>> date_offsets(pl.DataFrame({"date": [1, 1, 4]})).tolist()
    [0, 2, 3]
    """
    if not frame["date"].is_sorted():
        raise DataError("a cross-section needs a frame sorted by date. Sort it with .sort('date').")
    lengths = frame["date"].rle().struct.field("len").to_numpy()
    return np.append(0, lengths.cumsum(dtype=np.int64))


def _floats(frame: pl.DataFrame, column: str) -> NDArray[np.float64]:
    return frame[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _codes(groups: pl.Series) -> NDArray[np.int32]:
    """Return a number from 0 for each group, close together; -1 where unknown."""
    if groups.dtype.is_integer() and groups.is_between(0, MAX_PLAIN_CODE).all():
        numbers = groups
    elif isinstance(groups.dtype, pl.Enum):
        numbers = groups.to_physical()
    else:
        names = groups.cast(pl.String)
        # A hash of the names is faster than their rank.
        numbers = names.cast(pl.Enum(names.drop_nulls().unique().sort())).to_physical()
    return numbers.cast(pl.Int32).fill_null(-1).to_numpy()


def _weights(frame: pl.DataFrame, column: str | None) -> NDArray[np.float64]:
    return np.ones(frame.height) if column is None else _floats(frame, column)


def _mask(frame: pl.DataFrame, column: str | None) -> NDArray[Any]:
    if column is None:
        return np.ones(frame.height, np.uint8)
    return frame[column].fill_null(value=False).to_numpy()


def _series(name: str, values: NDArray[np.float64]) -> pl.Series:
    return pl.Series(name, values).fill_nan(None)
