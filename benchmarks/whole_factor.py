"""The whole factor: `AIInfrastructureExposure.compute` on prepared tables in memory."""

import polars as pl
import synthetic
from measure import Case

import kifactors as kf


def cases(*, quick: bool) -> list[Case]:
    """Return the case: ten years of months."""
    first, assets = ("2024-01", 500) if quick else ("2015-01", 5000)
    dates = pl.Series(kf.month_ends(first, "2024-12"))
    tables = synthetic.tables(assets, dates, ties=4 * assets, facts=80 * assets)
    tables.fingerprints()
    factor = kf.AIInfrastructureExposure()

    def exposure(n_threads: int) -> pl.Series:
        return factor.compute(tables, dates, n_threads=n_threads).to_polars()["exposure"]

    return [
        Case(
            f"compute, {len(dates)} months x {assets:,} assets, {4 * assets:,} ties, {80 * assets:,} facts",
            {"kifactors": lambda: exposure(1), "kifactors, two threads": lambda: exposure(2)},
            rtol=0.0,
        )
    ]
