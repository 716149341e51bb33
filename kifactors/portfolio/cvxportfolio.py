"""Scores in cvxportfolio: forecasts, bounds on exposures and neutrality, as they were known at each trading time.

    times, assets = returns.index, list(returns.columns[:-1])   # the last column is the cash account
    policy = cvx.SinglePeriodOptimization(
        cvx.ReturnsForecast(forecast(exposures, times, volatility, ic=0.05)) - 5 * cvx.FullCovariance(),
        [cvx.LongOnly(applies_to_cash=True), *exposure_limits(exposures, times, assets, upper=0.4)],
    )

cvxportfolio is licensed GPLv3. Nothing here imports it before a function that needs it is called.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kifactors.errors import DataError, MissingExtraError
from kifactors.portfolio._aligned import MissingPolicy, checked_names, numbers_of
from kifactors.portfolio._bounds import LinearBounds, WeightLimit, weight_limits
from kifactors.portfolio._exposures import FactorExposures
from kifactors.portfolio._through_time import runs
from kifactors.portfolio.scipy import check_together

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["exposure_limits", "forecast", "neutral", "universe"]

Floats = NDArray[np.float64]
Limit = float | Mapping[str, float]


def forecast(
    exposures: FactorExposures,
    times: "pd.DatetimeIndex",
    volatility: "Mapping[str, float] | pd.Series | pd.DataFrame",
    *,
    ic: float,
    factor: str | None = None,
    missing: MissingPolicy = "error",
    max_age_days: int = 45,
) -> "pd.DataFrame":
    """Return expected active returns at each time, for `cvxportfolio.ReturnsForecast`.

    Parameters
    ----------
    exposures : FactorExposures
    times : pandas.DatetimeIndex
        Times of trading, those of the market data. The newest scores of the day (in the zone of the times) or before
        count; so scores of a day must be known before its market opens, as with ``lag_days`` of 1 or more.
    volatility : frame of time x asset, or mapping or Series by asset name
        Residual volatility per period of trading, as a fraction. A frame must have a row for each time, from returns
        before it; one number for all times is only right if it is no estimate from those times.
    ic, factor, missing, max_age_days
        As for `FactorExposures.alpha`. With ``missing="exclude"`` the forecast is NaN, which cvxportfolio refuses
        unless the asset is out of its universe: see `universe`.

    Returns
    -------
    pandas.DataFrame
        A row per time and a column per asset of `volatility`, per period; no column for cash.

    Raises
    ------
    UnmatchedAssetError, DateError, DataError
        As for `FactorExposures.alpha`, or a time without a row of volatilities.

    Examples
    --------
    0.05 * 0.02 * 2 and 0.05 * 0.01 * -1 from the last day of January on:

    >>> import pandas as pd
    >>> frame = pl.DataFrame({"date": ["2024-01-31"] * 2, "asset": ["A", "B"],
    ...     "score": [2.0, -1.0]}).with_columns(pl.col("date").str.to_date())
    >>> exposures = kf.portfolio.FactorExposures(frame, {"score": "z"})
    >>> times = pd.to_datetime(["2024-01-31", "2024-02-01"])
    >>> forecast(exposures, times, {"B": 0.01, "A": 0.02}, ic=0.05).round(12).to_dict("list")
    {'B': [-0.0005, -0.0005], 'A': [0.002, 0.002]}
    """
    import pandas as pd

    assets = checked_names(
        list(volatility.columns)
        if isinstance(volatility, pd.DataFrame)
        else list(numbers_of("volatility", volatility))
    )
    found = pd.DataFrame(np.nan, index=times, columns=list(assets))
    for places, day in runs(exposures, times):
        for rows, sigma in _volatilities(volatility, times, places):
            alpha = exposures.alpha(
                day, sigma, ic=ic, factor=factor, missing=missing, max_age_days=max_age_days
            )
            found.iloc[rows] = alpha.reindex(found.columns).to_numpy()
    return found


def exposure_limits(
    exposures: FactorExposures,
    times: "pd.DatetimeIndex",
    assets: Sequence[str],
    *,
    lower: Limit | None = None,
    upper: Limit | None = None,
    benchmark: "Mapping[str, float] | pd.Series | None" = None,
    missing: MissingPolicy = "error",
    max_age_days: int = 45,
    min_weight: WeightLimit = 0.0,
    max_weight: WeightLimit = 1.0,
    cash: tuple[float, float] = (0.0, 1.0),
) -> list[Any]:
    """Return constraints of cvxportfolio that keep exposures between bounds at each time.

    Parameters
    ----------
    exposures : FactorExposures
    times : pandas.DatetimeIndex
        As for `forecast`.
    assets : sequence of str
        All assets of the market data but cash; the order does not matter. Cash has no exposure.
    lower, upper, benchmark, missing, max_age_days
        As for `FactorExposures.bounds`, at each time. With ``missing="exclude"`` the exposure is NaN, which
        cvxportfolio refuses unless the asset is out of its universe: see `universe`.
    min_weight, max_weight : float or mapping by asset name
        What the policy's other constraints allow: bounds out of their reach are refused. Long only by default.
    cash : pair of float
        Smallest and largest weight of cash; (0, 0) with `cvxportfolio.NoCash`.

    Returns
    -------
    list of cvxportfolio.FactorMaxLimit, FactorMinLimit and FixedFactorLoading
        One per factor and bound; the last where both bounds are the same.

    Raises
    ------
    MissingExtraError
        cvxportfolio is not installed.
    InfeasibleError
        At some time no weights within limits keep the bounds, alone or together; the range they reach is named.
    UnmatchedAssetError, DateError
        As for `FactorExposures.vector`, at any time.
    """
    cvx = _library()
    limits = _Limits(min_weight, max_weight, cash)
    found = []
    for bounded in _through_time(
        exposures,
        times,
        assets,
        limits,
        lower=lower,
        upper=upper,
        benchmark=benchmark,
        missing=missing,
        max_age_days=max_age_days,
    ):
        # Two inequalities for one equation cost a solver its last digits.
        if np.isfinite(bounded.upper).all() and bounded.upper.equals(bounded.lower):
            found.append(cvx.FixedFactorLoading(bounded.exposures, bounded.upper))
            continue
        if np.isfinite(bounded.upper).all():
            found.append(cvx.FactorMaxLimit(bounded.exposures, bounded.upper))
        if np.isfinite(bounded.lower).all():
            found.append(cvx.FactorMinLimit(bounded.exposures, bounded.lower))
    return found


def neutral(
    exposures: FactorExposures,
    times: "pd.DatetimeIndex",
    assets: Sequence[str],
    *,
    benchmark: "Mapping[str, float] | pd.Series | None" = None,
    missing: MissingPolicy = "error",
    max_age_days: int = 45,
    min_weight: WeightLimit = 0.0,
    max_weight: WeightLimit = 1.0,
    cash: tuple[float, float] = (0.0, 1.0),
) -> list[Any]:
    """Return constraints of cvxportfolio that keep every exposure at 0, or at that of a benchmark, at each time.

    Parameters
    ----------
    exposures, times, assets, benchmark, missing, max_age_days, min_weight, max_weight, cash
        As for `exposure_limits`. Shares are never negative: without a benchmark a long-only portfolio without
        exposure holds what has none, and cash.

    Returns
    -------
    list of cvxportfolio.FixedFactorLoading
        One per factor; `cvxportfolio.FactorNeutral` without a benchmark.

    Raises
    ------
    MissingExtraError, InfeasibleError, UnmatchedAssetError, DateError
        As for `exposure_limits`.
    """
    cvx = _library()
    zero = dict.fromkeys(exposures.factors, 0.0)
    seen = _through_time(
        exposures,
        times,
        assets,
        _Limits(min_weight, max_weight, cash),
        lower=zero,
        upper=zero,
        benchmark=benchmark,
        missing=missing,
        max_age_days=max_age_days,
    )
    if benchmark is None:
        return [cvx.FactorNeutral(bounded.exposures) for bounded in seen]
    return [cvx.FixedFactorLoading(bounded.exposures, bounded.upper) for bounded in seen]


def universe(
    exposures: FactorExposures,
    times: "pd.DatetimeIndex",
    assets: Sequence[str],
    *,
    max_age_days: int = 45,
) -> "pd.DataFrame":
    """Return which assets have known exposures to all factors at each time.

    Parameters
    ----------
    exposures, times, max_age_days
        As for `forecast`.
    assets : sequence of str
        All assets of the market data but cash, in its order: cvxportfolio insists.

    Returns
    -------
    pandas.DataFrame of bool
        ``universe_selection_in_time`` of `cvxportfolio.UserProvidedMarketData`: with it, what ``missing="exclude"``
        leaves out is not traded, and what is held of it is sold.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pl.DataFrame({"date": ["2024-01-31"] * 2, "asset": ["A", "B"],
    ...     "score": [2.0, None]}).with_columns(pl.col("date").str.to_date())
    >>> exposures = kf.portfolio.FactorExposures(frame, {"score": "z"})
    >>> universe(exposures, pd.to_datetime(["2024-02-01"]), ["B", "A"]).to_dict("list")
    {'B': [False], 'A': [True]}
    """
    import pandas as pd

    found = pd.DataFrame(data=False, index=times, columns=list(checked_names(assets)))
    for places, day in runs(exposures, times):
        aligned = exposures.vector(day, assets, missing="exclude", max_age_days=max_age_days)
        found.iloc[places] = found.columns.isin(aligned.assets)
    return found


def _volatilities(
    volatility: Any, times: "pd.DatetimeIndex", places: NDArray[np.intp]
) -> Iterator[tuple[NDArray[np.intp], Any]]:
    """Yield places of times and the volatilities there."""
    import pandas as pd

    if not isinstance(volatility, pd.DataFrame):
        yield places, volatility
        return
    for at in places:
        if times[at] not in volatility.index:
            raise DataError(f"volatility has no row for {times[at]}; expected one for each time.")
        yield np.array([at]), volatility.loc[times[at]]


class _Limits(NamedTuple):
    """What weights the rest of a policy allows, for the assets and for cash."""

    min_weight: WeightLimit
    max_weight: WeightLimit
    cash: tuple[float, float]

    def check(self, bounds: LinearBounds) -> None:
        """Refuse bounds that no weights can keep; cash counts as an asset without exposure."""
        aligned = bounds.exposures
        with_cash = replace(
            aligned,
            matrix=np.vstack([aligned.matrix, np.zeros(len(aligned.factors))]),
            assets=(*aligned.assets, "cash"),
        )
        floor = weight_limits("min_weight", self.min_weight, aligned.assets)
        ceiling = weight_limits("max_weight", self.max_weight, aligned.assets)
        low, high = np.append(floor, self.cash[0]), np.append(ceiling, self.cash[1])
        check_together(
            replace(bounds, exposures=with_cash, A=np.column_stack([bounds.A, np.zeros(len(bounds.A))])),
            min_weight=dict(zip(with_cash.assets, low, strict=True)),
            max_weight=dict(zip(with_cash.assets, high, strict=True)),
        )


class _Bounded(NamedTuple):
    """One factor through time: exposures (time x asset) and bounds (by time; infinite where there is none)."""

    exposures: "pd.DataFrame"
    lower: "pd.Series"
    upper: "pd.Series"


def _through_time(
    exposures: FactorExposures,
    times: "pd.DatetimeIndex",
    assets: Sequence[str],
    limits: _Limits,
    **options: Any,
) -> list[_Bounded]:
    import pandas as pd

    names = list(checked_names(assets))
    found = [
        _Bounded(
            pd.DataFrame(np.nan, index=times, columns=names),
            pd.Series(np.nan, index=times),
            pd.Series(np.nan, index=times),
        )
        for _ in exposures.factors
    ]
    for places, day in runs(exposures, times):
        bounds = exposures.bounds(day, names, **options)
        limits.check(bounds)
        columns = [names.index(name) for name in bounds.exposures.assets]
        for k, bounded in enumerate(found):
            bounded.exposures.iloc[places, columns] = bounds.exposures.matrix[:, k]
            bounded.lower.iloc[places] = bounds.lower[k]
            bounded.upper.iloc[places] = bounds.upper[k]
    return found


def _library() -> Any:
    try:
        import cvxportfolio
    except ImportError as error:
        raise MissingExtraError("this needs cvxportfolio: pip install 'kifactors[cvxportfolio]'.") from error
    return cvxportfolio
