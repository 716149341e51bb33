"""Portfolios of an evaluation by hand: whose series counts as a trial, who is in which leg, cash, ruin and names."""

import math

import numpy as np
import polars as pl
import pytest

import kifactors as kf
from kifactors.errors import DataError
from kifactors.evaluation import Trials
from tests.test_evaluation import DAYS, plain, prices_of, scores_of

# Every asset grows by its own rate a session.
RATES = {"a": 0.01, "b": 0.02, "c": 0.04}
GROWING = {name: [100 * (1 + rate) ** k for k in range(9)] for name, rate in RATES.items()}


def walks(names="abcdefghij", seed=0):
    rng = np.random.default_rng(seed)
    return {name: (100 * np.exp(0.02 * rng.standard_normal(9).cumsum())).tolist() for name in names}


# Trials: the series of what was evaluated.


def trial_of(values, exposure, table, **options):
    """Return the ledger of one evaluation of the column score."""
    scores = scores_of(values, column="score", exposure=pl.Series(exposure, dtype=pl.Float64))
    trials = Trials()
    trials.add_evaluation("it", plain(scores, prices=prices_of(table), column="score", **options))
    return trials["it"]


def test_a_trial_is_of_the_column_that_was_evaluated():
    """Score of b, c, a from low to high: what is held is a less b, whoever is exposed."""
    table = GROWING | {"a": [100, 101, 103, 104, 106, 107, 109, 110, 112]}
    values = {day: {"a": 3.0, "b": 1.0, "c": 2.0} for day in DAYS[:5]}
    found = trial_of(values, [0.0, 0.0, 0.5] * 5, table, quantiles=3)
    spread = [table["a"][k + 1] / table["a"][k] - 1 - 0.02 for k in range(1, 6)]
    assert found["n"] == 5
    assert found["mean"] == pytest.approx(np.mean(spread))
    assert found["parameters"]["series"] == "highest less lowest quantile, 1 session"


def test_a_trial_of_exposure_is_of_exposed_less_unexposed():
    table = walks("abc")
    scores = scores_of({day: {"a": 0.0, "b": 0.1, "c": 0.0} for day in DAYS[:5]})
    trials = Trials()
    trials.add_evaluation("it", plain(scores, prices=prices_of(table)))
    earned = {x: np.array(table[x][2:7]) / np.array(table[x][1:6]) - 1 for x in "abc"}
    assert trials["it"]["mean"] == pytest.approx(np.mean(earned["b"] - (earned["a"] + earned["c"]) / 2))
    assert trials["it"]["parameters"]["series"] == "exposed less unexposed, 1 session"


def test_columns_quantiles_and_horizons_are_trials_of_their_own():
    rng = np.random.default_rng(2)
    table, exposure = walks(), [0.0, 0.5] * 25
    values = [
        {day: dict(zip("abcdefghij", rng.random(10), strict=True)) for day in DAYS[:5]} for _ in range(5)
    ]
    series = {trial_of(one, exposure, table)["values"] for one in values}
    series |= {trial_of(values[0], exposure, table, quantiles=3)["values"]}
    series |= {trial_of(values[0], exposure, table, horizons=(2,), quantiles=5)["values"]}
    assert len(series) == 7


def test_the_parameters_of_a_trial_say_what_was_evaluated():
    values = {day: dict(zip("abcdefghij", range(10), strict=True)) for day in DAYS[:5]}
    found = trial_of(values, [0.5] * 50, walks(), horizons=(1, 2), quantiles=4, by="role")["parameters"]
    wanted = {"column": "score", "quantiles": "4", "horizons": "(1, 2)", "entry": "close", "by": "role"}
    assert {name: found[name] for name in wanted} == wanted


def test_the_same_series_under_other_parameters_is_one_more_trial():
    values = {day: dict(zip("abcdefghij", range(10), strict=True)) for day in DAYS[:5]}
    scores = scores_of(values)
    trials = Trials()
    for name, horizons in (("one", (1,)), ("two", (1, 2))):
        trials.add_evaluation(
            name, plain(scores, prices=prices_of(walks()), horizons=horizons, exposed_above=4.5)
        )
    assert trials["one"]["values"] == trials["two"]["values"]
    assert trials["one"]["parameters"] != trials["two"]["parameters"]
    assert len(trials) == 2


def test_a_trial_of_horizons_that_overlap_takes_dates_that_do_not():
    """Returns over 2 sessions of every session: of dates 0, 1, 2, 3, 4 those of 0, 2 and 4 share no day."""
    table = walks("abc")
    values = {day: {"a": 3.0, "b": 1.0, "c": 2.0} for day in DAYS[:5]}
    found = trial_of(values, [0.5] * 15, table, horizons=(2,), quantiles=3)
    earned = [table["a"][k + 2] / table["a"][k] - table["b"][k + 2] / table["b"][k] for k in (1, 3, 5)]
    assert found["n"] == 3
    assert found["mean"] == pytest.approx(np.mean(earned))


# Unknown exposure.


def test_who_has_no_known_exposure_is_neither_exposed_nor_unexposed():
    """Score is known of all four; exposure of a is 0, of b 0.5, of c and d unknown. All earn their own rate."""
    table = {name: [100 * (1 + rate) ** k for k in range(9)] for name, rate in
             {"a": 0.01, "b": 0.02, "c": 0.04, "d": 0.08}.items()}  # fmt: skip
    values = {day: {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0} for day in DAYS[:5]}
    exposure = pl.Series([0.0, 0.5, None, None] * 5)
    found = plain(
        scores_of(values, column="score", exposure=exposure), prices=prices_of(table), column="score"
    )
    for frame, column in ((found.portfolios, "mean"), (found.strategies, "value")):
        for name, rate in (("unexposed", 0.01), ("exposed", 0.02)):
            rows = frame.filter(portfolio=name, weighting="equal")
            assert rows["n"].unique().to_list() == [1]
            assert rows[column].to_list() == pytest.approx([rate] * rows.height)
    spread = found.spreads.filter(spread="exposed")["value"]
    assert spread.to_list() == pytest.approx([0.01] * 5)
    assert any(
        limit.startswith("Exposure unknown: that of 2 names, 50 % of the rows with a known score.")
        for limit in found.limits
    )


def test_of_the_exposure_itself_nothing_more_is_said():
    found = plain(scores_of({DAYS[0]: {"a": 0.5, "b": None}}), prices=prices_of({"a": [1.0] * 9}))
    assert not any(limit.startswith("Exposure unknown") for limit in found.limits)


# Scores that were put together by hand.


def test_an_asset_twice_on_a_date_is_refused():
    scores = scores_of({DAYS[0]: {"a": 0.5, "b": 0.1}})
    twice = kf.Scores(
        pl.concat([scores.to_polars(), scores.to_polars().tail(1)]), scores.definition, inputs={},
        dates=scores.dates, diagnostics=scores.diagnostics,
    )  # fmt: skip
    with pytest.raises(DataError, match="'b' stands twice on 2024-01-02"):
        plain(twice, prices=prices_of(walks("ab")))


def test_the_order_of_scores_changes_nothing():
    scores = scores_of({day: {"a": 0.5, "b": 0.1, "c": 0.0} for day in DAYS[:5]})
    shuffled = kf.Scores(
        scores.to_polars().sample(fraction=1.0, shuffle=True, seed=3), scores.definition, inputs={},
        dates=scores.dates, diagnostics=scores.diagnostics,
    )  # fmt: skip
    one, two = (plain(each, prices=prices_of(walks("abc"))) for each in (scores, shuffled))
    assert one.strategies.equals(two.strategies)
    assert one.ic.equals(two.ic)


def test_nan_is_unknown():
    known, nan = {"a": 0.5, "b": 0.0, "c": None}, {"a": 0.5, "b": 0.0, "c": math.nan}
    one, two = (plain(scores_of({DAYS[0]: x}), prices=prices_of(walks("abc"))) for x in (known, nan))
    assert one.portfolios.equals(two.portfolios)
    assert two.stability["exposed"].to_list() == [1]


def test_a_limit_of_exposure_that_is_nan_is_refused():
    with pytest.raises(DataError, match="exposed_above is nan"):
        plain(scores_of({DAYS[0]: {"a": 0.5}}), prices=prices_of(walks("a")), exposed_above=math.nan)


# Legs that are empty for a while: cash.


def held(found, portfolio):
    return found.strategies.filter(portfolio=portfolio, weighting="equal").sort("date")


def test_leaving_and_entering_a_leg_that_was_empty_is_turnover():
    """a alone is exposed on dates 1, 2 and 4: all of it is sold on the third date and bought again on the fourth.

    One-way turnover is half of what changes hands, and all of the portfolio is 1. b is never exposed.
    """
    exposed = {DAYS[k]: {"a": x, "b": 0.0} for k, x in enumerate([0.5, 0.5, 0.0, 0.5, 0.0, 0.0, 0.0])}
    found = plain(scores_of(exposed), prices=prices_of(walks("ab")))
    rows = held(found, "exposed")
    assert rows["n"].to_list() == [1, 1, 0, 1, 0, 0]
    assert rows["turnover"].to_list() == pytest.approx([None, 0.0, 0.5, 0.5, 0.5, 0.0])
    assert rows["value"].is_null().to_list() == [False, False, True, False, True, True]
    assert rows["reason"].to_list() == [
        None,
        None,
        *["no name is held: cash"],
        None,
        *["no name is held: cash"] * 2,
    ]
    # Growth stands still, and the cost that eats it is what was earned over all that was traded, both ways.
    row = found.strategy_summary.filter(portfolio="exposed", weighting="equal").row(0, named=True)
    assert row["turnover"] == pytest.approx(1.5 / 5)
    earned = sum(rows["value"].drop_nulls())
    assert row["break_even_cost"] == pytest.approx(earned / 6 / (2 * 1.5 / 5))
    # An investor waits in cash: six periods count, of which three earned something. The mean of a period is of those.
    assert row["periods"] == 3
    assert row["mean"] == pytest.approx(earned / 3)
    waited = rows["value"].fill_null(0.0)
    years = (rows["exit"][-1] - DAYS[1]).days / 365.25
    assert row["annualized"] == pytest.approx(earned / years)
    assert row["volatility"] == pytest.approx(waited.std() * math.sqrt(6 / years))
    assert row["sharpe"] == pytest.approx(row["annualized"] / row["volatility"])


def test_what_begins_later_has_nothing_to_turn_over_before():
    exposed = {DAYS[k]: {"a": x, "b": 0.0} for k, x in enumerate([0.0, 0.0, 0.5, 0.5, 0.5])}
    rows = held(plain(scores_of(exposed), prices=prices_of(walks("ab"))), "exposed")
    assert rows["turnover"].to_list() == pytest.approx([None, None, None, 0.0])


def test_a_spread_without_one_side_is_in_cash_with_the_other():
    """While nobody is exposed the unexposed are sold too: 0.5 for each side, on both ways."""
    exposed = {DAYS[k]: {"a": x, "b": 0.0} for k, x in enumerate([0.5, 0.5, 0.0, 0.0, 0.5, 0.5, 0.5])}
    rows = held(plain(scores_of(exposed), prices=prices_of(walks("ab"))), "exposed spread")
    assert rows["turnover"].to_list() == pytest.approx([None, 0.0, 1.0, 0.0, 1.0, 0.0])
    assert rows["value"].is_null().to_list() == [False, False, True, True, False, False]


# Ruin.


def test_nothing_grows_after_everything_is_lost():
    """b, unexposed, earns 150 % more than a on the second date: the spread of 1 is ruined and stays so."""
    table = {"a": [1, 1, 1, 1, 1, 2, 2, 2, 2], "b": [1, 1, 1, 2.5, 2.5, 2.5, 2.5, 2.5, 2.5]}
    found = plain(scores_of({day: {"a": 0.5, "b": 0.0} for day in DAYS[:7]}), prices=prices_of(table))
    rows = held(found, "exposed spread")
    assert rows["value"].to_list() == pytest.approx([0.0, -1.5, None, None, None, None])
    assert rows["cumulative"].to_list() == pytest.approx([0.0, -1.0, -1.0, -1.0, -1.0, -1.0])
    assert rows["drawdown"].to_list() == pytest.approx([0.0, -1.0, -1.0, -1.0, -1.0, -1.0])
    assert rows["turnover"].to_list() == pytest.approx([None, 0.0, None, None, None, None])
    assert rows["reason"].to_list() == [None, None, *["everything was lost before"] * 4]
    row = found.strategy_summary.filter(portfolio="exposed spread", weighting="equal").row(0, named=True)
    assert (row["periods"], row["max_drawdown"]) == (2, -1.0)
    assert any(limit.startswith("Ruin: exposed spread") for limit in found.limits)


def test_a_portfolio_that_is_worth_nothing_is_not_rebought():
    returns = prices_of({"a": [0.0, 0.0, 0.1, -1.0, 0.2, 0.2, 0.2, 0.2, 0.2]}, column="return")
    rows = held(plain(scores_of({day: {"a": 0.5} for day in DAYS[:6]}), returns=returns), "exposed")
    assert rows["cumulative"].to_list()[:3] == pytest.approx([0.1, -1.0, -1.0])
    assert rows["value"].to_list()[2:] == [None] * 3


# Ratios of rounding.


@pytest.mark.parametrize("rate", [1e-2, 1e-5])
def test_no_ratio_is_made_of_rounding(rate):
    """Everybody grows by a rate of their own: rankings and returns are the same on each date.

    Of small returns a growth of nearly 1 is rounded, and correlations of returns are not the same to twelve places.
    """
    table = {name: [100 * (1 + rate * (k + 1)) ** j for j in range(9)] for k, name in enumerate("abcdef")}
    values = {day: {name: 0.1 * k * k for k, name in enumerate("abcdef")} for day in DAYS[:6]}
    found = plain(scores_of(values), prices=prices_of(table))
    assert found.ic_summary["mean"].is_not_null().all()
    rank = found.ic_summary if rate > 1e-3 else found.ic_summary.filter(method="spearman")
    assert rank["icir"].null_count() == rank.height
    summary = found.strategy_summary.drop_nulls("mean")
    assert summary.height > 3
    assert summary["sharpe"].null_count() == summary["t_hac"].null_count() == summary.height


# Who is who.


def test_an_asset_stays_itself_when_its_ticker_changes_or_has_no_price():
    """One company under two tickers, held alone all the time: nothing is turned over, its rank stays."""
    rows = [(day, asset, ticker) for k, day in enumerate(DAYS[:6])
            for asset, ticker in (("id:1", "OLD" if k < 3 else "NEW"), ("id:2", "B"), ("id:3", "C"), ("id:4", "D"))]  # fmt: skip
    values = {day: {"id:1": 0.5, "id:2": 0.0, "id:3": -0.1, "id:4": -0.2} for day in DAYS[:6]}
    scores = scores_of(values, ticker=pl.Series([ticker for *_, ticker in rows]))
    prices = prices_of({name: [1.0] * 9 for name in ("OLD", "NEW", "B", "C")}).rename({"asset_id": "ticker"})
    with_d = pl.concat([prices, prices.filter(ticker="B").with_columns(ticker=pl.lit("D"))])
    for given in (prices, with_d):
        found = plain(scores, prices=given, quantiles=2)
        assert held(found, "exposed")["turnover"].to_list() == pytest.approx([None, 0.0, 0.0, 0.0, 0.0])
        assert found.stability["rank_autocorrelation"].drop_nulls().to_list() == pytest.approx([1.0] * 5)
        assert found.stability["top_turnover"].drop_nulls().to_list() == [0.0] * 5
        assert found.settings["assets"] == 4


def test_two_assets_of_one_ticker_are_refused_where_prices_are_by_ticker():
    scores = scores_of({DAYS[0]: {"id:1": 0.5, "id:2": 0.1, "id:3": 0.0}}, ticker=pl.Series(["A", "A", None]))
    prices = prices_of({"A": [1.0] * 9})
    with pytest.raises(DataError, match="'A' is the ticker of 'id:1' and 'id:2' on 2024-01-02"):
        plain(scores, prices=prices.rename({"asset_id": "ticker"}))
    by_id = pl.concat([prices.with_columns(asset_id=pl.lit(name)) for name in ("id:1", "id:2")])
    assert plain(scores, prices=by_id).ic.filter(names="universe")["n"].to_list() == [2]


# Why a portfolio is empty.


def reasons_of(found, weighting="equal"):
    rows = found.portfolios.filter(weighting=weighting)
    return dict(rows.select("portfolio", "reason").iter_rows())


def test_an_empty_portfolio_says_why():
    """Five of six values are 0; a universe knows the cap of the exposed only; d, alone in no leg, has no price."""
    table = walks("abcef")
    values = {DAYS[0]: dict.fromkeys("abcde", 0.0) | {"f": 0.5}}
    caps = pl.DataFrame({"date": [DAYS[0]], "asset_id": ["f"], "market_cap": [1e9]})
    found = plain(scores_of(values), prices=prices_of(table), universe=caps, quantiles=3)
    shared = "no value: equal values share another quantile"
    assert reasons_of(found) == {"1": None, "2": shared, "3": None, "unexposed": None, "exposed": None}
    no_cap = "no name with a market cap"
    assert reasons_of(found, "cap") == {
        "1": no_cap,
        "2": shared,
        "3": None,
        "unexposed": no_cap,
        "exposed": None,
    }


@pytest.mark.parametrize(
    ("values", "reasons"),
    [
        ({"a": 0.1, "b": 0.2}, {"1": "fewer names with a value than quantiles", "unexposed": "no name is unexposed"}),
        ({"a": 0.0, "b": 0.0, "c": 0.0}, {"3": "no value: equal values share another quantile", "exposed": "no name is exposed"}),
        ({"a": None, "b": None, "c": None}, {"1": "fewer names with a value than quantiles", "exposed": "no name is exposed"}),
        ({"d": 0.5, "a": 0.0, "b": 0.2}, {"3": "no name with a return", "1": None}),
    ],
)  # fmt: skip
def test_each_reason_by_hand(values, reasons):
    found = plain(scores_of({DAYS[0]: values}), prices=prices_of(walks("abc")), quantiles=3)
    assert {name: reasons_of(found)[name] for name in reasons} == reasons
