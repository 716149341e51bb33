"""Statistics of evaluation against statsmodels, linearmodels, arch, published examples and simulation."""

import json
import math
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kifactors as kf
from kifactors.errors import DataError, MissingColumnError
from kifactors.evaluation import (
    Bootstrap,
    Trials,
    adjusted_p,
    audit_look_ahead,
    deflated_sharpe,
    expected_maximum_sharpe,
    factor_returns,
    fama_macbeth,
    hac_mean,
    newey_west_bandwidth,
    probabilistic_sharpe,
    sharpe_of,
)
from kifactors.evaluation._hac import least_lag
from kifactors.schema import INPUTS

pytest.importorskip("arch", reason="intervals need the extra evaluation")


def overlapping(rng, n, h):
    return np.convolve(rng.standard_normal(n + h - 1), np.ones(h), "valid")


# Newey-West.


@pytest.mark.parametrize("n", [5, 30, 250])
@pytest.mark.parametrize("lag", [0, 1, 4])
def test_newey_west_is_that_of_statsmodels(n, lag):
    sm = pytest.importorskip("statsmodels.api")
    x = overlapping(np.random.default_rng(n), n, 5) + 0.3
    theirs = sm.OLS(x, np.ones(n)).fit(cov_type="HAC", cov_kwds={"maxlags": lag, "use_correction": True})
    ours = hac_mean(x, lag=lag)
    assert ours.mean == pytest.approx(theirs.params[0], rel=1e-12)
    assert ours.se == pytest.approx(theirs.bse[0], rel=1e-12)
    assert ours.t == pytest.approx(theirs.tvalues[0], rel=1e-12)


def test_without_lags_it_is_the_t_test():
    from scipy.stats import ttest_1samp

    x = np.random.default_rng(1).standard_normal(40)
    theirs, ours = ttest_1samp(x, 0.0), hac_mean(x, lag=0)
    assert ours.t == pytest.approx(theirs.statistic, rel=1e-12)
    # Student's degrees of freedom are n here and n - 1 there.
    assert ours.p == pytest.approx(theirs.pvalue, rel=0.02)


def test_the_bandwidth_is_that_of_arch():
    """arch looks one autocovariance further where 4 (n / 100)^(2/9) is not whole: with n = 100 it is 4."""
    kernel = pytest.importorskip("arch.covariance.kernel")
    for seed in range(5):
        x = overlapping(np.random.default_rng(seed), 100, 4)
        assert newey_west_bandwidth(x) == pytest.approx(
            kernel.Bartlett(x, center=True).opt_bandwidth, rel=1e-12
        )


@pytest.mark.parametrize("x", [[], [math.nan], [1.0], [1.0, 2.0], [2.0] * 9, [math.nan, 3.0, 3.0, 3.0]])
def test_series_without_an_error_have_no_t(x):
    found = hac_mean(x)
    assert found.t is None
    assert found.p is None
    assert found.n == np.isfinite(x).sum() if x else found.n == 0


@pytest.mark.parametrize(
    ("x", "options", "said"),
    [
        ([1.0, math.inf], {}, "finite"),
        ([[1.0]], {}, "one series"),
        ([1.0, 2.0, 3.0], {"lag": -1}, "lag is -1"),
    ],
)
def test_newey_west_refuses(x, options, said):
    with pytest.raises(DataError, match=said):
        hac_mean(x, **options)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=40), st.integers(0, 50), st.floats(0.1, 10.0))
def test_t_has_no_unit(x, lag, scale):
    one, two = hac_mean(x, lag=lag), hac_mean(np.array(x) * scale, lag=lag)
    assert (one.t is None) == (two.t is None)
    if one.t is not None and abs(one.t) < 1e6:
        assert two.t == pytest.approx(one.t, rel=1e-6, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "overlap"), [(250, 0), (1000, 0), (1000, 4), (2500, 20)])
def test_nothing_is_called_significant_as_often_as_promised(n, overlap):
    """2,000 worlds without any effect: 5 % are called significant, give or take 2."""
    found = 0
    for seed in range(2_000):
        x = overlapping(np.random.default_rng(seed), n, overlap + 1)
        found += hac_mean(x, minimum_lag=least_lag(overlap)).p < 0.05
    assert 0.03 <= found / 2_000 <= 0.07


# Bootstrap.


@pytest.mark.slow
@pytest.mark.parametrize(("n", "overlap"), [(250, 0), (1000, 4)])
def test_intervals_hold_the_truth_as_often_as_promised(n, overlap):
    """1,000 worlds: the interval of 95 % holds the true mean in 95 %, give or take 3."""
    inside = 0
    bootstrap = Bootstrap()
    for seed in range(1_000):
        low, high = bootstrap.interval(
            0.2 + overlapping(np.random.default_rng(seed), n, overlap + 1), overlap=overlap
        )
        inside += low <= 0.2 <= high
    assert 0.92 <= inside / 1_000 <= 0.98


def test_draws_are_those_of_arch():
    from arch.bootstrap import StationaryBootstrap

    x = np.random.default_rng(2).standard_normal(200)
    ours = Bootstrap(draws=300, seed=9)
    length = ours._length(x, 5)
    size = 1.0 - 2.0 * ours._tail(200 / length)
    theirs = StationaryBootstrap(length, x, seed=9).conf_int(
        np.mean, reps=300, method="percentile", size=size
    )
    assert 0.95 < size < 0.99
    np.testing.assert_allclose(ours.interval(x, overlap=5), theirs.ravel(), rtol=1e-12)
    assert length >= 6


def test_intervals_are_repeatable_and_wider_where_neighbours_resemble_each_other():
    x = overlapping(np.random.default_rng(3), 400, 10)
    assert Bootstrap(seed=1).interval(x) == Bootstrap(seed=1).interval(x)
    low, high = Bootstrap().interval(x, overlap=9)
    shuffled = np.random.default_rng(0).permutation(x)
    narrow = np.diff(Bootstrap().interval(shuffled)).item()
    assert high - low > 2.0 * narrow


@pytest.mark.parametrize("x", [[], [1.0] * 50, [1.0, 2.0] * 4, [math.nan] * 30])
def test_what_cannot_be_drawn_has_no_interval(x):
    assert Bootstrap().interval(x) == (None, None)
    assert Bootstrap(draws=0).interval(np.arange(50.0)) == (None, None)


# Many tests.


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30))
def test_adjusted_p_values_are_those_of_statsmodels(p):
    multipletests = pytest.importorskip("statsmodels.stats.multitest").multipletests
    for ours, theirs in (
        ("bonferroni", "bonferroni"), ("holm", "holm"), ("benjamini_hochberg", "fdr_bh"),
        ("benjamini_yekutieli", "fdr_by"),
    ):  # fmt: skip
        np.testing.assert_allclose(
            adjusted_p(p, ours), multipletests(p, method=theirs)[1], rtol=1e-12, atol=1e-300
        )


def test_untold_tests_count_as_worthless_ones():
    p = [0.001, 0.02, 0.3]
    for method in ("holm", "benjamini_hochberg", "benjamini_yekutieli", "bonferroni"):
        told = adjusted_p([*p, *[1.0] * 7], method)[:3]
        np.testing.assert_allclose(adjusted_p(p, method, tests=10), told, rtol=1e-12)
    assert np.isnan(adjusted_p([0.01, math.nan], "holm")).tolist() == [False, True]
    assert adjusted_p([0.01, math.nan], "holm")[0] == 0.01


@pytest.mark.parametrize(
    ("p", "options", "said"),
    [([-0.1], {}, r"\[0, 1\]"), ([1.1], {}, r"\[0, 1\]"), ([0.1, 0.2], {"tests": 1}, "tests is 1")],
)
def test_p_values_lie_in_0_to_1(p, options, said):
    with pytest.raises(DataError, match=said):
        adjusted_p(p, "holm", **options)


# Sharpe ratios.


def test_the_example_of_the_paper():
    """Bailey and Lopez de Prado (2014), section A numerical example: 0.1132 a day, and 0.9004."""
    daily, variance = 2.5 / math.sqrt(250), 0.5 / 250
    assert expected_maximum_sharpe(100, variance) == pytest.approx(0.1132, abs=5e-5)
    found = deflated_sharpe(daily, 1250, trials=100, variance=variance, skewness=-3.0, kurtosis=10.0)
    assert found == pytest.approx(0.9004, abs=5e-5)


def test_the_best_of_many_worthless_trials_is_as_high_as_expected():
    best = np.random.default_rng(0).standard_normal((20_000, 100)).max(axis=1).mean()
    assert expected_maximum_sharpe(100, 1.0) == pytest.approx(best, rel=0.01)


def test_one_trial_deflates_nothing():
    assert deflated_sharpe(0.1, 100, trials=1, variance=5.0) == probabilistic_sharpe(0.1, 100)


def test_moments_are_those_of_scipy():
    from scipy.stats import kurtosis, skew

    x = np.random.default_rng(4).standard_exponential(50)
    sharpe, skewness, fourth, n = sharpe_of([*x, math.nan])
    assert (skewness, fourth, n) == (pytest.approx(skew(x)), pytest.approx(kurtosis(x, fisher=False)), 50)
    assert sharpe == pytest.approx(x.mean() / x.std(ddof=1))


@pytest.mark.parametrize("x", [[], [1.0, 2.0], [1.0] * 10])
def test_a_sharpe_ratio_needs_returns_that_differ(x):
    with pytest.raises(DataError, match="no Sharpe ratio"):
        sharpe_of(x)


# The ledger.


def test_a_ledger_is_saved_and_read_and_takes_no_contradiction(tmp_path):
    rng = np.random.default_rng(5)
    trials = Trials(untold=3)
    for k in range(5):
        trials.add(
            f"delta {k}",
            0.02 * k + 0.1 * rng.standard_normal(120),
            parameters={"delta": k, "day": date(2024, 1, 1)},
        )
    path = trials.save(tmp_path / "trials.json")
    again = Trials.read(path)
    assert again.table().equals(trials.table())
    assert len(again) == 8
    series = 0.1 * np.random.default_rng(6).standard_normal(120)
    again.add("new", series)
    again.add("new", series)
    assert len(again) == 9
    with pytest.raises(DataError, match="'new' is in the ledger with other results"):
        again.add("new", series + 0.01)


def test_all_trials_count():
    rng = np.random.default_rng(7)
    few, many = Trials(), Trials(untold=200)
    for k in range(5):
        series = (0.08 if k == 0 else 0.0) + 0.1 * rng.standard_normal(60)
        few.add(str(k), series)
        many.add(str(k), series)
    a, b = (t.table().filter(trial="0").row(0, named=True) for t in (few, many))
    assert a["t"] == b["t"] > 3.0
    assert a["p_holm"] < b["p_holm"]
    assert a["p_benjamini_yekutieli"] < b["p_benjamini_yekutieli"]
    assert a["deflated_sharpe"] > b["deflated_sharpe"]
    assert a["passes_harvey_liu_zhu"]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 9, "untold": 0, "trials": {}}', '{"format": 1, "untold": 0, "trials": {"a": {}}}',
             '{"format": 1, "untold": -1, "trials": {}}', '{"format": 1, "untold": 0, "trials": 3}'],
)  # fmt: skip
def test_what_is_no_ledger_is_refused(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DataError):
        Trials.read(tmp_path / "x.json")


def test_a_ledger_is_readable_text(tmp_path):
    trials = Trials()
    trials.add("a", [0.1, 0.2, 0.4], parameters={"delta": 0.5})
    content = json.loads(trials.save(tmp_path / "t.json").read_text())
    assert content["trials"]["a"]["parameters"] == {"delta": 0.5}


# Factor returns.


def cross_sections(seed, dates=30, names=40):
    rng = np.random.default_rng(seed)
    days = kf.month_ends("2020-01", "2023-12")[:dates]
    return pl.DataFrame(
        {
            "date": np.repeat(np.array(days, "datetime64[D]"), names),
            "asset_id": [f"a{k:02}" for k in range(names)] * dates,
            "x": rng.random(dates * names),
            "size": rng.standard_normal(dates * names),
            "industry": rng.choice(["p", "q", "r"], dates * names),
            "cap": rng.lognormal(3.0, 1.0, dates * names),
            "return": 0.05 * rng.standard_normal(dates * names),
        }
    ).with_columns(pl.col("date").cast(pl.Date))


def test_factor_returns_are_those_of_linearmodels():
    fama = pytest.importorskip("linearmodels.panel.model").FamaMacBeth
    rows = cross_sections(1)
    data = rows.to_pandas().set_index(["asset_id", "date"])
    exog = data[["x", "size"]].assign(market=1.0)[["market", "x", "size"]]
    theirs = fama(data["return"], exog).fit(cov_type="kernel", kernel="bartlett", bandwidth=3)
    found = factor_returns(rows, ["x", "size"])
    wide = found.returns.pivot("factor", index="date", values="value")
    np.testing.assert_allclose(wide.drop("date").to_numpy(), theirs.all_params.to_numpy(), atol=1e-10)
    ours = fama_macbeth(found.returns, lag=3)
    np.testing.assert_allclose(ours["mean"], theirs.params, atol=1e-12)
    np.testing.assert_allclose(ours["t"], theirs.tstats, rtol=1e-10)


def test_mimicking_portfolios_earn_the_factor_return_exactly():
    rows = cross_sections(2)
    found = factor_returns(rows, ["x", "size"], industry="industry", cap="cap")
    earned = found.weights.join(rows, on=["date", "asset_id"]).group_by("date", "factor").agg(
        (pl.col("weight") * pl.col("return")).sum().alias("earned"),
        (pl.col("weight") * pl.col("x")).sum().alias("x"),
        (pl.col("weight") * pl.col("size")).sum().alias("size"),
        pl.col("weight").sum().alias("net"),
    )  # fmt: skip
    both = earned.join(found.returns, on=["date", "factor"])
    np.testing.assert_allclose(both["earned"], both["value"], atol=1e-12)
    mine = both.filter(factor="x")
    np.testing.assert_allclose(mine["x"], 1.0, atol=1e-12)
    np.testing.assert_allclose(mine["size"], 0.0, atol=1e-12)
    np.testing.assert_allclose(mine["net"], 0.0, atol=1e-12)


def test_industries_add_to_nothing_by_their_caps():
    rows = cross_sections(3)
    found = factor_returns(rows, ["x"], industry="industry", cap="cap").returns
    caps = rows.group_by("date", "industry").agg(pl.col("cap").sum())
    joined = found.with_columns(industry=pl.col("factor").str.strip_prefix("industry:")).join(
        caps, on=["date", "industry"]
    )
    totals = joined.group_by("date").agg((pl.col("value") * pl.col("cap")).sum() / pl.col("cap").sum())
    np.testing.assert_allclose(totals["value"], 0.0, atol=1e-12)


def test_toraniko_says_the_same_where_definitions_coincide():
    """Its sectors add to nothing unweighted, and its styles explain what sectors leave, without an intercept.

    That is ours if all industries are of one size and the style has a weighted mean of 0 in each.
    """
    estimate = pytest.importorskip("toraniko.model", reason="needs toraniko").estimate_factor_returns
    root = pl.col("cap").sqrt()
    rows = cross_sections(4, dates=3).with_columns(
        cap=pl.col("cap") / pl.col("cap").sum().over("date", "industry")
    )
    mean = (root * pl.col("x")).sum() / root.sum()
    rows = rows.with_columns(x=pl.col("x") - mean.over("date", "industry"))
    named = rows.rename({"asset_id": "symbol"})
    theirs, _ = estimate(
        named.select("date", "symbol", asset_returns="return"),
        named.select("date", "symbol", market_cap="cap"),
        named.select(
            "date", "symbol", *((pl.col("industry") == name).cast(pl.Float64).alias(name) for name in "pqr")
        ),
        named.select("date", "symbol", "x"),
        winsor_factor=None,
    )
    ours = factor_returns(rows, ["x"], industry="industry", cap="cap").returns
    wide = ours.with_columns(pl.col("factor").str.strip_prefix("industry:")).pivot(
        "factor", index="date", values="value"
    )
    theirs = theirs.sort("date").select(wide.columns)
    np.testing.assert_allclose(wide.drop("date").to_numpy(), theirs.drop("date").to_numpy(), atol=1e-12)


def test_dates_that_cannot_be_solved_say_why():
    day = date(2024, 1, 31)
    few = pl.DataFrame({"date": [day] * 2, "asset_id": ["a", "b"], "x": [0.1, 0.2], "return": [0.0, 0.1]})
    alike = pl.DataFrame(
        {"date": [day] * 4, "asset_id": list("abcd"), "x": [0.3] * 4, "return": [0.0, 0.1, 0.2, 0.3]}
    )
    unknown = alike.with_columns(x=pl.lit(None, pl.Float64))
    for rows, reason in (
        (few, "2 names for 2 factors"),
        (alike, "collinear or constant"),
        (unknown, "0 names for 2"),
    ):
        found = factor_returns(rows, ["x"]).returns
        assert found["value"].null_count() == 2
        assert found["reason"].str.contains(reason).all()


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (lambda f: f.drop("x"), MissingColumnError, "no column 'x'"),
        (lambda f: f.reverse(), DataError, "not sorted by date"),
        (lambda f: f.with_columns(x=pl.lit(math.inf)), DataError, "x of 'a00' on 2020-01-31 is inf"),
        (lambda f: f.with_columns(cap=pl.lit(0.0)), DataError, "expected a finite number above 0"),
    ],
)
def test_rows_that_cannot_be_right_are_refused(change, error, said):
    with pytest.raises(error, match=said):
        factor_returns(change(cross_sections(5)), ["x"], cap="cap")


def test_shanken_makes_errors_larger_by_its_formula():
    rng = np.random.default_rng(8)
    days = kf.month_ends("2010-01", "2019-12")
    F = rng.normal([0.01, 0.005], [0.04, 0.03], (len(days), 2))
    frame = pl.concat(
        pl.DataFrame({"date": days, "factor": name, "value": F[:, k], "t": 0.0})
        for k, name in enumerate("mx")
    )
    found = fama_macbeth(frame, lag=0, shanken=["m", "x"])
    S = np.cov(F, rowvar=False)
    c = F.mean(axis=0) @ np.linalg.solve(S, F.mean(axis=0))
    T = len(days)
    # Without lags the variance of the mean is S / T, and the correction leaves exactly that: it scales what exceeds it.
    for k, row in enumerate(found.iter_rows(named=True)):
        assert row["t_shanken"] == pytest.approx(F[:, k].mean() / math.sqrt(S[k, k] / T))
    assert c > 0.0
    assert fama_macbeth(frame, lag=0)["t_shanken"].null_count() == 2


# The look-ahead audit.


def _tables():
    days = kf.month_ends("2024-01", "2024-06")
    rng = np.random.default_rng(9)
    return {
        "prices": pl.DataFrame(
            {
                "date": np.repeat(np.array(days, "datetime64[D]"), 4),
                "asset_id": list("abcd") * 6,
                "x": rng.random(24),
            }
        ).with_columns(pl.col("date").cast(pl.Date))
    }


@pytest.mark.parametrize(
    ("expression", "passes"),
    [
        (pl.col("x").rank().over("date"), True),
        (pl.col("x") - pl.col("x").shift(1).over("asset_id"), True),
        (pl.col("x").cum_sum().over("asset_id"), True),
        ((pl.col("x") - pl.col("x").mean()) / pl.col("x").std(), False),
        (pl.col("x").shift(-1).over("asset_id"), False),
        (pl.col("x").fill_null(strategy="backward").rank(), False),
        (pl.col("x") * (pl.col("date") == pl.col("date").max()), False),
        (pl.col("x") / pl.len(), False),
    ],
)
def test_audit_finds_what_looks_ahead(expression, passes):
    def factor(tables):
        return tables["prices"].sort("date", "asset_id").with_columns(score=expression)

    found = audit_look_ahead(
        factor, _tables(), {"prices": "date"}, ["2024-02-29", "2024-04-30", "2024-06-29"]
    )
    assert found.passed == passes
    assert found.runs == 2 + 3 * 4
    assert ("LOOK-AHEAD" in repr(found)) != passes
    assert found.found.is_empty() == passes


def test_audit_of_our_own_factor():
    bundled = kf.load_bundled()
    tables = {name: getattr(bundled, name) for name in INPUTS if getattr(bundled, name) is not None}
    known = {
        name: INPUTS[name].known for name, table in tables.items() if INPUTS[name].known in table.columns
    }
    dates = kf.month_ends("2025-01", "2025-03")

    def factor(changed):
        scores = kf.AIInfrastructureExposure().compute(kf.Tables(**changed), dates)
        return scores.to_polars()

    found = audit_look_ahead(factor, tables, known, ["2025-02-28"], never_added=["index_membership"])
    assert found.passed, found
    assert found.changed["rows"].sum() > 0


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        (lambda tables: tables["prices"].to_pandas(), "returns a DataFrame; expected a polars frame"),
        (lambda tables: tables["prices"].drop("date"), "no column 'date'"),
        (lambda tables: pl.concat([tables["prices"], tables["prices"]]), "twice"),
        (
            lambda tables: tables["prices"].with_columns(x=pl.Series(np.random.default_rng().random(24))),
            "two results",
        ),
    ],
)
def test_audit_refuses_what_it_cannot_compare(factor, said):
    with pytest.raises(DataError, match=said):
        audit_look_ahead(factor, _tables(), {"prices": "date"}, ["2024-02-29"])


def test_an_audit_that_tests_nothing_is_an_error():
    with pytest.raises(DataError, match="nothing was tested"):
        audit_look_ahead(lambda tables: tables["prices"], _tables(), {"prices": "date"}, ["2025-01-01"])
    with pytest.raises(MissingColumnError, match="'known_on'"):
        audit_look_ahead(lambda tables: tables["prices"], _tables(), {"prices": "known_on"}, ["2024-02-29"])
