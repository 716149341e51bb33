"""Factor returns through time, and whether their mean differs from 0 (Fama-MacBeth)."""

from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors.errors import DataError, DateError, MissingColumnError
from kifactors.evaluation._factor_returns import MARKET
from kifactors.evaluation._hac import MeanTest, hac_mean

__all__ = ["fama_macbeth"]

Floats = NDArray[np.float64]
Lag = int | Literal["auto"]
TESTS = {
    "factor": pl.String, "periods": pl.Int64, "mean": pl.Float64, "se": pl.Float64, "t": pl.Float64, "p": pl.Float64,
    "lag": pl.Int64, "t_shanken": pl.Float64, "periods_shanken": pl.Int64, "t_same": pl.Float64, "share_above_2": pl.Float64, "correlation_market": pl.Float64,
    "beta_market": pl.Float64, "reason": pl.String,
}  # fmt: skip
# What a t of a single date has to exceed to be counted.
LARGE = 2.0
# t_shanken, periods_shanken and t_same of who gives no `shanken`.
Corrected = tuple[float | None, int | None, float | None]
UNASKED: Corrected = (None, None, None)


def fama_macbeth(
    returns: pl.DataFrame,
    *,
    lag: Lag = "auto",
    minimum_lag: int = 0,
    shanken: pl.DataFrame | None = None,
    market: str = MARKET,
) -> pl.DataFrame:
    """Test the mean of each factor's returns through time.

    Parameters
    ----------
    returns : polars.DataFrame
        date, factor, value, t: what `factor_returns` gives, sorted by date. Null values are left out.
    lag, minimum_lag
        Of the Newey-West error; see `hac_mean`. Returns over periods that overlap need `minimum_lag`.
    shanken : polars.DataFrame, optional
        For factors whose exposures are estimated betas: date and, in a column named as the factor, the returns that
        the betas are betas to, once per date and of the same type of date. Characteristics, as an exposure to AI
        infrastructure, are known and need none.
    market : str
        The factor that correlation and beta are to.

    Returns
    -------
    polars.DataFrame
        factor, periods, mean, se, t, p, lag, t_shanken (of the dates on which `shanken` and the factors it names are
        all known), periods_shanken and t_same (how many of them have a return of this factor, and its t on these alone:
        compare t_shanken with that; all three null unless asked for), share_above_2 (of the dates with a t,
        those beyond -2 or 2), correlation_market and beta_market (null for the market itself, and where one of them
        does not vary), reason (why there is no t or p).

    Raises
    ------
    MissingColumnError, DataError
        A column of `returns` is absent; dates are not sorted; a factor is there twice on a date; a return is no finite
        number; `shanken` names no factor of the returns, has a date twice, or shares fewer dates with them than it has
        factors and two more.
    DateError
        Dates of `shanken` are of another type than those of the returns.

    Notes
    -----
    Fama and MacBeth (1973), Journal of Political Economy 81(3): the coefficients of the dates are a sample, and their
    mean is tested.

    Shanken (1992), Review of Financial Studies 5(1), theorem 1: betas that are estimated make the errors larger. With
    V the variance of a factor's mean coefficient and S that of the mean of the returns it stands for, both with the
    same Newey-West lags, l the means of the coefficients of all factors in `shanken`, F the covariance of their
    returns, and c = l' F^-1 l, the variance is (1 + c) (V - S) + S; of all other factors, the market's intercept among
    them, (1 + c) V. Equals Cochrane (2005), Asset Pricing, equation 12.19, for betas over the same dates and lag 0.

    Examples
    --------
    The mean is 0.02, the standard deviation 0.01, and its error that over sqrt(3):

    >>> from datetime import date
    >>> found = pl.DataFrame({"date": [date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31)], "factor": ["x"] * 3,
    ...     "value": [0.01, 0.02, 0.03], "t": [1.0, 2.5, -2.5]})
    >>> kf.evaluation.fama_macbeth(found, lag=0).select("mean", pl.col("t").round(6), "share_above_2").row(0)
    (0.02, 3.464102, 0.6666666666666666)
    """
    _check(returns, shanken)
    dates = returns["date"].unique(maintain_order=True)
    names = returns["factor"].unique(maintain_order=True).to_list()
    series = {name: _values(returns.filter(factor=name), dates) for name in names}
    tests = {name: hac_mean(x, lag=lag, minimum_lag=minimum_lag) for name, x in series.items()}
    corrected = {} if shanken is None else _shanken(dates, series, shanken, lag, minimum_lag)
    rows = []
    for name, test in tests.items():
        known = returns.filter(factor=name)["t"].drop_nulls()
        above = float((known.abs() > LARGE).sum() / len(known)) if len(known) else None
        link = (None, None) if name == market else _link(series[name], series.get(market))
        rows.append(
            (
                name, test.n, test.mean, test.se, test.t, test.p, test.lag, *corrected.get(name, UNASKED),
                above, *link, test.reason,
            )
        )  # fmt: skip
    return pl.DataFrame(rows, schema=TESTS, orient="row")


def _check(returns: pl.DataFrame, shanken: pl.DataFrame | None) -> None:
    absent = [name for name in ("date", "factor", "value", "t") if name not in returns.columns]
    if absent:
        raise MissingColumnError(
            f"returns have no column {absent[0]!r}; they have {', '.join(returns.columns)}."
        )
    if not returns["date"].is_sorted():
        raise DataError("returns are not sorted by date. Sort them with .sort('date').")
    twice = returns.filter(pl.struct("date", "factor").is_duplicated())
    if twice.height:
        raise DataError(f"{twice['factor'][0]!r} is there twice on {twice['date'][0]}. Keep one row of it.")
    _check_numbers(returns, "value", "column 'value' of the returns")
    if shanken is not None:
        _check_shanken(returns, shanken)


def _check_shanken(returns: pl.DataFrame, shanken: pl.DataFrame) -> None:
    if not isinstance(shanken, pl.DataFrame):
        raise DataError(
            f"shanken is a {type(shanken).__module__.partition('.')[0]} {type(shanken).__name__}; expected a polars one."
        )
    factors = [name for name in shanken.columns if name != "date"]
    unknown = [name for name in factors if name not in set(returns["factor"])]
    if "date" not in shanken.columns or not factors or unknown:
        raise MissingColumnError(
            f"shanken has the columns {', '.join(shanken.columns)}; expected date, and names of factors: "
            f"{', '.join(returns['factor'].unique(maintain_order=True))}."
        )
    if shanken.schema["date"] != returns.schema["date"]:
        raise DateError(
            f"dates of shanken are {shanken.schema['date']} and of the returns {returns.schema['date']}. Cast them."
        )
    twice = shanken["date"].filter(shanken["date"].is_duplicated())
    if len(twice):
        raise DataError(f"shanken has {twice[0]} twice. Keep one row of it.")
    for name in factors:
        _check_numbers(shanken, name, f"shanken: {name}")


def _check_numbers(frame: pl.DataFrame, column: str, what: str) -> None:
    dtype = frame.schema[column]
    if not (dtype.is_numeric() or dtype == pl.Null):
        raise DataError(f"{what} holds {dtype}; expected numbers. Cast it.")
    broken = frame.filter(pl.col(column).cast(pl.Float64).is_infinite())
    if broken.height:
        row = broken.row(0, named=True)
        which = f"value of {row['factor']!r}" if "factor" in row else what
        raise DataError(
            f"{which} on {row['date']} is {row[column]}; expected a finite number, null where unknown."
        )


def _values(one: pl.DataFrame, dates: pl.Series) -> Floats:
    """Return the values of a factor on all dates, NaN where unknown."""
    all_dates = pl.DataFrame({"date": dates})
    found = all_dates.join(one.select("date", "value"), on="date", how="left", maintain_order="left")
    return found["value"].cast(pl.Float64).fill_null(np.nan).to_numpy()


def _link(x: Floats, market: Floats | None) -> tuple[float | None, float | None]:
    """Return correlation with and beta to the market."""
    if market is None:
        return None, None
    both = ~np.isnan(x) & ~np.isnan(market)
    if both.sum() < 3:
        return None, None
    u, v = x[both] - x[both].mean(), market[both] - market[both].mean()
    varies = [
        1e-12 * np.abs(whole).max() < np.abs(part).max() for part, whole in ((u, x[both]), (v, market[both]))
    ]
    if not varies[1]:
        return None, None
    beta = float(u @ v / (v @ v))
    return float(u @ v / np.sqrt((u @ u) * (v @ v))) if varies[0] else None, beta


def _shanken(
    dates: pl.Series, series: dict[str, Floats], shanken: pl.DataFrame, lag: Lag, minimum_lag: int
) -> dict[str, Corrected]:
    """Return the corrected t of every factor, and dates and t without the correction."""
    factors = [name for name in shanken.columns if name != "date"]
    realized = np.column_stack([_values(shanken.select("date", value=name), dates) for name in factors])
    premia = np.column_stack([series[name] for name in factors])
    known = ~np.isnan(realized).any(axis=1) & ~np.isnan(premia).any(axis=1)
    if known.sum() < len(factors) + 2:
        raise DataError(
            f"shanken has {known.sum()} dates with returns of all of its factors; that is too few."
        )
    means = premia[known].mean(axis=0)
    spread = np.atleast_2d(np.cov(realized[known], rowvar=False))
    if np.linalg.matrix_rank(spread, hermitian=True) < len(factors):
        raise DataError("returns in shanken are collinear or constant. Leave one of them out.")
    c = float(means @ np.linalg.solve(spread, means))
    out: dict[str, Corrected] = {}
    for name, x in series.items():
        used = np.where(known, x, np.nan)
        test = hac_mean(used, lag=lag, minimum_lag=minimum_lag)
        if test.se is None or test.mean is None or test.lag is None:
            out[name] = (None, test.n, test.t)
            continue
        own = 0.0
        if name in factors:
            own = _variance(hac_mean(realized[known, factors.index(name)], lag=test.lag))
        # A factor that is traded has coefficients that cannot vary less than its returns, but for noise.
        t = float(test.mean / np.sqrt((1.0 + c) * max(test.se**2 - own, 0.0) + own))
        out[name] = (t, test.n, test.t)
    return out


def _variance(test: MeanTest) -> float:
    return 0.0 if test.se is None else test.se**2
