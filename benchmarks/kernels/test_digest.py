"""The digest kernel, one thread: 200,000 rows of ids, short texts and numbers."""

import numpy as np
import polars as pl
from twin import assert_equals_twin

from kifactors import _kernels
from kifactors.schema._content import _cells


def rows(count):
    """Return columns to digest, and days."""
    rng = np.random.default_rng(0)
    ids, units = (
        pl.Series("id", [f"cik:{n:010d}" for n in range(1000)]),
        pl.Series("unit", ["USD", None, "shares"]),
    )
    values = pl.Series("value", rng.integers(0, 10**9, count, np.int64)).cast(pl.Float64)
    columns = [ids.gather(rng.integers(0, 1000, count)), units.gather(rng.integers(0, 3, count)), values]
    return [_cells(column) for column in columns], rng.integers(0, 4000, count, np.int32)


def test_digest(benchmark):
    def sums(columns, days):
        return _kernels.digest_by_day(columns, days, n_threads=1).sums

    small, large = rows(500), rows(200_000)
    # As numbers with a sign, so that a difference has a size.
    assert_equals_twin(lambda: sums(*small).view(np.int64))
    benchmark(sums, *large)
