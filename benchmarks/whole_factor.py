"""The whole factor, on prepared tables in memory: `compute`, and the same in polars and scipy."""

import polars as pl
import polars_factor
import synthetic
from measure import Case

import kifactors as kf

# Both iterate until an error bound of 1e-10, which is all that can be asked of other networks. Of these, whose chains
# are short, both reach the limit, and what remains are sums added in another order.
RTOL = 1e-14


def cases(*, quick: bool) -> list[Case]:
    """Return the case: ten years of months."""
    first, assets = ("2024-01", 500) if quick else ("2015-01", 5000)
    dates = pl.Series(kf.month_ends(first, "2024-12"))
    tables = synthetic.tables(assets, dates, ties=4 * assets, facts=80 * assets)
    tables.fingerprints()
    coded = polars_factor.prepare(tables)
    factor = kf.AIInfrastructureExposure()

    def with_library(n_threads: int) -> pl.Series:
        return numbers(factor.compute(tables, dates, n_threads=n_threads).to_polars())

    def with_polars() -> pl.Series:
        return numbers(polars_factor.compute(coded, dates, factor.definition))

    assert with_library(1).equals(with_library(2)), "threads change no bit"
    return [
        Case(
            f"compute, {len(dates)} months x {assets:,} assets, {4 * assets:,} ties, {80 * assets:,} facts",
            {
                "kifactors": lambda: with_library(1),
                "kifactors, two threads": lambda: with_library(2),
                "polars + scipy": with_polars,
            },
            rtol=RTOL,
            targets={"polars + scipy": 8.0},
            limit=1.5,
        )
    ]


def numbers(scores: pl.DataFrame) -> pl.Series:
    """Return what is compared: every exposure, then every score."""
    return pl.concat([scores["exposure"], scores["score"].alias("exposure")])
