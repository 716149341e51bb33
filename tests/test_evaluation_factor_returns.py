"""Factor returns, mimicking portfolios, Fama-MacBeth: by hand, by dense algebra, and as other libraries find them."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kifactors.errors import DataError, DateError, DefinitionError, MissingColumnError
from kifactors.evaluation import (
    factor_mimicking_weights,
    factor_returns,
    fama_macbeth,
    hac_mean,
)

# Other orders of summation, on well-conditioned regressions.
RTOL = 1e-10
DAY = date(2024, 1, 31)
EXAMPLES = settings(max_examples=50, deadline=None)


def panel(dates=4, assets=30, *, industries=3, seed=0, noise=0.05):
    rng = np.random.default_rng(seed)
    n = dates * assets
    days = np.repeat([np.datetime64(DAY) + np.timedelta64(30 * k, "D") for k in range(dates)], assets)
    labels = [f"sector {k % industries}" for k in range(assets)]
    x, size = rng.standard_normal(n), rng.normal(22, 1.5, n)
    return pl.DataFrame(
        {
            "date": days,
            "asset_id": [f"a{k:03d}" for k in range(assets)] * dates,
            "x": x,
            "size": size,
            "industry": labels * dates,
            "cap": np.exp(size),
            "return": 0.01 + 0.02 * x + noise * rng.standard_normal(n),
        }
    ).with_columns(pl.col("date").cast(pl.Date))


def dense(day, styles, *, industry=True, cap=True, weights=None):
    """The regression with a dummy for each industry and the constraint written out, by normal equations."""
    n = day.height
    caps = day["cap"].to_numpy() if cap else np.ones(n)
    w = np.sqrt(caps) if weights is None else day[weights].to_numpy()
    X = np.column_stack([np.ones(n), *(day[name].to_numpy() for name in styles)])
    R = np.eye(X.shape[1])
    if industry:
        labels = sorted(day["industry"].unique())
        D = np.column_stack([(day["industry"] == label).to_numpy() for label in labels]).astype(float)
        C = D.T @ caps
        R = np.zeros((X.shape[1] + len(labels), X.shape[1] + len(labels) - 1))
        R[: X.shape[1], : X.shape[1]] = np.eye(X.shape[1])
        R[X.shape[1] : -1, X.shape[1] :] = np.eye(len(labels) - 1)
        R[-1, X.shape[1] :] = -C[:-1] / C[-1]
        X = np.hstack([X, D])
    Z = X @ R
    inverse = np.linalg.inv(Z.T @ (Z * w[:, None]))
    P = R @ inverse @ (Z * w[:, None]).T
    y = day["return"].to_numpy()
    f = P @ y
    residual = y - X @ f
    s2 = w @ residual**2 / (n - Z.shape[1])
    se = np.sqrt(np.diag(R @ inverse @ R.T) * s2)
    mean = w @ y / w.sum()
    return f, f / se, 1 - (w @ residual**2) / (w @ (y - mean) ** 2), P


@pytest.mark.parametrize("industry", ["industry", None])
@pytest.mark.parametrize("cap", ["cap", None])
@pytest.mark.parametrize("styles", [["x"], ["x", "size"]])
def test_equal_to_dummies_and_a_constraint_written_out(industry, cap, styles):
    rows = panel()
    found = factor_returns(rows, styles, industry=industry, cap=cap)
    held = factor_mimicking_weights(rows, styles, industry=industry, cap=cap)
    for day in rows.partition_by("date"):
        f, t, r2, P = dense(day, styles, industry=industry is not None, cap=cap is not None)
        one = found.filter(date=day["date"][0])
        # Condition of the dense equations with a column of sizes around 22.
        np.testing.assert_allclose(one["value"], f, rtol=1e-8, atol=1e-11)
        np.testing.assert_allclose(one["t"], t, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(one["r2"], r2, rtol=1e-8)
        W = held.filter(date=day["date"][0])["weight"].to_numpy().reshape(len(f), -1)
        np.testing.assert_allclose(W, P, rtol=1e-7, atol=1e-10)


def test_weights_of_ones_own():
    rows = panel().with_columns(inverse_variance=pl.col("x").abs() + 0.5)
    found = factor_returns(rows, ["size"], industry="industry", cap="cap", weights="inverse_variance")
    for day in rows.partition_by("date"):
        f, t, _, _ = dense(day, ["size"], weights="inverse_variance")
        one = found.filter(date=day["date"][0])
        np.testing.assert_allclose(one["value"], f, rtol=1e-8, atol=1e-11)
        np.testing.assert_allclose(one["t"], t, rtol=1e-8, atol=1e-9)


def test_portfolios_earn_the_factor_returns_and_hold_what_they_should():
    rows = panel(seed=3)
    found = factor_returns(rows, ["x", "size"], industry="industry", cap="cap")
    held = factor_mimicking_weights(rows, ["x", "size"], industry="industry", cap="cap")
    joined = held.join(rows, on=["date", "asset_id"], how="left", maintain_order="left")
    of = pl.col("weight")
    earned = joined.group_by("date", "factor", maintain_order=True).agg(
        value=(of * pl.col("return")).sum(),
        x=(of * pl.col("x")).sum(),
        total=of.sum(),
        first=of.filter(pl.col("industry") == "sector 0").sum(),
    )
    np.testing.assert_allclose(earned["value"], found["value"], rtol=0, atol=1e-14)
    style = earned.filter(factor="x")
    np.testing.assert_allclose(style["x"], 1.0, rtol=RTOL)
    np.testing.assert_allclose(style["total"], 0.0, atol=1e-13)
    np.testing.assert_allclose(style["first"], 0.0, atol=1e-13)
    np.testing.assert_allclose(earned.filter(factor="market")["total"], 1.0, rtol=RTOL)
    np.testing.assert_allclose(earned.filter(pl.col("factor") != "x")["x"], 0.0, atol=1e-12)


def test_industries_add_to_nothing_by_caps_and_market_is_the_rest():
    rows = panel(seed=4)
    found = factor_returns(rows, ["x"], industry="industry", cap="cap")
    caps = rows.group_by("date", "industry").agg(pl.col("cap").sum())
    parts = (
        found.filter(pl.col("factor").str.starts_with("industry:"))
        .with_columns(industry=pl.col("factor").str.strip_prefix("industry:"))
        .join(caps, on=["date", "industry"], how="inner")
    )
    sums = parts.group_by("date").agg((pl.col("cap") * pl.col("value")).sum() / pl.col("cap").sum())
    np.testing.assert_allclose(sums["cap"], 0.0, atol=1e-15)


def test_portfolios_do_not_need_returns_but_follow_them_if_given():
    rows = panel().with_columns(
        pl.when(pl.col("asset_id") == "a001").then(None).otherwise(pl.col("return")).alias("return")
    )
    assert "a001" in set(factor_mimicking_weights(rows, ["x"])["asset_id"])
    held = factor_mimicking_weights(rows, ["x"], returns="return")
    assert "a001" not in set(held["asset_id"])
    assert factor_returns(rows, ["x"])["n"].unique().to_list() == [29]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"x": [None] * 4}, "no name with everything known"),
        ({"x": [1.0, 2.0, None, None]}, "2 names for 2 factors"),
        ({"x": [0.1] * 4}, "x is the same for all names"),
        ({"x": [1e12] * 4}, "x is the same for all names"),
        ({"x": [1.0, 2.0, 3.0, 4.0], "y": [2.0, 4.0, 6.0, 8.0]}, "exposures are collinear"),
        ({"x": [1.0, 2.0, 3.0, 4.0], "y": [1.0, 2.0, 3.0, float("nan")]}, "3 names for 3 factors"),
    ],
)
def test_what_cannot_be_estimated_is_null_with_a_reason(columns, reason):
    rows = pl.DataFrame(
        {"date": [DAY] * 4, "asset_id": list("abcd"), "return": [0.1, 0.2, 0.0, 0.3], **columns},
        schema_overrides=dict.fromkeys(columns, pl.Float64),
    )
    styles = list(columns)
    found = factor_returns(rows, styles)
    assert found["factor"].to_list() == ["market", *styles]
    assert found["value"].null_count() == found["t"].null_count() == found.height
    assert set(found["reason"]) == {reason}
    assert factor_mimicking_weights(rows, styles, returns="return").is_empty()


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        # The condition number of u and u + e v, both of length 1 and v at right angles to u, is about 2 / e.
        (1e-10, "exposures are nearly collinear: condition number above 1000"),
        (1e-3, "exposures are nearly collinear: condition number above 1000"),
        (1e-2, None),
    ],
)
def test_styles_that_nearly_repeat_each_other_are_null_with_a_reason(step, reason):
    u, v = np.array([1.0, -1.0, 1.0, -1.0, 0.0]), np.array([1.0, 1.0, -1.0, -1.0, 0.0])
    returns = [0.1, 0.2, 0.0, 0.3, 0.1]
    rows = pl.DataFrame(
        {"date": [DAY] * 5, "asset_id": list("abcde"), "return": returns, "x": u, "y": u + step * v}
    )
    found = factor_returns(rows, ["x", "y"])
    assert set(found["reason"]) == {reason}
    assert found["value"].is_null().all() == (reason is not None)
    assert factor_mimicking_weights(rows, ["x", "y"]).is_empty() == (reason is not None)


def test_an_exposure_that_is_its_industry_is_null_with_a_reason():
    rows = panel(dates=1).with_columns(x=(pl.col("industry") == "sector 0").cast(pl.Float64))
    assert factor_returns(rows, ["x"], industry="industry")["reason"][0] == "x is the same in every industry"


def test_one_bad_date_spoils_no_other():
    rows = panel(dates=3)
    bad = rows["date"].unique(maintain_order=True)[1]
    broken = rows.with_columns(x=pl.when(pl.col("date") == bad).then(0.5).otherwise("x"))
    found, whole = factor_returns(broken, ["x"]), factor_returns(rows, ["x"])
    other = pl.col("date") != bad
    assert found.filter(other).equals(whole.filter(other))
    assert found.filter(date=bad)["value"].null_count() == 2


def test_exact_fits_and_equal_returns_have_no_t():
    rows = panel(dates=1, noise=0.0)
    found = factor_returns(rows, ["x"])
    np.testing.assert_allclose(found["value"], [0.01, 0.02], rtol=1e-12)
    assert found["t"].null_count() == 2
    flat = factor_returns(rows.with_columns(pl.lit(0.0).alias("return")), ["x"])
    assert flat["value"].to_list() == [0.0, 0.0]
    assert flat["t"].null_count() == flat["r2"].null_count() == 2


def test_one_industry_is_none_and_empty_frames_are_empty():
    rows = panel(industries=1)
    assert factor_returns(rows, ["x"], industry="industry").equals(factor_returns(rows, ["x"]))
    assert factor_returns(rows.clear(), ["x"], industry="industry", cap="cap").is_empty()
    assert factor_mimicking_weights(rows.clear(), ["x"]).is_empty()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda rows: rows.drop("x"), MissingColumnError, "no column 'x'"),
        (lambda rows: rows.reverse(), DataError, "not sorted"),
        (lambda rows: rows.with_columns(pl.col("date").cast(pl.String)), DateError, "expected Date"),
        (lambda rows: pl.concat([rows[:1], rows]), DataError, "twice"),
        (lambda rows: rows.with_columns(cap=pl.lit(0.0)), DataError, "above 0"),
        (
            lambda rows: rows.with_columns(x=pl.lit(float("inf"))),
            DataError,
            "x of 'a000' on 2024-01-31 is inf",
        ),
        (
            lambda rows: rows.with_columns(x=pl.lit("much")),
            DataError,
            "column 'x' of the rows holds String; expected numbers. Cast it",
        ),
        (
            lambda rows: rows.with_columns(pl.lit("1.0").alias("return")),
            DataError,
            "column 'return' of the rows holds String; expected numbers",
        ),
        (lambda rows: rows.rename({"x": "y"}).with_columns(x=pl.lit(float("-inf"))), DataError, "finite"),
    ],
)
def test_wrong_input_is_named(change, error, message):
    with pytest.raises(error, match=message):
        factor_returns(change(panel()), ["x"], cap="cap")


@pytest.mark.parametrize("styles", [[], "x", ["x", "x"], ["market"]])
def test_wrong_styles_are_named(styles):
    with pytest.raises(DefinitionError, match="styles"):
        factor_returns(panel().with_columns(market=pl.col("x")), styles)


@EXAMPLES
@given(st.floats(1e-6, 1e6), st.floats(-1e3, 1e3), st.integers(0, 2**32 - 1))
def test_units_and_order_of_names_change_nothing(scale, shift, seed):
    rows = panel(dates=2, assets=12, seed=seed % 7)
    found = factor_returns(rows, ["x", "size"], industry="industry", cap="cap")
    moved = rows.with_columns(pl.col("x") * scale + shift * scale, cap=pl.col("cap") * scale)
    again = factor_returns(moved, ["x", "size"], industry="industry", cap="cap")
    style = found.filter(factor="x")["value"].to_numpy()
    np.testing.assert_allclose(again.filter(factor="x")["value"] * scale, style, rtol=1e-7, atol=1e-11)
    rng = np.random.default_rng(seed)
    shuffled = pl.concat([day[rng.permutation(day.height)] for day in rows.partition_by("date")])
    mixed = factor_returns(shuffled, ["x", "size"], industry="industry", cap="cap")
    np.testing.assert_allclose(mixed["value"], found["value"], rtol=1e-8, atol=1e-11)


def test_inputs_of_other_kinds():
    rows = panel()
    kinds = rows.with_columns(
        pl.col("x").cast(pl.Float32).cast(pl.Float64),
        pl.col("asset_id").cast(pl.Enum(sorted(rows["asset_id"].unique()))),
        pl.col("industry").cast(pl.Categorical),
    )
    whole = pl.concat([kinds[:50], kinds[50:]], rechunk=False)
    before = whole.clone()
    one = factor_returns(whole, ["x"], industry="industry", cap="cap")
    assert whole.equals(before)
    plain = rows.with_columns(pl.col("x").cast(pl.Float32).cast(pl.Float64))
    assert one.equals(factor_returns(plain, ["x"], industry="industry", cap="cap"))
    assert factor_mimicking_weights(whole, ["x"])["asset_id"].dtype == pl.String


# Other libraries


def test_toraniko_finds_the_same_where_definitions_meet():
    """Its styles are regressed on what sectors leave, and sectors add to 0 without caps.

    Both are ours where a style has a weighted mean of 0 in every sector, and sectors have equal caps.
    """
    model = pytest.importorskip("toraniko.model", reason="toraniko: pip install --no-deps toraniko")
    rows = panel(assets=30).with_columns(
        cap=pl.col("cap") / pl.col("cap").sum().over("date", "industry"),
    )
    w = pl.col("cap").sqrt()
    mean = (w * pl.col("x")).sum().over("date", "industry") / w.sum().over("date", "industry")
    rows = rows.with_columns(x=pl.col("x") - mean)
    ours = factor_returns(rows, ["x"], industry="industry", cap="cap")
    named = rows.rename({"asset_id": "symbol"})
    theirs, _ = model.estimate_factor_returns(
        named.select("date", "symbol", asset_returns="return"),
        named.select("date", "symbol", market_cap="cap"),
        named.select("date", "symbol", "industry").to_dummies("industry", separator=":"),
        named.select("date", "symbol", "x"),
        winsor_factor=None,
    )
    wide = ours.pivot("factor", index="date", values="value").sort("date")
    columns = {name: f"{name}" for name in wide.columns if name != "date"}
    theirs = theirs.sort("date")
    for name in columns:
        np.testing.assert_allclose(wide[name], theirs[name].cast(pl.Float64), rtol=1e-9, atol=1e-13)


@pytest.mark.portfolio
def test_skfolio_finds_the_same():
    linear = pytest.importorskip("skfolio.linear_model", reason="skfolio is an extra of its own")
    if not hasattr(linear, "CSLinearRegression"):
        pytest.skip("this skfolio has no cross-sectional regression")
    rows = panel(dates=5, assets=40)
    ours = factor_returns(rows, ["x", "size"], cap="cap").pivot("factor", index="date", values="value")
    X = rows.select("x", "size").to_numpy().reshape(5, 40, 2)
    y, w = (rows[name].to_numpy().reshape(5, 40) for name in ("return", "cap"))
    fit = linear.CSLinearRegression(fit_intercept=True).fit(X, y, cs_weights=np.sqrt(w))
    np.testing.assert_allclose(ours.select("x", "size").to_numpy(), fit.coef_, rtol=1e-8)
    np.testing.assert_allclose(ours["market"], fit.intercept_, rtol=1e-8)


def as_linearmodels(rows, columns):
    frame = pd.DataFrame(rows.select("asset_id", "date", "return", *columns).to_dict(as_series=False))
    frame["date"] = pd.to_datetime(frame["date"])
    frame = frame.set_index(["asset_id", "date"])
    frame["const"] = 1.0
    return frame


@pytest.mark.parametrize("lag", [0, 3])
@pytest.mark.parametrize("weights", [None, "w"])
def test_linearmodels_finds_the_same_means_and_errors(lag, weights):
    panel_models = pytest.importorskip("linearmodels.panel")
    rows = panel(dates=40, assets=25, seed=8).with_columns(w=pl.col("cap").sqrt())
    ours = fama_macbeth(factor_returns(rows, ["x", "size"], weights=weights), lag=lag)
    frame = as_linearmodels(rows, ["x", "size", *([weights] if weights else [])])
    model = panel_models.FamaMacBeth(
        frame["return"], frame[["const", "x", "size"]], weights=frame[weights] if weights else None
    )
    theirs = model.fit(cov_type="kernel", kernel="bartlett", bandwidth=lag, debiased=True)
    np.testing.assert_allclose(ours["mean"], theirs.params, rtol=RTOL)
    np.testing.assert_allclose(ours["t"], theirs.tstats, rtol=RTOL)


# Fama-MacBeth


def test_fama_macbeth_is_the_test_of_each_mean():
    found = factor_returns(panel(dates=30), ["x"], industry="industry", cap="cap")
    tests = fama_macbeth(found, lag=2)
    assert tests["factor"].to_list() == found["factor"].unique(maintain_order=True).to_list()
    for row in tests.iter_rows(named=True):
        one = found.filter(factor=row["factor"])
        test = hac_mean(one["value"], lag=2)
        assert (row["mean"], row["t"], row["p"], row["periods"]) == (test.mean, test.t, test.p, 30)
        assert row["share_above_2"] == (one["t"].abs() > 2).mean()
    market, x = (found.filter(factor=name)["value"].to_numpy() for name in ("market", "x"))
    link = tests.filter(factor="x").row(0, named=True)
    assert link["correlation_market"] == pytest.approx(np.corrcoef(market, x)[0, 1], rel=1e-12)
    assert link["beta_market"] == pytest.approx(np.polyfit(market, x, 1)[0], rel=1e-9)
    assert tests.filter(factor="market")["beta_market"][0] is None


def test_fama_macbeth_says_why_there_is_no_test():
    frame = pl.DataFrame(
        {
            "date": [DAY, DAY, DAY + timedelta(31), DAY + timedelta(31)],
            "factor": ["market", "x"] * 2,
            "value": [0.1, None, 0.1, 0.2],
            "t": [None, None, None, 3.0],
        }
    )
    tests = fama_macbeth(frame)
    assert tests["periods"].to_list() == [2, 1]
    assert tests["t"].null_count() == 2
    assert tests["reason"].to_list() == ["2 known numbers, fewer than 3", "1 known numbers, fewer than 3"]
    assert tests["share_above_2"].to_list() == [None, 1.0]


def two_pass(T=120, N=20, K=2, seed=5):
    """Returns, factors, betas over the whole sample, and Cochrane's formula for errors of the premia."""
    rng = np.random.default_rng(seed)
    F = rng.normal(0.5, 1.0, (T, K))
    R = F @ rng.normal(1.0, 0.5, (K, N)) + rng.normal(0.2, 1.0, (T, N))
    Z = np.column_stack([np.ones(T), F])
    coefficients = np.linalg.solve(Z.T @ Z, Z.T @ R)
    residual = R - Z @ coefficients
    X = np.column_stack([np.ones(N), coefficients[1:].T])
    A = np.linalg.solve(X.T @ X, X.T)
    premia = A @ R.mean(axis=0)
    sigma, omega = residual.T @ residual / (T - 1), np.cov(F, rowvar=False)
    c = premia[1:] @ np.linalg.solve(omega, premia[1:])
    bordered = np.zeros((K + 1, K + 1))
    bordered[1:, 1:] = omega
    variance = ((1 + c) * A @ sigma @ A.T + bordered) / T
    return R, F, coefficients[1:].T, premia, premia / np.sqrt(np.diag(variance))


def test_shanken_equals_the_formula_of_the_second_pass():
    R, F, betas, premia, t = two_pass()
    T, N = R.shape
    days = [DAY + timedelta(k) for k in range(T)]
    rows = pl.DataFrame(
        {
            "date": np.repeat(np.array(days, "datetime64[D]"), N),
            "asset_id": [f"a{k:02d}" for k in range(N)] * T,
            "f1": np.tile(betas[:, 0], T),
            "f2": np.tile(betas[:, 1], T),
            "return": R.ravel(),
        }
    )
    realized = pl.DataFrame({"date": days, "f1": F[:, 0], "f2": F[:, 1]})
    found = fama_macbeth(factor_returns(rows, ["f1", "f2"]), lag=0, shanken=realized)
    np.testing.assert_allclose(found["mean"], premia, rtol=RTOL)
    np.testing.assert_allclose(found["t_shanken"], t, rtol=RTOL)
    assert (found["t_shanken"].abs() < found["t"].abs()).all()


def test_wrong_series_are_named():
    found = factor_returns(panel(), ["x"])
    realized = found.filter(factor="x").select("date", y="value")
    with pytest.raises(MissingColumnError, match="names of factors: market, x"):
        fama_macbeth(found, shanken=realized)
    with pytest.raises(DataError, match="too few"):
        fama_macbeth(found, shanken=realized[:2].rename({"y": "x"}))
    with pytest.raises(DataError, match="constant"):
        fama_macbeth(found, shanken=realized.with_columns(x=pl.lit(0.1)).drop("y"))
    with pytest.raises(MissingColumnError, match="no column 't'"):
        fama_macbeth(found.drop("t"))
    with pytest.raises(DataError, match="not sorted"):
        fama_macbeth(found.reverse())
    with pytest.raises(DataError, match="twice"):
        fama_macbeth(pl.concat([found[:1], found]))


def small_series():
    """Two factors on six dates; x is known on all, the market too."""
    days = [DAY + timedelta(k) for k in range(6)]
    x = [0.01, 0.03, -0.02, 0.04, 0.00, 0.02]
    market = [0.02, -0.01, 0.01, 0.03, 0.00, 0.01]
    rows = [
        row for day, m, v in zip(days, market, x, strict=True) for row in ((day, "market", m), (day, "x", v))
    ]
    found = pl.DataFrame(rows, schema=["date", "factor", "value"], orient="row").with_columns(t=pl.lit(1.0))
    return days, x, found


def test_t_on_the_dates_of_shanken_stands_beside_it():
    """shanken lacks the first two dates: t_shanken and t_same use the last four, t all six."""
    days, x, found = small_series()
    realized = pl.DataFrame({"date": days[2:], "x": [0.01, 0.02, 0.00, 0.01]})
    row = fama_macbeth(found, lag=0, shanken=realized).filter(factor="x").row(0, named=True)
    assert row["periods"] == 6
    assert row["t"] == pytest.approx(np.mean(x) / np.std(x, ddof=1) * np.sqrt(6))
    assert row["periods_shanken"] == 4
    assert row["t_same"] == pytest.approx(np.mean(x[2:]) / np.std(x[2:], ddof=1) * np.sqrt(4))
    # V = 20/3 e-4 / 4, S = 2/3 e-4 / 4, c = 0.01^2 / (2/3 e-4) = 1.5, so 2.5 (V - S) + S = 47/12 e-4.
    assert row["t_shanken"] == pytest.approx(0.01 / np.sqrt(47e-4 / 12))
    none = fama_macbeth(found, lag=0)
    assert (
        none["periods_shanken"].null_count()
        == none["t_same"].null_count()
        == none["t_shanken"].null_count()
        == 2
    )


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (
            lambda frame: pl.concat([frame, frame[:1]]),
            DataError,
            "shanken has 2024-01-31 twice. Keep one row",
        ),
        (
            lambda frame: frame.with_columns(pl.col("date").cast(pl.Datetime)),
            DateError,
            "dates of shanken are Datetime.* and of the returns Date. Cast them",
        ),
        (
            lambda frame: frame.with_columns(x=pl.Series([0.1, 0.2, float("inf"), 0.0, 0.1, 0.3])),
            DataError,
            "shanken: x on 2024-02-02 is inf; expected a finite number",
        ),
        (
            lambda frame: frame.with_columns(x=pl.lit("a")),
            DataError,
            "shanken: x holds String; expected numbers",
        ),
        (lambda frame: frame.to_pandas(), DataError, "shanken is a pandas DataFrame; expected a polars one"),
        (lambda frame: frame.drop("date"), MissingColumnError, "shanken has the columns x"),
    ],
)
def test_a_wrong_shanken_is_named(change, error, said):
    days, x, found = small_series()
    with pytest.raises(error, match=said):
        fama_macbeth(found, lag=0, shanken=change(pl.DataFrame({"date": days, "x": x[::-1]})))


def test_an_infinite_factor_return_is_named():
    _, _, found = small_series()
    for value in (float("inf"), float("-inf")):
        broken = found.with_columns(value=pl.when(pl.int_range(pl.len()) == 3).then(value).otherwise("value"))
        with pytest.raises(
            DataError, match=f"value of 'x' on 2024-02-01 is {value}; expected a finite number"
        ):
            fama_macbeth(broken)
    with pytest.raises(DataError, match="column 'value' of the returns holds String"):
        fama_macbeth(found.with_columns(value=pl.lit("a")))
