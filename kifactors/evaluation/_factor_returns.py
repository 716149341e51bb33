"""Factor returns: what a unit of exposure earned on each date, beside market, industries and other styles."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors.cross_section import date_offsets
from kifactors.errors import DataError, DateError, DefinitionError, MissingColumnError
from kifactors.evaluation._regression import Regression, coefficients, decompose, portfolios

__all__ = ["MARKET", "factor_mimicking_weights", "factor_returns"]

Floats = NDArray[np.float64]
MARKET = "market"
RETURNS = {
    "date": pl.Date, "factor": pl.String, "value": pl.Float64, "t": pl.Float64, "n": pl.Int64, "r2": pl.Float64,
    "reason": pl.String,
}  # fmt: skip
WEIGHTS = {"date": pl.Date, "factor": pl.String, "asset_id": pl.String, "weight": pl.Float64}
EMPTY = "no name with everything known"


@dataclass(frozen=True, slots=True, eq=False)
class _Section:
    """A date, the number of names with everything known, and the regression or why there is none.

    rows : (n,) their places in the frame; names : of the factors; y : (n,) returns, if there are any.
    """

    date: Any
    rows: NDArray[np.intp]
    names: tuple[str, ...]
    parts: Regression | str
    y: Floats | None


def factor_returns(
    rows: pl.DataFrame,
    styles: Sequence[str],
    *,
    returns: str = "return",
    industry: str | None = None,
    cap: str | None = None,
    weights: str | None = None,
) -> pl.DataFrame:
    """Regress the returns of each date on what was known before them.

    Parameters
    ----------
    rows : polars.DataFrame
        Sorted by date: date, asset_id, a column of returns over a period that begins after that date, and the
        exposures of the date. A row where any column in use is unknown is left out of its date; n says how many
        remain.
    styles : sequence of str
        Columns of exposures.
    returns : str
        Column of returns, as fractions.
    industry : str, optional
        Column of names: each industry gets a factor, and their cap-weighted sum is 0, so that the market factor is the
        return of the cap-weighted market with exposures 0.
    cap : str, optional
        Column of market capitalisations, above 0: weights of that sum, and their square roots those of the regression.
        Absent: all alike.
    weights : str, optional
        Column of regression weights, above 0, instead: the inverse of each residual's variance.

    Returns
    -------
    polars.DataFrame
        date, factor ("market", the column of a style, or "industry:NAME"), value, t (of weighted least squares), n,
        r2 (weighted, about the weighted mean), reason. On a date that cannot be estimated, as styles are collinear or
        nearly so, value is null and reason says why.

    Raises
    ------
    MissingColumnError, DateError
        A column is absent; dates are no dates.
    DataError
        A column holds no numbers, a number is infinite, a cap or weight not above 0, an asset twice on a date, or dates are not sorted.

    Notes
    -----
    r_i = f_m + sum_k x_ik f_k + sum_j d_ij f_j + e_i, by least squares weighted with sqrt(cap_i), and sum_j C_j f_j = 0
    with C_j the caps of industry j: Heston and Rouwenhorst (1994), Journal of Financial Economics 36(1); Menchero, Orr,
    Wang (2011), The Barra US Equity Model (USE4), Methodology Notes, section on factor returns. Solved by QR of the
    exposures less their industries' means, which equals a regression on a dummy for each industry
    (`kifactors.evaluation._regression`).

    Styles count as nearly collinear if their condition number, less industries' means and each scaled to length 1, is
    above 1,000; that of two with a correlation of 0.999998 is. Belsley, Kuh, Welsch (1980), Regression Diagnostics,
    chapter 3, call dependencies at 30 to 100 moderate to strong; at ten times that coefficients are large, of opposite
    signs, and say nothing of either style.

    Examples
    --------
    Returns are 0.01 + 0.02 x without any noise:

    >>> from datetime import date
    >>> x = [0.0, 0.5, 1.0, 0.2]
    >>> rows = pl.DataFrame({"date": [date(2024, 1, 31)] * 4, "asset_id": list("abcd"), "x": x,
    ...     "return": [0.01 + 0.02 * value for value in x]})
    >>> kf.evaluation.factor_returns(rows, ["x"]).select("factor", pl.col("value").round(12)).rows()
    [('market', 0.01), ('x', 0.02)]
    """
    results: list[tuple[Any, ...]] = []
    for day in _sections(rows, styles, returns, industry, cap, weights):
        n = day.rows.size
        if isinstance(day.parts, str) or day.y is None:
            results += [(day.date, name, None, None, n, None, day.parts) for name in day.names]
            continue
        f, t, r2 = coefficients(day.parts, day.y)
        results += [
            (day.date, name, value, _known(ratio), n, _known(r2), None)
            for name, value, ratio in zip(day.names, f.tolist(), t.tolist(), strict=True)
        ]
    return pl.DataFrame(results, schema=RETURNS, orient="row")


def factor_mimicking_weights(
    rows: pl.DataFrame,
    styles: Sequence[str],
    *,
    returns: str | None = None,
    industry: str | None = None,
    cap: str | None = None,
    weights: str | None = None,
) -> pl.DataFrame:
    """Return the portfolios whose returns are the factor returns, exactly.

    Parameters
    ----------
    rows, styles, industry, cap, weights
        As in `factor_returns`.
    returns : str, optional
        Column of returns: give it to leave out the names without one, as `factor_returns` does. Absent: everybody
        whose exposures are known, as they can be traded.

    Returns
    -------
    polars.DataFrame
        date, factor, asset_id, weight. The portfolio of a style has exposure 1 to it and 0 to the other styles, to
        market and industries; that of the market has weights of sum 1. Dates that cannot be estimated have no rows.

    Notes
    -----
    The rows of R (R'X'WXR)^-1 R'X'W: the pseudo-inverse of all regressors X under the weights W, where R has in its
    columns what keeps the constraint of `factor_returns`.

    Examples
    --------
    With exposures 0, 1 and 2 the slope is half of the last return less half of the first:

    >>> from datetime import date
    >>> rows = pl.DataFrame({"date": [date(2024, 1, 31)] * 3, "asset_id": list("abc"), "x": [0.0, 1.0, 2.0]})
    >>> held = kf.evaluation.factor_mimicking_weights(rows, ["x"]).filter(factor="x")
    >>> [(asset, abs(round(weight, 12))) for asset, weight in held.select("asset_id", "weight").rows()]
    [('a', 0.5), ('b', 0.0), ('c', 0.5)]
    """
    held = [
        pl.DataFrame(
            {
                "date": pl.repeat(day.date, day.rows.size, dtype=pl.Date, eager=True),
                "factor": pl.repeat(name, day.rows.size, eager=True),
                "asset_id": rows["asset_id"].cast(pl.String)[day.rows],
                "weight": weight,
            },
            schema=WEIGHTS,
        )
        for day in _sections(rows, styles, returns, industry, cap, weights)
        if not isinstance(day.parts, str)
        for name, weight in zip(day.names, portfolios(day.parts), strict=True)
    ]
    return pl.concat(held) if held else pl.DataFrame(schema=WEIGHTS)


def _sections(
    rows: pl.DataFrame,
    styles: Sequence[str],
    returns: str | None,
    industry: str | None,
    cap: str | None,
    weights: str | None,
) -> Iterator[_Section]:
    """Yield each date."""
    numbers = [name for name in (returns, *styles, cap, weights) if name is not None]
    columns = [*numbers, *([industry] if industry else [])]
    frame = _checked(rows, styles, numbers, columns, above_0={cap, weights})
    known = frame.select(pl.all_horizontal(pl.col(columns).is_not_null())).to_series().to_numpy()
    X = np.column_stack([frame[name].to_numpy() for name in styles])
    y = None if returns is None else frame[returns].to_numpy()
    caps = np.ones(frame.height) if cap is None else frame[cap].to_numpy()
    w = np.sqrt(caps) if weights is None else frame[weights].to_numpy()
    labels = (
        pl.Series([], dtype=pl.String) if industry is None else frame[industry].drop_nulls().unique().sort()
    )
    codes = np.zeros(frame.height, np.intp)
    if industry is not None:
        codes = frame[industry].cast(pl.Enum(labels)).to_physical().fill_null(0).to_numpy().astype(np.intp)
    offsets = date_offsets(frame)
    for date, a, b in zip(frame["date"][offsets[:-1]], offsets[:-1], offsets[1:], strict=True):
        place = a + np.flatnonzero(known[a:b])
        parts = (
            decompose(X[place], w[place], caps[place], codes[place], tuple(styles)) if place.size else EMPTY
        )
        names: tuple[str, ...] = (MARKET, *styles)
        if not isinstance(parts, str) and parts.present.size > 1:
            names += tuple(f"industry:{name}" for name in labels[parts.present])
        yield _Section(date, place, names, parts, None if y is None else y[place])


def _checked(
    rows: pl.DataFrame,
    styles: Sequence[str],
    numbers: Sequence[str],
    used: Sequence[str],
    above_0: set[str | None],
) -> pl.DataFrame:
    absent = [name for name in ("date", "asset_id", *used) if name not in rows.columns]
    if absent:
        raise MissingColumnError(f"rows have no column {absent[0]!r}; they have {', '.join(rows.columns)}.")
    if not styles or isinstance(styles, str) or len({*styles, MARKET}) <= len(styles):
        raise DefinitionError(
            f"styles are {styles!r}; expected a sequence of different columns, none of them called {MARKET!r}."
        )
    for name in numbers:
        dtype = rows.schema[name]
        if not (dtype.is_numeric() or dtype in (pl.Boolean, pl.Null)):
            raise DataError(f"column {name!r} of the rows holds {dtype}; expected numbers. Cast it.")
    if rows.schema["date"] != pl.Date:
        raise DateError(f"dates of rows are {rows.schema['date']}; expected Date. Cast them.")
    rows = rows.select(
        pl.col("date", "asset_id"),
        pl.col([name for name in dict.fromkeys(used) if name not in numbers]).cast(pl.String),
        pl.col(list(dict.fromkeys(numbers))).cast(pl.Float64).fill_nan(None),
    )
    if not rows["date"].is_sorted():
        raise DataError("rows are not sorted by date. Sort them with .sort('date').")
    ascending = (pl.col("asset_id") > pl.col("asset_id").shift()) | (pl.col("date") != pl.col("date").shift())
    # Where assets are in order, as ours are, neighbours tell; hashing every key takes longer than the regressions.
    twice = rows.head(0)
    if not rows.select(ascending.slice(1).all()).item():
        twice = rows.filter(pl.struct("date", "asset_id").is_duplicated())
    if twice.height:
        raise DataError(f"{twice['asset_id'][0]!r} is there twice on {twice['date'][0]}. Keep one row of it.")
    for name in dict.fromkeys(numbers):
        wrong = pl.col(name).is_infinite()
        broken = rows.filter(wrong | (pl.col(name) <= 0.0) if name in above_0 else wrong)
        if broken.height:
            row = broken.row(0, named=True)
            raise DataError(
                f"{name} of {row['asset_id']!r} on {row['date']} is {row[name]}; expected a finite number"
                f"{' above 0' if name in above_0 else ''}, null where unknown."
            )
    return rows


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
