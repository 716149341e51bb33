"""A screen of five conditions on every date: rank within a mask, percentile, role, coverage, industry.

The wanted time is half a second, with the threads that are used by default. polars does the same with windows; only who is selected is compared, for it gives no
reasons.
"""

import numpy as np
import polars as pl
from measure import Case

import kifactors as kf
from kifactors.schema import ROLES, SCORES
from kifactors.scores import Scores

TOP, LARGE, COVERED = 300, 1e9, 0.3
WANTED = ["pioneer", "tool_supplier", "both"]
INDUSTRIES = ["Banks", "Chips", "Power"]


def cases(*, quick: bool) -> list[Case]:
    """Return the case."""
    dates, assets = (100, 1000) if quick else (2500, 3000)
    scores, universe = made(dates, assets)
    return [
        Case(
            f"screen of five conditions, {dates:,} dates x {assets:,} assets",
            {
                "kifactors, two threads": lambda: selected(scores, universe, 2)["selected"],
                "kifactors": lambda: selected(scores, universe, 1)["selected"],
                "polars over": lambda: with_polars(scores, universe),
            },
            rtol=0.0,
            limit=0.5,
        )
    ]


def made(dates: int, assets: int) -> tuple[Scores, pl.DataFrame]:
    """Return random scores and a universe."""
    rng = np.random.default_rng(0)
    n = dates * assets
    days = pl.Series("date", range(10_000, 10_000 + dates)).cast(pl.Date)
    ids = pl.Series([f"cik:{k:010d}" for k in range(assets)])
    known = {
        "date": days.gather(np.repeat(np.arange(dates), assets)),
        "asset_id": ids.gather(np.tile(np.arange(assets), dates)),
        # Every number once, so that no way has to break a tie.
        "exposure": pl.Series((rng.permutation(n) + 1) / n),
        "coverage": pl.Series(rng.random(n).round(2)),
        "role": pl.Series(ROLES).gather(rng.integers(0, len(ROLES), n)),
    }
    absent = {name: pl.lit(None, dtype) for name, dtype in SCORES.polars.items() if name not in known}
    frame = pl.DataFrame(known).with_columns(**absent).select(*SCORES.polars)
    universe = frame.select(
        "date",
        "asset_id",
        industry=pl.Series(INDUSTRIES).gather(rng.integers(0, len(INDUSTRIES), n)),
        market_cap=pl.Series(rng.lognormal(22, 1, n)),
    )
    nothing = pl.DataFrame({"date": days})
    return Scores(
        frame, kf.FactorDefinition(), inputs={}, dates=days.to_list(), diagnostics=nothing
    ), universe


def selected(scores: Scores, universe: pl.DataFrame, n_threads: int) -> pl.DataFrame:
    """Use the conditions of the library."""
    screen = kf.screen
    wanted = (
        screen.exposure.percentile_between(50, 100)
        & screen.role.element_of(WANTED)
        & (screen.coverage >= COVERED)
        & screen.industry.not_element_of(["Banks"])
        & screen.exposure.top(TOP, mask=screen.market_cap > LARGE)
    )
    return screen.select(scores, wanted, universe=universe, n_threads=n_threads).collect()


def with_polars(scores: Scores, universe: pl.DataFrame) -> pl.Series:
    """Use window expressions, on frames whose rows match."""
    frame = (
        scores.to_polars()
        .select("date", "exposure", "coverage", "role")
        .hstack(universe.drop("date", "asset_id"))
    )
    x = pl.col("exposure")
    within = pl.when(pl.col("market_cap") > LARGE).then(x)
    return frame.lazy().select(
        (x >= x.quantile(0.5, interpolation="linear").over("date"))
        & pl.col("role").is_in(WANTED)
        & (pl.col("coverage") >= COVERED)
        & (pl.col("industry") != "Banks")
        & (within.rank("ordinal", descending=True).over("date") <= TOP).fill_null(value=False)
    ).collect().to_series()  # fmt: skip
