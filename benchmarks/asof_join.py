"""What was last known of each asset on each row of a long panel, sorted by date and asset.

Facts are sorted by day, once, outside the clock, as polars and pandas need them. Ids are codes in all of them.
"""

import numpy as np
import pandas as pd
import polars as pl
import sql
from measure import Case

import kifactors as kf

FIRST_DAY = 12_000
SQL = """
SELECT row, value FROM panel ASOF JOIN known ON panel.asset_id = known.asset_id AND panel.date >= known.available_at
"""


def cases(*, quick: bool) -> list[Case]:
    """Return the case."""
    facts, dates, assets = (20_000, 100, 1000) if quick else (1_000_000, 2500, 3000)
    known, panel = data(facts, dates, assets)
    frames = as_pandas(known), as_pandas(panel)
    return [
        Case(
            f"as-of join, {facts:,} facts to {panel.height:,} rows",
            {
                "kifactors": lambda: with_kernel(known, panel, 1),
                "kifactors, two threads": lambda: with_kernel(known, panel, 2),
                "polars join_asof": lambda: with_polars(known, panel),
                "pandas merge_asof": lambda: with_pandas(*frames),
            }
            | sql.ways(
                SQL, rows=panel.height, known=as_codes(known), panel=as_codes(panel).with_row_index("row")
            ),
            rtol=0.0,
            targets={"pandas merge_asof": 5.0, "polars join_asof": 9.0},
            traffic=panel.height * 16 + facts * 16,
        )
    ]


def data(facts: int, dates: int, assets: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return facts sorted by day, and a full panel."""
    rng = np.random.default_rng(0)
    ids = pl.Enum([f"cik:{n:010d}" for n in range(assets)])
    names = pl.Series(ids.categories).cast(ids)
    days = 2 * dates
    known = pl.DataFrame(
        {
            "asset_id": names.gather(rng.integers(0, assets, facts)),
            "available_at": rng.integers(FIRST_DAY, FIRST_DAY + days, facts).astype(np.int32),
            "value": rng.standard_normal(facts),
        }
    ).with_columns(pl.col("available_at").cast(pl.Date))
    # Of two facts of one day all three would have to agree which is the later.
    known = known.unique(["asset_id", "available_at"], keep="first").sort("available_at", "asset_id")
    day = np.sort(rng.choice(days, dates, replace=False)).astype(np.int32) + FIRST_DAY
    panel = pl.DataFrame(
        {
            "date": pl.Series(np.repeat(day, assets)).cast(pl.Date),
            "asset_id": names.gather(np.tile(np.arange(assets), dates)),
        }
    )
    return known, panel


def with_kernel(known: pl.DataFrame, panel: pl.DataFrame, n_threads: int) -> pl.Series:
    """Use the function of the library."""
    return kf.asof.latest(known, panel, "value", lag_days=0, n_threads=n_threads)["value"]


def with_polars(known: pl.DataFrame, panel: pl.DataFrame) -> pl.Series:
    """Use an as-of join by asset."""
    return panel.join_asof(
        known,
        left_on="date",
        right_on="available_at",
        by="asset_id",
        strategy="backward",
        check_sortedness=False,
    )["value"]


def with_pandas(known: pd.DataFrame, panel: pd.DataFrame) -> pd.Series:
    """Use an as-of merge by asset."""
    return pd.merge_asof(panel, known, left_on="date", right_on="available_at", by="asset_id")["value"]


def as_codes(frame: pl.DataFrame) -> pl.DataFrame:
    """Return integer codes in the place of ids."""
    return frame.with_columns(pl.col("asset_id").to_physical().cast(pl.Int32))


def as_pandas(frame: pl.DataFrame) -> pd.DataFrame:
    """Return integer codes and numpy dates."""
    dates = [name for name, dtype in frame.schema.items() if dtype == pl.Date]
    return pd.DataFrame(
        {
            name: frame[name].to_physical().to_numpy().astype("datetime64[D]" if name in dates else None)
            for name in frame.columns
        }
    )
