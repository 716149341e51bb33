"""Factor returns: what a unit of exposure earned on each date, beside market, industries and other styles."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors.cross_section import date_offsets
from kifactors.errors import DataError, MissingColumnError
from kifactors.evaluation._hac import hac_mean

__all__ = ["MARKET", "FactorReturns", "factor_returns", "fama_macbeth"]

Floats = NDArray[np.float64]
MARKET = "market"
RESULTS = {
    "date": pl.Date, "factor": pl.String, "value": pl.Float64, "t": pl.Float64, "n": pl.Int64, "r2": pl.Float64,
    "reason": pl.String,
}  # fmt: skip
WEIGHTS = {"date": pl.Date, "factor": pl.String, "asset_id": pl.String, "weight": pl.Float64}
TESTS = {
    "factor": pl.String, "periods": pl.Int64, "mean": pl.Float64, "t": pl.Float64, "p": pl.Float64, "lag": pl.Int64,
    "t_shanken": pl.Float64, "share_above_2": pl.Float64,
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class FactorReturns:
    """Results of the cross-sectional regressions.

    Parameters
    ----------
    returns : polars.DataFrame
        date, factor, value, t, n, r2, reason. factor is "market", a style's column, or "industry:NAME". value is null,
        with the reason, on a date that cannot be estimated.
    weights : polars.DataFrame
        date, factor, asset_id, weight: the factor-mimicking portfolios. Their return is the factor's, exactly; that
        of a style has exposure 1 to it, and 0 to everything else.
    """

    returns: pl.DataFrame
    weights: pl.DataFrame


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """A date: coefficients, their t, the weights that make them, R2; or why there are none."""

    names: tuple[str, ...]
    f: Floats
    t: Floats
    weights: Floats
    n: int
    r2: float
    reason: str | None


def factor_returns(
    rows: pl.DataFrame,
    styles: Sequence[str],
    *,
    returns: str = "return",
    industry: str | None = None,
    cap: str | None = None,
    keep_weights: bool = True,
) -> FactorReturns:
    """Regress the returns of each date on what was known before them.

    Parameters
    ----------
    rows : polars.DataFrame
        Sorted by date: date, asset_id, a column of returns over the period that begins after that date, and the
        exposures of the date. A row where any of them is unknown is left out of its date.
    styles : sequence of str
        Columns of exposures.
    returns : str
    industry : str, optional
        Column of names: each industry gets a factor, and their cap-weighted sum is 0, so that the market factor is
        that of the cap-weighted market.
    cap : str, optional
        Column of market capitalisations: regressions are weighted by their square roots. Absent: all alike.
    keep_weights : bool
        Whether to return the mimicking portfolios, as many rows as factors times assets.

    Returns
    -------
    FactorReturns

    Raises
    ------
    MissingColumnError
        A column is absent.
    DataError
        A number is infinite, a cap not positive, or dates are not sorted.

    Notes
    -----
    r_i = f_m + sum_k x_ik f_k + sum_j d_ij f_j + e_i with weights sqrt(cap_i) and sum_j C_j f_j = 0, C_j the caps of
    industry j: Heston and Rouwenhorst (1994), JFE 36(1); Menchero, Orr, Wang (2011), USE4 Methodology Notes, section 3.
    With P = R (R'X'WXR)^-1 R'X'W and R the constraint, f = P r, and the rows of P are the mimicking portfolios. t is
    that of weighted least squares, r2 weighted and around the weighted mean.

    Examples
    --------
    Returns are 0.01 + 0.02 x without any noise:

    >>> from datetime import date
    >>> x = [0.0, 0.5, 1.0, 0.2]
    >>> rows = pl.DataFrame({"date": [date(2024, 1, 31)] * 4, "asset_id": list("abcd"), "x": x,
    ...     "return": [0.01 + 0.02 * value for value in x]})
    >>> kf.evaluation.factor_returns(rows, ["x"]).returns.select("factor", pl.col("value").round(12)).rows()
    [('market', 0.01), ('x', 0.02)]
    """
    names = [returns, *styles, *([industry] if industry else []), *([cap] if cap else [])]
    absent = [name for name in ("date", "asset_id", *names) if name not in rows.columns]
    if absent:
        raise MissingColumnError(f"rows have no column {absent[0]!r}; they have {', '.join(rows.columns)}.")
    if not rows["date"].is_sorted():
        raise DataError("rows are not sorted by date. Sort them.")
    numbers = [returns, *styles, *([cap] if cap else [])]
    rows = rows.with_columns(pl.col(numbers).cast(pl.Float64).fill_nan(None))
    _check(rows, numbers, cap)
    usable = rows.select(pl.all_horizontal(pl.col(names).is_not_null())).to_series().to_numpy()
    offsets, dates = date_offsets(rows), rows["date"]
    y = rows[returns].fill_null(np.nan).to_numpy()
    X = np.column_stack([np.ones(rows.height), *(rows[name].fill_null(np.nan).to_numpy() for name in styles)])
    caps = np.ones(rows.height) if cap is None else rows[cap].fill_null(np.nan).to_numpy()
    labels = None if industry is None else rows[industry].cast(pl.String).to_numpy()
    results, weights = [], []
    for a, b in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        when = dates[a]
        inside = a + np.flatnonzero(usable[a:b])
        fit = _fit(
            y[inside], X[inside], caps[inside], None if labels is None else labels[inside], (MARKET, *styles)
        )
        results += [
            (when, name, *_known(value, t), fit.n, *_known(fit.r2), fit.reason)
            for name, value, t in zip(fit.names, fit.f.tolist(), fit.t.tolist(), strict=True)
        ]
        if keep_weights and fit.reason is None:
            weights += list(_weight_rows(when, fit, rows["asset_id"].gather(inside)))
    return FactorReturns(
        pl.DataFrame(results, schema=RESULTS, orient="row"),
        pl.concat(weights) if weights else pl.DataFrame(schema=WEIGHTS),
    )


def _check(rows: pl.DataFrame, numbers: Sequence[str], cap: str | None) -> None:
    for name in numbers:
        broken = rows.filter(
            pl.col(name).is_infinite() | ((pl.col(name) <= 0.0) if name == cap else pl.lit(value=False))
        )
        if broken.height:
            row = broken.row(0, named=True)
            raise DataError(
                f"{name} of {row['asset_id']!r} on {row['date']} is {row[name]}; expected a finite number"
                f"{' above 0' if name == cap else ''}, null where unknown."
            )


def _known(*values: float) -> list[float | None]:
    return [None if np.isnan(value) else value for value in values]


def _weight_rows(when: date, fit: _Fit, assets: pl.Series) -> Iterator[pl.DataFrame]:
    for name, weight in zip(fit.names, fit.weights, strict=True):
        yield pl.DataFrame(
            {
                "date": pl.repeat(when, len(assets), dtype=pl.Date, eager=True),
                "factor": pl.repeat(name, len(assets), eager=True),
                "asset_id": assets,
                "weight": weight,
            },
            schema=WEIGHTS,
        )


def _fit(
    y: Floats, X: Floats, caps: Floats, labels: NDArray[np.object_] | None, names: tuple[str, ...]
) -> _Fit:
    """Solve one date."""
    n = y.size
    R = np.eye(X.shape[1])
    if labels is not None:
        known = sorted(set(labels.tolist()))
        if len(known) > 1:
            D = (labels[:, None] == np.array(known, object)[None, :]).astype(np.float64)
            names += tuple(f"industry:{name}" for name in known)
            R = _constraint(X.shape[1], D.T @ caps)
            X = np.hstack([X, D])
    w = np.sqrt(caps)
    Z, v = X @ R, np.sqrt(w / w.mean()) if n else w
    k = Z.shape[1]
    nothing = np.full(len(names), np.nan)
    if n <= k:
        reason = f"{n} names for {k} factors"
        return _Fit(names, nothing, nothing, np.empty((0, 0)), n, np.nan, reason)
    A = Z * v[:, None]
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    if s[-1] <= s[0] * n * np.finfo(float).eps:
        return _Fit(
            names, nothing, nothing, np.empty((0, 0)), n, np.nan, "exposures are collinear or constant"
        )
    inverse = (Vt.T / s) @ U.T
    P = R @ (inverse * v[None, :])
    g = inverse @ (y * v)
    residual = (y - Z @ g) * v
    total = (y - (w @ y) / w.sum()) * v
    rss, tss = float(residual @ residual), float(total @ total)
    spread = R @ (Vt.T / s)
    se = np.sqrt((spread**2).sum(axis=1) * rss / (n - k))
    f = R @ g
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(se > 1e-14 * np.abs(f), f / se, np.nan)
    return _Fit(names, f, t, P, n, 1.0 - rss / tss if tss > 0.0 else np.nan, None)


def _constraint(others: int, industry_caps: Floats) -> Floats:
    """Return R with f = R g: the last industry's factor is what makes the cap-weighted sum of them 0."""
    j = industry_caps.size
    R = np.zeros((others + j, others + j - 1))
    R[: others + j - 1] = np.eye(others + j - 1)
    R[-1, others:] = -industry_caps[:-1] / industry_caps[-1]
    return R


def fama_macbeth(
    returns: pl.DataFrame, *, lag: int | None = None, minimum_lag: int = 0, shanken: Sequence[str] = ()
) -> pl.DataFrame:
    """Test the mean of each factor's returns through time.

    Parameters
    ----------
    returns : polars.DataFrame
        date, factor, value, t: `FactorReturns.returns`.
    lag, minimum_lag : int
        Of the Newey-West error; see `hac_mean`.
    shanken : sequence of str
        Factors whose exposures are estimated betas to these same factors: their errors are made larger by Shanken's
        correction. Characteristics, as ours, need none.

    Returns
    -------
    polars.DataFrame
        factor, periods, mean, t, p, lag, t_shanken, share_above_2 (of dates with |t| > 2).

    Notes
    -----
    Fama and MacBeth (1973), JPE 81(3): the coefficients of the dates are a sample, and their mean is tested. Shanken
    (1992), RFS 5(1), theorem 1: with c = l' S^-1 l of the factors' means l and covariance S, the variance of the mean
    V becomes (1 + c) (V - S / T) + S / T.

    Examples
    --------
    >>> from datetime import date
    >>> found = pl.DataFrame({"date": [date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31)], "factor": ["x"] * 3,
    ...     "value": [0.01, 0.02, 0.03], "t": [1.0, 2.5, -2.5]})
    >>> kf.evaluation.fama_macbeth(found, lag=0).select("mean", pl.col("t").round(6), "share_above_2").row(0)
    (0.02, 3.464102, 0.6666666666666666)
    """
    premium = _shanken(returns, list(shanken), lag, minimum_lag) if shanken else {}
    rows = []
    for name in returns["factor"].unique(maintain_order=True):
        one = returns.filter(pl.col("factor") == name)
        test = hac_mean(one["value"].fill_null(np.nan).to_numpy(), lag=lag, minimum_lag=minimum_lag)
        known = one["t"].drop_nulls()
        above = int((known.abs() > 2.0).sum()) / len(known) if len(known) else None
        rows.append((name, test.n, test.mean, test.t, test.p, test.lag, premium.get(name), above))
    return pl.DataFrame(rows, schema=TESTS, orient="row")


def _shanken(returns: pl.DataFrame, names: list[str], lag: int | None, minimum_lag: int) -> dict[str, float]:
    wide = (
        returns.filter(pl.col("factor").is_in(names))
        .pivot("factor", index="date", values="value")
        .drop_nulls()
    )
    absent = [name for name in names if name not in wide.columns]
    if absent:
        raise MissingColumnError(
            f"there is no factor {absent[0]!r} to correct; there are {returns['factor'].unique()}."
        )
    F = wide.select(names).to_numpy()
    T = F.shape[0]
    if len(names) + 1 >= T:
        return {}
    mean, S = F.mean(axis=0), np.atleast_2d(np.cov(F, rowvar=False))
    c = float(mean @ np.linalg.solve(S, mean))
    found = {}
    for k, name in enumerate(names):
        test = hac_mean(F[:, k], lag=lag, minimum_lag=minimum_lag)
        if test.se is not None:
            part = S[k, k] / T
            variance = (1.0 + c) * max(test.se**2 - part, 0.0) + part
            found[name] = float(mean[k] / np.sqrt(variance))
    return found
