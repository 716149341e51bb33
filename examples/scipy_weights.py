"""Least variance and best return at a wanted AI infrastructure exposure, with scipy's minimize and linprog.

    pip install 'kifactors[scipy]'
    python examples/scipy_weights.py

Exposures are those of the bundled data. Returns, and so volatilities and expectations, are SIMULATED: what is shown is
how bounds are kept, not what would have been earned.
"""

import numpy as np
from scipy import optimize

import kifactors as kf
from kifactors.portfolio import FactorExposures
from kifactors.portfolio.scipy import coefficients, linear_constraint, linprog_arguments, named_weights

DAY = "2026-10-31"
LOWER, UPPER = 0.45, 0.50
LARGEST = 0.15


def main() -> None:
    """Print weights and the achieved exposure beside its bounds."""
    scores = kf.AIInfrastructureExposure().compute(kf.load_bundled(), dates=[DAY])
    exposures = FactorExposures.from_scores(scores, names="ticker")
    assets = exposures.to_polars().drop_nulls("exposure")["asset"].to_list()
    bounds = exposures.bounds(DAY, assets, lower=LOWER, upper=UPPER)
    rng = np.random.default_rng(20261031)
    volatility = dict(zip(assets, rng.uniform(0.2, 0.6, len(assets)), strict=True))
    expected = {name: 0.2 * sigma + 0.02 * rng.standard_normal() for name, sigma in volatility.items()}
    print(f"{len(assets)} assets on {DAY}; volatilities and expected returns are SIMULATED")
    print(f"exposure wanted: {LOWER} to {UPPER}\n")

    variance = coefficients(volatility, bounds) ** 2
    found = optimize.minimize(
        lambda w: variance @ w**2,
        np.full(len(assets), 1.0 / len(assets)),
        jac=lambda w: 2.0 * variance * w,
        bounds=[(0.0, LARGEST)] * len(assets),
        constraints=[
            linear_constraint(bounds, max_weight=LARGEST),
            optimize.LinearConstraint(np.ones((1, len(assets))), 1.0, 1.0),
        ],
        method="SLSQP",
        tol=1e-12,
    )
    report("minimize, least variance", found, exposures, bounds)
    found = optimize.linprog(-coefficients(expected, bounds), **linprog_arguments(bounds, max_weight=LARGEST))
    report("linprog, best expected return", found, exposures, bounds)
    try:
        linprog_arguments(exposures.bounds(DAY, assets, lower=0.75), max_weight=LARGEST)
    except kf.KifactorsError as error:
        print(f"at least 0.75: {type(error).__name__}: {error}")


def report(
    title: str,
    found: optimize.OptimizeResult,
    exposures: FactorExposures,
    bounds: kf.portfolio.LinearBounds,
) -> None:
    """Print a solution by asset name."""
    weights = named_weights(found.x, bounds)
    print(f"{title}: exposure achieved {exposures.exposure(DAY, weights)[0]:.6f}")
    largest = weights.sort_values(ascending=False).head(8)
    print("  " + ", ".join(f"{name} {weight:.1%}" for name, weight in largest.items()) + "\n")


if __name__ == "__main__":
    main()
