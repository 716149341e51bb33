"""Means through time, intervals, many tests, Sharpe ratios, the ledger: by hand, by simulation, and as others find them."""

import json
import math
import multiprocessing
import sys

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import kifactors as kf
from kifactors.errors import DataError, MissingExtraError
from kifactors.evaluation import (
    Bootstrap,
    Trials,
    adjusted_p,
    deflated_sharpe,
    expected_maximum_sharpe,
    hac_mean,
    minimum_track_record,
    newey_west_bandwidth,
    newey_west_lag,
    probabilistic_sharpe,
    sharpe_of,
)
from kifactors.evaluation._bootstrap import _kept
from kifactors.evaluation._lock import locked
from kifactors.evaluation._overlap import calibrate
from kifactors.evaluation._student import student_quantile, two_sided_p

RTOL = 1e-12
SEEDS = 500
EXAMPLES = settings(deadline=None)


def ar(n, rho, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(n)
    for k in range(1, n):
        x[k] += rho * x[k - 1]
    return x + 0.1


def overlapping(seeds, n, h, *, mean=0.0):
    """Sums of h independent shocks, one series per seed."""
    shocks = np.stack([np.random.default_rng(seed).normal(mean, 1.0, n + h - 1) for seed in range(seeds)])
    sums = np.cumsum(np.pad(shocks, ((0, 0), (1, 0))), axis=1)
    return sums[:, h:] - sums[:, :-h]


# Student


@pytest.mark.parametrize("df", [0.3, 1.0, 2.0, 4.7, 30.0, 2499.0, 1e7])
@pytest.mark.parametrize("t", [0.0, 1e-9, 0.5, 1.96, -3.0, 40.0, 1e8])
def test_student_equals_scipy(t, df):
    stats = pytest.importorskip("scipy.stats")
    # The logarithm of the gamma function loses digits where df is large.
    assert two_sided_p(t, df) == pytest.approx(2.0 * stats.t.sf(abs(t), df), rel=1e-8, abs=1e-300)


@pytest.mark.parametrize("df", [1.0, 4.7, 300.0])
@pytest.mark.parametrize("p", [0.5, 0.05, 1e-6])
def test_the_quantile_is_the_inverse(p, df):
    assert two_sided_p(student_quantile(p, df), df) == pytest.approx(p, rel=1e-9)


def test_student_refuses_what_has_no_meaning():
    for t, df in ((float("nan"), 3.0), (1.0, 0.0), (1.0, float("nan"))):
        with pytest.raises(DataError, match="degrees of freedom"):
            two_sided_p(t, df)
    with pytest.raises(DataError, match="more than 0"):
        student_quantile(0.0, 3.0)
    assert two_sided_p(math.inf, 3.0) == 0.0


# Newey-West


@pytest.mark.parametrize("lag", [0, 1, 5, 40])
@pytest.mark.parametrize("n", [50, 333])
def test_standard_error_equals_statsmodels(n, lag):
    api = pytest.importorskip("statsmodels.api")
    x = ar(n, 0.6)
    ours = hac_mean(x, lag=lag)
    for correction, factor in ((True, 1.0), (False, (n - 1) / n)):
        fit = api.OLS(x, np.ones(n)).fit(
            cov_type="HAC", cov_kwds={"maxlags": lag, "use_correction": correction}
        )
        assert ours.mean == pytest.approx(fit.params[0], rel=RTOL)
        assert ours.se * math.sqrt(factor) == pytest.approx(fit.bse[0], rel=RTOL)
    assert ours.t == pytest.approx(ours.mean / ours.se, rel=RTOL)


def test_without_lags_it_is_students_test():
    stats = pytest.importorskip("scipy.stats")
    x = ar(40, 0.0)
    ours, theirs = hac_mean(x, lag=0), stats.ttest_1samp(x, 0.0)
    assert (ours.t, ours.p) == (
        pytest.approx(theirs.statistic, rel=RTOL),
        pytest.approx(theirs.pvalue, rel=1e-10),
    )
    assert ours.df == pytest.approx(39.0, rel=RTOL)


@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.5, 0.9])
def test_bandwidth_equals_arch_and_linearmodels(rho):
    """On 100 numbers, for which 4 (n / 100)^(2/9) is whole: otherwise they round it up where the paper rounds down."""
    covariance = pytest.importorskip("arch.covariance.kernel")
    kernels = pytest.importorskip("linearmodels.iv.covariance")
    for seed in range(20):
        x = ar(100, rho, seed)
        ours = newey_west_bandwidth(x)
        assert ours == pytest.approx(covariance.Bartlett(x).opt_bandwidth, rel=RTOL)
        assert math.ceil(ours) == kernels.kernel_optimal_bandwidth(x - x.mean())


def test_automatic_lag_is_the_whole_part_and_no_less_than_the_minimum():
    x = ar(400, 0.8)
    chosen = int(newey_west_bandwidth(x))
    assert hac_mean(x).lag == chosen > 3
    assert hac_mean(x, minimum_lag=chosen + 5).lag == chosen + 5
    assert hac_mean(x, lag=2, minimum_lag=7).lag == 7
    assert hac_mean(x[:6], lag=50).lag == 5
    assert [newey_west_lag(n) for n in (1, 2, 100, 1000, 2500)] == [0, 1, 4, 6, 8]


@pytest.mark.parametrize(
    ("values", "options", "reason"),
    [
        ([], {}, "0 known numbers, fewer than 3"),
        ([np.nan] * 5, {}, "0 known numbers, fewer than 3"),
        ([1.0, np.nan, 2.0], {}, "2 known numbers, fewer than 3"),
        ([0.1] * 9, {}, "all numbers are equal"),
        ([0.1 + 0.2, 0.3, 0.3], {}, "all numbers are equal"),
        ([1e12] * 4, {}, "all numbers are equal"),
        ([1.0, 2.0, 4.0, 3.0], {"minimum_lag": 20}, "4 numbers hold fewer than two periods of 21"),
        (np.arange(9.0), {"minimum_lag": 4}, "9 numbers hold fewer than two periods of 5"),
    ],
)
def test_what_has_no_test_says_why(values, options, reason):
    test = hac_mean(values, **options)
    assert test.p is None
    assert test.n + test.dropped == len(values)
    assert test.reason == reason
    assert (test.t is None) == (test.se is None) == ("periods" not in reason)
    assert (test.mean is None) == (test.n == 0)


@pytest.mark.parametrize(
    ("values", "options"),
    [
        ([1.0, float("inf"), 2.0], {}),
        ([[1.0, 2.0]], {}),
        ([1.0, 2.0, 3.0], {"lag": -1}),
        ([1.0, 2.0, 3.0], {"minimum_lag": -1}),
        ([1.0, 2.0, 3.0], {"lag": 1.5}),
        ([1.0, 2.0, 3.0], {"lag": "automatic"}),
    ],
)
def test_hac_mean_refuses(values, options):
    with pytest.raises(DataError, match=r"expected|must be"):
        hac_mean(values, **options)


NUMBERS = arrays(
    np.float64,
    st.integers(5, 60),
    elements=st.floats(-1e3, 1e3, allow_subnormal=False).map(lambda x: round(x, 3)),
)


@EXAMPLES
@given(NUMBERS, st.integers(0, 8), st.floats(1e-6, 1e6))
def test_scale_and_sign_and_gaps_change_nothing(values, lag, scale):
    one = hac_mean(values, lag=lag)
    for other, sign in ((values * scale, 1.0), (-values, -1.0), (np.append(values, np.nan), 1.0)):
        two = hac_mean(other, lag=lag)
        if one.t is None or two.t is None or abs(one.t) > 1e6:
            continue
        assert two.t == pytest.approx(sign * one.t, rel=1e-6, abs=1e-9)
        assert two.p is None or two.p == pytest.approx(one.p, rel=1e-5, abs=1e-12)
    assert one.p is None or 0.0 <= one.p <= 1.0


# What overlaps do to it


@pytest.mark.parametrize(
    ("n", "lag", "overlap"), [(30, 0, 0), (30, 4, 0), (40, 5, 5), (25, 24, 7), (12, 3, 11)]
)
def test_bias_and_degrees_of_freedom_are_those_of_the_quadratic_form(n, lag, overlap):
    """se^2 = x'Ax / (n (n - 1)), and x has covariance R: E = tr(A R), df = tr(A R)^2 / tr(A R A R)."""
    apart = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    W = np.maximum(0.0, 1.0 - apart / (lag + 1.0))
    R = np.maximum(0.0, 1.0 - apart / (overlap + 1.0))
    M = np.eye(n) - 1.0 / n
    AR = M @ W @ M @ R
    found = calibrate(1.0 - np.arange(lag + 1) / (lag + 1.0), n, overlap=overlap)
    assert found.bias == pytest.approx(np.trace(AR) / (n * (n - 1)) / R.mean(), rel=1e-10)
    # The Fourier frequencies are exact on a circle, and nearly so on a line that is not too short.
    exact = found.df > 3.0
    assert not exact or found.df == pytest.approx(np.trace(AR) ** 2 / np.trace(AR @ AR), rel=0.25)


def test_bartlett_misses_a_third_of_an_overlap():
    """Sum of (1 - j/h)^2 over j, both sides, is (2 h + 1/h) / 3, and of 1 - j/h it is h."""
    h = 50
    found = calibrate(1.0 - np.arange(h) / h, 200_000, overlap=h - 1)
    assert found.bias == pytest.approx((2 * h + 1 / h) / 3 / h, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "h"), [(30, 1), (50, 21), (250, 1), (1000, 5), (1000, 21), (2500, 21), (2500, 63)]
)
def test_a_null_mean_is_called_significant_as_often_as_it_says(n, h):
    p = np.array([hac_mean(x, minimum_lag=h - 1).p for x in overlapping(SEEDS, n, h)])
    assert 0.03 <= (p < 0.05).mean() <= 0.07


@pytest.mark.slow
def test_the_normal_distribution_would_call_twice_as_many():
    """Why p is not that of the normal distribution: this is what it would say, however long the series."""
    t = np.array([hac_mean(x, lag=20).t for x in overlapping(SEEDS, 2500, 21)])
    assert (np.abs(t) > 1.96).mean() > 0.09


@pytest.mark.slow
@pytest.mark.parametrize("h", [1, 21])
def test_a_null_factor_is_called_significant_as_often_as_it_says(h):
    """Information coefficients of exposures that never change with returns over h days, each day."""
    days, assets = 1000, 50
    found = []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal(assets)
        growth = np.cumsum(np.vstack([np.zeros(assets), rng.standard_normal((days + h - 1, assets))]), axis=0)
        r = growth[h:] - growth[:-h]
        u, v = x - x.mean(), r - r.mean(axis=1, keepdims=True)
        ic = v @ u / np.sqrt((u @ u) * (v**2).sum(axis=1))
        found.append(hac_mean(ic, minimum_lag=h - 1).p)
    assert 0.03 <= (np.array(found) < 0.05).mean() <= 0.07


def test_overlap_that_is_not_there_makes_it_cautious():
    p = np.array([hac_mean(x, minimum_lag=20).p for x in overlapping(200, 500, 1)])
    assert (p < 0.05).mean() < 0.05


# Bootstrap


@pytest.mark.parametrize("length", [1, 4, 12])
def test_drawn_means_have_the_variance_of_politis_and_romano(length):
    pytest.importorskip("arch")
    x = ar(100, 0.7)
    u = x - x.mean()
    g = np.array([u[j:] @ u[: 100 - j] for j in range(100)]) / 100
    kept = _kept(100, length)
    expected = (g[0] + 2.0 * kept[1:] @ g[1:]) / 100
    _, drawn = Bootstrap(draws=20_000)._statistics(x, length, "mean")
    # Of 20,000 draws a variance is known to 1 %.
    assert drawn.var() == pytest.approx(expected, rel=0.04)
    assert drawn.mean() == pytest.approx(x.mean(), abs=4.0 * math.sqrt(expected / 20_000))


def test_draws_are_those_of_arch():
    bootstrap = pytest.importorskip("arch.bootstrap")
    x = ar(200, 0.3)
    mine = Bootstrap(draws=50, seed=7)
    _, drawn = mine._statistics(x, 6, "mean")
    theirs = bootstrap.StationaryBootstrap(6, x, seed=7).apply(np.mean, 50).ravel()
    np.testing.assert_allclose(drawn, theirs, rtol=RTOL)
    _, ratios = mine._statistics(x, 6, "ratio")
    theirs = bootstrap.StationaryBootstrap(6, x, seed=7).apply(lambda v: v.mean() / v.std(ddof=1), 50).ravel()
    np.testing.assert_allclose(ratios, theirs, rtol=1e-10)


def test_the_same_seed_gives_the_same_interval_and_another_another():
    pytest.importorskip("arch")
    x = ar(300, 0.5)
    one, two, other = Bootstrap(seed=1), Bootstrap(seed=1), Bootstrap(seed=2)
    assert one.interval(x) == two.interval(x) == one.interval(np.append(x, np.nan))
    assert one.interval(x) != other.interval(x)
    low, high = one.interval(x)
    wide = Bootstrap(seed=1, confidence=0.99).interval(x)
    assert wide[0] < low < x.mean() < high < wide[1]
    longer = one.interval(x, overlap=20)
    assert longer[1] - longer[0] > high - low


def test_an_interval_moves_with_its_series():
    pytest.importorskip("arch")
    x = ar(120, 0.2)
    found = np.array(Bootstrap(draws=200).interval(x))
    np.testing.assert_allclose(Bootstrap(draws=200).interval(3.0 * x + 5.0), 3.0 * found + 5.0, rtol=1e-9)
    ratio = Bootstrap(draws=200).interval(x, statistic="ratio")
    np.testing.assert_allclose(Bootstrap(draws=200).interval(3.0 * x, statistic="ratio"), ratio, rtol=1e-9)


@pytest.mark.parametrize(
    "values", [[], [1.0] * 50, [np.nan] * 50, np.arange(9.0), np.r_[np.arange(9.0), [np.nan] * 9]]
)
def test_what_has_no_interval_has_none(values):
    assert Bootstrap().interval(values) == (None, None)


def test_fewer_than_two_periods_have_no_interval():
    pytest.importorskip("arch")
    for n, overlap in ((12, 62), (20, 19), (100, 50)):
        assert Bootstrap(draws=100).interval(ar(n, 0.0), overlap=overlap) == (None, None)
    low, high = Bootstrap(draws=100).interval(ar(100, 0.0), overlap=49)
    assert low < high


def test_the_bootstrap_refuses():
    with pytest.raises(DataError, match="draws"):
        Bootstrap(draws=-1)
    with pytest.raises(DataError, match="confidence"):
        Bootstrap(confidence=1.0)
    for options in ({"overlap": -1}, {"statistic": "median"}):
        with pytest.raises(DataError, match=r"overlap|statistic"):
            Bootstrap().interval(np.arange(20.0), **options)
    with pytest.raises(DataError, match="finite"):
        Bootstrap().interval([1.0, np.inf] * 10)


def test_without_arch_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "arch", None)
    monkeypatch.setitem(sys.modules, "arch.bootstrap", None)
    with pytest.raises(MissingExtraError, match=r"kifactors\[evaluation\]"):
        Bootstrap().interval(ar(50, 0.0))
    assert Bootstrap(draws=0).interval(ar(50, 0.0)) == (None, None)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "h"), [(1000, 1), (250, 5), (1000, 21), (2500, 21)])
def test_intervals_hold_the_planted_mean_as_often_as_they_say(n, h):
    pytest.importorskip("arch")
    bootstrap = Bootstrap(draws=500)
    inside = []
    for x in overlapping(SEEDS, n, h, mean=0.05):
        low, high = bootstrap.interval(x, overlap=h - 1)
        inside.append(low <= 0.05 * h <= high)
    assert 0.92 <= np.mean(inside) <= 0.98


# Many tests


@pytest.mark.slow
@EXAMPLES
@given(
    arrays(np.float64, st.integers(1, 30), elements=st.floats(0.0, 1.0, allow_subnormal=False)),
    st.sampled_from(["bonferroni", "holm", "benjamini_hochberg", "benjamini_yekutieli"]),
)
def test_adjusted_p_equals_statsmodels(p, method):
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    name = {"benjamini_hochberg": "fdr_bh", "benjamini_yekutieli": "fdr_by"}.get(method, method)
    np.testing.assert_allclose(adjusted_p(p, method), multitest.multipletests(p, method=name)[1], rtol=RTOL)
    more = np.concatenate([p, np.ones(7)])
    np.testing.assert_allclose(
        adjusted_p(p, method, tests=p.size + 7), adjusted_p(more, method)[: p.size], rtol=RTOL
    )


def test_adjusted_p_leaves_out_what_is_unknown():
    found = adjusted_p([0.01, np.nan, 0.04], "holm")
    np.testing.assert_allclose(found, [0.02, np.nan, 0.04])
    assert adjusted_p([], "benjamini_yekutieli").size == 0
    assert np.isnan(adjusted_p([np.nan], "holm", tests=3)).all()


@pytest.mark.parametrize(
    ("p", "method", "tests"), [([1.5], "holm", None), ([0.1, 0.2], "holm", 1), ([0.1], "sidak", None)]
)
def test_adjusted_p_refuses(p, method, tests):
    with pytest.raises(DataError, match=r"p values|tests|method"):
        adjusted_p(p, method, tests=tests)


# Sharpe ratios


def test_the_numerical_example_of_the_deflated_sharpe_ratio():
    """Bailey and Lopez de Prado (2014), section "A numerical example": SSRN 2460551, pages 9 and 10."""
    sharpe, variance = 2.5 / math.sqrt(250), 0.5 / 250
    assert round(expected_maximum_sharpe(100, variance), 4) == 0.1132
    paper = {"skewness": -3.0, "kurtosis": 10.0, "variance": variance}
    assert round(deflated_sharpe(sharpe, 1250, trials=100, **paper), 4) == 0.9004
    assert round(deflated_sharpe(sharpe, 1250, trials=46, **paper), 4) == 0.9505
    assert round(deflated_sharpe(sharpe, 1250, trials=88, variance=variance), 4) == 0.9505


def test_the_expected_maximum_is_that_of_simulated_ratios():
    rng = np.random.default_rng(0)
    for trials in (10, 100, 1000):
        best = rng.standard_normal((20_000, trials)).max(axis=1).mean()
        # The formula is that of extreme value theory, for many trials.
        assert expected_maximum_sharpe(trials, 1.0) == pytest.approx(best, rel=0.03)


@EXAMPLES
@given(
    st.floats(-0.5, 0.5),
    st.integers(3, 5000),
    st.floats(-2.0, 2.0),
    st.floats(0.0, 20.0),
    st.floats(0.0, 0.3),
)
def test_sharpe_probabilities_are_monotonic_and_consistent(sharpe, n, skewness, more, benchmark):
    moments = {"skewness": skewness, "kurtosis": skewness**2 + 1.1 + more}
    p = probabilistic_sharpe(sharpe, n, benchmark=benchmark, **moments)
    assert 0.0 <= p <= 1.0
    assert probabilistic_sharpe(sharpe, n, benchmark=benchmark + 0.1, **moments) <= p
    needed = minimum_track_record(sharpe, benchmark=benchmark, **moments)
    if sharpe - benchmark < 1e-3:
        assert sharpe > benchmark or needed == math.inf
        return
    if abs(needed - n) > 1e-6 * n:
        assert (p >= 0.95) == (n >= needed)


@pytest.mark.portfolio
def test_skfolio_finds_the_same_deflated_ratio():
    measures = pytest.importorskip("skfolio.measures", reason="skfolio is an extra of its own")
    if not hasattr(measures, "deflated_sharpe_ratio"):
        pytest.skip("this skfolio has no deflated Sharpe ratio")
    x = np.random.default_rng(0).standard_t(5, (300, 8)) * 0.01 + 0.001
    one = sharpe_of(x[:, 0])
    ratios = np.array([sharpe_of(column).sharpe for column in x.T])
    ours = deflated_sharpe(
        one.sharpe, one.n, trials=8, variance=ratios.var(ddof=1), skewness=one.skewness, kurtosis=one.kurtosis
    )
    assert ours == pytest.approx(measures.deflated_sharpe_ratio(x[:, 0], ratios), rel=RTOL)


def test_moments_equal_scipy():
    stats = pytest.importorskip("scipy.stats")
    x = np.random.default_rng(1).lognormal(size=500)
    found = sharpe_of(np.append(x, np.nan))
    assert found.n == 500
    assert found.sharpe == pytest.approx(x.mean() / x.std(ddof=1), rel=RTOL)
    assert found.skewness == pytest.approx(stats.skew(x), rel=1e-10)
    assert found.kurtosis == pytest.approx(stats.kurtosis(x, fisher=False), rel=1e-10)
    assert sharpe_of(x * 1e-120).kurtosis == pytest.approx(found.kurtosis, rel=1e-10)


@pytest.mark.parametrize("values", [[], [0.1, 0.2], [0.1] * 5, [np.inf, 1.0, 2.0, 3.0]])
def test_sharpe_of_refuses(values):
    with pytest.raises(DataError, match=r"Sharpe|finite"):
        sharpe_of(values)


def test_sharpe_ratios_refuse():
    with pytest.raises(DataError, match="at least 2"):
        probabilistic_sharpe(0.1, 1)
    with pytest.raises(DataError, match="no distribution"):
        probabilistic_sharpe(1.0, 100, skewness=3.0)
    with pytest.raises(DataError, match="trials"):
        expected_maximum_sharpe(0, 1.0)
    with pytest.raises(DataError, match="variance"):
        expected_maximum_sharpe(3, math.nan)
    with pytest.raises(DataError, match="confidence"):
        minimum_track_record(0.1, confidence=1.0)
    assert expected_maximum_sharpe(1, 1.0) == 0.0
    assert minimum_track_record(0.1, benchmark=0.2) == math.inf


# Ledger


def ledger(count=5, *, untold=0):
    trials = Trials(untold=untold)
    for k in range(count):
        trials.add(f"variant {k}", ar(200, 0.2, seed=k), parameters={"half_life": k, "definition": "ab12"})
    return trials


def test_the_table_is_made_of_its_parts():
    trials = ledger(untold=15)
    assert len(trials) == 20
    table = trials.table()
    assert table["t"].abs().is_sorted(descending=True)
    tests = {f"variant {k}": hac_mean(ar(200, 0.2, seed=k)) for k in range(5)}
    p = np.array([tests[name].p for name in table["trial"]])
    np.testing.assert_allclose(table["t"], [tests[name].t for name in table["trial"]], rtol=RTOL)
    np.testing.assert_allclose(table["p_holm"], adjusted_p(p, "holm", tests=20), rtol=RTOL)
    np.testing.assert_allclose(table["p_by"], adjusted_p(p, "benjamini_yekutieli", tests=20), rtol=RTOL)
    assert table["passes_harvey_liu_zhu"].to_list() == (table["p"] < 0.0027).to_list()
    best = sharpe_of(ar(200, 0.2, seed=int(table["trial"][0][-1])))
    expected = deflated_sharpe(
        best.sharpe,
        200,
        trials=20,
        variance=table["sharpe"].var(),
        skewness=best.skewness,
        kurtosis=best.kurtosis,
    )
    assert table["deflated_sharpe"][0] == pytest.approx(expected, rel=RTOL)
    alone = ledger(1).table()
    assert alone["deflated_sharpe"][0] is None
    assert alone["p"][0] == alone["p_holm"][0] == alone["p_by"][0]
    assert Trials(untold=3).table().is_empty()


def test_a_t_from_elsewhere_counts_like_any_other():
    trials = ledger(2)
    trials.add("of a paper", t=3.2, n=400)
    row = trials.table().filter(trial="of a paper").row(0, named=True)
    assert row["sharpe"] == pytest.approx(3.2 / 20)
    assert row["p"] == pytest.approx(two_sided_p(3.2, 399))
    assert row["mean"] is None
    assert row["passes_harvey_liu_zhu"]


def test_returns_that_overlap_pass_the_threshold_less_easily():
    x = overlapping(1, 2500, 21)[0]
    x += 3.2 * hac_mean(x, minimum_lag=20).se - x.mean()
    trials = Trials()
    trials.add("as if apart", x)
    trials.add("as they are", x, overlap=20)
    table = trials.table().sort("trial")
    np.testing.assert_allclose(table["t"], 3.2, rtol=1e-9)
    assert table["passes_harvey_liu_zhu"].to_list() == [True, False]


def test_a_name_stands_for_one_thing():
    trials = ledger(2)
    trials.add("variant 0", ar(200, 0.2, seed=0), parameters={"half_life": 0, "definition": "ab12"})
    assert len(trials) == 2
    for values, parameters in (
        (ar(200, 0.2, seed=9), {"half_life": 0, "definition": "ab12"}),
        (ar(200, 0.2, seed=0), {"half_life": 1, "definition": "ab12"}),
        # The same moments, in another order.
        (ar(200, 0.2, seed=0)[::-1], {"half_life": 0, "definition": "ab12"}),
    ):
        with pytest.raises(DataError, match="own name"):
            trials.add("variant 0", values, parameters=parameters)
    assert "variant 1" in trials
    assert trials["variant 1"]["parameters"]["half_life"] == 1
    with pytest.raises(DataError, match="no trial"):
        _ = trials["variant 7"]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"values": [0.1, 0.2, 0.3], "t": 2.0, "n": 3},
        {"t": 2.0},
        {"n": 20},
        {"t": math.nan, "n": 20},
        {"t": 2.0, "n": 2},
        {"values": [0.1, 0.1, 0.1]},
        {"values": [0.1, 0.2, 0.3], "parameters": {"x": math.nan}},
    ],
)
def test_the_ledger_refuses(options):
    trials = Trials()
    with pytest.raises(DataError):
        trials.add("x", **options)
    assert len(trials) == 0
    with pytest.raises(DataError, match="named"):
        trials.add("", t=2.0, n=20)
    with pytest.raises(DataError, match="untold"):
        Trials(untold=-1)


def test_saved_and_read_it_is_the_same(tmp_path):
    trials = ledger(untold=4)
    path = trials.save(tmp_path / "trials.json")
    assert json.loads(path.read_text())["trials"]["variant 0"]["parameters"] == {
        "half_life": 0,
        "definition": "ab12",
    }
    again = Trials.read(path)
    assert again == trials
    assert again.table().equals(trials.table())
    again.save(path)
    assert Trials.read(path) == trials
    assert [file.name for file in tmp_path.iterdir()] == ["trials.json"]


def test_a_file_only_grows(tmp_path):
    path = tmp_path / "trials.json"
    ledger(2, untold=3).save(path)
    other = Trials(untold=1)
    other.add("another", t=1.0, n=100)
    other.save(path)
    found = Trials.read(path)
    assert len(found) == 3 + 3
    assert "variant 0" in found
    assert "another" in found
    assert other == found
    clash = Trials()
    clash.add("another", t=2.0, n=100)
    before = path.read_bytes()
    with pytest.raises(DataError, match="own name"):
        clash.save(path)
    assert path.read_bytes() == before


def _append(path, k):
    trials = Trials()
    trials.add(f"run {k}", t=float(k), n=100)
    trials.save(path)


def test_two_who_write_at_once_lose_nothing(tmp_path):
    path = tmp_path / "trials.json"
    processes = [
        multiprocessing.get_context("spawn").Process(target=_append, args=(path, k)) for k in range(4)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert len(Trials.read(path)) == 4


def test_a_lock_that_is_held_is_named(tmp_path):
    path = tmp_path / "trials.json"
    with (
        locked(path),
        pytest.raises(DataError, match=r"delete .*\.trials\.json\.lock"),
        locked(path, patience=0.05),
    ):
        pass
    with pytest.raises(DataError, match="folder"):
        ledger(1).save(tmp_path / "nowhere" / "trials.json")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": 9, "untold": 0, "trials": {}}',
        '{"format": 1, "untold": -1, "trials": {}}',
        '{"format": 1, "untold": 0, "trials": {"a": {"n": "x"}}}',
        '{"format": 1, "untold": 0, "trials": ["a"]}',
    ],
)
def test_a_file_that_is_no_ledger_is_named(tmp_path, text):
    path = tmp_path / "trials.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"ledger|format|untold"):
        Trials.read(path)
    with pytest.raises(DataError, match="ledger"):
        Trials.read(tmp_path / "absent.json")


def test_the_room_exports_what_it_has():
    assert set(kf.evaluation.__all__) <= set(dir(kf.evaluation))
    assert isinstance(Trials().table(), pl.DataFrame)
