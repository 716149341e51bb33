"""Nothing is lost in silence: sessions that are none, rows that are in no portfolio, and what the limits say of them."""

from datetime import date

import polars as pl

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
