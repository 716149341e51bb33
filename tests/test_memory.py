"""The peak of `compute` above inputs and output has the bound its docstring states, whatever the number of dates."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import kifactors

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not Path("/proc/self/clear_refs").exists(), reason="the peak of a call is read from /proc of Linux"
    ),
]

ASSETS, SCORED = 3_000, 30
# A block of 750,000 rows is 250 dates.
BLOCK_DATES = 250
# What the docstring of `compute` states, in bytes.
ROW, FACT, FIXED = 350, 200, 64_000_000
# Allocators keep freed pages for a while, which is not memory that is needed.
RETURN_PAGES = {
    "_RJEM_MALLOC_CONF": "dirty_decay_ms:0,muzzy_decay_ms:0",
    "MALLOC_MMAP_THRESHOLD_": "131072",
    "KIFACTORS_NUM_THREADS": "2",
}

MEASURED = """
import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

import kifactors as kf
from kifactors import factor

assets, scored, dates, block, percent = map(int, sys.argv[1:])
factor.BLOCK_ROWS = block or factor.BLOCK_ROWS

def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))

ids = pl.DataFrame({"asset_id": [f"a{n:04d}" for n in range(assets)]})
days = pl.Series("date", [date(2015, 1, 1) + timedelta(3 * n) for n in range(dates)])
years = pl.DataFrame({"year": range(2013, 2025)}).with_columns(
    period_start=pl.date("year", 1, 1), period_end=pl.date("year", 12, 31), available_at=pl.date(pl.col("year") + 1, 2, 1)
).drop("year")
facts = ids.join(years, how="cross").join(pl.DataFrame({"metric": ["capex", "revenue"]}), how="cross")
tables = kf.Tables(
    # Few are scored of those that are looked at: next to no output, all of the work.
    universe=days.to_frame().join(ids.head(scored), how="cross").with_columns(market_cap=1e9, industry=pl.lit("chips")),
    fundamentals=facts.with_columns(value=1e8 + pl.int_range(pl.len()), currency=pl.lit("USD")),
    ai_capex_share=ids.head(assets * percent // 100).with_columns(
        share=0.5, available_at=date(2013, 1, 1), provenance=pl.lit("assumed")),
    revenue_ties=ids.join(years.drop("period_start"), how="cross").with_columns(
        supplier_id="asset_id", customer_id=pl.col("asset_id").reverse(), customer_label=pl.lit("it"), revenue_share=0.3),
)
exposure = kf.AIInfrastructureExposure()
few = kf.Tables(**{name: frame for name, frame in tables if name != "universe"})
exposure.compute(few, days[-2:])  # code is loaded once, whatever is computed

before = status("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
scores = exposure.compute(tables, days)
peak = status("VmHWM") - before

# A float is 8 bytes, a text 16, a date 4; less than 200 a row.
print(peak - 200 * len(scores), tables.fundamentals.height, len(scores))
"""


def above(dates, *, block=0, spenders=1):
    """Compute in a fresh process, in which `spenders` percent of all assets have an AI share of capex.

    Return the peak in bytes above inputs and output, and the number of facts.
    """
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *map(str, (ASSETS, SCORED, dates, block, spenders))],
        env={**os.environ, "PYTHONPATH": str(Path(kifactors.__file__).parents[1]), **RETURN_PAGES},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    peak, facts, rows = map(int, done.stdout.split())
    assert rows == SCORED * dates
    return peak, facts


def bound(facts):
    return ROW * BLOCK_DATES * ASSETS + FACT * facts + FIXED


@pytest.mark.parametrize(("dates", "spenders"), [(BLOCK_DATES, 1), (4 * BLOCK_DATES, 1), (BLOCK_DATES, 100)])
def test_the_peak_keeps_its_bound(dates, spenders):
    peak, facts = above(dates, spenders=spenders)
    assert peak < bound(facts)


def test_one_block_of_all_dates_would_break_it():
    """What is measured is the work: else the test above could not fail."""
    peak, facts = above(4 * BLOCK_DATES, block=10**9)
    assert peak > 1.2 * bound(facts)
