"""The bundled exposures in the frames of alphalens, zipline and qlib, and in a Barra-style exposure file.

    pip install 'kifactors[alphalens]'    # the rest runs without it
    python examples/handover.py

Sessions are weekdays here; take those of your prices. Prices are SIMULATED: an information coefficient of them says
nothing about the factor.
"""

import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import kifactors as kf
from kifactors.portfolio import FactorExposures
from kifactors.portfolio.handover import read_barra, to_alphalens, to_qlib, to_zipline, write_barra


def main() -> None:
    """Print the head of each."""
    scores = kf.AIInfrastructureExposure().compute(
        kf.load_bundled(), dates=kf.month_ends("2026-01", "2026-08")
    )
    every = FactorExposures.from_scores(scores, ["exposure", "score"], names="ticker")
    known = every.to_polars().drop_nulls("exposure")
    exposures = FactorExposures(known, every.units)
    assets = known["asset"].unique().sort().to_list()
    sessions = pd.bdate_range("2026-01-01", "2026-10-31")
    rng = np.random.default_rng(20261031)
    steps = 0.02 * rng.standard_normal((len(sessions), len(assets)))
    prices = pd.DataFrame(100.0 * np.exp(steps.cumsum(axis=0)), index=sessions, columns=assets)
    print(f"{len(assets)} assets, {len(scores.dates)} score dates; prices are SIMULATED\n")

    factor = to_alphalens(exposures, prices.index, factor="exposure")
    print(f"alphalens\n{factor.head(3)}\n")
    alphalens_ic(factor, prices)
    # The sids of your bundle; here the places in a list.
    handed = to_zipline(
        exposures, {name: place for place, name in enumerate(assets)}, sessions, factor="exposure"
    )
    print(f"zipline: {handed.baseline.shape[0]} sessions x {handed.baseline.shape[1]} sids")
    print(f"{handed.baseline.iloc[20:24, :5]}\n")
    print(f"qlib\n{to_qlib(exposures, sessions).head(3)}\n")
    with tempfile.TemporaryDirectory() as folder:
        path = write_barra(exposures, Path(folder) / "exposures.csv", day="2026-08-31")
        print("Barra-style file, long\n" + "\n".join(path.read_text().splitlines()[:4]))
        print(f"read back: {read_barra(path)}")


def alphalens_ic(factor: pd.Series, prices: pd.DataFrame) -> None:
    """Print the mean information coefficient, if alphalens is installed."""
    with warnings.catch_warnings():
        # It uses what pandas 3 will drop, and says of monthly dates that they are not daily.
        warnings.simplefilter("ignore")
        try:
            from alphalens.performance import factor_information_coefficient
            from alphalens.utils import get_clean_factor_and_forward_returns
        except ImportError:
            print("(alphalens is not installed)\n")
            return
        # Without this filter of the whole sample's deviation nothing looks ahead.
        clean = get_clean_factor_and_forward_returns(
            factor, prices, quantiles=3, periods=(21,), filter_zscore=None
        )
        mean = factor_information_coefficient(clean).mean().iloc[0]
    print(f"mean information coefficient over 21 sessions of SIMULATED prices: {mean:+.3f}\n")


if __name__ == "__main__":
    main()
