"""Nothing is lost in silence: sessions that are none, rows that are in no portfolio, and what the limits say of them."""

from datetime import date

import polars as pl
import pytest

from kifactors.errors import DateError
from tests.test_evaluation import DAYS, plain, prices_of, scores_of
from tests.test_evaluation_portfolios import walks

SATURDAY, SUNDAY = date(2024, 1, 6), date(2024, 1, 7)


def limit_of(found, begin):
    """Return the limit that begins so; empty if there is none."""
    return next((limit for limit in found.limits if limit.startswith(begin)), "")


# Sessions.


def test_a_date_without_a_known_price_is_no_session():
    """Rows of null on a weekend change nothing: a score of Friday is bought on Monday."""
    prices = prices_of(walks("abc"))
    weekend = pl.DataFrame(
        [(day, name, None) for day in (SATURDAY, SUNDAY) for name in "abc"],
        schema=prices.schema,
        orient="row",
    )
    scores = scores_of({day: {"a": 0.5, "b": 0.1, "c": 0.0} for day in DAYS[:6]})
    one, two = plain(scores, prices=prices), plain(scores, prices=pl.concat([prices, weekend]))
    for name in ("portfolios", "strategies", "ic", "dropped_counts"):
        assert getattr(one, name).equals(getattr(two, name)), name
    # Friday 5 January is DAYS[3], Monday DAYS[4].
    assert one.strategies.filter(portfolio="exposed", date=DAYS[3])["exit"].to_list() == [DAYS[5]]


def test_a_date_of_unknown_returns_is_a_session_all_the_same():
    """A return spans from the session before: if nobody's is known, what was earned on the way is not known either."""
    returns = prices_of({name: [0.1] * 9 for name in "abc"}, column="return")
    returns = returns.with_columns(pl.when(pl.col("date") != DAYS[3]).then(pl.col("return")).alias("return"))
    found = plain(scores_of({DAYS[1]: dict.fromkeys("abc", 0.5)}), returns=returns)
    assert found.dropped_counts.rows() == [
        (1, "a return on the way is unknown", 3),
        (None, "horizon ends after the last session", 3),
    ]


def test_a_session_on_which_hardly_anybody_has_a_price_is_said():
    prices = prices_of(walks("abcdefgh"))
    stray = pl.DataFrame({"date": [SATURDAY], "asset_id": ["a"], "close": [100.0]})
    scores = scores_of({DAYS[3]: {name: 0.1 * k for k, name in enumerate("abcdefgh")}})
    found = plain(scores, prices=pl.concat([prices, stray]))
    assert found.dropped_counts.filter(reason="no price at entry")["rows"].to_list() == [7, 7]
    assert "on 2024-01-06 1 of 8 stocks has a price" in limit_of(found, "Thin sessions: 1 of 10 sessions")
    assert limit_of(found, "14 returns are missing because prices begin late, end or have holes")
    assert not limit_of(plain(scores, prices=prices), "Thin sessions")


# Rows that are in no portfolio, regression or group.


def six(**columns):
    return scores_of({day: {name: 0.1 * k for k, name in enumerate("abcdef")} for day in DAYS[:5]}, **columns)


def universe_of(days=DAYS[:5], **unknown):
    """Return caps, industries and a style of six assets; of the named columns these assets' are unknown."""
    rows = [
        (day, name, 1e9 * (k + 1), "xy"[k % 2], float(k * k))
        for day in days
        for k, name in enumerate("abcdef")
    ]
    frame = pl.DataFrame(
        rows, schema={"date": pl.Date, "asset_id": pl.String, "market_cap": pl.Float64, "industry": pl.String,
                      "momentum": pl.Float64}, orient="row",
    )  # fmt: skip
    return frame.with_columns(
        pl.when(~pl.col("asset_id").is_in(list(names))).then(pl.col(column)).alias(column)
        for column, names in unknown.items()
    )


def test_who_lacks_a_cap_an_industry_or_a_style_is_counted():
    """One of six has no cap, two have no industry, three no style: of 30 rows 5, 10 and 15."""
    found = plain(
        six(), prices=prices_of(walks("abcdef")), styles=["momentum"],
        universe=universe_of(market_cap="a", industry="ab", momentum="abc"),
    )  # fmt: skip
    assert limit_of(found, "No market_cap") == (
        "No market_cap: 17 % of the rows with a known exposure (names: 1, dates: 5) are in no cap-weighted portfolio and no "
        "regression."
    )
    assert limit_of(found, "No industry").startswith(
        "No industry: 33 % of the rows with a known exposure (names: 2"
    )
    assert limit_of(found, "No momentum").startswith(
        "No momentum: 50 % of the rows with a known exposure (names: 3"
    )
    assert limit_of(found, "No industry").endswith("are in no regression.")


def test_who_has_everything_is_not_mentioned():
    found = plain(six(), prices=prices_of(walks("abcdef")), universe=universe_of(), styles=["momentum"])
    for name in ("No market_cap", "No industry", "No momentum"):
        assert not limit_of(found, name)


def test_a_universe_of_other_dates_is_refused():
    with pytest.raises(
        DateError,
        match=r"universe has no scored asset on any score date: .* 2024-01-02 to 2024-01-08, .* 2024-01-09",
    ):
        plain(six(), prices=prices_of(walks("abcdef")), universe=universe_of(DAYS[5:7]))


def test_a_universe_that_lacks_dates_is_said():
    found = plain(six(), prices=prices_of(walks("abcdef")), universe=universe_of(DAYS[:2]))
    assert "60 % of the rows with a known exposure (names: 6, dates: 3)" in limit_of(found, "No market_cap")


def test_who_is_in_no_group_is_counted():
    scores = six(role=pl.Series(["both", "both", "both", None, "pioneer", "pioneer"] * 5))
    found = plain(scores, prices=prices_of(walks("abcdef")), by="role")
    assert limit_of(found, "No role") == (
        "No role: 17 % of the rows with a known exposure (names: 1, dates: 5) are in no group."
    )


def test_nobody_exposed_is_not_all_that_is_said():
    """Coefficients are those of the whole universe, so what is wrong with prices is wrong with them."""
    table = walks("abcde")
    table["e"][5:] = [None] * 4
    scores = scores_of({day: dict.fromkeys("abcdef", 0.0) for day in DAYS[:5]})
    found = plain(scores, prices=prices_of(table))
    assert found.limits[0].startswith("Nobody is exposed")
    for begin in (
        "Short history: 5",
        "Few names: 6 to 6",
        "1 stocks end before",
        "Not stated whether",
        "No prices: 17 %",
    ):
        assert limit_of(found, begin), begin


def test_a_date_that_is_entered_with_the_next_one_is_dropped_with_a_reason():
    """Saturday's and Sunday's scores are both bought on Monday: only Sunday's is held from then on."""
    values = {"a": 0.5, "b": 0.1, "c": 0.0}
    scores = scores_of({SATURDAY: values, SUNDAY: values, DAYS[5]: values})
    found = plain(scores, prices=prices_of(walks("abc")))
    lost = found.dropped.collect().filter(pl.col("horizon").is_null())
    assert lost.filter(date=SATURDAY).select("asset_id", "reason").rows() == [
        (name, "the next score date is entered on the same session") for name in "abc"
    ]
    assert found.strategies["date"].unique().to_list() == [SUNDAY]
    assert lost.filter(date=SUNDAY).is_empty()


def test_few_exposed_names_are_few_for_their_figures_only():
    """Of 40 names all have a score and one is exposed."""
    names = [f"a{k:02}" for k in range(40)]
    values = {day: {name: float(k) for k, name in enumerate(names)} for day in DAYS[:3]}
    exposure = pl.Series([0.5, *[0.0] * 39] * 3)
    prices = prices_of(dict.fromkeys(names, [1.0] * 9))
    found = plain(scores_of(values, column="score", exposure=exposure), prices=prices, column="score")
    assert not limit_of(found, "Few names")
    assert limit_of(found, "Few exposed names: 1 to 1 on a date (median 1).")
    assert limit_of(found, "Short history: 3 score dates with known names")


def test_an_entered_session_is_the_example_of_a_thin_one():
    """Stray prices on two Saturdays; only the second is the entry of a score."""
    stray = [
        pl.DataFrame({"date": [day], "asset_id": ["a"], "close": [100.0]})
        for day in (SATURDAY, date(2024, 1, 13))
    ]
    prices = pl.concat([prices_of(walks("abcdefgh")), *stray])
    found = plain(scores_of({DAYS[-1]: dict.fromkeys("abcdefgh", 0.1)}), prices=prices)
    assert "2 of 11 sessions; on 2024-01-13 1 of 8" in limit_of(found, "Thin sessions")
