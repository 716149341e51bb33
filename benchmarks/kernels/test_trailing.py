"""The kernel of trailing twelve months, one thread: 500 companies that report year to date each quarter."""

import numpy as np
from twin import assert_equals_twin

import kifactors as kf
from kifactors import _kernels
from kifactors.asof._fundamentals import _limits

QUARTERS = 40
RULES = _limits(kf.definition.TrailingTwelveMonths())
MAX_AGE_DAYS = kf.definition.Time().max_age_days


def facts(assets):
    """Return slots and facts as the kernel takes them: two metrics of 40 quarters for each asset."""
    first = np.datetime64("2014-01-01")
    year, part = np.divmod(np.arange(QUARTERS), 4)
    start = np.array([first.astype("datetime64[Y]") + y for y in year], "datetime64[D]")
    following = start.astype("datetime64[M]") + 3 * (part + 1)
    end = following.astype("datetime64[D]") - 1
    days = [np.tile(day.astype(np.int32), 2 * assets) for day in (start, end)]
    metric = np.tile(np.repeat(np.array([0, 1], np.int8), QUARTERS), assets)
    # Both metrics of a quarter arrive together.
    slots = np.arange(2 * QUARTERS).reshape(2, QUARTERS).T.ravel()
    slots = (2 * QUARTERS * np.arange(assets)[:, None] + slots).ravel()
    offsets = 2 * QUARTERS * np.arange(assets + 1)
    values = np.random.default_rng(0).lognormal(18, 1, slots.size)
    return offsets, metric, *days, offsets, slots, days[1][slots] + np.int32(45), values


def test_trailing(benchmark):
    dates = (
        np.arange(np.datetime64("2016-01"), np.datetime64("2024-01")).astype("datetime64[D]").astype(np.int32)
    )

    def trailing(given, on):
        found = _kernels.trailing_twelve_months(
            *given, on, rules=RULES, max_age_days=MAX_AGE_DAYS, n_threads=1
        )
        return np.stack([found.capex, found.revenue])

    small, large = facts(3), facts(500)
    assert_equals_twin(lambda: trailing(small, dates[::12]))
    assert np.isfinite(trailing(small, dates)[..., 0]).all()
    benchmark(trailing, large, dates)
