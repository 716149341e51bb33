"""Average ranks per date; one value in fifty is unknown."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pandas as pd
import polars as pl
import sql
from alternatives import optional
from measure import Case

import kifactors as kf

# The window of a value is the values equal to it: one sort of a date instead of two.
SQL = """
SELECT row, rank() OVER date_x + (count(*) OVER (date_x RANGE BETWEEN CURRENT ROW AND CURRENT ROW) - 1) / 2 AS value
FROM panel WHERE x IS NOT NULL WINDOW date_x AS (PARTITION BY date ORDER BY x)
"""


def cases(*, quick: bool) -> list[Case]:
    """Return the case."""
    dates, assets = (100, 1000) if quick else (2500, 3000)
    frame = panel(dates, assets)
    stats = optional("scipy.stats")
    as_pandas = pd.DataFrame({"date": frame["date"].to_numpy(), "x": frame["x"].to_numpy()})
    return [
        Case(
            f"ranks, {dates:,} dates x {assets:,} assets",
            {
                "kifactors": lambda: kf.cross_section.rank(frame, "x", n_threads=1),
                "kifactors, two threads": lambda: kf.cross_section.rank(frame, "x", n_threads=2),
                "polars rank over": lambda: frame.select(pl.col("x").rank("average").over("date"))["x"],
                "pandas groupby rank": lambda: as_pandas.groupby("date")["x"].rank(),
            }
            | ({} if stats is None else {"scipy rankdata per date": lambda: per_date(stats.rankdata, frame)})
            | sql.ways(SQL, rows=frame.height, panel=frame.with_row_index("row")),
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


def per_date(rankdata: Callable[[np.ndarray], np.ndarray], frame: pl.DataFrame) -> np.ndarray:
    """Rank the known values of each date."""
    x = frame["x"].to_numpy()
    out = np.full(x.size, np.nan)
    for a, b in pairwise(kf.cross_section.date_offsets(frame)):
        known = np.flatnonzero(~np.isnan(x[a:b])) + a
        out[known] = rankdata(x[known])
    return out
