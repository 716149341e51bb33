"""A tracker with more AI infrastructure exposure than its benchmark, month after month, from one cvxpy problem.

    pip install 'kifactors[cvxpy]'
    python examples/cvxpy_weights.py

Exposures are those of the bundled data; an asset whose exposure is unknown that month is held at no weight. Returns,
and so the risk model, are SIMULATED: what is shown is how bounds are kept, not what would have been earned.
"""

import cvxpy as cp
import numpy as np

import kifactors as kf
from kifactors.portfolio import FactorExposures
from kifactors.portfolio.cvxpy import ExposureConstraint

MONTHS = kf.month_ends("2026-05", "2026-10")
# The exposure over that of the benchmark rises over the months.
ACTIVE = np.linspace(0.05, 0.10, len(MONTHS))
WIDTH = 0.02


def main() -> None:
    """Print bound and achieved exposure of every month, and the largest weights of the last."""
    scores = kf.AIInfrastructureExposure().compute(kf.load_bundled(), dates=MONTHS)
    exposures = FactorExposures.from_scores(scores, names="ticker")
    frame = exposures.to_polars().drop_nulls("exposure")
    assets = frame["asset"].unique().sort().to_list()
    known_always = [name for name in assets if (frame["asset"] == name).sum() == len(MONTHS)]
    benchmark = dict.fromkeys(known_always, 1.0 / len(known_always))

    loadings, residual = simulated_risk(len(assets))
    w = cp.Variable(len(assets))
    active = w - np.array([benchmark.get(name, 0.0) for name in assets])
    bound = ExposureConstraint(
        exposures, w, assets, lower=0.0, upper=1.0, benchmark=benchmark, missing="exclude"
    )
    problem = cp.Problem(
        cp.Minimize(cp.sum_squares(loadings @ active) + cp.sum_squares(cp.multiply(residual, active))),
        [cp.sum(w) == 1, w >= 0, w <= 0.15, *bound.constraints],
    )

    print(f"{len(assets)} assets, benchmark: equal weights of {len(benchmark)}; returns are SIMULATED\n")
    print("month       exposure wanted      achieved  tracking error (simulated)")
    for day, low in zip(MONTHS, ACTIVE, strict=True):
        variance = bound.at(day, lower=low, upper=low + WIDTH).solve(problem, solver="CLARABEL")
        low_all, high_all = bound.bounds.lower[0], bound.bounds.upper[0]
        print(
            f"{day}  {low_all:.6f} to {high_all:.6f}  {bound.achieved()['exposure']:.6f}  {variance**0.5:.2%}"
        )
    order = np.argsort(-w.value)[:8]
    print(f"\nlargest weights on {MONTHS[-1]}: " + ", ".join(f"{assets[i]} {w.value[i]:.1%}" for i in order))
    try:
        bound.at(MONTHS[-1], lower=0.4, upper=0.5).solve(problem, solver="CLARABEL")
    except kf.KifactorsError as error:
        print(f"\n0.4 over the benchmark: {type(error).__name__}: {error}")


def simulated_risk(assets: int) -> tuple[np.ndarray, np.ndarray]:
    """Return loadings of simulated returns on three common factors, and residual volatilities, a year."""
    rng = np.random.default_rng(20261031)
    return 0.15 * rng.standard_normal((3, assets)), rng.uniform(0.15, 0.45, assets)


if __name__ == "__main__":
    main()
