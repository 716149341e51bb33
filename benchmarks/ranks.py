"""Average ranks per date; one value in fifty is unknown."""

from itertools import pairwise

import numpy as np
import pandas as pd
import polars as pl
from measure import Case
from scipy.stats import rankdata

import kifactors as kf


def cases(*, quick: bool) -> list[Case]:
    """Return the case."""
    dates, assets = (100, 1000) if quick else (2500, 3000)
    frame = panel(dates, assets)
    as_pandas = pd.DataFrame({"date": frame["date"].to_numpy(), "x": frame["x"].to_numpy()})
    return [
        Case(
            f"ranks, {dates:,} dates x {assets:,} assets",
            {
                "kifactors": lambda: kf.cross_section.rank(frame, "x", n_threads=1),
                "kifactors, two threads": lambda: kf.cross_section.rank(frame, "x", n_threads=2),
                "polars rank over": lambda: frame.select(pl.col("x").rank("average").over("date"))["x"],
                "pandas groupby rank": lambda: as_pandas.groupby("date")["x"].rank(),
                "scipy rankdata per date": lambda: with_scipy(frame),
            },
            rtol=0.0,
            targets={"polars rank over": 5.0},
            traffic=frame.height * 16,
            rounds=3,
        )
    ]


def panel(dates: int, assets: int) -> pl.DataFrame:
    """Return a random panel."""
    rng = np.random.default_rng(0)
    x = np.where(rng.random(dates * assets) < 0.02, np.nan, rng.standard_t(4, dates * assets))
    frame = pl.DataFrame({"date": np.repeat(np.arange(dates, dtype=np.int32), assets), "x": x})
    return frame.with_columns(pl.col("x").fill_nan(None))


def with_scipy(frame: pl.DataFrame) -> np.ndarray:
    """Rank the known values of each date."""
    x = frame["x"].to_numpy()
    out = np.full(x.size, np.nan)
    for a, b in pairwise(kf.cross_section.date_offsets(frame)):
        known = np.flatnonzero(~np.isnan(x[a:b])) + a
        out[known] = rankdata(x[known])
    return out
