"""Exposure of portfolios through time and their share of factor risk: by hand, and sums that must add up."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kifactors as kf
from kifactors.errors import DataError, DateError, MissingColumnError, UnmatchedAssetError
from kifactors.portfolio import factor_risk, portfolio_exposure
from kifactors.schema import SCORES
from kifactors.scores import Scores

JANUARY, FEBRUARY = date(2024, 1, 31), date(2024, 2, 29)
ROWS = [
    (JANUARY, "p", 0.5, "pioneer"),
    (JANUARY, "t", 0.8, "tool_supplier"),
    (JANUARY, "u", None, "unknown"),
    (FEBRUARY, "p", 0.25, "pioneer"),
    (FEBRUARY, "t", 1.0, "tool_supplier"),
]


@pytest.fixture(scope="module")
def scores() -> Scores:
    columns = dict(zip(("date", "asset_id", "exposure", "role"), zip(*ROWS, strict=True), strict=True))
    columns["ticker"] = [name.upper() for name in columns["asset_id"]]
    frame = pl.DataFrame(
        {
            name: pl.Series(columns.get(name, [None] * len(ROWS)), dtype=dtype)
            for name, dtype in SCORES.polars.items()
        }
    )
    return Scores(
        frame,
        kf.FactorDefinition(),
        inputs={},
        dates=[JANUARY, FEBRUARY],
        diagnostics=pl.DataFrame({"date": []}),
    )


def weights(*rows) -> pl.DataFrame:
    return pl.DataFrame(
        rows, schema={"date": pl.Date, "asset": pl.String, "weight": pl.Float64}, orient="row"
    )


def test_through_time(scores):
    """0.5 * 0.5 + 0.25 * 0.8 with January's scores, 0.5 * 0.25 + 0.5 * 1 with February's."""
    mid, late = date(2024, 2, 15), date(2024, 3, 1)
    held = weights((mid, "p", 0.5), (mid, "t", 0.25), (late, "t", 0.5), (late, "p", 0.5))
    found = portfolio_exposure(scores, held)
    assert found.total["as_of"].to_list() == [JANUARY, FEBRUARY]
    assert found.total["exposure"].to_list() == pytest.approx([0.45, 0.625])
    assert found.total["weight"].to_list() == [0.75, 1.0]
    assert found.by_role.filter(date=mid).select("role", "weight", "contribution").rows() == [
        ("pioneer", 0.5, 0.25), ("tool_supplier", 0.25, 0.2),
    ]  # fmt: skip


def test_against_a_benchmark(scores):
    """Active: (0.5 - 0.2) * 0.5 + (0.5 - 0.6) * 0.8; the benchmark holds 0.2 in nothing known."""
    held = weights((JANUARY, "p", 0.5), (JANUARY, "t", 0.5))
    base = weights((JANUARY, "p", 0.2), (JANUARY, "t", 0.6), (JANUARY, "u", 0.2))
    found = portfolio_exposure(scores, held, benchmark=base, missing="exclude")
    row = found.total.row(0, named=True)
    assert row["exposure"] == pytest.approx(0.65)
    assert row["benchmark"] == pytest.approx(0.58)
    assert row["active"] == pytest.approx(0.07)
    assert row["unknown_weight"] == 0.0
    names = found.by_name.select("asset", "weight", "benchmark_weight", "active_contribution").rows()
    assert names == [
        ("p", 0.5, 0.2, pytest.approx(0.15)),
        ("t", 0.5, 0.6, pytest.approx(-0.08)),
        ("u", 0.0, 0.2, 0.0),
    ]


def test_names_may_be_tickers_and_frames_pandas(scores):
    held = pd.DataFrame({"date": ["2024-01-31"], "asset": ["P"], "weight": [1.0]})
    assert portfolio_exposure(scores, held, names="ticker").total["exposure"].item() == 0.5


@pytest.mark.parametrize("name", ["u", "nobody"])
def test_a_name_without_exposure_is_an_error_or_shown(scores, name):
    held = weights((JANUARY, "p", 0.5), (JANUARY, name, 0.5))
    with pytest.raises(
        UnmatchedAssetError, match=f"1 name.s. have no known exposure, the first on 2024-01-31: {name}"
    ):
        portfolio_exposure(scores, held)
    found = portfolio_exposure(scores, held, missing="exclude")
    assert found.total.select("exposure", "weight", "unknown_weight").row(0) == (0.25, 1.0, 0.5)
    role = "unknown" if name == "u" else "unmatched"
    assert found.by_role.filter(role=role)["weight"].item() == 0.5


@pytest.mark.parametrize(
    ("held", "error", "said"),
    [
        (weights((date(2024, 1, 30), "p", 1.0)), DateError, "no scores by 2024-01-30"),
        (weights((date(2024, 4, 15), "p", 1.0)), DateError, "46 days before; at most 45"),
        (
            weights((JANUARY, "p", 1.0), (JANUARY, "p", 0.5)),
            DataError,
            r"one key \(date, asset\) .* asset='p'",
        ),
        (weights((JANUARY, "p", float("nan"))), DataError, "NaN or infinite in .* asset='p'"),
        (weights((JANUARY, "p", None)), DataError, "'weight' must not be null"),
        (weights(), DataError, "no rows"),
        (
            pl.DataFrame({"date": [JANUARY], "asset_id": ["p"]}),
            MissingColumnError,
            "lacks column 'asset', 'weight'",
        ),
    ],
)
def test_weights_are_checked(scores, held, error, said):
    with pytest.raises(error, match=said):
        portfolio_exposure(scores, held)


def test_a_benchmark_has_every_date(scores):
    held = weights((JANUARY, "p", 1.0), (FEBRUARY, "p", 1.0))
    with pytest.raises(DateError, match="no weights on 2024-02-29"):
        portfolio_exposure(scores, held, benchmark=weights((JANUARY, "p", 1.0)))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([JANUARY, FEBRUARY]), st.sampled_from(["p", "t", "u", "x"]), st.floats(-1, 1)),
        min_size=1, max_size=8, unique_by=lambda row: row[:2],
    ),
    st.randoms(use_true_random=False),
)  # fmt: skip
def test_contributions_add_up_and_order_does_not_matter(scores, rows, random):
    held, base = weights(*rows), weights(*((day, name, 0.5 * w) for day, name, w in rows))
    found = portfolio_exposure(scores, held, benchmark=base, missing="exclude")
    for part in (found.by_name, found.by_role):
        sums = (
            part.group_by("date")
            .agg(pl.col("contribution", "active_contribution", "weight").sum())
            .sort("date")
        )
        np.testing.assert_allclose(sums["contribution"], found.total["exposure"], atol=1e-15)
        np.testing.assert_allclose(sums["active_contribution"], found.total["active"], atol=1e-15)
        np.testing.assert_allclose(sums["weight"], found.total["weight"], atol=1e-15)
    shuffled = [*rows]
    random.shuffle(shuffled)
    again = portfolio_exposure(scores, weights(*shuffled), benchmark=base, missing="exclude")
    assert again.by_name.equals(found.by_name)


def test_it_agrees_with_factor_exposures():
    scores = kf.AIInfrastructureExposure().compute(kf.load_bundled(), ["2026-10-31"])
    known = scores.to_polars().drop_nulls("exposure").head(20)
    held = dict(zip(known["asset_id"], np.linspace(0.01, 0.09, 20), strict=True))
    frame = pl.DataFrame({"date": "2026-10-31", "asset": list(held), "weight": list(held.values())})
    exposures = kf.portfolio.FactorExposures.from_scores(scores)
    assert portfolio_exposure(scores, frame).total["exposure"].item() == pytest.approx(
        exposures.exposure("2026-10-31", held)[0]
    )


class TestFactorRisk:
    @settings(max_examples=100, deadline=None)
    @given(st.integers(0, 10_000), st.integers(1, 8))
    def test_contributions_add_to_the_volatility(self, seed, n):
        rng = np.random.default_rng(seed)
        names = [f"a{k}" for k in range(n)]
        w, x = pd.Series(rng.normal(size=n), names), pd.Series(rng.random(n), names)
        specific = pd.Series(rng.uniform(0.01, 0.1, n), names)
        f = rng.uniform(0.0, 0.1)
        found = factor_risk(
            w, x.sample(frac=1, random_state=seed), factor_variance=f, specific_variance=specific
        )
        assert found.by_asset["contribution"].sum() == pytest.approx(found.volatility)
        assert found.by_asset["factor_contribution"].sum() == pytest.approx(
            found.factor_share * found.volatility
        )
        assert 0.0 <= found.factor_share <= 1.0
        assert found.exposure == pytest.approx(w @ x)
        V = pd.DataFrame(f * np.outer(x, x) + np.diag(specific), names, names)
        shuffled = V.sample(frac=1, random_state=seed)
        again = factor_risk(w, x, factor_variance=f, covariance=shuffled)
        np.testing.assert_allclose(again.by_asset, found.by_asset, atol=1e-12)

    def test_marginal_is_a_derivative(self):
        names, rng = ["a", "b", "c"], np.random.default_rng(1)
        root = rng.normal(size=(3, 3))
        V, x = pd.DataFrame(root @ root.T, names, names), pd.Series([0.1, 0.5, 0.9], names)

        def volatility(w):
            return factor_risk(pd.Series(w, names), x, factor_variance=0.01, covariance=V).volatility

        w, h = np.array([0.2, 0.3, 0.5]), 1e-6
        marginal = factor_risk(pd.Series(w, names), x, factor_variance=0.01, covariance=V).by_asset[
            "marginal"
        ]
        for k in range(3):
            step = h * np.eye(3)[k]
            assert (volatility(w + step) - volatility(w - step)) / (2 * h) == pytest.approx(
                marginal.iloc[k], rel=1e-6
            )

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"factor_variance": -0.1, "specific_variance": {"a": 1.0}}, "factor_variance is -0.1"),
            ({"factor_variance": 0.1}, "either covariance or specific_variance"),
            (
                {"factor_variance": 0.1, "specific_variance": {"a": -1.0}},
                "specific_variance of a is negative",
            ),
            ({"factor_variance": 0.1, "specific_variance": {"b": 1.0}}, "no number for 1 asset"),
            ({"factor_variance": 0.0, "specific_variance": {"a": 0.0}}, "variance of the portfolio is 0"),
            (
                {"factor_variance": 0.1, "covariance": pd.DataFrame([[1.0]], ["b"], ["b"])},
                "covariance lacks 1 asset",
            ),
        ],
    )
    def test_refusals(self, options, said):
        with pytest.raises(DataError, match=said):
            factor_risk({"a": 1.0}, {"a": 0.5}, **options)

    def test_a_covariance_is_symmetric(self):
        V = pd.DataFrame([[1.0, 0.5], [0.1, 1.0]], ["a", "b"], ["a", "b"])
        with pytest.raises(DataError, match="not a symmetric matrix"):
            factor_risk({"a": 0.5, "b": 0.5}, {"a": 0.5, "b": 0.1}, factor_variance=0.1, covariance=V)


def test_what_is_unknown_of_both_sides_is_shown_by_its_size(scores):
    held = weights((JANUARY, "p", 0.5), (JANUARY, "u", 0.25), (JANUARY, "nobody", -0.25))
    base = weights((JANUARY, "p", 0.1), (JANUARY, "u", 0.9))
    found = portfolio_exposure(scores, held, benchmark=base, missing="exclude").total
    assert found.select("unknown_weight", "benchmark_unknown_weight").row(0) == (0.5, 0.9)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"weight": ["60%"]}, "a number like 0.6 for 60 %; .*row 0: '60%'"),
        ({"date": ["20240131"]}, "a date like 2024-01-31"),
        ({"date": [20240131]}, "column 'date' is Int64"),
        ({"date": [None]}, "'date'.* must not be null"),
        ({"asset": [None]}, "'asset'.* must not be null"),
        ({"asset": [700]}, "column 'asset' is Int64; expected String"),
        ({"date": [datetime(2024, 1, 31, 20, 30)]}, "column 'date' is Datetime"),
        (
            {"date": [datetime(2024, 1, 31, 20, 30, tzinfo=ZoneInfo("America/New_York"))]},
            "column 'date' is Datetime",
        ),
        ({"weight": [[0.5]]}, "column 'weight' is List"),
    ],
)
def test_a_cell_that_is_no_date_name_or_number(scores, change, said):
    held = {"date": [JANUARY], "asset": ["p"], "weight": [1.0], **change}
    with pytest.raises(DataError, match=said):
        portfolio_exposure(scores, held)
    with pytest.raises(DataError, match=said):
        portfolio_exposure(scores, pl.DataFrame(held))


def test_weights_come_in_any_form(scores):
    held = weights((JANUARY, "p", 0.5))
    known = portfolio_exposure(scores, held).total
    for form in (
        held.lazy(),
        held.to_arrow(),
        held.to_dict(as_series=False),
        held.to_pandas().set_index("date"),
    ):
        assert portfolio_exposure(scores, form).total.equals(known)


def test_names_and_columns_are_checked(scores):
    held = weights((JANUARY, "p", 0.5))
    with pytest.raises(DataError, match="names is 'cusip'; expected 'asset_id' or 'ticker'"):
        portfolio_exposure(scores, held, names="cusip")
    with pytest.raises(DataError, match="abnormal_capex is neither a share"):
        portfolio_exposure(scores, held, column="abnormal_capex")


def test_risk_refuses_nothing_and_covariances_without_names():
    exposures = {"a": 1.0, "b": 0.5}
    with pytest.raises(DataError, match="weights name no asset"):
        factor_risk({}, {}, factor_variance=0.1, covariance=pd.DataFrame())
    with pytest.raises(DataError, match="covariance is a ndarray"):
        factor_risk({"a": 0.5, "b": 0.5}, exposures, factor_variance=0.1, covariance=np.eye(2))
    twice = pd.DataFrame(np.eye(3), list("aba"), list("aba"))
    with pytest.raises(DataError, match="names an asset twice"):
        factor_risk({"a": 0.5, "b": 0.5}, exposures, factor_variance=0.1, covariance=twice)
    with pytest.raises(DataError, match="weights are not all numbers"):
        factor_risk({"a": "x"}, exposures, factor_variance=0.1, specific_variance=exposures)
