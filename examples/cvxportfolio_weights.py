"""A small backtest with cvxportfolio: a forecast from scores, and a ceiling on AI infrastructure exposure each day.

    pip install 'kifactors[cvxportfolio]'     # cvxportfolio is licensed GPLv3
    python examples/cvxportfolio_weights.py

The exposures are computed from the bundled data. The returns are SIMULATED (seeded): the data has no prices, so
neither weights nor results say anything about these companies, only that the bound is kept on every day.
"""

import tempfile

import cvxportfolio as cvx
import numpy as np
import pandas as pd

import kifactors as kf
from kifactors.portfolio import FactorExposures
from kifactors.portfolio.cvxportfolio import exposure_limits, forecast

UPPER = 0.3
MAX_WEIGHT = 0.2


def bundled_exposures() -> tuple[FactorExposures, FactorExposures, list[str]]:
    """Return shares and scores of four month ends, and the assets known at all of them, by ticker."""
    dates = kf.month_ends("2026-07", "2026-10")
    scores = kf.AIInfrastructureExposure().compute(kf.load_bundled(), dates=dates)
    shares = FactorExposures.from_scores(scores, "exposure", names="ticker")
    standardized = FactorExposures.from_scores(scores, "score", names="ticker")
    assets = [asset.name for asset in shares.wide().drop("date") if asset.null_count() == 0]
    return shares, standardized, assets


def simulated_returns(assets: list[str]) -> pd.DataFrame:
    """Return open-to-open returns of a market and noise of each asset; cash, in the last column, earns nothing."""
    rng = np.random.default_rng(20261031)
    times = pd.bdate_range("2026-08-03 13:30", "2026-10-31", tz="UTC", normalize=False)
    market, noise = rng.normal(0.0004, 0.01, len(times)), rng.normal(0.0, 0.015, (len(times), len(assets)))
    return pd.DataFrame(market[:, None] + noise, index=times, columns=assets).assign(cash=0.0)


def main() -> None:
    """Print exposures through a backtest with and without the bound."""
    shares, standardized, assets = bundled_exposures()
    returns = simulated_returns(assets)
    start = returns.index[21]
    times = returns.index[21:]
    print(f"{len(assets)} assets with known exposures; {len(returns)} days of SIMULATED returns.")
    # The volatility of the 20 days before each time.
    volatility = returns[assets].rolling(20).std().shift(1).loc[times]
    alpha = forecast(standardized, times, volatility, ic=0.05)
    objective = cvx.ReturnsForecast(alpha) - 5 * cvx.FullCovariance()
    with tempfile.TemporaryDirectory() as folder:
        market = cvx.UserProvidedMarketData(
            returns, cash_key="cash", min_history=pd.Timedelta("20D"), base_location=folder
        )
        simulator = cvx.MarketSimulator(market_data=market, base_location=folder)
        for what, limits in (
            ("no bound", []),
            (f"at most {UPPER}", exposure_limits(shares, times, assets, upper=UPPER, max_weight=MAX_WEIGHT)),
        ):
            policy = cvx.SinglePeriodOptimization(
                objective, [cvx.LongOnly(applies_to_cash=True), cvx.MaxWeights(MAX_WEIGHT), *limits]
            )
            show(what, shares, simulator.backtest(policy, start_time=start).w_plus[assets])


def show(what: str, shares: FactorExposures, weights: pd.DataFrame) -> None:
    """Print the range of exposures after trading, and the last weights."""
    # The last row, after the last trade, is empty.
    weights = weights.dropna()
    achieved = [shares.exposure(time.date(), row)[0] for time, row in weights.iterrows()]
    largest = ", ".join(f"{name} {w:.3f}" for name, w in weights.iloc[-1].nlargest(4).items())
    print(
        f"{what:12} exposure {min(achieved):.6f} to {max(achieved):.6f} on {len(achieved)} days   last: {largest}"
    )


if __name__ == "__main__":
    main()
