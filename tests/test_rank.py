"""Ranks within dates and groups: by hand, against scipy and polars, the twin, and on hard bits."""

from statistics import NormalDist

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kifactors as kf
from kifactors import _kernels
from kifactors._kernels import _backend, _threads
from kifactors.cross_section import rank
from kifactors.errors import DefinitionError

HARD = [0.0, -0.0, 1.0, -1.0, 5e-324, -5e-324, 2.2e-308, 1e12, 1e12 + 2**-12, -1e308, 1.7e308, 1 / 3]
METHODS = _kernels.RANK_METHODS
# Two evaluations of one approximation, with logarithms of two libraries.
CLOSE = 1e-12


def panel(values, *, dates=1, groups=None):
    frame = pl.DataFrame({"date": np.repeat(np.arange(dates), len(values) // dates), "x": values})
    return frame if groups is None else frame.with_columns(g=pl.Series(groups))


numbers = st.one_of(
    st.sampled_from(HARD), st.integers(-3, 3).map(float), st.floats(allow_nan=False, allow_infinity=False)
)
columns = st.lists(st.one_of(st.none(), numbers), max_size=80)


@settings(max_examples=300, deadline=None)
@given(columns)
def test_ranks_equal_polars(values):
    frame = panel(pl.Series(values, dtype=pl.Float64))
    # polars ranks -0.0 below 0.0; they are one value.
    expected = (frame["x"] + 0.0).rank("average")
    assert rank(frame, "x").to_list() == expected.to_list()
    n = frame["x"].count()
    assert rank(frame, "x", method="percentile").to_list() == [None if r is None else r / n for r in expected]


@settings(max_examples=100, deadline=None)
@given(columns, st.randoms(use_true_random=False), st.sampled_from(METHODS))
def test_kernel_equals_twin(values, random, method):
    x = np.array([np.nan if v is None else v for v in values])
    groups = np.array([random.randrange(-1, 3) for _ in values], np.int32)
    cut = random.randint(0, len(values))
    for codes in (None, groups):
        arguments = (x, np.array([0, cut, len(values)]))
        fast = _kernels.rank(*arguments, method=method, groups=codes)
        with _backend.using("reference"):
            slow = _kernels.rank(*arguments, method=method, groups=codes)
        np.testing.assert_allclose(fast, slow, rtol=0, atol=CLOSE)


@pytest.mark.parametrize("size", [1, 24, 25, 63, 1023, 1024, 5000])
@pytest.mark.parametrize("kind", ["normal", "few", "close", "one far", "binades", "constant"])
def test_ranks_equal_scipy(size, kind):
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(size)
    x = {
        "normal": rng.standard_normal(size),
        "few": rng.integers(0, 4, size).astype(float),
        "close": 1e12 + rng.integers(0, 2000, size) * 2.0**-10,
        "one far": np.append(rng.integers(0, 300, size - 1) * 1e-300, 1e300),
        "binades": np.exp(rng.uniform(-700, 700, size)) * rng.choice([-1, 1], size),
        "constant": np.full(size, -1e12),
    }[kind]
    assert np.array_equal(_kernels.rank(x, np.array([0, size])), stats.rankdata(x))


def test_normal_scores_are_those_of_the_inverse_normal():
    n = 20_001
    found = _kernels.rank(np.arange(float(n)), np.array([0, n]), method="normal")
    # Near 1 a probability has lost the digits that one near 0 still has: the upper half mirrors the lower.
    lower = [NormalDist().inv_cdf((r - 0.375) / (n + 0.25)) for r in range(1, n // 2 + 1)]
    np.testing.assert_allclose(found[: n // 2], lower, rtol=0, atol=1e-14)
    assert np.array_equal(found, -found[::-1])


def test_one_value():
    frame = panel([7.0])
    assert [rank(frame, "x", method=m).item() for m in METHODS] == [1.0, 1.0, 0.0]


def test_groups():
    frame = panel([3.0, 1.0, 2.0, 9.0, 5.0, None], groups=["a", "b", "a", None, "b", "a"])
    assert rank(frame, "x", by="g").to_list() == [2.0, 1.0, 1.0, None, 2.0, None]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_groups_are_ranked_as_if_alone(seed):
    rng = np.random.default_rng(seed)
    frame = panel(
        rng.integers(0, 9, 60).astype(float),
        dates=3,
        groups=[["a", "b", None][k] for k in rng.integers(0, 3, 60)],
    )
    whole = rank(frame, "x", by="g")
    for (day, group), part in frame.with_columns(r=whole).group_by("date", "g"):
        expected = [None] * part.height if group is None else part["x"].rank("average").to_list()
        assert part["r"].to_list() == expected, (day, group)


def test_chunks_offsets_and_bitmaps():
    values = pl.Series("x", [None, 5.0, 3.0, None, 4.0, 1.0, None, 2.0, 8.0, 7.0])
    whole = pl.DataFrame({"date": [1] * 10, "x": values})
    pieces = pl.concat([whole[:3], whole[3:]], rechunk=False)
    assert rank(pieces, "x").to_list() == rank(whole, "x").to_list()
    assert rank(whole[3:], "x").to_list() == values[3:].rank("average").to_list()


def test_empty():
    assert rank(pl.DataFrame(schema={"date": pl.Date, "x": pl.Float64}), "x").to_list() == []
    assert rank(panel([None, None]).with_columns(pl.col("x").cast(pl.Float64)), "x").to_list() == [None, None]


def test_threads_do_not_change_a_bit(monkeypatch):
    monkeypatch.setattr(_threads, "SMALL", 0)
    x = np.random.default_rng(3).standard_normal(1000)
    offsets = np.array([0, 10, 10, 400, 1000])
    for method in METHODS:
        one = _kernels.rank(x, offsets, method=method, n_threads=1)
        assert np.array_equal(one, _kernels.rank(x, offsets, method=method, n_threads=3))


def test_an_unknown_method_is_refused():
    with pytest.raises(DefinitionError, match="'average', 'percentile', 'normal'"):
        rank(panel([1.0]), "x", method="dense")
    with pytest.raises(kf.KifactorsError, match="expected one of average"):
        _kernels.rank(np.ones(1), np.array([0, 1]), method="dense")


@pytest.mark.parametrize("n", [24, 25, 33, 100, 1000, 4096, 8192, 8193, 20_000])
@pytest.mark.parametrize(
    "kind", ["normal", "ties", "zeros", "outlier", "near", "huge", "tiny", "cauchy", "crowds", "sorted"]
)
def test_every_shape_of_numbers_is_put_in_order(n, kind):
    """Each way of sorting: equal intervals, crowded ones, neighbours that a distance cannot tell apart, leading bits."""
    rankdata = pytest.importorskip("scipy.stats", reason="ranks are held against scipy's").rankdata
    rng = np.random.default_rng(n)
    x = rng.standard_normal(n)
    x = {
        "normal": x,
        "ties": np.round(x, 1),
        "zeros": np.where(rng.random(n) < 0.7, 0.0, np.abs(x)),
        "outlier": np.where(np.arange(n) == n // 2, 1e300, x),
        "near": 1.0 + rng.integers(0, 3 * n, n) * 2.0**-52 + np.where(np.arange(n) == 0, 1e6, 0.0),
        "huge": x * 3e307,
        "tiny": x * 5e-324 * 1e3,
        "cauchy": rng.standard_cauchy(n),
        "crowds": rng.integers(0, 3, n) + 1e-9 * x,
        "sorted": np.sort(x),
    }[kind]
    np.testing.assert_array_equal(_kernels.rank(x, np.array([0, n])), rankdata(x))
