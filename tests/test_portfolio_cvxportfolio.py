"""Scores in cvxportfolio: bounds hold after every trade, as of each time and by name; the core never loads it."""

import runpy
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from kifactors.errors import (
    DataError,
    DateError,
    InfeasibleError,
    MissingExtraError,
    UnmatchedAssetError,
)
from kifactors.portfolio import FactorExposures
from kifactors.portfolio.cvxportfolio import exposure_limits, forecast, neutral, universe

# cvxportfolio writes days as 'd', which pandas 3 warns about.
quietly = pytest.mark.filterwarnings("ignore:'d' is deprecated and will be removed")
# What a bound may be missed by, and weights of one problem in two orders differ by: the solver's own tolerance.
SOLVED = 1e-6
SAME_WEIGHTS = 1e-5
FIRST, LATER = date(2024, 1, 31), date(2024, 2, 8)
X = {"A": 0.1, "B": 0.3, "C": 0.5, "D": 0.7, "E": 0.9, "F": 0.2}
MOVED = {name: 1.0 - x for name, x in X.items()}
SCORE = {"A": -1.5, "B": -0.5, "C": 0.0, "D": 0.5, "E": 1.5, "F": -1.0}
INDUSTRY = {"A": "chips", "B": "chips", "C": "power", "D": "power", "E": "chips", "F": "power"}
# Four times before the scores change and four after; the first is a Friday.
TIMES = pd.bdate_range("2024-02-02 14:30", periods=8, tz="UTC", normalize=False)


@pytest.fixture
def cvx():
    return pytest.importorskip("cvxportfolio", reason="the cvxportfolio adapter needs cvxportfolio")


def exposures_of(by_date, *, unit="share", industry=None):
    rows = [
        {"date": day, "asset": name, "exposure": x, "industry": (industry or {}).get(name)}
        for day, values in by_date.items()
        for name, x in values.items()
    ]
    types = {"date": pl.Date, "asset": pl.String, "exposure": pl.Float64, "industry": pl.String}
    frame = pl.DataFrame(rows, schema=types)
    return FactorExposures(frame if industry else frame.drop("industry"), {"exposure": unit})


def simulated(assets, seed=5):
    """40 times of past and those of the backtest, one more to end it; cash earns nothing."""
    rng = np.random.default_rng(seed)
    index = pd.bdate_range(end=TIMES[-1] + pd.offsets.BDay(1), periods=49, normalize=False)
    own = {name: rng.normal(0.0005, 0.01, len(index)) for name in sorted(assets)}
    return pd.DataFrame({name: own[name] for name in assets}, index=index).assign(cash=0.0)


def traded(cvx, folder, constraints, *, assets=tuple(X), alpha=None, selection=None):
    """Return weights after each trade of a backtest with the constraints; long only unless alpha says how."""
    returns = simulated(assets)
    market = cvx.UserProvidedMarketData(
        returns,
        cash_key="cash",
        min_history=pd.Timedelta("10D"),
        base_location=folder,
        universe_selection_in_time=selection,
    )
    if alpha is None:
        alpha = pd.Series(0.01, index=list(assets)) * pd.Series(SCORE)[list(assets)]
    policy = cvx.SinglePeriodOptimization(cvx.ReturnsForecast(alpha) - 5 * cvx.FullCovariance(), constraints)
    simulator = cvx.MarketSimulator(market_data=market, base_location=folder)
    return simulator.backtest(
        policy, start_time=TIMES[0], end_time=TIMES[-1] + pd.offsets.BDay(1)
    ).w_plus.loc[TIMES]


def exposure_through_time(weights, by_date):
    """Sum by hand, apart from the code under test."""
    return [
        sum(row[name] * x for name, x in by_date[LATER if time.date() >= LATER else FIRST].items())
        for time, row in weights.iterrows()
    ]


# Bounds through a backtest --------------------------------------------------------------------------------


@quietly
@pytest.mark.portfolio
@pytest.mark.parametrize("bound", [{"upper": 0.3}, {"lower": 0.8}, {"lower": 0.55, "upper": 0.56}])
def test_bounds_hold_at_every_time_and_bind(cvx, tmp_path, bound):
    by_date = {FIRST: X, LATER: MOVED}
    long_only = cvx.LongOnly(applies_to_cash=True)
    low, high = bound.get("lower", -np.inf), bound.get("upper", np.inf)
    free = exposure_through_time(traded(cvx, tmp_path, [long_only]), by_date)
    assert any(not low <= x <= high for x in free[:4]) or any(not low <= x <= high for x in free[4:])

    limits = exposure_limits(exposures_of(by_date), TIMES, list(X), **bound)
    assert len(limits) == len(bound)
    kept = exposure_through_time(traded(cvx, tmp_path, [long_only, *limits]), by_date)
    assert len(kept) == len(TIMES)
    assert all(low - SOLVED <= x <= high + SOLVED for x in kept)


@quietly
@pytest.mark.portfolio
def test_names_count_and_not_places(cvx, tmp_path):
    exposures = exposures_of({FIRST: X, LATER: MOVED})
    shuffled = ["D", "A", "F", "C", "E", "B"]
    found = [
        traded(
            cvx,
            tmp_path,
            [cvx.LongOnly(applies_to_cash=True), *exposure_limits(exposures, TIMES, asked, upper=0.3)],
            assets=held,
        )[list(X)]
        for asked, held in ((list(X), list(X)), (shuffled, list(X)), (list(X), shuffled))
    ]
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=0.0, atol=SAME_WEIGHTS)


@quietly
@pytest.mark.portfolio
def test_bounds_against_a_benchmark_move_with_it(cvx, tmp_path):
    by_date = {FIRST: X, LATER: MOVED}
    benchmark = pd.Series({"E": 0.5, "D": 0.5})
    limits = exposure_limits(
        exposures_of(by_date), TIMES, list(X), lower=-0.05, upper=0.05, benchmark=benchmark
    )
    kept = exposure_through_time(
        traded(cvx, tmp_path, [cvx.LongOnly(applies_to_cash=True), *limits]), by_date
    )
    assert all(abs(x - 0.8) <= 0.05 + SOLVED for x in kept[:4])
    assert all(abs(x - 0.2) <= 0.05 + SOLVED for x in kept[4:])


@quietly
@pytest.mark.portfolio
def test_neutral(cvx, tmp_path):
    by_date = {FIRST: X, LATER: MOVED}
    limits = neutral(exposures_of(by_date), TIMES, list(X), min_weight=-1.0)
    weights = traded(cvx, tmp_path, [cvx.LeverageLimit(2.0), *limits])
    assert exposure_through_time(weights, by_date) == pytest.approx([0.0] * 8, abs=SOLVED)
    assert (weights[list(X)].abs().sum(axis=1) > 0.5).all(), "an empty portfolio is neutral without any help"

    limits = neutral(exposures_of(by_date), TIMES, list(X), benchmark={"E": 0.5, "D": 0.5})
    weights = traded(cvx, tmp_path, [cvx.LongOnly(applies_to_cash=True), *limits])
    assert exposure_through_time(weights, by_date) == pytest.approx([0.8] * 4 + [0.2] * 4, abs=SOLVED)


@quietly
@pytest.mark.portfolio
@pytest.mark.parametrize(
    ("options", "reached"),
    [
        ({"lower": 0.95}, "2024-01-31: weights within their limits reach 0 to 0.9"),
        ({"upper": 0.05, "cash": (0.0, 0.0)}, "2024-01-31: weights within their limits reach 0.1 to 0.9"),
        ({"lower": 0.82, "max_weight": 0.5}, "2024-01-31: weights within their limits reach 0 to 0.8"),
        ({"lower": 0.75, "max_weight": dict.fromkeys("FEDCBA", 0.5), "cash": (0.2, 1.0)}, "reach 0 to 0.66"),
        ({"upper": 0.2, "min_weight": {"E": 0.5} | dict.fromkeys("FDCBA", 0.0)}, "reach 0.45 to 0.9"),
        ({"lower": 0.89, "max_weight": {"E": 1.0, "D": 0.9} | dict.fromkeys("FCBA", 0.5)}, "2024-02-08"),
    ],
)
def test_out_of_reach(cvx, options, reached):
    with pytest.raises(InfeasibleError, match=reached):
        exposure_limits(exposures_of({FIRST: X, LATER: MOVED}), TIMES, list(X), **options)


@quietly
@pytest.mark.portfolio
def test_neutral_out_of_reach(cvx):
    with pytest.raises(InfeasibleError, match=r"reach 0\.1 to 0\.9"):
        neutral(exposures_of({FIRST: X}), TIMES, list(X), cash=(0.0, 0.0))


# Missing assets -------------------------------------------------------------------------------------------


@quietly
@pytest.mark.portfolio
def test_what_a_missing_asset_counts_as(cvx, tmp_path):
    exposures = exposures_of({FIRST: X | {"E": None}}, industry=INDUSTRY)
    with pytest.raises(UnmatchedAssetError, match="no known exposure on 2024-01-31: E"):
        exposure_limits(exposures, TIMES, list(X), upper=0.3)
    others = sum(x for name, x in X.items() if name != "E") / 5
    for missing, counts_as in (("neutral", others), ("industry_mean", (0.1 + 0.3) / 2)):
        limits = exposure_limits(exposures, TIMES, list(X), upper=0.15, missing=missing)
        weights = traded(cvx, tmp_path, [cvx.LongOnly(applies_to_cash=True), *limits])
        kept = exposure_through_time(weights, {FIRST: X | {"E": counts_as}, LATER: X | {"E": counts_as}})
        assert kept == pytest.approx([0.15] * 8, abs=SOLVED)
        assert (weights["E"] > 0.1).all()


@quietly
@pytest.mark.portfolio
def test_excluded_asset_is_not_traded(cvx, tmp_path):
    exposures = exposures_of({FIRST: X, LATER: MOVED | {"E": None}})
    limits = exposure_limits(exposures, TIMES, list(X), upper=0.3, missing="exclude")
    constraints = [cvx.LongOnly(applies_to_cash=True), *limits]
    with pytest.raises(cvx.errors.NaNError):
        traded(cvx, tmp_path, constraints)

    known = universe(exposures, TIMES, list(X))
    weights = traded(cvx, tmp_path, constraints, selection=known)
    assert (weights["E"][:4] > 0.01).all()
    assert weights["E"][4:].isna().all()
    weights = weights.fillna(0.0)
    assert weights.sum(axis=1).to_list() == pytest.approx([1.0] * 8, abs=SOLVED)
    kept = exposure_through_time(weights, {FIRST: X, LATER: MOVED})
    assert all(x <= 0.3 + SOLVED for x in kept)


# Forecasts ------------------------------------------------------------------------------------------------


def test_forecast_is_as_of_each_time_and_by_name():
    scores = exposures_of({FIRST: SCORE, LATER: {name: -2 * z for name, z in SCORE.items()}}, unit="z")
    rng = np.random.default_rng(2)
    volatility = pd.DataFrame(rng.uniform(0.01, 0.03, (8, 3)), index=TIMES, columns=["D", "A", "E"])
    found = forecast(scores, TIMES, volatility, ic=0.1)
    assert list(found.columns) == ["D", "A", "E"]
    assert found.index.equals(TIMES)
    for k, time in enumerate(TIMES):
        for name in ("D", "A", "E"):
            z = SCORE[name] * (1 if k < 4 else -2)
            assert found.loc[time, name] == pytest.approx(0.1 * volatility.loc[time, name] * z, rel=1e-12)
    constant = forecast(scores, TIMES, {"E": 0.02, "B": 0.01}, ic=0.1)
    assert constant["E"].to_list() == pytest.approx([0.003] * 4 + [-0.006] * 4)
    assert constant["B"].to_list() == pytest.approx([-0.0005] * 4 + [0.001] * 4)
    # Nothing but dates up to the time counts.
    past = forecast(exposures_of({FIRST: SCORE}, unit="z"), TIMES[:4], volatility, ic=0.1)
    pd.testing.assert_frame_equal(past, found.iloc[:4])


def test_the_day_is_that_of_the_zone():
    scores = exposures_of({FIRST: SCORE, LATER: dict.fromkeys(SCORE, 3.0)}, unit="z")
    midnight = pd.DatetimeIndex(["2024-02-08 01:00"], tz="UTC")
    for zone, alpha in (("UTC", 3.0), ("America/New_York", SCORE["E"])):
        found = forecast(scores, midnight.tz_convert(zone), {"E": 0.5}, ic=0.1)
        assert found["E"].to_list() == pytest.approx([0.05 * alpha])


def test_forecast_of_a_missing_asset():
    scores = exposures_of({FIRST: SCORE | {"B": None}}, unit="z", industry=INDUSTRY)
    volatility = dict.fromkeys(X, 0.02)
    with pytest.raises(UnmatchedAssetError, match="no known exposure on 2024-01-31: B"):
        forecast(scores, TIMES, volatility, ic=0.05)
    for missing, alpha in (
        ("neutral", 0.0),
        ("industry_mean", 0.05 * 0.02 * (-1.5 + 1.5) / 2),
        ("exclude", np.nan),
    ):
        found = forecast(scores, TIMES, volatility, ic=0.05, missing=missing)
        assert found["B"].to_list() == pytest.approx([alpha] * 8, nan_ok=True)
        assert found.drop(columns="B").notna().all(axis=None)


def test_forecast_refuses():
    scores = exposures_of({FIRST: SCORE}, unit="z")
    moving = pd.DataFrame(0.02, index=TIMES[1:], columns=list(X))
    with pytest.raises(DataError, match="volatility has no row for 2024-02-02 14:30"):
        forecast(scores, TIMES, moving, ic=0.05)
    with pytest.raises(DataError, match="volatility of A is 20"):
        forecast(scores, TIMES, {"A": 20.0}, ic=0.05)
    with pytest.raises(DataError, match="needs a standardized factor"):
        forecast(exposures_of({FIRST: X}), TIMES, {"A": 0.02}, ic=0.05)
    with pytest.raises(DataError, match="numbers by asset name"):
        forecast(scores, TIMES, [0.02], ic=0.05)
    with pytest.raises(DateError, match="at most 5 are allowed"):
        forecast(scores, TIMES, {"A": 0.02}, ic=0.05, max_age_days=5)
    with pytest.raises(DateError, match="no exposures by 2024-02-02"):
        forecast(exposures_of({LATER: SCORE}, unit="z"), TIMES[:1], {"A": 0.02}, ic=0.05)


@quietly
@pytest.mark.portfolio
def test_forecast_leads_the_weights(cvx, tmp_path):
    """With the scores turned around on 8 February the largest weight goes from E to A."""
    turned = {name: -z for name, z in SCORE.items()}
    scores = exposures_of({FIRST: SCORE, LATER: turned}, unit="z")
    alpha = forecast(scores, TIMES, dict.fromkeys(X, 0.05), ic=0.2)
    weights = traded(cvx, tmp_path, [cvx.LongOnly(applies_to_cash=True)], alpha=alpha)
    assert weights[list(X)].idxmax(axis=1).to_list() == ["E"] * 4 + ["A"] * 4


def test_universe_is_as_of_each_time_and_by_name():
    exposures = exposures_of({FIRST: X | {"B": None}, LATER: X | {"D": None}})
    found = universe(exposures, TIMES, ["D", "Z", "B"])
    assert found.dtypes.eq(bool).all()
    assert found["Z"].to_list() == [False] * 8
    assert found["B"].to_list() == [False] * 4 + [True] * 4
    assert found["D"].to_list() == [True] * 4 + [False] * 4


# Around it ------------------------------------------------------------------------------------------------


def test_without_cvxportfolio(monkeypatch):
    monkeypatch.setitem(sys.modules, "cvxportfolio", None)
    for call in (exposure_limits, neutral):
        with pytest.raises(MissingExtraError, match=r"kifactors\[cvxportfolio\]"):
            call(exposures_of({FIRST: X}), TIMES, list(X))


def test_no_adapter_loads_its_library():
    """cvxportfolio is licensed GPLv3: what is not asked of it must not load it."""
    code = (
        "import sys, kifactors.portfolio.cvxportfolio, kifactors.portfolio.skfolio\n"
        "print([m for m in ('cvxportfolio', 'skfolio', 'sklearn', 'cvxpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@quietly
@pytest.mark.portfolio
@pytest.mark.slow
def test_example(cvx, capsys):
    path = Path(__file__).parents[1] / "examples" / "cvxportfolio_weights.py"
    runpy.run_path(str(path), run_name="__main__")
    text = capsys.readouterr().out
    assert "SIMULATED" in text
    assert "at most 0.3  exposure 0.300000 to 0.300000 on 43 days" in text


def test_two_equal_bounds_are_one_equation(cvx):
    (rule,) = exposure_limits(exposures_of({FIRST: X}), TIMES, list(X), lower=0.5, upper=0.5)
    assert isinstance(rule, cvx.FixedFactorLoading)


def test_bounds_that_cannot_be_kept_together(cvx):
    frame = {
        "date": [FIRST] * 3,
        "asset": list("ABC"),
        "exposure": [0.1, 0.5, 0.9],
        "score": [-1.0, 0.0, 1.0],
    }
    both = FactorExposures(frame, {"exposure": "share", "score": "z"})
    with pytest.raises(InfeasibleError, match="cannot be kept together"):
        exposure_limits(both, TIMES, list("ABC"), lower={"exposure": 0.6}, upper={"score": -0.5})
