"""Average ranks per date: the kernel against polars, pandas and scipy in a loop.

    python benchmarks/ranks.py [DATES] [ASSETS]

One thread each; one value in fifty is unknown.
"""

import os
import sys
from itertools import pairwise

os.environ["POLARS_MAX_THREADS"] = "1"  # before polars is imported

import numpy as np
import pandas as pd
import polars as pl
from compare import compare, environment
from scipy.stats import rankdata

import kifactors as kf


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


def with_pandas(frame: pd.DataFrame) -> pd.Series:
    """Rank by group."""
    return frame.groupby("date")["x"].rank()


if __name__ == "__main__":
    dates, assets = [int(text) for text in sys.argv[1:]] or [2500, 3000]
    data = panel(dates, assets)
    as_pandas = pd.DataFrame({"date": data["date"].to_numpy(), "x": data["x"].to_numpy()})
    print(environment())
    compare(
        f"ranks, {dates:,} dates x {assets:,} assets, one thread",
        {
            "kifactors": lambda: kf.cross_section.rank(data, "x", n_threads=1),
            "polars rank over": lambda: data.select(pl.col("x").rank("average").over("date"))["x"],
            "pandas groupby rank": lambda: with_pandas(as_pandas),
            "scipy rankdata loop": lambda: with_scipy(data),
        },
        rtol=0.0,
        rounds=3,
    )
