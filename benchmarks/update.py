"""One more date: `update` of yesterday's scores against `compute` of all dates, on prepared tables in memory.

Results are compared bit for bit first. With "new tables" every run digests its tables, as the first update of a day
does; the others find them digested.
"""

import polars as pl
import synthetic
from measure import Case
from polars.testing import assert_frame_equal

import kifactors as kf

LAST_DAY = "2026-11-05"
TIES, FACTS = 20_000, 400_000


def cases(*, quick: bool) -> list[Case]:
    """Return the case."""
    dates, assets = (60, 500) if quick else (2500, 3000)
    days = weekdays(dates + 1)
    tables = synthetic.tables(assets, days, ties=TIES, facts=FACTS)
    factor = kf.AIInfrastructureExposure()
    yesterday = factor.compute(tables, days[:-1])

    def update(n_threads: int, today: kf.Tables = tables) -> kf.Scores:
        return factor.update(yesterday, today, days[-1:], n_threads=n_threads)

    check(update(1), factor.compute(tables, days))
    return [
        Case(
            f"one date after {dates:,} dates x {assets:,} assets, {TIES:,} ties, {FACTS:,} facts",
            {
                "update": lambda: last(update(1)),
                "update, two threads": lambda: last(update(2)),
                "update, new tables": lambda: last(update(1, kf.Tables.unchecked(dict(tables)))),
                "compute all": lambda: last(factor.compute(tables, days, n_threads=1)),
                "compute all, two threads": lambda: last(factor.compute(tables, days, n_threads=2)),
            },
            rtol=0.0,
            targets={"compute all": 200.0},
            rounds=3,
        )
    ]


def weekdays(count: int) -> pl.Series:
    """Return the last weekdays up to the last day."""
    every = pl.Series("date", kf.calendar.days("2000-01-01", LAST_DAY))
    return every.filter(every.dt.weekday() <= 5).tail(count)


def check(got: kf.Scores, expected: kf.Scores) -> None:
    """Compare everything, bit for bit."""
    assert_frame_equal(got.to_polars(), expected.to_polars(), check_exact=True)
    assert_frame_equal(got.diagnostics, expected.diagnostics, check_exact=True)
    assert (got.inputs, got.history) == (expected.inputs, expected.history)


def last(scores: kf.Scores) -> pl.Series:
    """Return a few of the last scores."""
    return scores.to_polars()["score"].tail(100)
