"""Riskfolio-Lib: least risk at a wanted AI infrastructure exposure, and a Black-Litterman view.

    pip install 'kifactors[riskfolio]'
    python examples/riskfolio_weights.py

Exposures are those of the bundled data. Returns are SIMULATED: what is shown is how bounds are kept, not what would
have been earned.
"""

import warnings

import numpy as np
import pandas as pd

import kifactors as kf
from kifactors.portfolio import FactorExposures
from kifactors.portfolio.riskfolio import add_exposure_bounds, optimize, set_view

# Riskfolio-Lib multiplies cvxpy matrices by `*`.
warnings.filterwarnings("ignore", message=r"\s*This use of ``\*`` has resulted in matrix multiplication")

import riskfolio  # noqa: E402

DAY = "2026-10-31"
LOWER, UPPER = 0.45, 0.50
LARGEST = 0.15


def main() -> None:
    """Print weights and the achieved exposure beside its bounds."""
    scores = kf.AIInfrastructureExposure().compute(kf.load_bundled(), dates=[DAY])
    exposures = FactorExposures.from_scores(scores, names="ticker")
    assets = exposures.to_polars().drop_nulls("exposure")["asset"].to_list()
    rng = np.random.default_rng(20261031)
    market = rng.normal(0.0005, 0.01, 500)
    returns = pd.DataFrame({name: market + rng.normal(0.0, 0.012, 500) for name in assets})
    print(f"{len(assets)} assets on {DAY}; returns are SIMULATED")
    print(f"exposure wanted: {LOWER} to {UPPER}\n")

    portfolio = riskfolio.Portfolio(returns=returns, upperlng=LARGEST)
    portfolio.assets_stats()
    bounds = add_exposure_bounds(portfolio, exposures, DAY, lower=LOWER, upper=UPPER)
    for title, risk in (("least variance", "MV"), ("least conditional value at risk", "CVaR")):
        report(title, optimize(portfolio, bounds, rm=risk, obj="MinRisk"), exposures)

    # A day of the long-short portfolio is expected to earn 2 basis points. Riskfolio-Lib takes a confidence of a half.
    view = exposures.view(DAY, assets, expected_return=0.0002, confidence=0.5)
    equal = pd.Series(1.0 / len(assets), index=assets)
    set_view(portfolio, view, prior=equal, delta=2.5)
    report(
        "Black-Litterman, best utility",
        optimize(portfolio, bounds, model="BL", obj="Utility", l=2.5),
        exposures,
    )

    try:
        add_exposure_bounds(
            riskfolio.Portfolio(returns=returns, upperlng=LARGEST), exposures, DAY, lower=0.75
        )
    except kf.KifactorsError as error:
        print(f"at least 0.75: {type(error).__name__}: {error}")


def report(title: str, weights: pd.Series, exposures: FactorExposures) -> None:
    """Print a solution by asset name."""
    print(f"{title}: exposure achieved {exposures.exposure(DAY, weights)[0]:.6f}")
    largest = weights.sort_values(ascending=False).head(8)
    print("  " + ", ".join(f"{name} {weight:.1%}" for name, weight in largest.items()) + "\n")


if __name__ == "__main__":
    main()
