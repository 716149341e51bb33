"""The store against polars' own Parquet files: write and read everything, one date, one more day, an old table.

Scores are random numbers, three fifths of them known, which compress worse than real ones. Files and store lie in a
temporary folder; what is read back is compared cell by cell first.
"""

import os
import tempfile
from datetime import date, timedelta
from itertools import count
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from measure import Case
from polars.testing import assert_frame_equal

import kifactors as kf
from kifactors.schema import SCORES
from kifactors.scores import Scores

KEY = ["date", "asset_id"]
COLUMNS = ["exposure", "exposure_low", "exposure_high", "score", "neutral_score", "coverage"]
# Appends before a table is old, and how often its months are put together.
COMMITS, COMPACT_EVERY = 5_000, 250


def cases(*, quick: bool) -> list[Case]:
    """Return the cases."""
    dates, assets, commits = (60, 300, 60) if quick else (2_500, 3_000, COMMITS)
    os.environ["KIFACTORS_NUM_THREADS"] = "1"
    pa.set_cpu_count(1)
    folder = Path(tempfile.mkdtemp(prefix="kifactors-store-"))
    days = [date(2015, 1, 1) + timedelta(days=k) for k in range(dates)]
    scores = made_up(days, assets)
    frame = scores.to_polars()
    plain = folder / "plain.parquet"
    frame.write_parquet(plain)
    store = kf.open_store(folder / "scores")
    store.append(scores)
    assert_frame_equal(store.read(), frame)
    number = count()
    middle = days[len(days) // 2]
    rows = f"{frame.height:,} rows"

    def append() -> int:
        made = kf.open_store(folder / f"new {next(number)}")
        made.append(scores)
        return frame.height

    def write() -> int:
        frame.write_parquet(folder / f"new {next(number)}.parquet")
        return frame.height

    def write_for_good() -> int:
        """Write a file that outlives a power failure, as the store does."""
        path = folder / f"new {next(number)}.parquet"
        frame.write_parquet(path)
        with path.open("rb+") as file:
            os.fsync(file.fileno())
        return frame.height

    following = (made_up([days[-1] + timedelta(days=k)], assets) for k in count(1))
    old = aged(folder / "old", commits, assets // 10)
    later = (made_up([old[1] + timedelta(days=k)], assets // 10) for k in count(1))
    return [
        Case(
            f"write {rows} x {len(SCORES.names)} columns",
            {"store": append, "polars, one file": write, "polars, synced": write_for_good},
            rounds=3,
        ),
        Case(
            f"read {rows} x {len(SCORES.names)} columns",
            {
                "store": lambda: answer(store.read()),
                "polars, one file": lambda: answer(pl.read_parquet(plain)),
                "polars, the store": lambda: answer(store.scan().select(SCORES.names).collect()),
            },
        ),
        Case(
            f"read {rows} x 8 columns",
            {
                "store": lambda: answer(store.read(columns=COLUMNS)),
                "polars, one file": lambda: answer(pl.read_parquet(plain, columns=[*KEY, *COLUMNS])),
                "polars, the store": lambda: answer(store.scan().select(*KEY, *COLUMNS).collect()),
            },
        ),
        Case(
            f"one date of {dates:,}",
            {
                "store": lambda: answer(store.read(middle)),
                "polars, one file": lambda: answer(
                    pl.scan_parquet(plain).filter(pl.col("date") == middle).collect()
                ),
                "polars, the store": lambda: answer(
                    store.scan().filter(pl.col("date") == middle).select(SCORES.names).collect()
                ),
            },
            rounds=15,
            limit=0.015,
        ),
        Case(
            f"append a day to {dates:,}",
            {"store": lambda: store.append(next(following)) > 0},
            rounds=9,
            limit=0.4,
        ),
        Case(
            f"append a day after {commits:,} commits",
            {"store": lambda: old[0].append(next(later)) > 0},
            rounds=9,
            limit=0.4,
        ),
    ]


def made_up(days: list[date], assets: int) -> Scores:
    """Return scores of random numbers."""
    rng = np.random.default_rng(days[0].toordinal())
    n = len(days) * assets
    numbers = [name for name, dtype in SCORES.polars.items() if dtype == pl.Float64]
    ids = pl.Series([f"CIK{k:010}" for k in range(assets)])
    frame = pl.DataFrame(
        {
            "date": pl.Series(np.repeat(np.array(days, "datetime64[D]"), assets)).cast(pl.Date),
            "asset_id": pl.concat([ids] * len(days)),
        }
    ).with_columns(
        pl.col("asset_id").str.slice(8).alias("ticker"),
        pl.lit("none").alias("role"),
        *(
            pl.select(pl.when(pl.Series(rng.random(n) < 0.6)).then(pl.Series(rng.random(n))))
            .to_series()
            .alias(name)
            for name in numbers
        ),
    )
    k = len(days)
    return Scores(
        frame.select(SCORES.names),
        kf.FactorDefinition(),
        inputs={},
        dates=days,
        diagnostics=pl.DataFrame(
            {
                "date": days,
                "assets": [assets] * k,
                "known": [assets] * k,
                "tie_sweeps": [0] * k,
                "tie_error_bound": [0.0] * k,
                "neutral_score": ["made up"] * k,
            }
        ),
    )


def aged(folder: Path, commits: int, assets: int) -> tuple[kf.store.ScoreStore, date]:
    """Return a store of that many commits, months put together now and then, and its last date."""
    store = kf.open_store(folder)
    day = date(1990, 1, 1)
    while not store.exists() or store.version < commits:
        for _ in range(COMPACT_EVERY):
            store.append(made_up([day], assets))
            day += timedelta(days=1)
        store.compact()
    return store, day


def answer(frame: pl.DataFrame) -> np.ndarray:
    """Return numbers that tell two frames apart, whatever the order of their rows."""
    return frame.select(pl.len(), pl.col(COLUMNS).sum(), pl.col("asset_id").len().alias("ids")).to_numpy()[0]
