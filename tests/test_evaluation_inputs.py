"""What evaluation is given: columns of one name, delistings, options and numbers that cannot be right."""

import copy
import math
import pickle
from datetime import date

import numpy as np
import polars as pl
import pytest

from kifactors.errors import DataError
from kifactors.evaluation import (
    FRAMES,
    PriceFacts,
    Trials,
    adjusted_p,
    deflated_sharpe,
    expected_maximum_sharpe,
    hac_mean,
    minimum_track_record,
    probabilistic_sharpe,
    sharpe_of,
)
from tests.test_evaluation import DAYS, plain, prices_of, scores_of

NAMES = "abcdef"
PRICES = {name: [100.0 + k + (j * (k + 1)) % 5 for j in range(9)] for k, name in enumerate(NAMES)}
VALUES = {day: {name: 0.1 * k for k, name in enumerate(NAMES)} for day in DAYS[:3]}


def universe_of(**columns):
    """A universe of the dates and names above; a column is a value per name."""
    rows = [(day, name) for day in VALUES for name in NAMES]
    frame = pl.DataFrame(rows, schema={"date": pl.Date, "asset_id": pl.String}, orient="row")
    return frame.with_columns(pl.Series(name, list(x) * len(VALUES)) for name, x in columns.items())


# Columns of one name.


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("return", "styles: 'return' of the universe is a name that the evaluation itself uses"),
        ("size", "styles: 'size' of the universe is a name that the evaluation itself uses"),
        ("market", "styles: 'market' of the universe is a name that the evaluation itself uses"),
        ("industry:x", "styles: 'industry:x' of the universe is a name that the evaluation itself uses"),
        ("coverage", "styles: 'coverage' is a column of the universe and of the scores"),
        ("ticker", "styles: 'ticker' is a column of the universe and of the scores"),
        ("exposure", "styles: 'exposure' is a column of the universe and of the scores"),
        ("score", "styles: 'score' is a column of the universe and of the scores"),
    ],
)
def test_a_style_that_has_the_name_of_something_else_is_refused(name, said):
    universe = universe_of(**{name: [1.0, 3.0, 2.0, 5.0, 4.0, 0.0]})
    with pytest.raises(DataError, match=f"{said}.*Rename it in the universe"):
        plain(scores_of(VALUES), prices=prices_of(PRICES), universe=universe, styles=(name,))


@pytest.mark.parametrize("others", [{}, {"market_cap": [1.0] * 6}])
def test_groups_of_two_tables_are_refused(others):
    universe = universe_of(role=list("xyxyxy"), **others)
    with pytest.raises(DataError, match="by: 'role' is a column of the universe and of the scores"):
        plain(scores_of(VALUES), prices=prices_of(PRICES), universe=universe, by="role")


@pytest.mark.parametrize("name", ["date", "asset_id", "return", "weight"])
def test_groups_that_have_the_name_of_something_else_are_refused(name):
    universe = universe_of(**({name: list("xyxyxy")} if name not in {"date", "asset_id"} else {}))
    with pytest.raises(DataError, match=f"by: '{name}' .*is a name that the evaluation itself uses"):
        plain(scores_of(VALUES), prices=prices_of(PRICES), universe=universe, by=name)


def test_a_universe_of_names_alone_adds_nothing():
    scores = scores_of(VALUES, role=pl.Series(list("xyxyxy") * 3))
    found = plain(scores, prices=prices_of(PRICES), universe=universe_of(), by="role")
    assert found.ic.filter(names="universe")["group"].unique().sort().to_list() == [None, "x", "y"]
    assert found.settings["weightings"] == ("equal",)


def test_caps_and_industries_may_be_groups_and_styles():
    universe = universe_of(market_cap=[1.0, 2.0, 3.0, 4.0, 5.0, 7.0], industry=list("xxxyyy"))
    found = plain(scores_of(VALUES), prices=prices_of(PRICES), universe=universe, by="industry")
    assert found.ic["group"].drop_nulls().unique().sort().to_list() == ["x", "y"]


# Delistings.


def gone(day, left, asset="b"):
    return pl.DataFrame({"date": [day], "asset_id": [asset], "return": [left]})


def exposed_b(**options):
    """Hold b alone, bought on the second session."""
    scores = scores_of({DAYS[0]: {"a": 0.0, "b": 0.5, "c": 0.0}})
    return plain(scores, **options)


ENDS = {"a": [100] * 9, "b": [100, 80, 50] + [None] * 6, "c": [100] * 9}


def lost(found, asset="b"):
    return dict(found.dropped.collect().filter(asset_id=asset).select("horizon", "reason").rows())


def earned(found):
    means = found.portfolios.filter(portfolio="exposed", weighting="equal").sort("horizon")
    return dict(means.select("horizon", "mean").rows())


LATER = "prices end before exit, and the delisting is later"


def test_a_delisting_is_known_from_its_date_on():
    """Bought at 80, last price 50 on the 3rd session, half of it paid out on the 6th: nothing is known on 4 and 5."""
    found = exposed_b(prices=prices_of(ENDS), horizons=(1, 2, 3, 4, 7), delistings=gone(DAYS[5], -0.5))
    assert earned(found) == {1: 50 / 80 - 1, 2: None, 3: None, 4: 25 / 80 - 1, 7: 25 / 80 - 1}
    assert lost(found) == {2: LATER, 3: LATER, None: "horizon ends after the last session"}


def test_a_delisting_between_sessions_counts_from_the_next_one():
    """Saturday 6 January is paid for on Monday 8 January, the 5th session."""
    found = exposed_b(prices=prices_of(ENDS), horizons=(2, 3), delistings=gone(date(2024, 1, 6), -0.5))
    assert earned(found) == {2: None, 3: 25 / 80 - 1}


def test_a_delisting_of_the_next_day_counts_from_the_next_session():
    found = exposed_b(prices=prices_of(ENDS), horizons=(2,), delistings=gone(DAYS[3], -1.0))
    assert earned(found) == {2: -1.0}


def test_a_delisting_after_all_sessions_is_never_known():
    found = exposed_b(prices=prices_of(ENDS), horizons=(1, 2, 7), delistings=gone(date(2030, 1, 1), -1.0))
    assert earned(found) == {1: 50 / 80 - 1, 2: None, 7: None}
    assert lost(found)[2] == lost(found)[7] == LATER
    counts = found.dropped_counts.filter(horizon=2).select("reason", "rows").rows()
    assert counts == [(LATER, 1)]
    (said,) = [limit for limit in found.limits if "a delisting that comes later" in limit]
    assert said.startswith(f"{found.dropped.collect().filter(reason=LATER).height} of them end")


def test_returns_and_prices_agree_on_a_later_delisting():
    returns = prices_of(
        {"a": [0.0] * 9, "b": [0.0, -0.2, -0.375] + [None] * 6, "c": [0.0] * 9}, column="return"
    )
    found = exposed_b(returns=returns, horizons=(1, 2, 3, 4), delistings=gone(DAYS[5], -0.5))
    assert earned(found) == pytest.approx({1: 50 / 80 - 1, 2: None, 3: None, 4: 25 / 80 - 1})


def test_a_price_after_the_delisting_is_refused():
    with pytest.raises(DataError, match="'b' ends on 2024-01-04, and its last price is of 2024-01-04"):
        exposed_b(prices=prices_of(ENDS), delistings=gone(DAYS[2], -1.0))


OPENS = prices_of({"a": [10] * 9, "b": [10, 10, 10] + [None] * 6, "c": [10] * 9}, column="open")


def with_closes(b):
    closes = prices_of({"a": [10] * 9, "b": [10, 10, *b] + [None] * 6, "c": [10] * 9})
    return OPENS.join(closes, on=["date", "asset_id"], how="left")


def test_a_delisting_is_relative_to_the_last_close_at_whatever_price_one_trades():
    """Bought at an open of 10; the last day opens at 10 and closes at 1; half of that is paid: 0.5 for 10."""
    options = {"prices": with_closes([1]), "horizons": (1, 2), "delistings": gone(DAYS[3], -0.5)}
    assert earned(exposed_b(**options, entry="open")) == {1: 0.0, 2: pytest.approx(0.5 / 10 - 1)}
    assert earned(exposed_b(**options, entry="close")) == {
        1: pytest.approx(-0.9),
        2: pytest.approx(0.5 / 10 - 1),
    }


def test_the_last_close_may_be_of_another_session_than_the_last_open():
    """The last day has no close: what counts is that of the day before."""
    found = exposed_b(prices=with_closes([None]), horizons=(2,), entry="open", delistings=gone(DAYS[3], -0.5))
    assert earned(found) == {2: pytest.approx(5 / 10 - 1)}


def test_a_delisting_is_after_the_last_close_even_if_the_open_is_unknown():
    prices = with_closes([1]).with_columns(
        pl.when((pl.col("asset_id") == "b") & (pl.col("date") == DAYS[2]))
        .then(None)
        .otherwise("open")
        .alias("open")
    )
    with pytest.raises(DataError, match="'b' ends on 2024-01-04, and its last price is of 2024-01-04"):
        exposed_b(prices=prices, entry="open", delistings=gone(DAYS[2], -0.5))
    found = exposed_b(prices=prices, entry="open", delistings=gone(DAYS[3], -0.5), horizons=(1, 2))
    assert earned(found) == {1: None, 2: pytest.approx(0.5 / 10 - 1)}


def test_no_delistings_need_no_closes():
    none = gone(DAYS[3], -0.5).clear()
    assert earned(exposed_b(prices=OPENS, entry="open", delistings=none)) == {1: 0.0}


def test_a_delisting_needs_closes():
    with pytest.raises(DataError, match=r"prices have no column close.*relative to the last close"):
        exposed_b(prices=OPENS, entry="open", delistings=gone(DAYS[3], -0.5))
    never = with_closes([1]).with_columns(close=pl.when(pl.col("asset_id") != "b").then("close"))
    with pytest.raises(DataError, match="delistings: 'b' has no close"):
        exposed_b(prices=never, entry="open", delistings=gone(DAYS[3], -0.5))
    wrong = with_closes([-1])
    with pytest.raises(DataError, match="close of 'b' on 2024-01-04 is -1"):
        exposed_b(prices=wrong, entry="open", delistings=gone(DAYS[3], -0.5))


# Options and numbers.


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"horizons": 5}, "horizons are 5; expected different whole numbers of sessions"),
        ({"horizons": "15"}, "horizons are '15'; expected"),
        ({"quantiles": 2.5}, "quantiles is 2.5"),
        ({"draws": 10.5}, "draws is 10.5; expected a whole number of at least 0"),
        ({"draws": 1}, "draws is 1; an interval of 0.95 needs at least 40 draws, or 0 for none"),
        ({"draws": 199, "confidence": 0.99}, "draws is 199; an interval of 0.99 needs at least 200"),
        ({"seed": -1}, "seed is -1; expected a whole number of at least 0"),
        ({"confidence": "a"}, "confidence is 'a'; expected a finite number"),
        ({"max_wait_days": 2.5}, "max_wait_days is 2.5; expected a whole number of at least 1"),
        ({"max_wait_days": None}, "max_wait_days is None; expected a whole number of at least 1"),
        ({"max_wait_days": -1}, "max_wait_days is -1; expected a whole number of at least 1"),
        ({"exposed_above": "a"}, "exposed_above is 'a'; expected a finite number"),
        ({"exposed_above": math.nan}, "exposed_above is nan; expected a finite number"),
        ({"n_threads": "4"}, "n_threads is '4'; expected a whole number of at least 1"),
        ({"n_threads": 0}, "n_threads is 0; expected a whole number of at least 1"),
        ({"styles": "mom"}, "styles is 'mom'; expected a list of columns"),
        ({"styles": [5]}, r"styles is \[5\]; expected a list of columns"),
        ({"styles": ["mom", "mom"]}, "styles name 'mom' twice"),
        ({"by": 5}, "by is 5; expected the name of a column"),
        ({"column": ["exposure"]}, r"column is \['exposure'\]; expected the name of a column"),
        ({"facts": {"dividends": False}}, "facts is a dict; expected PriceFacts"),
        ({"entry": ["close"]}, "entry is .'close'.; expected 'close' or 'open'"),
    ],
)
def test_options_are_named_before_anything_is_read(options, said):
    with pytest.raises(DataError, match=said):
        plain(scores_of(VALUES), prices="there is no such file.parquet", **options)


def test_whole_numbers_of_numpy_are_whole_numbers():
    universe = universe_of(mom=[1.0, 3.0, 2.0, 5.0, 4.0, 0.0])
    options = {"prices": prices_of(PRICES), "universe": universe, "styles": ("mom",)}
    one = plain(scores_of(VALUES), quantiles=3, max_wait_days=7, seed=1, n_threads=1, **options)
    numpy = {
        name: np.int64(x)
        for name, x in {"quantiles": 3, "max_wait_days": 7, "seed": 1, "n_threads": 1}.items()
    }
    two = plain(scores_of(VALUES), **numpy, **options, exposed_above=np.float64(0.0), draws=np.int64(0))
    assert one.portfolios.equals(two.portfolios)
    assert type(two.settings["quantiles"]) is int


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["a", "b", "c", "d", "e", "f"], "styles: 'mom' of the universe holds String; expected numbers"),
        ([1.0, 2.0, math.inf, 3.0, 4.0, 5.0], "mom of 'c' on 2024-01-02 is inf; expected a finite number"),
    ],
)
def test_styles_that_are_no_numbers_are_named(values, said):
    with pytest.raises(DataError, match=said):
        plain(scores_of(VALUES), prices=prices_of(PRICES), universe=universe_of(mom=values), styles=("mom",))


@pytest.mark.parametrize("column", ["exposure", "score"])
def test_an_infinite_score_is_named(column):
    values = {day: dict(known) for day, known in VALUES.items()}
    values[DAYS[1]]["c"] = -math.inf
    with pytest.raises(
        DataError, match=f"scores: {column} of 'c' on 2024-01-03 is -inf; expected a finite number"
    ):
        plain(scores_of(values, column=column), prices=prices_of(PRICES), column=column)


# The result as a whole.


@pytest.mark.parametrize("again", [lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy])
def test_an_evaluation_can_be_sent_to_another_process(again):
    universe = universe_of(market_cap=[1.0, 2.0, 3.0, 4.0, 5.0, 7.0], industry=list("xxxyyy"))
    found = plain(
        scores_of(VALUES), prices=prices_of(PRICES), universe=universe, by="industry", horizons=(1, 7)
    )
    other = again(found)
    for name in FRAMES:
        assert getattr(other, name).equals(getattr(found, name)), name
    assert found.dropped_counts["rows"].sum() > 0
    assert other.dropped.collect().equals(found.dropped.collect())
    assert (other.limits, dict(other.settings)) == (found.limits, dict(found.settings))
    assert repr(other) == repr(found)
    with pytest.raises(TypeError):
        other.settings["column"] = "score"


# Statistics.


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: sharpe_of(np.arange(25.0).reshape(5, 5)), "values must be one series"),
        (lambda: sharpe_of(["a", "b", "c"]), "values must be one series of finite numbers"),
        (lambda: sharpe_of([[1.0, 2.0], [3.0]]), "values must be one series of finite numbers"),
        (lambda: hac_mean(["a", "b", "c"]), "values must be one series of finite numbers"),
        (lambda: adjusted_p([0.1], "holm", tests=2.5), "tests is 2.5; expected a whole number of at least 1"),
        (
            lambda: adjusted_p([0.1, 0.2], "holm", tests=1),
            "tests is 1; expected a whole number of at least 2",
        ),
        (lambda: adjusted_p(["a"], "holm"), "p values must be one series of numbers"),
        (lambda: expected_maximum_sharpe(1.5, 1.0), "trials is 1.5; expected a whole number of at least 1"),
        (lambda: expected_maximum_sharpe("9", 1.0), "trials is '9'; expected a whole number of at least 1"),
        (lambda: expected_maximum_sharpe(9, "a"), "variance is 'a'; expected a finite number"),
        (lambda: expected_maximum_sharpe(9, -1.0), "variance is -1.0; expected at least 0"),
        (lambda: probabilistic_sharpe(0.1, 2.5), "n is 2.5; expected a whole number of at least 2"),
        (lambda: probabilistic_sharpe("a", 25), "sharpe is 'a'; expected a finite number"),
        (
            lambda: probabilistic_sharpe(0.1, 25, benchmark=math.inf),
            "benchmark is inf; expected a finite number",
        ),
        (lambda: deflated_sharpe(0.1, 2.5, trials=3, variance=0.1), "n is 2.5; expected a whole number"),
        (lambda: minimum_track_record(0.1, confidence="a"), "confidence is 'a'; expected a finite number"),
        (lambda: Trials().add("x", t=2.0, n=10.5), "n is 10.5; expected a whole number of at least 3"),
        (lambda: Trials().add("x", t=2.0, n="10"), "n is '10'; expected a whole number of at least 3"),
        (lambda: Trials().add("x", t="2", n=10), "t is '2'; expected a finite number"),
        (lambda: Trials().add("x", t=1e200, n=10), "trial 'x' has t=1e.200.*beyond 1e.12 is rounding"),
        (lambda: Trials().add("x", [0.1, 0.2, 0.4], overlap="a"), "overlap is 'a'; expected a whole number"),
        (
            lambda: Trials().add("x", t=2.0, n=10, parameters={(1, 2): 3}),
            r"parameters of trial 'x' are not what a ledger keeps .*names are texts",
        ),
        (
            lambda: Trials().add("x", t=2.0, n=10, parameters=5),
            "parameters of trial 'x' are 5; expected a mapping",
        ),
    ],
)
def test_statistics_name_what_they_cannot_take(call, said):
    with pytest.raises(DataError, match=said):
        call()


def test_statistics_of_very_many_or_very_large_numbers_are_finite():
    """The largest of N normal numbers is a bit below sqrt(2 ln N): 8.85 for 10^17."""
    assert 8.3 < expected_maximum_sharpe(10**17, 1.0) < math.sqrt(2.0 * math.log(1e17))
    assert expected_maximum_sharpe(np.int64(100), 1.0) == expected_maximum_sharpe(100, 1.0)
    # For a large ratio the spread is (kurtosis - 1) / 4 s^2: sqrt(24) / sqrt(1/2) deviations above 0.
    assert probabilistic_sharpe(1e200, 25) == pytest.approx(1.0)
    assert probabilistic_sharpe(-1e200, 25) == pytest.approx(0.0, abs=1e-11)


def test_a_large_t_can_be_told_and_ranked():
    trials = Trials()
    trials.add("one", t=1e11, n=np.int64(10))
    trials.add("two", t=np.float64(2.0), n=10)
    assert trials.table()["trial"].to_list() == ["one", "two"]
    assert trials.table()["deflated_sharpe"].null_count() == 0


@pytest.mark.parametrize("given", [{"dividends": "no"}, {"survivors_only": 0}, {"source": None}])
def test_what_the_owner_says_of_prices_is_yes_no_or_nothing(given):
    with pytest.raises(DataError, match=rf"^{next(iter(given))} is .*; expected"):
        PriceFacts(**given)
