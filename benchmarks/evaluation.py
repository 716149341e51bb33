"""Information coefficients and quantile means of every date; and a whole evaluation.

polars is asked in several ways, of which the fastest counts; wide frames are made before the clock runs. alphalens is timed on its own frame, without the making of it, which takes longer than all it computes.
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
    polars = with_polars(frame, dates, assets)
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
            }
            | polars
            | with_alphalens(x, y, dates, assets),
            rtol=1e-9,
            targets=dict.fromkeys(polars, 12.0) | {"alphalens": 60.0},
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


def with_polars(frame: pl.DataFrame, dates: int, assets: int) -> dict[str, Callable[[], np.ndarray]]:
    """Return what polars offers: windows, groups, lists and a column for each date; eager and lazy."""
    lists = frame.group_by("date", maintain_order=True).agg("x", "y")
    wide = pl.DataFrame(
        {f"{name}{d}": frame[name][d * assets : (d + 1) * assets] for d in range(dates) for name in "xy"}
    )
    return {
        "polars over": lambda: by_two_groups(ranked_by_windows(frame), assets),
        "polars over, filter": lambda: by_filter(ranked_by_windows(frame), assets),
        "polars over, filter, lazy": lambda: by_filter(ranked_by_windows(frame.lazy()), assets),
        "polars over a struct, lazy": lambda: by_filter(ranked_by_structs(frame.lazy()), assets),
        "polars group_by": lambda: by_two_groups(ranked_by_groups(frame), assets),
        "polars group_by, filter": lambda: by_filter(ranked_by_groups(frame), assets),
        "polars group_by, filter, lazy": lambda: by_filter(ranked_by_groups(frame.lazy()), assets),
        "polars one group_by, lazy": lambda: by_one_group(frame.lazy(), assets),
        "polars lists, lazy": lambda: by_filter(ranked_in_lists(lists.lazy()), assets),
        "polars wide": lambda: by_column(wide, dates, assets),
    }


def quantile(rank: pl.Expr, n: int) -> pl.Expr:
    """Return the quantile of a rank among n, from 0: the first whose edge is not below."""
    return (((rank - 1) * QUANTILES / (n - 1)).ceil() - 1).clip(0).cast(pl.Int8)


X_RANK, Y_RANK = pl.col("x").rank(), pl.col("y").rank()
CORRELATIONS = {"pearson": pl.corr("x", "y"), "spearman": pl.corr("x_rank", "y_rank")}


def mean_within(quantiles: pl.Expr) -> dict[str, pl.Expr]:
    return {f"q{k}": pl.col("y").filter(quantiles == k).mean() for k in range(QUANTILES)}


def ranked_by_windows(frame: pl.DataFrame | pl.LazyFrame) -> pl.LazyFrame | pl.DataFrame:
    return frame.with_columns(x_rank=X_RANK.over("date"), y_rank=Y_RANK.over("date"))


def ranked_by_structs(frame: pl.LazyFrame) -> pl.LazyFrame:
    both = pl.struct(x_rank=X_RANK, y_rank=Y_RANK)
    return frame.with_columns(both.over("date").alias("ranks")).unnest("ranks")


def ranked_by_groups(frame: pl.DataFrame | pl.LazyFrame) -> pl.LazyFrame | pl.DataFrame:
    found = frame.group_by("date", maintain_order=True).agg("x", "y", x_rank=X_RANK, y_rank=Y_RANK)
    return found.explode("x", "y", "x_rank", "y_rank").with_columns(pl.col("date").set_sorted())


def ranked_in_lists(frame: pl.LazyFrame) -> pl.LazyFrame:
    rank = pl.element().rank()
    found = frame.with_columns(x_rank=pl.col("x").list.eval(rank), y_rank=pl.col("y").list.eval(rank))
    return found.explode("x", "y", "x_rank", "y_rank").with_columns(pl.col("date").set_sorted())


def by_filter(ranked: pl.DataFrame | pl.LazyFrame, assets: int) -> np.ndarray:
    """Return means by as many filters as there are quantiles."""
    rows = ranked.with_columns(bucket=quantile(pl.col("x_rank"), assets))
    found = rows.group_by("date", maintain_order=True).agg(**CORRELATIONS, **mean_within(pl.col("bucket")))
    return in_order(found.lazy().collect())


def by_two_groups(ranked: pl.DataFrame, assets: int) -> np.ndarray:
    """Return means by a second grouping."""
    found = ranked.group_by("date", maintain_order=True).agg(**CORRELATIONS)
    rows = ranked.group_by("date", bucket=quantile(pl.col("x_rank"), assets))
    means = rows.agg(pl.col("y").mean()).sort("date", "bucket")
    return np.concatenate([found["pearson"], found["spearman"], means["y"]])


def by_one_group(frame: pl.LazyFrame, assets: int) -> np.ndarray:
    found = frame.group_by("date", maintain_order=True).agg(
        pearson=pl.corr("x", "y"), spearman=pl.corr(X_RANK, Y_RANK), **mean_within(quantile(X_RANK, assets))
    )
    return in_order(found.collect())


def by_column(wide: pl.DataFrame, dates: int, assets: int) -> np.ndarray:
    ranks = wide.select(pl.all().rank())
    within = ranks.select(quantile(pl.col(r"^x.*$"), assets)).with_columns(wide.select(r"^y.*$"))
    correlations = [
        table.select(pl.corr(f"x{d}", f"y{d}").alias(str(d)) for d in range(dates)).row(0)
        for table in (wide, ranks)
    ]
    means = within.select(
        pl.col(f"y{d}").filter(pl.col(f"x{d}") == k).mean().alias(f"{d} {k}")
        for d in range(dates)
        for k in range(QUANTILES)
    )
    return np.concatenate([*correlations, means.row(0)])


def in_order(found: pl.DataFrame) -> np.ndarray:
    means = found.select(f"q{k}" for k in range(QUANTILES)).to_numpy()
    return np.concatenate([found["pearson"], found["spearman"], means.ravel()])


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
