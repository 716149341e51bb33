"""Correlations and quantile means against the slow twin, scipy, pandas and alphalens."""

import math
import re
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from kifactors._kernels import ShapeError, bucket_means, correlate, forward_returns, hold
from kifactors._kernels._backend import LEVELS, REFERENCE, available, using
from kifactors.errors import DataError

EXACT = {"rtol": 0.0, "atol": 1e-12}
numbers = st.one_of(
    st.just(math.nan),
    st.integers(-4, 4).map(float),
    st.floats(-1e6, 1e6),
    st.floats(allow_nan=False, allow_infinity=False),
)


@st.composite
def panels(draw):
    sizes = draw(st.lists(st.integers(0, 12), min_size=1, max_size=5))
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    n = int(offsets[-1])
    column = st.lists(numbers, min_size=n, max_size=n).map(lambda rows: np.array(rows, np.float64))
    columns = draw(st.lists(column, min_size=0, max_size=3))
    among = draw(
        st.none() | st.lists(st.booleans(), min_size=n, max_size=n).map(lambda rows: np.array(rows, bool))
    )
    return draw(column), columns, offsets, among, draw(st.integers(0, 6))


@settings(max_examples=500, deadline=None)
@given(panels())
def test_every_number_is_that_of_the_slow_twin(panel):
    values, columns, offsets, among, q = panel
    found = correlate(values, columns, offsets, among=among, n_buckets=q)
    with using(REFERENCE):
        slow = correlate(values, columns, offsets, among=among, n_buckets=q)
    np.testing.assert_array_equal(found.n, slow.n)
    np.testing.assert_array_equal(found.buckets, slow.buckets)
    np.testing.assert_allclose(found.spearman, slow.spearman, **EXACT)
    np.testing.assert_allclose(found.pearson, slow.pearson, **EXACT)


@settings(max_examples=200, deadline=None)
@given(panels(), st.booleans())
def test_means_are_those_of_the_slow_twin(panel, weighted):
    values, columns, offsets, among, q = panel
    q = max(q, 2)
    codes = correlate(values, [], offsets, among=among, n_buckets=q).buckets
    weights = np.abs(values) if weighted else None
    n, means = bucket_means(codes, columns, offsets, q, weights=weights)
    with using(REFERENCE):
        slow_n, slow = bucket_means(codes, columns, offsets, q, weights=weights)
    np.testing.assert_array_equal(n, slow_n)
    largest = max((np.nanmax(np.abs(one), initial=0.0) for one in columns), default=0.0)
    np.testing.assert_allclose(means, slow, rtol=1e-12, atol=1e-15 * largest)


@st.composite
def portfolios(draw):
    """Buckets of some assets on some dates, what they earned, and weights or none."""
    dates = [
        draw(st.lists(st.integers(0, 6), max_size=7, unique=True)) for _ in range(draw(st.integers(1, 6)))
    ]
    offsets = np.concatenate([[0], np.cumsum([len(one) for one in dates])]).astype(np.int64)
    n = int(offsets[-1])
    earned = st.sampled_from([math.nan, -1.0, 0.0, 0.5, 3.0]) | st.floats(-1.0, 2.0)
    returns = np.array(draw(st.lists(earned, min_size=n, max_size=n)), np.float64)
    codes = np.array(draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)), np.int8)
    sizes = st.sampled_from([math.nan, 0.0, 1.0, 2.0, 1e-3, 1e9])
    weights = draw(
        st.none() | st.lists(sizes, min_size=n, max_size=n).map(lambda one: np.array(one, np.float64))
    )
    held = [place for place in range(len(dates)) if draw(st.booleans())]
    return (
        codes,
        returns,
        np.array([one for names in dates for one in names], np.int64),
        offsets,
        np.array(held, np.int64),
        weights,
    )


@settings(max_examples=500, deadline=None)
@given(portfolios())
def test_what_is_held_is_what_the_slow_twin_holds(portfolio):
    codes, returns, assets, offsets, dates, weights = portfolio
    found = hold(codes, returns, assets, offsets, dates, 3, weights=weights)
    with using(REFERENCE):
        slow = hold(codes, returns, assets, offsets, dates, 3, weights=weights)
    np.testing.assert_array_equal(found[0], slow[0])
    for one, other in zip(found[1:], slow[1:], strict=True):
        np.testing.assert_allclose(one, other, **EXACT)


def test_a_portfolio_drifts_and_is_traded_back():
    # Asset 0 doubles, asset 1 stays: 2/3 and 1/3 are held when both are bought at 1/2 again, then only asset 1.
    codes, assets, offsets = np.ones(5, np.int8), np.array([0, 1, 0, 1, 1]), np.array([0, 2, 4, 5])
    n, earned, traded = hold(codes, np.array([1.0, 0.0, 0.0, 0.0, 0.1]), assets, offsets, np.arange(3), 1)
    assert n.tolist() == [[2, 2, 1]]
    np.testing.assert_allclose(earned, [[0.5, 0.0, 0.1]], **EXACT)
    np.testing.assert_allclose(traded, [[math.nan, 1 / 6, 1 / 2]], **EXACT)


def exact_mean(x, w=None):
    """The mean in whole numbers, rounded once."""
    w = [Fraction(1)] * len(x) if w is None else [Fraction(one) for one in w]
    return sum(a * Fraction(b) for a, b in zip(w, x, strict=True)) / sum(w)


def exact_correlation(x, y):
    """Pearson's in whole numbers, rounded twice: the square of it, and the root."""
    a, b = ([Fraction(one) - exact_mean(side) for one in side] for side in (x, y))
    xy, xx, yy = (sum(p * q for p, q in zip(*pair, strict=True)) for pair in ((a, b), (a, a), (b, b)))
    return (1 if xy > 0 else -1) * math.sqrt(xy * xy / (xx * yy))


@st.composite
def sides(draw, n):
    """Numbers of one size, or of many, at a level of up to 1e16 times their size."""
    size = 10.0 ** draw(st.integers(-320, 290))
    level = draw(st.sampled_from([0.0, 1.0, -3e3, 1e8, 7e15]))
    unit = draw(
        st.sampled_from([st.floats(-4, 4), st.integers(-9, 9), st.integers(-300, 10).map(lambda k: 10.0**k)])
    )
    return [size * (level + one) for one in draw(st.lists(unit, min_size=n, max_size=n))]


@settings(max_examples=200, deadline=None)
@given(st.integers(3, 25).flatmap(lambda n: st.tuples(sides(n), sides(n))))
def test_correlations_are_exact_at_any_size_and_level(pair):
    x, y = (np.array(side) for side in pair)
    assume(x.min() < x.max() and y.min() < y.max())
    for backend in (*available(), REFERENCE):
        with using(backend):
            found = correlate(x, [y], np.array([0, x.size])).pearson[0, 0]
        assert found == pytest.approx(exact_correlation(*pair), abs=1e-13)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 30).flatmap(lambda n: st.tuples(sides(n), sides(n), sides(n), st.booleans())))
def test_means_are_exact_at_any_size_and_level(given_):
    x, y, w, weighted = (np.array(side) for side in given_)
    w, column = np.abs(w) if weighted else np.ones(x.size), np.concatenate([x, y])
    assume((w > 0.0).all())
    codes, weights = np.repeat(np.array([2, 1], np.int8), x.size), np.tile(w, 2)
    for backend in (*available(), REFERENCE):
        with using(backend):
            _, means = bucket_means(
                codes, [column], np.array([0, column.size]), 3, weights=weights if weighted else None
            )
        assert np.isnan(means[0, 0, 2])
        for found, side in zip(means[0, 0], (y, x), strict=False):
            assert found == pytest.approx(float(exact_mean(side, w)), rel=0, abs=4e-16 * np.abs(side).max())


@pytest.mark.parametrize("size", [5e-324, 1e-300, 1e-160, 1.0, 1e154, 1e200, 4e307])
def test_a_correlation_has_no_size(size):
    # Deviations -1, 0, 1 and -1, 2, -1 and 1, -2, 1; and 0, 0, 3 less 1: 3 / sqrt(2 * 6) = sqrt(3) / 2.
    x = size * np.array([1.0, 2.0, 3.0])
    y = size * np.array([0.0, 0.0, 3.0])
    found = correlate(x, [y, -x, size * np.array([1.0, 4.0, 1.0])], np.array([0, 3])).pearson[0]
    np.testing.assert_allclose(found, [math.sqrt(3.0) / 2.0, -1.0, 0.0], **EXACT)


def test_a_correlation_has_no_level():
    x, y = 1e16 + np.array([0.0, 2.0, 4.0]), -1.7e308 + np.array([0.0, 0.0, 1e293])
    found = correlate(np.concatenate([x, x]), [np.concatenate([x, y])], np.array([0, 3, 6])).pearson
    np.testing.assert_allclose(found, [[1.0], [math.sqrt(3.0) / 2.0]], **EXACT)


def test_a_mean_has_no_size_and_no_level():
    huge, tiny = np.array([1.7e308, 1.7e308, -1e308]), np.array([5e-324, 15e-324, 10e-324])
    level = 1e16 + np.array([0.0, 2.0, 4.0])
    column, codes = np.concatenate([huge, tiny, level]), np.repeat(np.array([1, 2, 3], np.int8), 3)
    _, means = bucket_means(codes, [column], np.array([0, 9]), 3)
    np.testing.assert_allclose(means[0, 0], [8e307, 10e-324, 1e16 + 2.0], rtol=1e-15)
    weights = np.tile([1e308, 1e308, 1e-308], 3)
    _, means = bucket_means(codes, [column], np.array([0, 9]), 3, weights=weights)
    np.testing.assert_allclose(means[0, 0], [1.7e308, 10e-324, 1e16], rtol=1e-15)


@st.composite
def histories(draw):
    """Values of a few assets on a few sessions, with holes and ends, and rows of a few dates that trade them."""
    sessions, assets = draw(st.integers(0, 6)), draw(st.integers(0, 4))
    cell = st.sampled_from([math.nan, 0.0, 1.0, 2.0, 4.0])
    values = np.array(draw(st.lists(cell, min_size=sessions * assets, max_size=sessions * assets)))
    gap = st.lists(st.integers(0, 1), min_size=sessions * assets, max_size=sessions * assets)
    gaps = draw(
        st.none()
        | gap.map(lambda x: np.array(x, np.int32).reshape(sessions, assets).cumsum(0, dtype=np.int32))
    )
    ends = np.array(draw(st.lists(st.integers(-1, sessions - 1), min_size=assets, max_size=assets)), np.int64)
    sizes = draw(st.lists(st.integers(0, 5), min_size=1, max_size=4))
    n, columns = sum(sizes), draw(st.integers(1, 3))
    places = np.array(draw(st.lists(st.integers(-1, assets - 1), min_size=n, max_size=n)), np.int64)
    known = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), bool)
    trade = st.lists(
        st.integers(-1, sessions - 1), min_size=columns * len(sizes), max_size=columns * len(sizes)
    )
    entries = np.array(draw(trade), np.int64).reshape(columns, -1)
    hold = st.lists(st.integers(0, 4), min_size=entries.size, max_size=entries.size)
    exits = np.maximum(entries, 0) + np.array(draw(hold), np.int64).reshape(columns, -1)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return values.reshape(sessions, assets), ends, places, known, offsets, entries, exits, gaps


@settings(max_examples=300, deadline=None)
@given(histories())
def test_forward_returns_and_reasons_are_those_of_the_slow_twin(history):
    *given_, gaps = history
    found, codes = forward_returns(*given_, gaps=gaps)
    with using(REFERENCE):
        slow, reasons = forward_returns(*given_, gaps=gaps)
    np.testing.assert_array_equal(codes, reasons)
    np.testing.assert_array_equal(found, slow)
    np.testing.assert_array_equal(np.isnan(found), codes > 0)


@pytest.fixture(scope="module")
def world():
    """Forty dates of 97 names with ties and holes, and two columns of returns."""
    rng = np.random.default_rng(7)
    offsets = np.arange(0, 41 * 97, 97, dtype=np.int64)
    x = np.round(rng.standard_normal(offsets[-1]), 1)
    y = 0.02 * rng.standard_normal(x.size) + 0.003 * x
    z = np.round(y, 2)
    for column in (x, y, z):
        column[rng.random(x.size) < 0.05] = np.nan
    return x, [y, z], offsets


def test_scipy_says_the_same(world):
    x, columns, offsets = world
    found = correlate(x, columns, offsets)
    for d in range(40):
        s = slice(offsets[d], offsets[d + 1])
        for c, y in enumerate(columns):
            both = ~np.isnan(x[s]) & ~np.isnan(y[s])
            assert found.n[d, c] == both.sum()
            assert found.pearson[d, c] == pytest.approx(stats.pearsonr(x[s][both], y[s][both])[0], abs=1e-12)
            assert found.spearman[d, c] == pytest.approx(
                stats.spearmanr(x[s][both], y[s][both])[0], abs=1e-12
            )


def shaped(shape, n, rng):
    """Numbers that are dealt evenly, or that crowd."""
    x = rng.standard_normal(n)
    if shape == "heavy tails":
        x = rng.standard_cauchy(n) ** 3
    elif shape == "rounded":
        x = np.round(x, 1)
    elif shape == "mostly zero":
        x[rng.random(n) < 0.7] = 0.0
    elif shape == "256 times the same":
        x[:256] = 0.123
    elif shape == "one far out":
        x[n // 2] = 1e300
    elif shape == "one that differs":
        x = np.where(np.arange(n) == n // 3, np.nextafter(1.0, 2.0), 1.0)
    elif shape == "neighbours":
        x = 1.0 + rng.integers(0, n, n) * 2.0**-52
    elif shape == "tiny":
        x = rng.integers(-n, n, n) * 5e-324
    elif shape == "both zeros":
        x = rng.choice([-1.0, -0.0, 0.0, 1.0, 2.0], n) + rng.choice([0.0, 1e-3], n) * x
    elif shape == "huge":
        x = x / np.abs(x).max() * 1.7e308
    return rng.permutation(x)


SHAPES = (
    "normal", "heavy tails", "rounded", "mostly zero", "256 times the same", "one far out", "one that differs",
    "neighbours", "tiny", "both zeros", "huge",
)  # fmt: skip


@pytest.mark.parametrize("n", [3, 8, 63, 64, 65, 300, 511, 512, 513, 1000, 3000, 8192, 8193, 20_000])
@pytest.mark.parametrize("shape", SHAPES)
def test_places_are_exact_however_numbers_crowd(shape, n):
    """Ranks and quantiles of scipy and pandas, at every level, of whole dates and of dates with holes."""
    rng = np.random.default_rng(n)
    x, y = shaped(shape, n, rng), shaped(shape, n, rng)
    holed_x, holed_y = (np.where(rng.random(n) < 0.2, np.nan, one) for one in (x, y))
    values, returns = np.concatenate([x, x, holed_x]), [np.concatenate([y, holed_y, holed_y]), np.tile(-x, 3)]
    offsets = np.arange(0, 3 * n + 1, n)
    with using("baseline"):
        first = correlate(values, returns, offsets, n_buckets=7)
    for d in range(3):
        s = slice(offsets[d], offsets[d + 1])
        for c in range(2):
            there = ~np.isnan(values[s]) & ~np.isnan(returns[c][s])
            a, b = stats.rankdata(values[s][there]), stats.rankdata(returns[c][s][there])
            assert first.n[d, c] == there.sum()
            constant = there.sum() < 3 or np.ptp(a) == 0 or np.ptp(b) == 0
            expected = np.nan if constant else np.corrcoef(a, b)[0, 1]
            np.testing.assert_allclose(first.spearman[d, c], expected, **EXACT)
        known = values[s][~np.isnan(values[s])]
        edges = np.sort(known)[np.arange(1, 8) * (known.size - 1) // 7] if known.size >= 7 else None
        expected = np.where(
            np.isnan(values[s]), 0, 0 if edges is None else 1 + np.searchsorted(edges, values[s])
        )
        np.testing.assert_array_equal(first.buckets[s], expected)
    for level in available()[1:]:
        with using(level):
            again = correlate(values, returns, offsets, n_buckets=7)
        for name in ("n", "pearson", "spearman", "buckets"):
            assert getattr(first, name).tobytes() == getattr(again, name).tobytes()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("level", [name for name in LEVELS if name != "baseline"])
def test_levels_give_the_same_means_to_the_bit(level, weighted):
    if level not in available():
        pytest.skip(f"this processor cannot run {level}")
    rng = np.random.default_rng(5)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(0, 300, 50))])
    codes = rng.integers(0, 6, offsets[-1]).astype(np.int8)
    returns = [
        np.where(rng.random(codes.size) < 0.1, np.nan, rng.standard_normal(codes.size)) for _ in range(2)
    ]
    weights = rng.random(codes.size) if weighted else None
    found = []
    for name in ("baseline", level):
        with using(name):
            found.append(bucket_means(codes, returns, offsets, 5, weights=weights))
    for narrow, wide in zip(*found, strict=True):
        assert narrow.tobytes() == wide.tobytes()


@pytest.mark.parametrize("q", [2, 3, 5, 10])
@pytest.mark.parametrize("n", [11, 50, 97, 1000])
def test_quantiles_are_those_of_pandas(q, n):
    x = np.random.default_rng(n).standard_normal(n)
    found = correlate(x, [], np.array([0, n]), n_buckets=q).buckets
    np.testing.assert_array_equal(found, pd.qcut(pd.Series(x), q, labels=False) + 1)


def test_equal_values_share_a_quantile_and_some_may_be_empty():
    x = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 1.0])
    found = correlate(x, [], np.array([0, 8]), n_buckets=4).buckets
    # Edges are 0, 0, 0.125 and 1.
    assert found.tolist() == [1, 1, 1, 1, 1, 1, 4, 4]


def test_who_stands_on_an_edge_is_in_the_lower_quantile():
    # Of 11 values the edges of 10 quantiles are the values themselves.
    found = correlate(np.arange(11.0), [], np.array([0, 11]), n_buckets=10).buckets
    assert found.tolist() == [1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([], []),
        ([1.0], [1.0]),
        ([1.0, 2.0], [1.0, 2.0]),
        ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]),
        ([1.0, 2.0, 3.0], [1.0, 1.0, 1.0]),
        ([math.nan] * 4, [1.0, 2.0, 3.0, 4.0]),
        ([1.0, 2.0, 3.0, 4.0], [math.nan] * 4),
        ([1.0, 2.0, 2.0, math.nan], [math.nan, 1.0, 2.0, 3.0]),
        ([0.0, -0.0, 0.0], [1.0, 2.0, 3.0]),
    ],
)
def test_what_has_no_correlation_is_unknown(x, y):
    offsets = np.array([0, len(x)], np.int64)
    found = correlate(np.array(x, np.float64), [np.array(y, np.float64)], offsets, n_buckets=5)
    assert np.isnan(found.pearson).all()
    assert found.buckets.tolist() == [0] * len(x)


def test_fewer_names_than_quantiles_are_in_none():
    x = np.array([1.0, 2.0, math.nan, 3.0, 4.0])
    assert correlate(x, [], np.array([0, 5]), n_buckets=5).buckets.tolist() == [0] * 5
    assert correlate(x, [], np.array([0, 5]), n_buckets=4).buckets.tolist() == [1, 2, 0, 3, 4]


def test_threads_change_nothing():
    rng = np.random.default_rng(3)
    offsets = np.arange(0, 301_000, 1000, dtype=np.int64)
    x, y = rng.standard_normal((2, offsets[-1]))
    one, four = (correlate(x, [y], offsets, n_buckets=5, n_threads=k) for k in (1, 4))
    for name in ("n", "pearson", "spearman", "buckets"):
        np.testing.assert_array_equal(getattr(one, name), getattr(four, name))
    means = [bucket_means(one.buckets, [y], offsets, 5, n_threads=k)[1] for k in (1, 4)]
    np.testing.assert_array_equal(*means)


def test_a_perfect_ranking_is_one_exactly():
    x = np.random.default_rng(1).standard_normal(5000)
    found = correlate(x, [np.exp(x), -x], np.array([0, 5000]))
    assert found.spearman.tolist() == [[1.0, -1.0]]
    assert found.pearson[0, 1] == -1.0


def test_large_means_cost_no_digits():
    x = np.random.default_rng(1).standard_normal(1000)
    y = np.random.default_rng(2).standard_normal(1000)
    near, far = (correlate(x, [y + level], np.array([0, 1000])).pearson[0, 0] for level in (0.0, 1e6))
    assert near == pytest.approx(far, abs=1e-9)


@pytest.mark.parametrize("backend", [available()[-1], REFERENCE])
@pytest.mark.parametrize("place", ["values", "returns[1]", "returns[0]", "weights"])
def test_infinite_numbers_are_refused(place, backend):
    good, bad, offsets = np.arange(4.0), np.array([0.0, -math.inf, 1.0, 2.0]), np.array([0, 4])
    codes = np.ones(4, np.int8)
    calls = {
        "values": lambda: correlate(bad, [], offsets),
        "returns[1]": lambda: correlate(good, [good, bad], offsets),
        "returns[0]": lambda: bucket_means(codes, [bad], offsets, 1),
        "weights": lambda: bucket_means(codes, [good], offsets, 1, weights=-bad),
    }
    with using(backend), pytest.raises(DataError, match=rf"^{re.escape(place)} has .* first in row 1\."):
        calls[place]()


def test_wrong_shapes_are_refused():
    x = np.arange(4.0)
    with pytest.raises(ShapeError):
        correlate(x, [x[:3]], np.array([0, 4]))
    with pytest.raises(ShapeError):
        correlate(x, [x], np.array([0, 3]))
    with pytest.raises(ShapeError):
        correlate(x, [x], np.array([0, 4]), n_buckets=101)
    with pytest.raises(ShapeError):
        bucket_means(np.array([1, 2, 3, 0], np.int8), [x], np.array([0, 4]), 2)
    codes = np.array([1, 2, 3, 0], np.int8)
    for assets, dates, q in (([0, 1, 2, 3], [0], 2), ([0, 1, 2, -1], [0], 3), ([0, 1, 2, 3], [1], 3)):
        with pytest.raises(ShapeError):
            hold(codes, x, np.array(assets), np.array([0, 4]), np.array(dates), q)


@pytest.mark.portfolio
@pytest.mark.filterwarnings("ignore")
def test_alphalens_says_the_same():
    """Its information coefficient and its quantile means, on one clean frame of 60 dates and 80 names."""
    performance = pytest.importorskip("alphalens.performance", reason="needs alphalens-reloaded")
    utils = pytest.importorskip("alphalens.utils", reason="needs alphalens-reloaded")
    rng = np.random.default_rng(11)
    dates, assets = pd.bdate_range("2024-01-01", periods=70), [f"a{k:02}" for k in range(80)]
    prices = pd.DataFrame(100 * np.exp(0.01 * rng.standard_normal((70, 80)).cumsum(axis=0)), dates, assets)
    index = pd.MultiIndex.from_product([dates[:60], assets], names=["date", "asset"])
    factor = pd.Series(rng.standard_normal(len(index)), index)
    clean = utils.get_clean_factor_and_forward_returns(
        factor, prices, periods=(1, 5), quantiles=5, filter_zscore=None, max_loss=0.0
    )
    x, offsets = clean["factor"].to_numpy(), np.arange(0, 60 * 80 + 1, 80)
    returns = [clean[name].to_numpy() for name in ("1D", "5D")]
    found = correlate(x, returns, offsets, n_buckets=5)
    np.testing.assert_allclose(
        found.spearman, performance.factor_information_coefficient(clean).to_numpy(), **EXACT
    )
    np.testing.assert_array_equal(found.buckets, clean["factor_quantile"])
    means, _ = performance.mean_return_by_quantile(clean, by_date=True, demeaned=False)
    theirs = means.unstack("factor_quantile").to_numpy().reshape(60, 2, 5)
    np.testing.assert_allclose(bucket_means(found.buckets, returns, offsets, 5)[1], theirs, **EXACT)


@pytest.mark.parametrize(
    "change",
    [
        {"places": np.array([0, 5])}, {"entries": np.array([[9]])}, {"exits": np.array([[-1]])}, {"ends": np.array([7])},
        {"gaps": np.zeros((1, 1), np.int32)}, {"offsets": np.array([0, 1, 2])}, {"values": np.zeros(3)},
        {"exits": np.array([[1, 1]])},
    ],
)  # fmt: skip
def test_places_outside_the_sessions_are_refused(change):
    good = {
        "values": np.ones((3, 1)), "ends": np.array([2]), "places": np.array([0, 0]), "known": np.array([True, True]),
        "offsets": np.array([0, 2]), "entries": np.array([[0]]), "exits": np.array([[1]]),
    }  # fmt: skip
    assert forward_returns(**good)[0].tolist() == [[0.0, 0.0]]
    with pytest.raises(ShapeError):
        forward_returns(**{**good, **change})
