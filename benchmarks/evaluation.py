"""Information coefficients and quantile means of every date; and a whole evaluation.

alphalens is timed on its own frame, without the making of it, which takes longer than all it computes.
"""

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import polars as pl
from alternatives import optional
from measure import Case

import kifactors as kf
from kifactors import _kernels
from kifactors.schema import SCORES
from kifactors.scores import Scores

QUANTILES = 5


def cases(*, quick: bool) -> list[Case]:
    """Return the two cases."""
    dates, assets = (100, 500) if quick else (1000, 1000)
    x, y, offsets = panel(dates, assets)
    frame = pl.DataFrame({"date": np.repeat(np.arange(dates), assets), "x": x, "y": y})
    frame = frame.with_columns(pl.col("date").set_sorted())
    days, names = (50, 200) if quick else (2500, 3000)
    scores, prices = whole(days, names)
    # What is timed is not how long the libraries take to load.
    kf.evaluate(*whole(40, 20)[:1], prices=whole(40, 20)[1])
    return [
        Case(
            f"Pearson and rank IC, means of {QUANTILES} quantiles, {dates:,} dates x {assets:,} assets",
            {
                "kifactors": lambda: ours(x, y, offsets, 1),
                "kifactors, two threads": lambda: ours(x, y, offsets, 2),
                "polars over": lambda: with_windows(frame, assets),
                "polars group_by": lambda: with_groups(frame),
            }
            | with_alphalens(x, y, dates, assets),
            rtol=1e-9,
            targets={"polars over": 12.0, "polars group_by": 12.0, "alphalens": 60.0},
        ),
        Case(
            f"whole evaluation, four horizons, {days:,} dates x {names:,} assets",
            {"kifactors": lambda: kf.evaluate(scores, prices=prices, n_threads=1).ic["spearman"]},
            rounds=3,
            limit=6.0,
        ),
    ]


def panel(dates: int, assets: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return values, returns and where each date begins."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(dates * assets)
    return x, 0.02 * rng.standard_normal(x.size) + 0.0005 * x, np.arange(0, x.size + 1, assets)


def ours(x: np.ndarray, y: np.ndarray, offsets: np.ndarray, n_threads: int) -> np.ndarray:
    found = _kernels.correlate(x, [y], offsets, n_buckets=QUANTILES, n_threads=n_threads)
    means = _kernels.bucket_means(found.buckets, [y], offsets, QUANTILES, n_threads=n_threads)[1]
    return np.concatenate([found.pearson.ravel(), found.spearman.ravel(), means.ravel()])


def bucket() -> pl.Expr:
    """Return the quantile of a rank among n, from 0: the first whose edge is not below."""
    return (((pl.col("rank") - 1) * QUANTILES / (pl.len() - 1)).ceil() - 1).clip(0).cast(pl.Int8)


def with_windows(frame: pl.DataFrame, assets: int) -> np.ndarray:
    ranked = frame.with_columns(rank=pl.col("x").rank().over("date"), ranked=pl.col("y").rank().over("date"))
    ic = ranked.group_by("date", maintain_order=True).agg(
        pearson=pl.corr("x", "y"), spearman=pl.corr("rank", "ranked")
    )
    edge = (((pl.col("rank") - 1) * QUANTILES / (assets - 1)).ceil() - 1).clip(0).cast(pl.Int8)
    means = ranked.group_by("date", bucket=edge).agg(pl.col("y").mean()).sort("date", "bucket")
    return np.concatenate([ic["pearson"], ic["spearman"], means["y"]])


def with_groups(frame: pl.DataFrame) -> np.ndarray:
    found = frame.group_by("date", maintain_order=True).agg(
        pearson=pl.corr("x", "y"),
        spearman=pl.corr("x", "y", method="spearman"),
        rank=pl.col("x").rank(),
        y="y",
    )
    rows = found.select("date", "rank", "y").explode("rank", "y")
    means = rows.with_columns(bucket=bucket().over("date")).group_by("date", "bucket").agg(pl.col("y").mean())
    return np.concatenate([found["pearson"], found["spearman"], means.sort("date", "bucket")["y"]])


def with_alphalens(
    x: np.ndarray, y: np.ndarray, dates: int, assets: int
) -> dict[str, Callable[[], np.ndarray]]:
    performance = optional("alphalens.performance")
    if performance is None:
        return {}
    index = pd.MultiIndex.from_product(
        [pd.bdate_range("2020-01-01", periods=dates), [f"a{k:04}" for k in range(assets)]],
        names=["date", "asset"],
    )
    data = pd.DataFrame({"1D": y, "factor": x}, index)
    data["factor_quantile"] = data.groupby("date")["factor"].transform(
        lambda one: pd.qcut(one, QUANTILES, labels=False) + 1
    )

    def work() -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rank = performance.factor_information_coefficient(data)
            means, _ = performance.mean_return_by_quantile(data, by_date=True, demeaned=False)
        pearson = ours(x, y, np.arange(0, x.size + 1, assets), 1)[:dates]  # it has none
        wide = means["1D"].unstack("factor_quantile")
        return np.concatenate([pearson, rank["1D"], wide.to_numpy().ravel()])

    return {"alphalens": work}


def whole(dates: int, assets: int) -> tuple[Scores, pl.DataFrame]:
    """Return daily scores, of which a third are exposed, and closes."""
    rng = np.random.default_rng(0)
    days = pl.Series("date", range(10_000, 10_000 + dates)).cast(pl.Date)
    ids = pl.Series([f"cik:{k:010d}" for k in range(assets)])
    keys = {
        "date": days.gather(np.repeat(np.arange(dates), assets)),
        "asset_id": ids.gather(np.tile(np.arange(assets), dates)),
    }
    x = np.where(rng.random(dates * assets) < 0.3, rng.random(dates * assets), 0.0)
    known = pl.DataFrame(keys | {"exposure": x})
    absent = {name: pl.lit(None, dtype) for name, dtype in SCORES.polars.items() if name not in known.columns}
    frame = known.with_columns(**absent).select(*SCORES.polars)
    closes = np.exp(0.02 * rng.standard_normal((dates, assets)).cumsum(axis=0)).ravel()
    nothing = pl.DataFrame({"date": days})
    scores = Scores(frame, kf.FactorDefinition(), inputs={}, dates=days.to_list(), diagnostics=nothing)
    return scores, pl.DataFrame(keys | {"close": closes})
