"""Scores in skfolio: bounds hold in the weights, names and not places count, nothing unknown slips through."""

import runpy
import sys
from datetime import date, timedelta
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
from kifactors.portfolio.skfolio import (
    asset_panel,
    characteristics_model,
    factor_prior,
    linear_constraints,
)

# What a bound may be missed by, and weights of one problem in two orders differ by: the solver's own tolerance.
SOLVED = 1e-6
SAME_WEIGHTS = 1e-5
DAYS = 60
FIRST = date(2024, 1, 31)
X = {"A": 0.1, "B": 0.3, "C": 0.5, "D": 0.7, "E": 0.9, "F": 0.2}
INDUSTRY = {"A": "chips", "B": "chips", "C": "power", "D": "power", "E": "chips", "F": "power"}


@pytest.fixture
def skfolio():
    return pytest.importorskip("skfolio", reason="the skfolio adapter needs skfolio")


@pytest.fixture
def routing(skfolio):
    sklearn = pytest.importorskip("sklearn")
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def exposures_of(by_date, *, unit="share", **columns):
    """One factor; columns: values by asset, the same on every date."""
    rows = [
        {"date": day, "asset": name, "exposure": x, **{what: of.get(name) for what, of in columns.items()}}
        for day, values in by_date.items()
        for name, x in values.items()
    ]
    types = {"date": pl.Date, "asset": pl.String, "exposure": pl.Float64}
    types |= {what: pl.Float64 if what == "market_cap" else pl.String for what in columns}
    return FactorExposures(pl.DataFrame(rows, schema=types), {"exposure": unit})


def simulated(assets, days=DAYS, seed=4):
    rng = np.random.default_rng(seed)
    index = pd.bdate_range(FIRST + timedelta(days=1), periods=days)
    # Drawn by name, so that the order of the names changes no number.
    market = rng.normal(0.0005, 0.01, days)
    scale = {name: 0.5 + rank / len(assets) for rank, name in enumerate(sorted(assets))}
    own = {name: rng.normal(0.0, 0.01 + 0.01 * scale[name], days) for name in sorted(assets)}
    return pd.DataFrame({name: scale[name] * market + own[name] for name in assets}, index=index)


def weights_of(optimiser):
    return dict(zip(optimiser.feature_names_in_, optimiser.weights_, strict=True))


# Bounds on assets -----------------------------------------------------------------------------------------


@pytest.mark.portfolio
@pytest.mark.parametrize("bound", [{"upper": 0.2}, {"lower": 0.6}, {"lower": 0.44, "upper": 0.45}])
def test_bounds_hold_and_bind(skfolio, bound):
    from skfolio.optimization import MeanRisk

    exposures, returns = exposures_of({FIRST: X}), simulated(list(X))
    day = returns.index[-1].date()
    low, high = bound.get("lower", -np.inf), bound.get("upper", np.inf)
    free = exposures.exposure(day, weights_of(MeanRisk().fit(returns)), max_age_days=90)[0]
    assert not low <= free <= high, "the bound changes nothing, and the test shows nothing"

    rules = linear_constraints(exposures, day, list(X), max_age_days=90, **bound)
    kept = exposures.exposure(
        day, weights_of(MeanRisk(linear_constraints=rules).fit(returns)), max_age_days=90
    )[0]
    assert low - SOLVED <= kept <= high + SOLVED


@pytest.mark.portfolio
def test_names_count_and_not_places(skfolio):
    from skfolio.optimization import MeanRisk

    exposures, returns = exposures_of({FIRST: X}), simulated(list(X))
    rules = linear_constraints(exposures, FIRST, list(X), upper=0.2)
    shuffled = returns[["D", "A", "F", "C", "E", "B"]]
    first = weights_of(MeanRisk(linear_constraints=rules).fit(returns))
    second = weights_of(MeanRisk(linear_constraints=rules).fit(shuffled))
    assert second == pytest.approx(first, abs=SAME_WEIGHTS)


@pytest.mark.portfolio
def test_names_with_operators_are_read_as_names(skfolio):
    from skfolio.optimization import MeanRisk

    names = {
        "cik:0001045810": 0.9,
        "BRK-B": 0.1,
        "BRK": 0.8,
        "7203": 0.2,
        "name:a+b": 0.4,
        "Air Liquide": 0.3,
    }
    exposures, returns = exposures_of({FIRST: names}), simulated(list(names))
    rules = linear_constraints(exposures, FIRST, list(names), upper=0.15)
    kept = exposures.exposure(FIRST, weights_of(MeanRisk(linear_constraints=rules).fit(returns)))[0]
    assert kept <= 0.15 + SOLVED


@pytest.mark.portfolio
def test_bounds_against_a_benchmark(skfolio):
    from skfolio.optimization import MeanRisk

    exposures, returns = exposures_of({FIRST: X}), simulated(list(X))
    benchmark = {"E": 0.5, "D": 0.5}
    rules = linear_constraints(exposures, FIRST, list(X), lower=-0.1, benchmark=benchmark)
    kept = exposures.exposure(FIRST, weights_of(MeanRisk(linear_constraints=rules).fit(returns)))[0]
    assert kept == pytest.approx(0.8 - 0.1, abs=SOLVED)


@pytest.mark.portfolio
def test_what_a_missing_asset_counts_as(skfolio):
    from skfolio.optimization import MeanRisk

    known = X | {"B": None}
    exposures, returns = exposures_of({FIRST: known}, industry=INDUSTRY), simulated(list(X))

    def solved(missing):
        rules = linear_constraints(exposures, FIRST, list(X), upper=0.25, missing=missing)
        return weights_of(MeanRisk(linear_constraints=rules).fit(returns))

    with pytest.raises(UnmatchedAssetError, match="1 of 6 assets have no known exposure on 2024-01-31: B"):
        solved("error")
    others = sum(X[name] for name in "ACDEF") / 5
    for missing, counts_as in (("neutral", others), ("industry_mean", (0.1 + 0.9) / 2)):
        weights = solved(missing)
        assert weights["B"] > 0.01
        kept = sum(w * (X | {"B": counts_as})[name] for name, w in weights.items())
        assert kept == pytest.approx(0.25, abs=SOLVED)
    weights = solved("exclude")
    assert weights["B"] == pytest.approx(0.0, abs=SOLVED)
    assert sum(w * X[name] for name, w in weights.items() if name != "B") <= 0.25 + SOLVED


@pytest.mark.portfolio
@pytest.mark.parametrize("terms", ["assets", "factors"])
def test_names_that_skfolio_does_not_know_are_refused(skfolio, terms):
    """A bound on a name alone would be dropped with a warning."""
    from skfolio.exceptions import EquationToMatrixError
    from skfolio.optimization import MeanRisk

    returns = simulated(list(X)).drop(columns="F")
    known = exposures_of({FIRST: X | {"F": None}})
    rules = linear_constraints(known, FIRST, list(X), upper=0.2, terms=terms, missing="exclude")
    for rule in rules:
        with pytest.raises(EquationToMatrixError):
            MeanRisk(linear_constraints=[rule.replace("A", "Z")]).fit(returns)


@pytest.mark.parametrize(
    ("options", "reached"),
    [
        ({"upper": 0.05}, "0.1 to 0.9"),
        ({"lower": 0.85, "max_weight": 0.5}, "0.15 to 0.8"),
        ({"lower": 0.85, "max_weight": dict.fromkeys("FEDCBA", 0.5)}, "0.15 to 0.8"),
        ({"upper": 0.2, "min_weight": dict.fromkeys("FDCBA", 0.0) | {"E": 0.5}}, "0.5 to 0.9"),
        ({"lower": 1.0, "terms": "factors"}, "0.1 to 0.9"),
    ],
)
def test_out_of_reach(options, reached):
    with pytest.raises(InfeasibleError, match=f"weights within their limits reach {reached}"):
        linear_constraints(exposures_of({FIRST: X}), FIRST, list(X), **options)


def test_terms_are_assets_or_factors():
    with pytest.raises(DataError, match="expected 'assets' or 'factors'"):
        linear_constraints(exposures_of({FIRST: X}), FIRST, list(X), upper=0.5, terms="names")


# The panel ------------------------------------------------------------------------------------------------

LATER = date(2024, 2, 29)
MOVED = {name: 1.0 - x for name, x in X.items()}


@pytest.mark.portfolio
def test_panel_is_as_of_each_time_and_by_name(skfolio):
    exposures = exposures_of(
        {FIRST: X, LATER: MOVED}, industry=INDUSTRY, market_cap=dict.fromkeys(X, 2.0) | {"F": 7.0}
    )
    returns = simulated(["F", "A", "D"], days=30)
    panel = asset_panel(exposures, returns)
    assert list(panel.asset_names) == ["F", "A", "D"]
    before = returns.index < pd.Timestamp(LATER)
    assert before.sum() == 20
    assert (panel["exposure"][before] == [X["F"], X["A"], X["D"]]).all()
    assert (panel["exposure"][~before] == [MOVED["F"], MOVED["A"], MOVED["D"]]).all()
    assert (panel["returns"] == returns.to_numpy()).all()
    assert (panel["market_cap"] == [7.0, 2.0, 2.0]).all()
    assert (panel.get_field("industry").decode() == ["power", "chips", "power"]).all()
    assert panel.active_mask.all()
    # Nothing but dates up to the time counts: without the later scores the earlier rows are the same.
    past = asset_panel(exposures_of({FIRST: X}), returns[before])
    assert (past["exposure"] == panel["exposure"][before]).all()


@pytest.mark.portfolio
def test_industry_and_market_cap_are_as_of_each_time(skfolio):
    frame = pl.DataFrame(
        {
            "date": [FIRST, FIRST, LATER, LATER],
            "asset": ["A", "B"] * 2,
            "exposure": [0.1, 0.3] * 2,
            "industry": ["chips", "power", "power", "chips"],
            "market_cap": [1.0, 2.0, 3.0, 4.0],
        }
    )
    returns = simulated(["B", "A"], days=30)
    panel = asset_panel(FactorExposures(frame, {"exposure": "share"}), returns)
    before = returns.index < pd.Timestamp(LATER)
    labels = panel.get_field("industry").decode()
    for places, industry, cap in (
        (before, ["power", "chips"], [2.0, 1.0]),
        (~before, ["chips", "power"], [4.0, 3.0]),
    ):
        assert (labels[places] == industry).all()
        assert (panel["market_cap"][places] == cap).all()


@pytest.mark.portfolio
def test_panel_refuses_what_skfolio_would_drop(skfolio):
    returns = simulated(list(X), days=30)
    with pytest.raises(UnmatchedAssetError, match="on 2024-02-29: D"):
        asset_panel(exposures_of({FIRST: X, LATER: MOVED | {"D": None}}), returns)
    with pytest.raises(UnmatchedAssetError, match="on 2024-01-31: Z"):
        asset_panel(exposures_of({FIRST: X}), returns.rename(columns={"A": "Z"}))
    with pytest.raises(UnmatchedAssetError, match="no known industry on 2024-01-31: F"):
        asset_panel(exposures_of({FIRST: X}, industry=INDUSTRY | {"F": None}), returns)
    with pytest.raises(UnmatchedAssetError, match="no known market_cap on 2024-01-31: A"):
        asset_panel(exposures_of({FIRST: X}, market_cap=dict.fromkeys("BCDEF", 1.0)), returns)
    with pytest.raises(DateError, match="at most 20 are allowed"):
        asset_panel(exposures_of({FIRST: X}), returns, max_age_days=20)
    with pytest.raises(DateError, match="no exposures by 2024-02-28"):
        asset_panel(exposures_of({LATER: X}), returns)
    with pytest.raises(DateError, match="expected a DatetimeIndex"):
        asset_panel(exposures_of({FIRST: X}), returns.reset_index(drop=True))
    with pytest.raises(DateError, match="ascend strictly"):
        asset_panel(exposures_of({FIRST: X}), returns[::-1])


@pytest.mark.portfolio
def test_panel_by_policy(skfolio):
    returns = simulated(list(X), days=30)
    exposures = exposures_of({FIRST: X | {"D": None}, LATER: MOVED}, industry=INDUSTRY)
    before = returns.index < pd.Timestamp(LATER)
    at = list(X).index("D")
    for missing, counts_as in (("neutral", 0.4), ("industry_mean", (0.5 + 0.2) / 2)):
        panel = asset_panel(exposures, returns, missing=missing)
        assert panel["exposure"][before, at] == pytest.approx(counts_as)
        assert panel["exposure"][~before, at] == pytest.approx(MOVED["D"])
        assert panel.active_mask.all()
    panel = asset_panel(exposures, returns, missing="exclude")
    assert not panel.active_mask[before, at].any()
    assert panel.active_mask.sum() == panel.active_mask.size - before.sum()
    for name in ("exposure", "returns"):
        assert np.isnan(panel[name][before, at]).all()
        assert np.isfinite(panel[name][~before]).all()
    assert (panel["industry"][before, at] == -1).all()


# The factor model -----------------------------------------------------------------------------------------

MANY = {f"S{i:02}": i / 39 for i in range(40)}
SECTORS = {name: ("chips", "power", "software")[i % 3] for i, name in enumerate(MANY)}


def fitted(exposures, returns, *, missing="error", industries=False, model=None, **options):
    from skfolio.optimization import MeanRisk

    model = characteristics_model(exposures, industries=industries) if model is None else model
    optimiser = MeanRisk(prior_estimator=model, **options)
    panel = asset_panel(exposures, returns, missing=missing, max_age_days=90)
    return optimiser.fit(returns, characteristics=panel)


@pytest.mark.portfolio
@pytest.mark.parametrize("industries", [False, True])
def test_bound_on_the_factor_holds_and_binds(skfolio, routing, industries):
    exposures, returns = exposures_of({FIRST: MANY}, industry=SECTORS), simulated(list(MANY))
    day = returns.index[-1].date()
    free = fitted(exposures, returns, industries=industries)
    assert exposures.exposure(day, weights_of(free), max_age_days=90)[0] < 0.7
    rules = linear_constraints(
        exposures, day, list(MANY), lower=0.7, terms="factors", max_age_days=90, max_weight=0.1
    )
    kept = fitted(exposures, returns, industries=industries, linear_constraints=rules, max_weights=0.1)
    assert exposures.exposure(day, weights_of(kept), max_age_days=90)[0] == pytest.approx(0.7, abs=SOLVED)
    model = kept.prior_estimator_.factor_model_
    loadings = pd.DataFrame(model.loading_matrix, index=model.asset_names, columns=model.factor_names)
    assert loadings["exposure"].to_dict() == MANY, "exposures enter as they are"
    if industries:
        assert set(loadings) == {"market", "chips", "power", "software", "exposure"}


@pytest.mark.portfolio
def test_factor_model_by_name(skfolio, routing):
    exposures, returns = exposures_of({FIRST: MANY}), simulated(list(MANY))
    shuffled = returns[list(np.random.default_rng(1).permutation(list(MANY)))]
    first, second = (weights_of(fitted(exposures, frame)) for frame in (returns, shuffled))
    assert second == pytest.approx(first, abs=SAME_WEIGHTS)


@pytest.mark.portfolio
def test_excluded_asset_gets_no_weight(skfolio, routing):
    exposures, returns = exposures_of({FIRST: MANY | {"S03": None}}), simulated(list(MANY))
    weights = weights_of(fitted(exposures, returns, missing="exclude"))
    assert weights["S03"] == 0.0
    assert sum(weights.values()) == pytest.approx(1.0, abs=SOLVED)
    assert weights_of(fitted(exposures, returns, missing="neutral"))["S03"] > 0.0


@pytest.mark.portfolio
def test_market_caps_weigh_the_regression(skfolio, routing):
    caps = {name: 1e9 * (1 + i) for i, name in enumerate(MANY)}
    exposures, returns = exposures_of({FIRST: MANY}, market_cap=caps), simulated(list(MANY))
    model = fitted(exposures, returns, model=characteristics_model(exposures, capitalized=True))
    weights = model.prior_estimator_.factor_model_.benchmark_weights[-1]
    total = sum(caps.values())
    assert weights / weights.sum() == pytest.approx([cap / total for cap in caps.values()])


@pytest.mark.portfolio
@pytest.mark.parametrize("confidence", [0.5, 0.8])
def test_factor_prior_moves_the_mean_of_the_factor(skfolio, routing, confidence):
    exposures, returns = exposures_of({FIRST: MANY}), simulated(list(MANY))
    view = factor_prior(exposures, expected_return=0.002, confidence=confidence)
    model = characteristics_model(exposures, factor_prior_estimator=view)
    found = fitted(exposures, returns, model=model).prior_estimator_.factor_model_
    mean = found.factor_returns_df["exposure"].mean()
    posterior = dict(zip(found.factor_names, found.factor_mu, strict=True))["exposure"]
    assert posterior == pytest.approx((1 - confidence) * mean + confidence * 0.002)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"expected_return": 2.0, "confidence": 0.5}, "expected a fraction per period"),
        ({"expected_return": 0.01, "confidence": 1.0}, "more than 0 and less than 1"),
        ({"expected_return": 0.01, "confidence": 0.5, "factor": "size"}, "there are exposure"),
    ],
)
def test_factor_prior_refuses(options, message):
    with pytest.raises(DataError, match=message):
        factor_prior(exposures_of({FIRST: X}), **options)


# Around it ------------------------------------------------------------------------------------------------


def test_without_skfolio(monkeypatch):
    for name in ("skfolio", "skfolio.containers", "skfolio.prior", "skfolio.factor_exposure"):
        monkeypatch.setitem(sys.modules, name, None)
    exposures = exposures_of({FIRST: X})
    for call in (
        lambda: asset_panel(exposures, simulated(list(X))),
        lambda: characteristics_model(exposures),
        lambda: factor_prior(exposures, expected_return=0.01, confidence=0.5),
    ):
        with pytest.raises(MissingExtraError, match=r"kifactors\[skfolio\]"):
            call()


@pytest.mark.portfolio
def test_example(skfolio, capsys):
    path = Path(__file__).parents[1] / "examples" / "skfolio_weights.py"
    runpy.run_path(str(path), run_name="__main__")
    text = capsys.readouterr().out
    assert "SIMULATED" in text
    assert text.count("exposure 0.500000 ") == 2


TWO = {"exposure": "share", "score": "z"}


def two_factors():
    frame = {
        "date": [FIRST] * 3,
        "asset": list("ABC"),
        "exposure": [0.1, 0.5, 0.9],
        "score": [-1.0, 0.0, 1.0],
    }
    return FactorExposures(frame, TWO)


def test_bounds_that_cannot_be_kept_together(skfolio):
    rules = linear_constraints(
        two_factors(), FIRST, list("ABC"), lower={"exposure": 0.6}, upper={"score": 0.5}
    )
    assert len(rules) == 2
    with pytest.raises(InfeasibleError, match=r"exposure reaches 0\.1 to 0\.3"):
        linear_constraints(two_factors(), FIRST, list("ABC"), lower={"exposure": 0.8}, upper={"score": -0.5})


@pytest.mark.parametrize("terms", ["assets", "factors"])
def test_an_excluded_asset_is_held_at_0_and_may_not_be_forced(skfolio, terms):
    e = exposures_of({FIRST: {"A": 0.2, "B": 0.8, "C": None}})
    options = {"lower": 0.3, "missing": "exclude", "terms": terms}
    assert linear_constraints(e, FIRST, list("ABC"), **options)[-1] == "1.0 * C == 0.0"
    with pytest.raises(
        InfeasibleError, match=r"C has no known exposure and is excluded, and its weight must be 0\.05"
    ):
        linear_constraints(e, FIRST, list("ABC"), min_weight=0.05, **options)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((" A", "B"), "blanks"),
        (("", "B"), "empty"),
        (("A==", "B"), "'=='"),
        (("0.25", "B"), "text of a number"),
    ],
)
def test_names_that_skfolio_would_misread(skfolio, names, said):
    e = exposures_of({FIRST: dict(zip(names, (0.25, 0.75), strict=True))})
    with pytest.raises(DataError, match=said):
        linear_constraints(e, FIRST, list(names), upper=0.5)


def test_a_factor_called_returns(skfolio):
    e = FactorExposures({"date": [FIRST], "asset": ["A"], "returns": [0.5]}, {"returns": "share"})
    with pytest.raises(DataError, match="named 'returns'"):
        asset_panel(e, simulated(["A"]))
