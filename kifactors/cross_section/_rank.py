"""Ranks of a column within each date, or within each group of a date."""

import polars as pl

from kifactors import _kernels
from kifactors.cross_section._columns import codes_of, column_of, date_offsets
from kifactors.errors import DefinitionError
from kifactors.panel import unknown_as_null

__all__ = ["rank"]


def rank(
    frame: pl.DataFrame,
    column: str,
    *,
    by: str | None = None,
    method: str = "average",
    n_threads: int | None = None,
) -> pl.Series:
    """Rank a column within each date, from the smallest to the largest.

    Parameters
    ----------
    frame : polars.DataFrame
        Sorted by ``date``.
    column : str
        What is ranked. Null has no rank and is not counted.
    by : str, optional
        Column of groups (industry): ranks are within date and group. A null group has no rank.
    method : {"average", "percentile", "normal"}
        What a value gets:

        - ``average``     its rank from 1 to n; values that tie share the mean of their ranks
        - ``percentile``  that rank over n, in (0, 1], as ``rank(pct=True)`` in pandas
        - ``normal``      its normal score, Phi^-1((rank - 3/8) / (n + 1/4))
    n_threads : int, optional
        Threads; the result does not depend on it.

    Returns
    -------
    polars.Series

    Raises
    ------
    DefinitionError
        There is no such method.

    References
    ----------
    Normal scores: Blom (1958), Statistical Estimates and Transformed Beta-Variables. Phi^-1: Wichura (1988),
    Applied Statistics 37(3), algorithm AS 241.

    Examples
    --------
    The two 2s share the ranks 1 and 2; of three the largest has (3 - 3/8) / (3 + 1/4) = 0.8077.

    >>> day = pl.DataFrame({"date": [1, 1, 1, 1], "x": [2.0, 2.0, 5.0, None]})
    >>> rank(day, "x").to_list()
    [1.5, 1.5, 3.0, None]
    >>> rank(day, "x", method="percentile").to_list()
    [0.5, 0.5, 1.0, None]
    >>> rank(day, "x", method="normal").round(4).to_list()
    [-0.3957, -0.3957, 0.8694, None]
    """
    if method not in _kernels.RANK_METHODS:
        raise DefinitionError(
            f"method is {method!r}; expected one of {', '.join(map(repr, _kernels.RANK_METHODS))}."
        )
    groups = None if by is None else codes_of(frame[by])
    found = _kernels.rank(
        column_of(frame, column), date_offsets(frame), method=method, groups=groups, n_threads=n_threads
    )
    return unknown_as_null(column, found)
