"""Evaluation: forward returns and reasons by hand, every frame against plain Python, degenerate inputs, planted worlds."""

import math
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kifactors as kf
from kifactors._kernels import correlate
from kifactors.errors import DataError, DateError, MissingColumnError
from kifactors.evaluation import FRAMES, Bootstrap, PriceFacts, evaluate, hac_mean
from kifactors.evaluation._forward import entries_of
from kifactors.evaluation._sessions import sessions_of
from kifactors.schema import SCORES

pytest.importorskip("arch", reason="intervals need the extra evaluation")

DAYS = [date(2024, 1, day) for day in (2, 3, 4, 5, 8, 9, 10, 11, 12)]


def scores_of(values, *, column="exposure", **columns):
    """Scores from {date: {asset: value or None}}; exposure is the value unless another column is named."""
    rows = [(day, name, x) for day, known in values.items() for name, x in known.items()]
    frame = pl.DataFrame(
        rows, schema={"date": pl.Date, "asset_id": pl.String, column: pl.Float64}, orient="row"
    )
    frame = frame.with_columns(**columns)
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in SCORES.polars.items() if name not in frame]
    frame = frame.with_columns(absent).select(list(SCORES.polars)).sort("date", "asset_id")
    days = list(values)
    return kf.Scores(
        frame, kf.FactorDefinition(), inputs={}, dates=days, diagnostics=pl.DataFrame({"date": days})
    )


def prices_of(table, days=DAYS, column="close"):
    """Prices from {asset: [a price or None per day]}."""
    rows = [
        (day, name, x)
        for name, row in table.items()
        for day, x in zip(days, row, strict=True)
        if x is not None
    ]
    return pl.DataFrame(
        rows, schema={"date": pl.Date, "asset_id": pl.String, column: pl.Float64}, orient="row"
    )


def plain(scores, **options):
    """Evaluate without bootstrap."""
    return evaluate(scores, **{"draws": 0, "horizons": (1,), **options})


# Forward returns, by hand.


def test_a_score_earns_from_the_next_session_on():
    """A score of Wednesday 3 January is bought at Thursday's close; one session later is Friday."""
    prices = prices_of({name: [100, 200, 400, 500, 550, 1, 1, 1, 1] for name in "abc"})
    found = plain(scores_of({DAYS[1]: dict.fromkeys("abc", 0.5)}), prices=prices, horizons=(1, 2))
    means = found.portfolios.filter(portfolio="exposed").sort("horizon")["mean"].to_list()
    assert means == pytest.approx([500 / 400 - 1, 550 / 400 - 1])


def test_a_score_of_the_weekend_is_traded_on_monday():
    sessions = sessions_of(prices_of({"a": [1.0] * 9}), None)
    entries = entries_of([date(2024, 1, 6), date(2024, 1, 7), DAYS[-1]], sessions)
    assert entries.sessions.tolist() == [4, 4, -1]


def test_prices_that_begin_much_later_are_no_entry():
    sessions = sessions_of(prices_of({"a": [1.0] * 9}), None)
    assert entries_of([date(2023, 12, 1)], sessions).sessions.tolist() == [-1]
    assert entries_of([date(2023, 12, 1)], sessions, max_wait_days=40).sessions.tolist() == [0]


def test_the_open_is_paid_if_asked_for():
    opens = prices_of({name: [9, 9, 10, 12, 9, 9, 9, 9, 9] for name in "abc"}, column="open")
    prices = opens.join(prices_of({name: [1] * 9 for name in "abc"}), on=["date", "asset_id"])
    found = plain(scores_of({DAYS[1]: dict.fromkeys("abc", 0.5)}), prices=prices, entry="open")
    assert found.portfolios.filter(portfolio="exposed")["mean"][0] == pytest.approx(0.2)


def test_returns_give_what_prices_give():
    rng = np.random.default_rng(0)
    table = {name: 100 * np.exp(0.02 * rng.standard_normal(9).cumsum()) for name in "abcdef"}
    prices = prices_of(table)
    returns = prices.with_columns(pl.col("close").pct_change().over("asset_id").alias("return")).drop("close")
    scores = scores_of({day: {name: 0.1 * k for k, name in enumerate("abcdef")} for day in DAYS[1:5]})
    one, two = plain(scores, prices=prices, horizons=(1, 3)), plain(scores, returns=returns, horizons=(1, 3))
    for name in ("ic", "portfolios", "strategies", "factor_returns"):
        a, b = getattr(one, name), getattr(two, name)
        for column in a.columns:
            if a[column].dtype == pl.Float64:
                np.testing.assert_allclose(a[column].fill_null(-9), b[column].fill_null(-9), atol=1e-12)
            else:
                assert a[column].equals(b[column], null_equal=True)


@pytest.mark.parametrize("left", [-1.0, -0.4, 0.25])
def test_a_delisting_is_earned_and_then_nothing(left):
    """b ends at 50 on the 4th; with a delisting return it is worth 50 (1 + left) ever after."""
    table = {"a": [100] * 9, "b": [100, 80, 50] + [None] * 6, "c": [100] * 9}
    scores = scores_of({DAYS[0]: {"a": 0.0, "b": 0.5, "c": 0.0}})
    ends = pl.DataFrame({"date": [DAYS[3]], "asset_id": ["b"], "return": [left]})
    without = plain(scores, prices=prices_of(table), horizons=(1, 2, 5))
    assert without.dropped.collect().filter(asset_id="b").select("horizon", "reason").rows() == [
        (2, "prices end before exit, and no delisting return is known"),
        (5, "prices end before exit, and no delisting return is known"),
        (None, "horizon ends after the last session"),
    ]
    found = plain(scores, prices=prices_of(table), horizons=(1, 2, 5), delistings=ends)
    means = found.portfolios.filter(portfolio="exposed").sort("horizon")["mean"].to_list()
    assert means == pytest.approx([50 / 80 - 1, 50 * (1 + left) / 80 - 1, 50 * (1 + left) / 80 - 1])


def test_every_reason_is_given():
    table = {
        "holed": [1, 1, None, 1, 1, 1, 1, 1, 1],
        "late": [1, 1, 1, None, 1, 1, 1, 1, 1],
        "fine": [1] * 9,
    }
    scores = scores_of(
        {
            DAYS[1]: {"holed": 0.1, "late": 0.1, "fine": 0.1, "absent": 0.1, "unknown": None},
            DAYS[-2]: {"fine": 0.1},
            DAYS[-1]: {"fine": 0.1},
        }
    )
    found = plain(scores, prices=prices_of(table))
    rows = found.dropped.collect().filter(horizon=1).select("date", "asset_id", "reason").rows()
    assert rows == [
        (DAYS[1], "absent", "asset has no prices"),
        (DAYS[1], "holed", "no price at entry"),
        (DAYS[1], "late", "no price at exit"),
        (DAYS[1], "unknown", "value unknown"),
        (DAYS[-2], "fine", "horizon ends after the last session"),
        (DAYS[-1], "fine", "no session soon after the score date"),
    ]
    assert found.dropped_counts["rows"].sum() == found.dropped.collect().height


def test_a_hole_in_returns_is_no_zero():
    returns = prices_of({name: [0.1] * 9 for name in "abc"}, column="return")
    returns = returns.filter(~((pl.col("asset_id") == "a") & (pl.col("date") == DAYS[3])))
    found = plain(scores_of({DAYS[1]: dict.fromkeys("abc", 0.5)}), returns=returns, horizons=(1, 2))
    assert found.dropped.collect().filter(pl.col("horizon").is_not_null()).rows() == [
        (DAYS[1], "a", 1, "a return on the way is unknown"),
        (DAYS[1], "a", 2, "a return on the way is unknown"),
    ]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_every_row_is_either_in_the_sample_or_dropped_with_a_reason(seed, ends):
    rng = np.random.default_rng(seed)
    names = list("abcdefgh")
    table = {
        name: [None if rng.random() < 0.2 else float(rng.integers(1, 9)) for _ in DAYS] for name in names[:-1]
    }
    scores = scores_of(
        {
            day: {name: None if rng.random() < 0.2 else float(rng.random()) for name in names}
            for day in DAYS[:6]
        }
    )
    prices = prices_of(table)
    options = {}
    last = {
        name: max((d for d, x in zip(DAYS, row, strict=True) if x), default=None)
        for name, row in table.items()
    }
    gone = [name for name, day in last.items() if day and day < DAYS[-1]]
    if ends and gone:
        options["delistings"] = pl.DataFrame(
            {
                "date": [last[name] + timedelta(1) for name in gone],
                "asset_id": gone,
                "return": [-0.5] * len(gone),
            }
        )
    found = plain(scores, prices=prices, horizons=(1, 3), **options)
    lost = found.dropped.collect()
    assert lost.select("date", "asset_id", "horizon").is_unique().all()
    for day in DAYS[:6]:
        for h in (1, 3):
            expected = {name: _by_hand(table, last, name, day, h, bool(options)) for name in names}
            values = {
                row[1]: row[2]
                for row in scores.to_polars().select("date", "asset_id", "exposure").rows()
                if row[0] == day
            }
            usable = {name: r for name, r in expected.items() if r is not None and values[name] is not None}
            dropped = set(lost.filter(date=day, horizon=h)["asset_id"])
            assert dropped == set(names) - set(usable)
            means = found.portfolios.filter(date=day, horizon=h, weighting="equal")
            both = means.filter(pl.col("portfolio").is_in(["exposed", "unexposed"]))
            assert both["n"].sum() == len(usable)
            if usable:
                total = (both["n"] * both["mean"].fill_null(0.0)).sum()
                assert total == pytest.approx(sum(usable.values()), abs=1e-9)


def _by_hand(table, last, name, day, h, delisted):
    """Return the forward return of one asset as a person would read it off the table."""
    place = next(k for k, session in enumerate(DAYS) if session > day)
    if name not in table or place + h >= len(DAYS):
        return None
    prices = table[name]
    if prices[place] is None:
        return None
    if prices[place + h] is not None:
        return prices[place + h] / prices[place] - 1
    if delisted and last[name] < DAYS[-1] and DAYS[place + h] > last[name]:
        return prices[DAYS.index(last[name])] * 0.5 / prices[place] - 1
    return None


# Refusals.


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "either prices= or returns="),
        ({"prices": {}, "returns": {}}, "not both"),
        ({"prices": {"date": [DAYS[0]], "asset_id": ["a"]}}, "no column close"),
        ({"prices": {"date": [DAYS[0]], "close": [1.0]}}, "asset_id .or ticker."),
        (
            {"prices": {"date": [DAYS[0]], "asset_id": ["a"], "close": [0.0]}},
            "expected a finite number above 0",
        ),
        ({"prices": {"date": [DAYS[0]], "asset_id": ["a"], "close": [-0.1]}}, "Are these returns"),
        ({"prices": {"date": [DAYS[0]], "asset_id": ["a"], "close": [math.inf]}}, "'a' on 2024-01-02 is inf"),
        ({"returns": {"date": [DAYS[0]], "asset_id": ["a"], "return": [-1.1]}}, "at least -1"),
        ({"returns": {"date": [DAYS[0]], "asset_id": ["a"], "return": [math.inf]}}, "is inf"),
        ({"returns": {"date": [DAYS[0]], "asset_id": ["a"], "return": [150.0]}}, "Are these prices"),
        (
            {"prices": {"date": [DAYS[0]] * 2, "asset_id": ["a"] * 2, "close": [1.0, 2.0]}},
            "stands twice on 2024-01-02",
        ),
        ({"prices": {"date": [None], "asset_id": ["a"], "close": [1.0]}}, "date is null in row 0"),
        (
            {"returns": {"date": [DAYS[0]], "asset_id": ["a"], "return": [0.0]}, "entry": "open"},
            "needs prices=",
        ),
        (
            {"prices": {"date": [DAYS[0]], "asset_id": ["a"], "close": [1.0]}, "entry": "vwap"},
            "entry is 'vwap'",
        ),
    ],
)
def test_inputs_that_cannot_be_right_are_refused(options, said):
    with pytest.raises(DataError, match=said):
        plain(scores_of({DAYS[0]: {"a": 0.5}}), **options)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"horizons": ()}, DataError, "horizons are"),
        ({"horizons": (0,)}, DataError, "horizons are"),
        ({"horizons": (1, 1)}, DataError, "horizons are"),
        ({"horizons": (1.5,)}, DataError, "horizons are"),
        ({"quantiles": 1}, DataError, "quantiles is 1"),
        ({"quantiles": 101}, DataError, "quantiles is 101"),
        ({"draws": -1}, DataError, "draws is -1"),
        ({"confidence": 1.0}, DataError, "confidence 1.0"),
        ({"column": "beta"}, MissingColumnError, "'beta'"),
        ({"column": "role"}, DataError, "expected numbers"),
        ({"by": "industry"}, MissingColumnError, "Pass universe="),
        (
            {"delistings": {"date": [DAYS[3]], "asset_id": ["z"], "return": [0.0]}},
            DataError,
            "'z' has no prices",
        ),
        (
            {"delistings": {"date": [DAYS[-1]], "asset_id": ["a"], "return": [0.0]}},
            DataError,
            "Give a later date",
        ),
    ],
)
def test_options_that_cannot_be_right_are_refused(options, error, said):
    prices = prices_of({"a": [1.0] * 9})
    with pytest.raises(error, match=said):
        plain(scores_of({DAYS[0]: {"a": 0.5}}), prices=prices, **options)


def test_scores_and_prices_that_never_meet_are_an_error():
    with pytest.raises(DateError, match="scores go from 2020-01-01 to 2020-01-01, sessions from 2024-01-02"):
        plain(scores_of({date(2020, 1, 1): {"a": 0.5}}), prices=prices_of({"a": [1.0] * 9}))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"a": 0.1, "b": 0.1, "c": 0.1}, "all values or all returns are equal"),
        ({"a": None, "b": None, "c": None}, "fewer than 3 names"),
        ({"a": 0.1}, "fewer than 3 names"),
    ],
)
def test_degenerate_dates_are_null_with_a_reason(values, reason):
    table = {name: list(range(1 + k, 10 + k)) for k, name in enumerate("abc")}
    found = plain(scores_of({DAYS[0]: values}), prices=prices_of(table))
    row = found.ic.filter(names="universe").row(0, named=True)
    assert row["spearman"] is None
    assert reason in row["reason"]
    assert found.portfolios.filter(pl.col("mean").is_null())["reason"].null_count() == 0
    for name, schema in FRAMES.items():
        assert getattr(found, name).schema == pl.Schema(schema)
    assert isinstance(found.summary(), pl.DataFrame)


# Every frame against plain Python, on a world with caps and industries.


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(5)
    days = [
        date(2022, 1, 3) + timedelta(k)
        for k in range(700)
        if (date(2022, 1, 3) + timedelta(k)).isoweekday() < 6
    ]
    names = [f"a{k:02}" for k in range(30)]
    score_dates = kf.month_ends("2022-01", "2023-10")
    exposures = {day: {name: max(0.0, float(rng.normal(0.1, 0.3))) for name in names} for day in score_dates}
    # A name without a price at the beginning, one that ends, one that nobody knows.
    growth = np.exp(0.02 * rng.standard_normal((len(days), 30)).cumsum(axis=0))
    table = {name: (100 * growth[:, k]).tolist() for k, name in enumerate(names)}
    table["a03"][:100] = [None] * 100
    table["a04"][300:] = [None] * (len(days) - 300)
    universe = pl.DataFrame(
        [(day, name, "xyz"[k % 3], 1e9 * (k + 1)) for day in score_dates for k, name in enumerate(names)],
        schema={"date": pl.Date, "asset_id": pl.String, "industry": pl.String, "market_cap": pl.Float64},
        orient="row",
    )
    scores = scores_of(exposures)
    prices = prices_of(table, days)
    found = evaluate(scores, prices=prices, universe=universe, by="industry", horizons=(1, 21), draws=200)
    return {
        "found": found,
        "scores": scores,
        "prices": prices,
        "universe": universe,
        "days": days,
        "table": table,
    }


def returns_of(world, day, h):
    """Return {asset: forward return} by looking at the table."""
    days, table = world["days"], world["table"]
    place = next((k for k, session in enumerate(days) if session > day), None)
    if place is None or place + h >= len(days):
        return {}
    pairs = {name: (row[place], row[place + h]) for name, row in table.items()}
    return {name: b / a - 1 for name, (a, b) in pairs.items() if a is not None and b is not None}


def test_information_coefficients_by_group_and_for_the_exposed(world):
    from scipy.stats import pearsonr, spearmanr

    frame, ic = world["scores"].to_polars(), world["found"].ic
    industry = dict(world["universe"].select("asset_id", "industry").iter_rows())
    for day in world["scores"].dates[::5]:
        known = dict(frame.filter(date=day).select("asset_id", "exposure").iter_rows())
        for h in (1, 21):
            earned = returns_of(world, day, h)
            for names, group in (("universe", None), ("exposed", None), ("universe", "y"), ("exposed", "x")):
                keep = [
                    a for a in earned
                    if (names == "universe" or known[a] > 0) and (group is None or industry[a] == group)
                ]  # fmt: skip
                row = ic.filter(
                    date=day, horizon=h, names=names
                ).filter(pl.col("group").eq_missing(pl.lit(group, pl.String))).row(0, named=True)  # fmt: skip
                x, y = [known[a] for a in keep], [earned[a] for a in keep]
                assert row["n"] == len(keep)
                if len(keep) >= 3:
                    assert row["pearson"] == pytest.approx(pearsonr(x, y)[0], abs=1e-12)
                    assert row["spearman"] == pytest.approx(spearmanr(x, y)[0], abs=1e-12)


def test_spreads_are_top_less_bottom(world):
    found = world["found"]
    wide = found.portfolios.filter(weighting="equal", horizon=21).pivot(
        "portfolio", index="date", values="mean"
    )
    spread = found.spreads.filter(weighting="equal", horizon=21)
    for name, high, low in (("quantiles", "5", "1"), ("exposed", "exposed", "unexposed")):
        expected = (wide[high] - wide[low]).to_list()
        assert spread.filter(spread=name)["value"].to_list() == expected


def test_cap_weighted_means_are_weighted_by_caps(world):
    day = world["scores"].dates[3]
    caps = dict(world["universe"].filter(date=day).select("asset_id", "market_cap").iter_rows())
    known = dict(world["scores"].to_polars().filter(date=day).select("asset_id", "exposure").iter_rows())
    earned = {a: r for a, r in returns_of(world, day, 21).items() if known[a] > 0}
    expected = sum(caps[a] * r for a, r in earned.items()) / sum(caps[a] for a in earned)
    row = world["found"].portfolios.filter(date=day, horizon=21, weighting="cap", portfolio="exposed")
    assert row["mean"][0] == pytest.approx(expected, abs=1e-12)
    assert row["n"][0] == len(earned)


def test_strategies_by_an_account_that_is_kept_in_shares(world):
    """Hold the exposed names equally, trade at each entry, and count money; turnover is half of what changes hands."""
    days, table, scores = world["days"], world["table"], world["scores"]
    frame = scores.to_polars()
    entry = {day: next(k for k, session in enumerate(days) if session > day) for day in scores.dates}
    rows = world["found"].strategies.filter(portfolio="exposed", weighting="equal").rows(named=True)
    held, money = {}, 1.0
    for day, later, row in zip(scores.dates, scores.dates[1:], rows, strict=False):
        a, b = entry[day], entry[later]
        known = dict(frame.filter(date=day).select("asset_id", "exposure").iter_rows())
        names = [n for n in table if known[n] > 0 and table[n][a] is not None and table[n][b] is not None]
        wanted = {n: money / len(names) for n in names}
        if held:
            changed = sum(abs(wanted.get(n, 0.0) - held.get(n, 0.0)) for n in {*wanted, *held})
            assert row["turnover"] == pytest.approx(0.5 * changed / money, abs=1e-9)
        else:
            assert row["turnover"] is None
        held = {n: w * table[n][b] / table[n][a] for n, w in wanted.items()}
        assert row["value"] == pytest.approx(sum(held.values()) / money - 1, abs=1e-12)
        money = sum(held.values())
        assert row["cumulative"] == pytest.approx(money - 1, abs=1e-12)
        assert (row["date"], row["exit"], row["n"]) == (day, days[b], len(names))
    assert len(rows) == len(scores.dates) - 1


def test_break_even_cost_eats_the_spread(world):
    row = (
        world["found"]
        .strategy_summary.filter(portfolio="exposed spread", weighting="equal")
        .row(0, named=True)
    )
    assert row["mean"] == pytest.approx(2 * row["turnover"] * row["break_even_cost"])


def test_pooled_means_count_rows_and_means_of_means_dates(world):
    means = world["found"].portfolios.filter(weighting="equal", horizon=21, portfolio="exposed")
    row = (
        world["found"]
        .portfolio_summary.filter(weighting="equal", horizon=21, portfolio="exposed")
        .row(0, named=True)
    )
    known = means.drop_nulls("mean")
    assert row["mean_of_means"] == pytest.approx(known["mean"].mean())
    assert row["pooled_mean"] == pytest.approx((known["mean"] * known["n"]).sum() / known["n"].sum())


def test_factor_returns_are_those_of_a_weighted_regression(world):
    """By statsmodels, with the industries' sum to zero written as a restriction."""
    sm = pytest.importorskip("statsmodels.api")
    found, scores = world["found"], world["scores"]
    day, later = scores.dates[2], scores.dates[3]
    days, table = world["days"], world["table"]
    a, b = (next(k for k, session in enumerate(days) if session > d) for d in (day, later))
    rows = world["universe"].filter(date=day).join(scores.to_polars().filter(date=day), on="asset_id")
    keep = [n for n in rows["asset_id"] if table[n][a] is not None and table[n][b] is not None]
    rows = rows.filter(pl.col("asset_id").is_in(keep)).sort("asset_id")
    y = np.array([table[n][b] / table[n][a] - 1 for n in rows["asset_id"]])
    D = np.column_stack([(rows["industry"] == name).to_numpy() for name in "xyz"]).astype(float)
    caps = rows["market_cap"].to_numpy()
    X = np.column_stack([np.ones(len(keep)), rows["exposure"], np.log(caps), D])
    C = D.T @ caps
    model = sm.GLM(y, X, var_weights=np.sqrt(caps))
    fit = model.fit_constrained(([[0, 0, 0, *C]], [0.0]))
    ours = found.factor_returns.filter(date=day)
    assert ours["factor"].to_list() == [
        "market",
        "exposure",
        "size",
        "industry:x",
        "industry:y",
        "industry:z",
    ]
    np.testing.assert_allclose(ours["value"], fit.params, atol=1e-10)
    assert ours["n"].to_list() == [len(keep)] * 6


def test_other_styles_are_held_constant(world):
    """A style that is all of the return takes it from the exposure."""
    plain_ = evaluate(
        world["scores"], prices=world["prices"], universe=world["universe"], draws=0, horizons=(1,)
    )
    days, table = world["days"], world["table"]
    entry = {day: next(k for k, session in enumerate(days) if session > day) for day in world["scores"].dates}
    later = dict(pairwise(world["scores"].dates))
    rows = [
        (day, name, row[entry[later[day]]] / row[entry[day]] - 1)
        for day in later
        for name, row in table.items()
        if row[entry[day]] is not None and row[entry[later[day]]] is not None
    ]
    seen = pl.DataFrame(
        rows, schema={"date": pl.Date, "asset_id": pl.String, "seen": pl.Float64}, orient="row"
    )
    universe = world["universe"].join(seen, on=["date", "asset_id"], how="left")
    found = evaluate(
        world["scores"], prices=world["prices"], universe=universe, styles=["seen"], draws=0, horizons=(1,)
    )
    values = found.factor_returns.filter(factor="seen")["value"].drop_nulls()
    np.testing.assert_allclose(values, 1.0, atol=1e-9)
    np.testing.assert_allclose(
        found.factor_returns.filter(factor="exposure")["value"].drop_nulls(), 0.0, atol=1e-9
    )
    assert plain_.factor_returns.filter(factor="exposure")["value"].abs().max() > 1e-3
    with pytest.raises(MissingColumnError, match="no column 'momentum'"):
        evaluate(world["scores"], prices=world["prices"], universe=universe, styles=["momentum"], draws=0)
    with pytest.raises(MissingColumnError, match="pass universe="):
        evaluate(world["scores"], prices=world["prices"], styles=["momentum"], draws=0)


def test_rank_autocorrelation_and_turnover_of_the_top(world):
    from scipy.stats import rankdata

    frame = world["scores"].to_polars()
    wide = frame.pivot("date", index="asset_id", values="exposure").drop("asset_id")
    ranks = [rankdata(column.to_numpy()) for column in wide.get_columns()]
    expected = [None] + [np.corrcoef(a, b)[0, 1] for a, b in pairwise(ranks)]
    got = world["found"].stability["rank_autocorrelation"].to_list()
    assert got[0] is None
    np.testing.assert_allclose(got[1:], expected[1:], atol=1e-12)


def test_summaries_are_those_of_the_dates(world):
    found = world["found"]
    ic = found.ic.filter(pl.col("group").is_null(), pl.col("names") == "exposed", pl.col("horizon") == 21)
    row = found.ic_summary.filter(names="exposed", horizon=21, method="spearman").row(0, named=True)
    known = ic["spearman"].drop_nulls()
    assert row["mean"] == pytest.approx(known.mean())
    assert row["std"] == pytest.approx(known.std())
    assert row["icir"] == pytest.approx(known.mean() / known.std())
    assert row["share_positive"] == pytest.approx((known > 0).mean())
    assert row["low"] < row["mean"] < row["high"]
    # Months of 21 sessions and a bit more overlap by at most one date.
    assert row["lag"] >= 0
    assert row["dates_apart"] <= row["dates"]


def test_two_runs_give_the_same(world):
    again = evaluate(
        world["scores"], prices=world["prices"], universe=world["universe"], by="industry", horizons=(1, 21), draws=200,
        n_threads=3,
    )  # fmt: skip
    for name in FRAMES:
        assert getattr(again, name).equals(getattr(world["found"], name)), name


def test_the_order_of_rows_changes_nothing(world):
    shuffled = evaluate(
        world["scores"], prices=world["prices"].sample(fraction=1.0, shuffle=True, seed=1),
        universe=world["universe"].sample(fraction=1.0, shuffle=True, seed=2), by="industry", horizons=(1, 21), draws=200,
    )  # fmt: skip
    for name in FRAMES:
        assert getattr(shuffled, name).equals(getattr(world["found"], name)), name


def test_later_prices_change_no_earlier_number(world):
    """What is known of the first dates does not depend on prices after their horizons."""
    cut = world["days"][200]
    first = world["prices"].filter(pl.col("date") <= cut)
    early = evaluate(world["scores"], prices=first, horizons=(1, 21), draws=0)
    whole = evaluate(world["scores"], prices=world["prices"], horizons=(1, 21), draws=0)
    known = early.ic.filter(pl.col("spearman").is_not_null() & (pl.col("names") == "universe"))
    both = known.join(whole.ic, on=["date", "horizon", "names"], suffix="_whole")
    assert both.height == known.height > 10
    assert both["spearman"].equals(both["spearman_whole"])


@pytest.mark.portfolio
@pytest.mark.filterwarnings("ignore")
def test_alphalens_ranks_and_turns_over_alike(world):
    """Rank autocorrelation and turnover of the top quantile, on values that are all known and differ."""
    pd = pytest.importorskip("pandas")
    performance = pytest.importorskip("alphalens.performance", reason="needs alphalens-reloaded")
    rng = np.random.default_rng(3)
    values = {day: {f"a{k:02}": float(rng.random()) for k in range(30)} for day in world["scores"].dates}
    scores = scores_of(values)
    found = evaluate(scores, prices=world["prices"], draws=0, horizons=(1,))
    frame = scores.to_polars().select("date", "asset_id", "exposure").to_pandas()
    index = pd.MultiIndex.from_arrays(
        [pd.to_datetime(frame["date"]), frame["asset_id"]], names=["date", "asset"]
    )
    quantile = frame.groupby("date")["exposure"].transform(lambda x: pd.qcut(x, 5, labels=False) + 1)
    data = pd.DataFrame(
        {"factor": frame["exposure"].to_numpy(), "factor_quantile": quantile.to_numpy()}, index
    )
    theirs = performance.factor_rank_autocorrelation(data, period=1).to_numpy()
    np.testing.assert_allclose(found.stability["rank_autocorrelation"][1:].to_numpy(), theirs[1:], atol=1e-12)
    turned = performance.quantile_turnover(data["factor_quantile"], 5, period=1).to_numpy()
    np.testing.assert_allclose(found.stability["top_turnover"][1:].to_numpy(), turned[1:], atol=1e-12)


# What the reader is told.


def test_limits_are_said_in_the_order_of_their_weight(world):
    text = "\n".join(world["found"].limits)
    assert "Few names" in text
    assert "Short history: 22 score dates" in text
    assert "1 stocks end before the last session without a delisting return" in text
    assert "Not stated whether returns include dividends" in text
    assert "No market caps" not in text
    stated = evaluate(
        world["scores"],
        prices=world["prices"],
        draws=0,
        facts=PriceFacts(dividends=False, survivors_only=True),
    )
    text = "\n".join(stated.limits)
    assert "Survivors only" in text
    assert "Returns lack dividends" in text
    assert "No market caps" in text


def test_nobody_exposed_is_said():
    found = plain(scores_of({DAYS[0]: {"a": 0.0}}), prices=prices_of({"a": [1.0] * 9}))
    assert found.limits[0].startswith("Nobody is exposed")


def test_tickers_name_assets_where_prices_do():
    scores = scores_of({DAYS[0]: {"id:1": 0.1, "id:2": 0.2, "id:3": 0.3}}, ticker=pl.Series(["A", "B", "C"]))
    prices = prices_of({name: [1, 1 + k, 2 + k] + [1] * 6 for k, name in enumerate("ABC")}).rename(
        {"asset_id": "ticker"}
    )
    found = plain(scores, prices=prices)
    assert found.ic.filter(names="universe")["n"].to_list() == [3]


# Groups.


def test_coefficients_of_each_group_through_time(world):
    """The mean of the dates' coefficients within an industry, and the t of that series."""
    found = world["found"]
    for h in (1, 21):
        for names in ("universe", "exposed"):
            row = found.ic_by_group.filter(group="y", horizon=h, names=names, method="spearman").row(
                0, named=True
            )
            dates = found.ic.filter(group="y", horizon=h, names=names).sort("date")
            known = dates["spearman"].drop_nulls()
            assert row["dates"] == known.len()
            assert row["mean"] == pytest.approx(known.mean())
            assert row["names_median"] == dates["n"].median()
            test = hac_mean(
                dates["spearman"].fill_null(math.nan).to_numpy(), minimum_lag=0 if h == 1 else row["lag"]
            )
            assert row["t_hac"] == pytest.approx(test.t)
    assert found.ic_by_group["group"].unique().sort().to_list() == ["x", "y", "z"]


def test_without_groups_there_are_no_coefficients_of_groups():
    found = plain(scores_of({DAYS[0]: {"a": 0.5}}), prices=prices_of({"a": [1.0] * 9}))
    assert found.ic_by_group.is_empty()


# Planted worlds.


def planted(seed, ic, *, dates=60, names=100, every=1):
    """Scores and daily returns with a known correlation between a score and the return of the session after entry."""
    rng = np.random.default_rng(seed)
    days = np.datetime64("2020-01-01") + np.arange(dates + 2).astype("timedelta64[D]")
    x = rng.random((dates, names))
    z = (x - 0.5) * math.sqrt(12.0)
    noise = rng.standard_normal((dates + 2, names))
    returns = noise.copy()
    returns[2:] = ic * z + math.sqrt(1.0 - ic**2) * noise[2:]
    ids = [f"a{k:03}" for k in range(names)]
    frame = pl.DataFrame(
        {"date": np.repeat(days[:dates], names), "asset_id": ids * dates, "exposure": x.ravel()}
    )
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in SCORES.polars.items() if name not in frame]
    scores = kf.Scores(
        frame.with_columns(absent).select(list(SCORES.polars)).with_columns(pl.col("date").cast(pl.Date)),
        kf.FactorDefinition(), inputs={}, dates=[day.item() for day in days[:dates]],
        diagnostics=pl.DataFrame({"date": days[:dates]}),
    )  # fmt: skip
    table = pl.DataFrame(
        {"date": np.repeat(days, names), "asset_id": ids * (dates + 2), "return": 0.01 * returns.ravel()}
    )
    return scores, table


def test_a_planted_factor_is_found():
    scores, returns = planted(1, 0.1)
    found = evaluate(scores, returns=returns, horizons=(1,), draws=500)
    row = found.ic_summary.filter(names="universe", method="pearson").row(0, named=True)
    assert row["low"] < 0.1 < row["high"]
    assert row["t_hac"] > 3.0


@pytest.mark.slow
def test_a_planted_factor_is_inside_its_interval_as_often_as_promised():
    """500 worlds: the interval of 95 % holds the true coefficient in 95 % of them, give or take 3."""
    bootstrap = Bootstrap(draws=500)
    intervals = [bootstrap.interval(_coefficients(seed, 0.05)) for seed in range(500)]
    assert 0.92 <= np.mean([low <= 0.05 <= high for low, high in intervals]) <= 0.98


@pytest.mark.slow
def test_a_null_factor_is_called_significant_as_often_as_promised():
    """2,000 worlds without a factor: 5 % are called significant, give or take 2."""
    found = [hac_mean(_coefficients(10_000 + seed, 0.0)).p < 0.05 for seed in range(2_000)]
    assert 0.03 <= np.mean(found) <= 0.07


def _coefficients(seed, ic, dates=250, names=100):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((dates, names))
    y = ic * z + math.sqrt(1.0 - ic**2) * rng.standard_normal((dates, names))
    return correlate(z.ravel(), [y.ravel()], np.arange(0, dates * names + 1, names)).pearson[:, 0]
