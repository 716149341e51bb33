"""PyPortfolioOpt: least volatility at a wanted AI infrastructure exposure, alphas, and a Black-Litterman view.

    pip install 'kifactors[pypfopt]'
    python examples/pypfopt_weights.py

Exposures and scores are those of the bundled data. Returns, and so covariances, are SIMULATED: what is shown is how
bounds are kept, not what would have been earned.
"""

import numpy as np
import pandas as pd
from pypfopt import EfficientFrontier

import kifactors as kf
from kifactors.portfolio import FactorExposures
from kifactors.portfolio.pypfopt import add_exposure_bounds, black_litterman, expected_returns, solve

DAY = "2026-10-31"
LOWER, UPPER = 0.45, 0.50
LARGEST = 0.15


def main() -> None:
    """Print weights and the achieved exposure beside its bounds."""
    scores = kf.AIInfrastructureExposure().compute(kf.load_bundled(), dates=[DAY])
    exposures = FactorExposures.from_scores(scores, names="ticker")
    assets = exposures.to_polars().drop_nulls("exposure")["asset"].to_list()
    rng = np.random.default_rng(20261031)
    market = rng.normal(0.0, 0.01, 500)
    returns = pd.DataFrame({name: market + rng.normal(0.0, 0.012, 500) for name in assets})
    covariance = 252 * returns.cov()
    # Of the whole return, for want of a market to take out: residual volatility would be lower.
    volatility = pd.Series(np.sqrt(np.diag(covariance)), index=assets)
    print(f"{len(assets)} assets on {DAY}; returns are SIMULATED")
    print(f"exposure wanted: {LOWER} to {UPPER}\n")

    # Scores are standardized: alpha = IC x volatility x score. Exposures are shares, and bound.
    mu = expected_returns(
        FactorExposures.from_scores(scores, "score", names="ticker"), DAY, volatility, ic=0.03
    )
    for title, method, expected in (
        ("least volatility", "min_volatility", None),
        ("best alpha", "max_quadratic_utility", mu),
    ):
        frontier = EfficientFrontier(expected, covariance, weight_bounds=(0, LARGEST), solver="CLARABEL")
        bounds = add_exposure_bounds(frontier, exposures, DAY, lower=LOWER, upper=UPPER)
        report(title, solve(frontier, bounds, method), exposures)

    prior = pd.Series(0.05, index=assets)
    model = black_litterman(covariance, exposures, DAY, expected_return=0.04, confidence=0.5, prior=prior)
    frontier = EfficientFrontier(
        model.bl_returns(), covariance, weight_bounds=(0, LARGEST), solver="CLARABEL"
    )
    bounds = add_exposure_bounds(frontier, exposures, DAY, upper=UPPER)
    report("Black-Litterman, best utility", solve(frontier, bounds, "max_quadratic_utility"), exposures)

    frontier = EfficientFrontier(None, covariance, weight_bounds=(0, LARGEST))
    try:
        add_exposure_bounds(frontier, exposures, DAY, lower=0.75)
    except kf.KifactorsError as error:
        print(f"at least 0.75: {type(error).__name__}: {error}")


def report(title: str, weights: dict[str, float], exposures: FactorExposures) -> None:
    """Print a solution by asset name."""
    print(f"{title}: exposure achieved {exposures.exposure(DAY, weights)[0]:.6f}")
    largest = pd.Series(weights).sort_values(ascending=False).head(8)
    print("  " + ", ".join(f"{name} {weight:.1%}" for name, weight in largest.items()) + "\n")


if __name__ == "__main__":
    main()
