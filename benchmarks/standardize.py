"""Descriptors to z-scores per date, equal weights, one value in fifty unknown; toraniko's functions among the ways.

toraniko 1.1.1 asks for numpy 1.26 and polars 1, but runs on numpy 2 and polars 2: ``pip install --no-deps toraniko``.
Its `winsorize_xsection` clips to linear quantiles, its `center_xsection` subtracts the mean and divides by the standard
deviation (ddof 1), both of the known values: the work of `dense_standardize`. Its `factor_val` standardizes the
logarithms of two descriptors and a third, averages the known and standardizes again: `style_score` without industries.
"""

import numpy as np
import pandas as pd
import polars as pl
import sql
from alternatives import optional
from measure import Case

import kifactors as kf

LOW, HIGH = 0.01, 0.99
# Moments of numbers added in another order.
RTOL = 1e-11
RATIOS = ("book_price", "sales_price", "cf_price")
SQL = f"""
WITH bounds AS (SELECT date, quantile_cont(x, [{LOW}, {HIGH}]) AS q FROM panel GROUP BY date),
clipped AS (
    SELECT row, date, least(greatest(x, q[1]), q[2]) AS x FROM panel JOIN bounds USING (date) WHERE x IS NOT NULL
),
moments AS (SELECT date, avg(x) AS mean, stddev_samp(x) AS deviation FROM clipped GROUP BY date)
SELECT row, (x - mean) / deviation AS value FROM clipped JOIN moments USING (date)
"""


def cases(*, quick: bool) -> list[Case]:
    """Return the cases: one descriptor, and the value factor where toraniko is installed."""
    size = (100, 1000) if quick else (2500, 3000)
    return [_one_descriptor(*size), *_value(*size)]


def _one_descriptor(dates: int, assets: int) -> Case:
    frame = panel(dates, assets)
    as_pandas = pd.DataFrame({"date": frame["date"].to_numpy(), "x": frame["x"].to_numpy()})
    math = optional("toraniko.math")
    return Case(
        f"winsorize and standardize, {dates:,} dates x {assets:,} assets",
        {
            "kifactors": lambda: with_kernel(frame, 1),
            "kifactors, two threads": lambda: with_kernel(frame, 2),
            "polars over": lambda: with_polars(frame),
            "pandas groupby": lambda: with_pandas(as_pandas),
        }
        | ({"toraniko": lambda: with_toraniko(math, frame)} if math else {})
        | sql.ways(SQL, rows=frame.height, panel=frame.select("date", "x").with_row_index("row")),
        rtol=RTOL,
        traffic=frame.height * 16,
        rounds=3,
    )


def _value(dates: int, assets: int) -> list[Case]:
    styles = optional("toraniko.styles")
    if styles is None:
        return []
    frame = panel(dates, assets)
    return [
        Case(
            f"value factor of three ratios, {dates:,} dates x {assets:,} assets",
            {
                "kifactors": lambda: value_factor(frame, 1),
                "kifactors, two threads": lambda: value_factor(frame, 2),
                "toraniko factor_val": lambda: styles.factor_val(frame).collect()["val_score"],
            },
            rtol=RTOL,
            traffic=frame.height * 4 * 8,
            rounds=3,
        )
    ]


def panel(dates: int, assets: int) -> pl.DataFrame:
    """Return a random panel."""
    rng = np.random.default_rng(0)
    n = dates * assets
    columns = {
        "x": rng.standard_t(4, n),
        **{name: rng.lognormal(0, 1, n) for name in RATIOS},
    }
    unknown = {name: np.where(rng.random(n) < 0.02, np.nan, column) for name, column in columns.items()}
    return pl.DataFrame(
        {"date": np.repeat(np.arange(dates, dtype=np.int32), assets), **unknown}
    ).with_columns(pl.col("x", *RATIOS).fill_nan(None), symbol=pl.int_range(pl.len()) % assets)


def with_kernel(frame: pl.DataFrame, n_threads: int) -> pl.Series:
    """Use the function of the library."""
    return kf.cross_section.dense_standardize(
        frame, "x", low=LOW, high=HIGH, clip=float("inf"), n_threads=n_threads
    )


def value_factor(frame: pl.DataFrame, n_threads: int) -> pl.Series:
    """Use the style score of the library."""
    logarithms = frame.with_columns(pl.col("book_price", "sales_price").log())
    return kf.cross_section.style_score(
        logarithms, dict.fromkeys(RATIOS, 1.0), low=0.0, high=1.0, clip=float("inf"), n_threads=n_threads
    ).score


def with_polars(frame: pl.DataFrame) -> pl.Series:
    """Use window expressions."""
    x = pl.col("x")
    low, high = (x.quantile(q, interpolation="linear").over("date") for q in (LOW, HIGH))
    standardized = (x - x.mean().over("date")) / x.std().over("date")
    return frame.lazy().with_columns(x.clip(low, high)).select(standardized).collect()["x"]


def with_pandas(frame: pd.DataFrame) -> pd.Series:
    """Use groups of dates."""
    dates = frame.groupby("date", sort=False)["x"]
    low, high = (dates.transform("quantile", q) for q in (LOW, HIGH))
    x = frame["x"].clip(low, high)
    dates = x.groupby(frame["date"], sort=False)
    return (x - dates.transform("mean")) / dates.transform("std")


def with_toraniko(math, frame: pl.DataFrame) -> pl.Series:
    """Use its two functions; the first returns dates in any order, and the answer needs ours."""
    clipped = math.winsorize_xsection(frame.select("date", "x"), ("x",), "date", percentile=LOW)
    return clipped.sort("date", maintain_order=True).select(
        math.center_xsection("x", "date", standardize=True)
    )["x"]
