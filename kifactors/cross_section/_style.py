"""Standardize (sparse, dense), neutralize, and all of it in one pass, one date at a time. Frames in, series out.

Frames are long and sorted by date. Statistics come from the estimation universe, every row is scored, null
stays null.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors import _kernels
from kifactors.cross_section._columns import codes_of, column_of, date_offsets, mask_of
from kifactors.errors import DefinitionError
from kifactors.panel import unknown_as_null

__all__ = [
    "Neutralized",
    "StyleScore",
    "composite_standardize",
    "dense_standardize",
    "neutralize",
    "sparse_standardize",
    "style_score",
]


@dataclass(frozen=True, slots=True)
class Neutralized:
    """Result of `neutralize`.

    residual, fitted : (rows,) series; null without a fit or with an unknown input.
    reasons : (dates,) series: ``"fitted"``, or why a date has none.
    """

    residual: pl.Series
    fitted: pl.Series
    reasons: pl.Series


@dataclass(frozen=True, slots=True)
class StyleScore:
    """Result of `style_score`.

    score : (rows,) series; null where no descriptor is known, or the date has no fit.
    reasons : (dates,) series: ``"fitted"``, or why a date has no score.
    """

    score: pl.Series
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
    found = _kernels.style_score(
        [column_of(frame, column)], date_offsets(frame), methods=[_kernels.SPARSE], sparse_clip=clip,
        estimation=mask_of(frame, estimation), n_threads=n_threads,
    )  # fmt: skip
    return unknown_as_null(column, found.score)


def dense_standardize(
    frame: pl.DataFrame,
    column: str,
    *,
    weights: str | None = None,
    estimation: str | None = None,
    low: float = 0.01,
    high: float = 0.99,
    deviations: float | None = None,
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
    deviations : float, optional
        Winsorize at the median -+ this many median absolute deviations instead. No consistency factor: for k
        standard deviations of a normal descriptor give 1.4826 k.
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
    Menchero, Orr, Wang (2011), The Barra US Equity Model (USE4), Methodology Notes. Median absolute deviation:
    Hampel (1974), JASA 69(346).

    Examples
    --------
    Without winsorizing: the mean of 1, 2, 6 is 3, their standard deviation sqrt(7) = 2.6458.

    >>> day = pl.DataFrame({"date": [1, 1, 1], "x": [1.0, 2.0, 6.0]})
    >>> dense_standardize(day, "x", low=0.0, high=1.0).round(4).to_list()
    [-0.7559, -0.378, 1.1339]

    The median is 2 and the median of the distances 1, 0, 4 is 1: 6 becomes 3, and 1, 2, 3 are a mean of 2 and a
    standard deviation of 1.

    >>> dense_standardize(day, "x", deviations=1.0).to_list()
    [-1.0, 0.0, 1.0]
    """
    found = _kernels.style_score(
        [column_of(frame, column)], date_offsets(frame), methods=[_kernels.DENSE],
        market_cap=column_of(frame, weights), estimation=mask_of(frame, estimation), low=low, high=high,
        deviations=_deviations(deviations), dense_clip=clip, min_assets=min_assets, n_threads=n_threads,
    )  # fmt: skip
    return unknown_as_null(column, found.score)


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
        column_of(frame, column), date_offsets(frame), weights=column_of(frame, weights), exposed=mask_of(frame, exposed),
        estimation=mask_of(frame, estimation), clip=clip, n_threads=n_threads,
    )  # fmt: skip
    return unknown_as_null(column, out)


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
    found = _kernels.style_score(
        [column_of(frame, column)], date_offsets(frame), methods=[_kernels.RAW], codes=codes_of(frame[industry]),
        controls=[column_of(frame, name) for name in controls], regression_weights=column_of(frame, weights),
        estimation=mask_of(frame, estimation), with_fitted=True, n_threads=n_threads,
    )  # fmt: skip
    return Neutralized(
        unknown_as_null("residual", found.score),
        unknown_as_null("fitted", found.fitted),
        _reasons(found.status),
    )


def style_score(
    frame: pl.DataFrame,
    descriptors: Mapping[str, float],
    *,
    sparse: tuple[str, ...] = (),
    low: float = 0.01,
    high: float = 0.99,
    deviations: float | None = None,
    clip: float = 3.0,
    sparse_clip: float = 5.0,
    min_assets: int = 3,
    market_cap: str | None = None,
    estimation: str | None = None,
    industry: str | None = None,
    controls: tuple[str, ...] = (),
    regression_weights: str | None = None,
    restandardize: bool = True,
    n_threads: int | None = None,
) -> StyleScore:
    """Make one style score of several descriptors: winsorize, standardize, combine, neutralize, restandardize.

    The same as `dense_standardize` or `sparse_standardize` of every descriptor, their weighted mean, `neutralize`
    and a last standardization, in one pass: a date stays in cache from the first step to the last.

    Parameters
    ----------
    frame : polars.DataFrame
        Sorted by ``date``.
    descriptors : mapping of str to float
        Columns and their weights, above 0. A row's score is the weighted mean of those it has.
    sparse : tuple of str
        The descriptors to scale as `sparse_standardize` does; the others as `dense_standardize`.
    low, high, deviations, clip, min_assets
        As in `dense_standardize`.
    sparse_clip : float
        As `clip` in `sparse_standardize`.
    market_cap : str, optional
        Weights of the means, of the dense descriptors and of the result. Absent: equal weights.
    estimation : str, optional
        Boolean column of the rows all statistics come from; every row is scored. Absent: all rows.
    industry, controls
        As in `neutralize`. Without industries nothing is neutralized.
    regression_weights : str, optional
        As `weights` in `neutralize`.
    restandardize : bool
        Give the result a weighted mean of 0 and a standard deviation (ddof 1, about the plain mean) of 1.
    n_threads : int, optional
        Threads; the result does not depend on it.

    Returns
    -------
    StyleScore

    Raises
    ------
    DefinitionError
        A weight is not above 0, `sparse` names no descriptor, or controls come without industries.

    References
    ----------
    Menchero, Orr, Wang (2011), The Barra US Equity Model (USE4), Methodology Notes.

    Examples
    --------
    x has a mean of 2 and a standard deviation of 1, so its z-scores are -1, 0, 1; y is known for one row only and
    therefore not scaled at all; restandardizing changes nothing.

    >>> day = pl.DataFrame({"date": [1, 1, 1], "x": [1.0, 2.0, 3.0], "y": [None, None, 5.0]})
    >>> found = style_score(day, {"x": 0.5, "y": 0.5}, low=0.0, high=1.0)
    >>> found.score.to_list(), found.reasons.to_list()
    ([-1.0, 0.0, 1.0], ['fitted'])
    """
    unknown = set(sparse) - set(descriptors)
    if unknown or not descriptors or not min(descriptors.values()) > 0:
        raise DefinitionError(
            f"descriptors are {dict(descriptors)} and sparse is {sparse}; expected at least one descriptor, weights "
            "above 0, and sparse ones among them."
        )
    if industry is None and controls:
        raise DefinitionError(
            f"controls {controls} need industries: give industry=..., the column of groups."
        )
    found = _kernels.style_score(
        [column_of(frame, name) for name in descriptors], date_offsets(frame),
        methods=[_kernels.SPARSE if name in sparse else _kernels.DENSE for name in descriptors],
        weights=list(descriptors.values()), market_cap=column_of(frame, market_cap),
        estimation=mask_of(frame, estimation), codes=None if industry is None else codes_of(frame[industry]),
        controls=[column_of(frame, name) for name in controls],
        regression_weights=column_of(frame, regression_weights), low=low, high=high,
        deviations=_deviations(deviations), dense_clip=clip, sparse_clip=sparse_clip, min_assets=min_assets,
        restandardize=restandardize, n_threads=n_threads,
    )  # fmt: skip
    return StyleScore(unknown_as_null("score", found.score), _reasons(found.status))


def _deviations(deviations: float | None) -> float:
    return float("nan") if deviations is None else deviations


def _reasons(status: NDArray[np.int8]) -> pl.Series:
    return pl.Series("reason", [_kernels.DATE_REASONS[code] for code in status], dtype=pl.String)
