"""Minimum-variance weights with a floor under AI infrastructure exposure, two ways, with skfolio.

    pip install 'kifactors[skfolio]'
    python examples/skfolio_weights.py

The exposures are computed from the bundled data. The returns are SIMULATED (seeded): the data has no prices, so the
weights say nothing about these companies, only that the floor is kept.
"""

import numpy as np
import pandas as pd
import sklearn
from skfolio.optimization import MeanRisk

import kifactors as kf
from kifactors.portfolio import FactorExposures
from kifactors.portfolio.skfolio import (
    asset_panel,
    characteristics_model,
    factor_prior,
    linear_constraints,
)

LOWER = 0.5
MAX_WEIGHT = 0.2


def bundled_exposures() -> tuple[FactorExposures, list[str]]:
    """Return the exposures of four month ends and the assets known at all of them, by ticker."""
    dates = kf.month_ends("2026-07", "2026-10")
    scores = kf.AIInfrastructureExposure().compute(kf.load_bundled(), dates=dates)
    exposures = FactorExposures.from_scores(scores, names="ticker")
    known = exposures.wide().drop("date")
    return exposures, [asset.name for asset in known if asset.null_count() == 0]


def simulated_returns(exposures: FactorExposures, assets: list[str]) -> pd.DataFrame:
    """Return daily returns of a market, a factor that pays the exposed, and noise of each asset."""
    rng = np.random.default_rng(20261031)
    days = pd.bdate_range("2026-08-03", "2026-10-30")
    x = exposures.vector("2026-07-31", assets).column()
    market = rng.normal(0.0004, 0.01, len(days))
    factor = rng.normal(0.0006, 0.012, len(days))
    noise = rng.normal(0.0, 0.015, (len(days), len(assets)))
    return pd.DataFrame(market[:, None] + np.outer(factor, x) + noise, index=days, columns=assets)


def main() -> None:
    """Print the exposure of the weights with and without the floor, and the largest weights."""
    exposures, assets = bundled_exposures()
    returns = simulated_returns(exposures, assets)
    today = returns.index[-1].date()
    print(f"{len(assets)} assets with known exposures; {len(returns)} days of SIMULATED returns to {today}.")

    def show(what: str, optimiser: MeanRisk) -> None:
        weights = pd.Series(optimiser.weights_, index=optimiser.feature_names_in_)
        achieved = exposures.exposure(today, weights)[0]
        largest = ", ".join(f"{name} {w:.3f}" for name, w in weights.nlargest(4).items())
        print(f"{what:32} exposure {achieved:.6f}   {largest}")

    show("no floor", MeanRisk(max_weights=MAX_WEIGHT).fit(returns))
    rules = linear_constraints(exposures, today, assets, lower=LOWER, max_weight=MAX_WEIGHT)
    show(f"floor {LOWER}, by assets", MeanRisk(max_weights=MAX_WEIGHT, linear_constraints=rules).fit(returns))

    view = factor_prior(exposures, expected_return=0.0005, confidence=0.5)
    model = characteristics_model(exposures, factor_prior_estimator=view, min_regression_assets=20)
    rules = linear_constraints(exposures, today, assets, lower=LOWER, terms="factors", max_weight=MAX_WEIGHT)
    optimiser = MeanRisk(prior_estimator=model, max_weights=MAX_WEIGHT, linear_constraints=rules)
    with sklearn.config_context(enable_metadata_routing=True):
        optimiser.fit(returns, characteristics=asset_panel(exposures, returns))
    show(f"factor model, floor {LOWER}", optimiser)
    fitted = optimiser.prior_estimator_.factor_model_
    past, expected = (
        fitted.factor_returns_df["exposure"].mean(),
        dict(zip(fitted.factor_names, fitted.factor_mu, strict=True)),
    )
    print(
        f"return of the factor a day: {past:.6f} simulated, {expected['exposure']:.6f} half way to the view of 0.0005"
    )


if __name__ == "__main__":
    main()
