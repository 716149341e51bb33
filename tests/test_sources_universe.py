"""Market capitalisations: by hand, against a slow twin, and what must not change them."""

import json
import time
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise
from math import prod

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import kifactors as kf
from kifactors.errors import DataError, DateError, DefinitionError, MissingColumnError
from kifactors.sources import universe_from_prices
from kifactors.sources._share_counts import RATIO_TOLERANCE, SPLIT_RATIOS
from tests.sec import DATA, companyfacts_files, needs_files

DAY = date(2024, 1, 1)
# Products of a few ratios, taken in another order.
RTOL = 1e-12
MODES = ("unadjusted", "split_adjusted")


def day(number):
    return DAY + timedelta(number)


def prices(*rows):
    rows = [(day(at), who, close) for at, who, close in rows]
    return pl.DataFrame(
        rows, schema={"date": pl.Date, "asset_id": pl.String, "close": pl.Float64}, orient="row"
    )


def shares(*rows):
    """Counts: asset, day of the count, count, first day known."""
    names = {"asset_id": pl.String, "period_end": pl.Date, "value": pl.Float64, "available_at": pl.Date}
    return pl.DataFrame([(w, day(n), v, day(k)) for w, n, v, k in rows], schema=names, orient="row")


def splits(*rows):
    names = {"asset_id": pl.String, "date": pl.Date, "ratio": pl.Float64}
    return pl.DataFrame([(w, day(at), ratio) for w, at, ratio in rows], schema=names, orient="row")


def build(closes, counts, listed=None, **more):
    more = {"prices_are": "unadjusted", "splits": splits() if listed is None else listed, **more}
    return universe_from_prices(closes, counts, **more)


def caps(found):
    return found.universe["market_cap"].to_list()


def reasons(found):
    return found.skipped.select("file", "filer", "reason", "detail", "rows").rows()


def test_a_count_counts_from_the_day_after_it_was_known():
    closes = prices(*((at, "a", 2.0) for at in range(10, 15)))
    counts = shares(("a", 0, 100, 11))
    assert caps(build(closes, counts)) == [None, None, 200, 200, 200]
    assert caps(build(closes, counts, lag_days=0)) == [None, 200, 200, 200, 200]
    assert reasons(build(closes, counts)) == [("prices", "a", "no count known", "from 2024-01-11", 2)]


def test_the_latest_day_and_of_it_the_latest_vintage_counts():
    closes = prices(*((at, "a", 1.0) for at in range(10, 16)))
    counts = shares(("a", 5, 100, 9), ("a", 5, 104, 11), ("a", 3, 90, 12), ("a", 8, 110, 13))
    assert caps(build(closes, counts)) == [100, 100, 104, 104, 110, 110]


def test_a_count_ages():
    closes = prices((550, "a", 1.0), (551, "a", 1.0))
    found = build(closes, shares(("a", 0, 100, 0)))
    assert caps(found) == [100, None]
    assert [row[2] for row in reasons(found)] == ["the count is too old"]
    # No older vintage, and no older day, stands in for one that is too old.
    assert caps(build(closes, shares(("a", 0, 100, 0)), max_age_days=549)) == [None, None]


def test_classes_of_shares_are_no_count():
    closes = prices(*((at, "a", 1.0) for at in range(5)))
    counts = shares(("a", 0, 100, 0), ("a", 1, 50, 1), ("a", 1, 60, 1), ("a", 1, 60, 1), ("a", 2, 102, 3))
    found = build(closes, counts)
    assert caps(found) == [None, 100, None, None, 102]
    assert ("prices", "a", "several counts of one day", "from 2024-01-03", 2) in reasons(found)


@pytest.mark.parametrize("mode", MODES)
def test_splits_by_hand(mode):
    """Counted on day 0, two for one on day 2, one for four on day 4."""
    traded = [8.0, 8.0, 4.0, 4.0, 16.0]
    adjusted = [16.0, 16.0, 16.0, 16.0, 16.0]
    closes = traded if mode == "unadjusted" else adjusted
    rows = prices(*((at, "a", close) for at, close in enumerate(closes)))
    listed = splits(("a", 2, 2.0), ("a", 4, 0.25), ("b", 3, 7.0), ("a", 9, 3.0))
    assert caps(build(rows, shares(("a", 0, 100, 0)), listed, prices_are=mode, lag_days=0)) == [800.0] * 5
    # A count of the ex-date is one of new shares; a later count says the same.
    counts = shares(("a", 0, 100, 0), ("a", 2, 200, 2), ("a", 4, 50, 4))
    assert caps(build(rows, counts, listed, prices_are=mode, lag_days=0)) == [800.0] * 5


def test_everyone_with_a_price_is_in_the_universe():
    closes = prices((0, "b", 1.0), (0, "a", None), (1, "a", 2.0))
    counts = shares(("a", 0, 10, 0), ("z", 0, 10, 0), ("z", 1, 10, 1))
    industry = {"asset_id": ["a"], "industry": ["Chips"]}
    found = build(closes, counts, lag_days=0, industry=industry)
    assert found.universe.columns == ["date", "asset_id", "industry", "market_cap"]
    assert found.universe.rows() == [
        (day(0), "a", "Chips", None), (day(0), "b", None, None), (day(1), "a", "Chips", 20.0)
    ]  # fmt: skip
    assert [row[:3] for row in reasons(found)] == [
        ("prices", "a", "no close"), ("prices", "b", "no count known"), ("shares", "z", "no price")
    ]  # fmt: skip
    assert kf.schema.validate("universe", found.universe).equals(found.universe)
    assert "industry" not in build(closes, counts).universe.columns


def test_dates():
    closes = prices(*((at, "a", 1.0) for at in range(5)))
    found = build(closes, shares(("a", 0, 10, 0)), dates=[day(3), day(1)])
    assert found.universe["date"].to_list() == [day(1), day(3)]
    for wrong, message in (([], "empty"), ([day(9)], "no row on 1 of the dates: 2024-01-10"), (["x"], "'x'")):
        with pytest.raises(DateError, match=message):
            build(closes, shares(("a", 0, 10, 0)), dates=wrong)


def test_fewer_dates_are_the_same_rows():
    """Split-adjusted closes are adjusted to the end of the table, not to the last date asked for."""
    closes = prices((1, "a", 4.0), (2, "a", 4.0), (3, "a", 4.0))
    listed = splits(("a", 3, 2.0))
    whole = build(closes, shares(("a", 0, 10, 0)), listed, prices_are="split_adjusted")
    part = build(closes, shares(("a", 0, 10, 0)), listed, prices_are="split_adjusted", dates=[day(1)])
    assert caps(whole) == [80.0] * 3
    assert caps(part) == [80.0]


@pytest.mark.parametrize("ratio", [*SPLIT_RATIOS, *(1 / ratio for ratio in SPLIT_RATIOS)])
@pytest.mark.parametrize("off", [-0.019, 0.0, 0.019])
def test_a_missing_split_is_refused(ratio, off):
    closes = prices(*((at, "a", 1.0) for at in range(6)), (5, "b", 1.0))
    counts = shares(
        ("a", 0, 1e6, 0), ("a", 3, 1e6 * ratio * (1 + off), 3), ("a", 4, 1e6 * ratio, 4), ("b", 0, 7, 0)
    )
    with pytest.raises(
        DataError, match=r"asset 'a': 1,000,000 on 2024-01-01 and [\d,]+ on 2024-01-04, a ratio of"
    ):
        build(closes, counts)
    found = build(closes, counts, unlisted_splits="null")
    assert caps(found) == [None, 1e6, 1e6, 1e6, None, None, 7]
    assert ("prices", "a", "counts point to a missing split", "from 2024-01-05", 2) in reasons(found)
    # Before the count was known nobody could miss the split.
    assert caps(build(closes, counts, dates=[day(3)])) == [1e6]
    listed = splits(("a", 2, ratio))
    assert None not in caps(build(closes, counts, listed))[1:]
    # A merger: the count is right as it is, and the split of 1 says so.
    assert caps(build(closes, counts, splits(("a", 2, 1.0))))[4] == pytest.approx(1e6 * ratio * (1 + off))
    for elsewhere in (("a", 0, 1.0), ("a", 4, 1.0), ("b", 2, 1.0)):
        with pytest.raises(DataError, match="list a split of ratio 1"):
            build(closes, counts, splits(elsewhere))


@pytest.mark.parametrize("ratio", [1.0, 1.2, 1.45, 1.6, 1.9, 2.1, 2.5, 9.0, 0.9, 0.55, 0.8])
def test_other_changes_are_no_split(ratio):
    closes = prices(*((at, "a", 1.0) for at in range(6)))
    assert caps(build(closes, shares(("a", 0, 100, 0), ("a", 3, 100 * ratio, 3))))[5] == 100 * ratio


def test_neighbours():
    closes = prices(*((at, "a", 1.0) for at in range(9)))
    # A restated vintage of one day; over classes of shares; a listed split that is in the counts already.
    for counts, listed, days in (
        ([("a", 0, 10, 0), ("a", 0, 100, 5)], [], "2024-01-01 and 100 on 2024-01-01, a ratio of 10"),
        (
            [("a", 0, 10, 0), ("a", 1, 3, 1), ("a", 1, 4, 1), ("a", 2, 20, 2)],
            [],
            "2024-01-01 and 20 on 2024-01-03",
        ),
        ([("a", 0, 10, 0), ("a", 3, 10, 3)], [("a", 2, 2.0)], "a ratio of 0.5 after"),
    ):
        with pytest.raises(DataError, match=days):
            build(closes, shares(*counts), splits(*listed))
    # A count that never counts, of an older day than one known before it, is nobody's neighbour.
    assert caps(build(closes, shares(("a", 3, 10, 3), ("a", 0, 20, 5))))[8] == 10
    many = shares(*((w, 0, 10, 0) for w in "abcde"), *((w, 1, 20, 1) for w in "abcde"))
    with pytest.raises(DataError, match=r"asset 'c'.*; and 2 more\. Add the split"):
        build(closes, many)


COUNT = prices((1, "a", 1.0)), shares(("a", 0, 1, 0))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"prices": prices((1, "a", 0.0))},
            DataError,
            r"prices: column 'close' must be in \(0.*row 0.*Correct",
        ),
        (
            {"prices": prices((1, "a", float("nan")))},
            DataError,
            r"prices: column 'close' is NaN.*row 0.*as null",
        ),
        (
            {"prices": prices((1, "a", 1.0), (1, "a", 2.0))},
            DataError,
            r"prices: rows with one key.*row 0.*Keep one",
        ),
        ({"prices": prices()}, DataError, "prices has no rows. Give"),
        ({"prices": COUNT[0].drop("close")}, MissingColumnError, "prices lacks column 'close'"),
        ({"shares": shares(("a", 0, 0, 0))}, DataError, r"shares: column 'value' must be in \(0.*row 0"),
        (
            {"shares": shares(("a", 1, 1, 0))},
            DataError,
            r"shares: available_at lies before.*row 0.*filing date",
        ),
        ({"shares": COUNT[1].drop("value")}, MissingColumnError, "shares lacks column 'value'"),
        ({"splits": splits(("a", 1, -2.0))}, DataError, r"splits: column 'ratio' must be in \(0.*row 0"),
        (
            {"splits": splits(("a", 1, 2.0), ("a", 1, 3.0))},
            DataError,
            r"splits: rows with one key.*ratio=2\.0",
        ),
        ({"splits": None}, DataError, "splits: expected a polars"),
        ({"splits": {"asset_id": ["a"]}}, MissingColumnError, "splits lacks column 'date', 'ratio'"),
        (
            {"industry": {"asset_id": ["a", "a"], "industry": ["x", "y"]}},
            DataError,
            "industry: rows with one key",
        ),
        ({"prices_are": "adjusted"}, DefinitionError, "prices_are must be 'unadjusted' or 'split_adjusted'"),
        ({"unlisted_splits": "drop"}, DefinitionError, "unlisted_splits must be 'error' or 'null'"),
        ({"lag_days": -1}, DefinitionError, "lag_days must be a whole number"),
        ({"max_age_days": 1.5}, DefinitionError, "max_age_days must be a whole number"),
    ],
)
def test_odd_input(change, error, message):
    given = {"prices": COUNT[0], "shares": COUNT[1], "prices_are": "unadjusted", "splits": splits(), **change}
    with pytest.raises(error, match=f"(?s){message}"):
        universe_from_prices(given.pop("prices"), given.pop("shares"), **given)


def test_no_splits_and_no_counts():
    assert caps(build(*COUNT, pl.DataFrame())) == [1.0]
    assert caps(build(COUNT[0], shares())) == [None]
    with pytest.raises(TypeError, match="splits"):
        universe_from_prices(*COUNT, prices_are="unadjusted")


# --- Properties -----------------------------------------------------------------------------------------------------
RATIOS = (Fraction(2), Fraction(3), Fraction(3, 2), Fraction(1, 4), Fraction(1), Fraction(7))
ASSET = st.sampled_from("ab")


@st.composite
def worlds(draw):
    """Closes as traded, counts, and splits of two assets on a few days."""
    closes = draw(
        st.dictionaries(st.tuples(st.integers(0, 12), ASSET), st.none() | st.integers(1, 9), min_size=1)
    )
    counts = draw(
        st.lists(st.tuples(ASSET, st.integers(0, 9), st.integers(1, 6), st.integers(0, 4)), max_size=7)
    )
    listed = draw(st.dictionaries(st.tuples(ASSET, st.integers(0, 14)), st.sampled_from(RATIOS), max_size=4))
    return closes, [(who, n, 60 * v, n + wait) for who, n, v, wait in counts], listed


def tables(world):
    closes, counts, listed = world
    return (
        prices(*((at, who, close) for (at, who), close in closes.items())), shares(*counts),
        splits(*((who, at, float(ratio)) for (who, at), ratio in listed.items())),
    )  # fmt: skip


def adjusted(world):
    """The same closes as a vendor adjusts them to the last day of the table."""
    closes, counts, listed = world
    last = max(at for at, _ in closes)
    after = {
        (at, who): close and close / float(prod((r for (w, ex), r in listed.items() if w == who and at < ex <= last), start=Fraction(1)))
        for (at, who), close in closes.items()
    }  # fmt: skip
    return after, counts, listed


def in_words(world, at, who, *, lag, most):
    """Market capitalisation and reason, straight from the rules."""
    closes, counts, listed = world

    def ratio(after, until):
        return prod(
            (r for (w, ex), r in listed.items() if w == who and after < ex <= until), start=Fraction(1)
        )

    def current(day_):
        known = [c for c in counts if c[0] == who and c[3] + lag <= day_]
        if not known:
            return None
        newest = max(c[1] for c in known)
        vintage = max(c[3] for c in known if c[1] == newest)
        return newest, vintage, {c[2] for c in known if c[1] == newest and c[3] == vintage}

    now = current(at)
    if now is None:
        return None, "no count known"
    # Day by day: which counts followed each other.
    states = [state for state in dict.fromkeys(_frozen(current(d)) for d in range(at + 1)) if state]
    single = [(n, next(iter(values))) for n, _, values in states if len(values) == 1]
    for (first, before), (second, after) in pairwise(single):
        said = any(r == 1 for (w, ex), r in listed.items() if w == who and first < ex <= second)
        change = after / (before * ratio(first, second))
        usual = [Fraction(k) for k in SPLIT_RATIOS]
        near = any(abs(change / k - 1) <= RATIO_TOLERANCE for k in (*usual, *(1 / k for k in usual)))
        if near and not said:
            return None, "counts point to a missing split"
    newest, _, values = now
    if len(values) > 1:
        return None, "several counts of one day"
    if at - newest > most:
        return None, "the count is too old"
    if closes[at, who] is None:
        return None, "no close"
    return float(next(iter(values)) * ratio(newest, at) * closes[at, who]), None


def _frozen(state):
    return state and (state[0], state[1], frozenset(state[2]))


@settings(deadline=None, max_examples=200)
@given(worlds(), st.integers(0, 3), st.integers(0, 9), st.sampled_from(MODES))
def test_against_a_slow_twin(world, lag, most, mode):
    given_ = world if mode == "unadjusted" else adjusted(world)
    found = build(*tables(given_), prices_are=mode, lag_days=lag, max_age_days=most, unlisted_splits="null")
    keys = sorted(world[0])
    twin = [in_words(world, at, who, lag=lag, most=most) for at, who in keys]
    assert found.universe.select("date", "asset_id").rows() == [(day(at), who) for at, who in keys]
    assert caps(found) == [cap if cap is None else pytest.approx(cap, rel=RTOL) for cap, _ in twin]
    counted = {}
    for (_, who), (_, reason) in zip(keys, twin, strict=True):
        if reason:
            counted[who, reason] = counted.get((who, reason), 0) + 1
    unpriced = found.skipped["file"] == "shares"
    assert counted == {
        row[:2]: row[2] for row in found.skipped.filter(~unpriced).select("filer", "reason", "rows").rows()
    }


@settings(deadline=None, max_examples=60)
@given(worlds(), st.integers(0, 2**31))
def test_order_does_not_matter(world, seed):
    whole = build(*tables(world), unlisted_splits="null")
    shuffled = [table.sample(fraction=1.0, shuffle=True, seed=seed) for table in tables(world)]
    before = [table.clone() for table in shuffled]
    again = build(*shuffled, unlisted_splits="null")
    assert again.universe.equals(whole.universe)
    assert again.skipped.equals(whole.skipped)
    assert all(a.equals(b) for a, b in zip(shuffled, before, strict=True))


@settings(deadline=None, max_examples=60)
@given(worlds(), st.integers(0, 12))
def test_later_rows_change_nothing_before(world, last):
    closes, counts, listed = world
    assume(any(at <= last for at, _ in closes))
    past = (
        {key: close for key, close in closes.items() if key[0] <= last},
        [count for count in counts if count[3] <= last],
        {key: ratio for key, ratio in listed.items() if key[1] <= last},
    )
    whole = build(*tables(world), unlisted_splits="null").universe.filter(pl.col("date") <= day(last))
    assert build(*tables(past), unlisted_splits="null").universe.equals(whole)
    # Adjusted closes change with every later split, and the market capitalisations do not.
    whole, part = (
        build(*tables(adjusted(w)), prices_are="split_adjusted", unlisted_splits="null").universe
        for w in (world, past)
    )
    before = [None if cap is None else pytest.approx(cap, rel=RTOL) for cap in part["market_cap"]]
    assert whole.filter(pl.col("date") <= day(last))["market_cap"].to_list() == before


@settings(deadline=None, max_examples=60)
@given(worlds(), ASSET, st.integers(0, 12), st.sampled_from([2, 4, 10]), st.sampled_from(MODES))
def test_a_split_whose_price_falls_and_count_rises_leaves_the_market_cap(world, who, ex, ratio, mode):
    closes, counts, listed = world
    assume((who, ex) not in listed)
    split = (
        {(at, w): c / ratio if c and w == who and at >= ex else c for (at, w), c in closes.items()},
        [(w, n, v * ratio if w == who and n >= ex else v, k) for w, n, v, k in counts],
        {**listed, (who, ex): Fraction(ratio)},
    )
    as_given = (lambda w: w) if mode == "unadjusted" else adjusted
    plain, after = (
        build(*tables(as_given(w)), prices_are=mode, unlisted_splits="null").universe["market_cap"].to_list()
        for w in (world, split)
    )
    assert after == [None if cap is None else pytest.approx(cap, rel=RTOL) for cap in plain]


# --- Real prices ----------------------------------------------------------------------------------------------------
AAPL, AMZN, NVDA, WMT = "cik:0000320193", "cik:0001018724", "cik:0001045810", "cik:0000104169"
REAL_SPLITS = pl.DataFrame(
    [
        (AAPL, date(2014, 6, 9), 7.0), (AAPL, date(2020, 8, 31), 4.0), (AMZN, date(2022, 6, 6), 20.0),
        (NVDA, date(2021, 7, 20), 4.0), (NVDA, date(2024, 6, 10), 10.0), (WMT, date(2024, 2, 26), 3.0),
    ],
    schema=splits().schema, orient="row",
)  # fmt: skip


def cover_counts():
    """The counts on the cover pages of real filings; vintages of one day as they were filed."""
    rows = [
        (f"cik:{cik}", date.fromisoformat(fact["end"]), float(fact["val"]), date.fromisoformat(fact["filed"]))
        for cik, document in companyfacts_files().items()
        for facts in json.loads(document)["facts"]
        .get("dei", {})
        .get("EntityCommonStockSharesOutstanding", {})
        .values()
        if isinstance(facts, dict)
        for fact in facts.get("shares", ())
    ]
    return pl.DataFrame(rows, schema=shares().schema, orient="row")


@needs_files
def test_real_counts_and_prices():
    counts = cover_counts()
    companies = counts["asset_id"].unique().to_list()
    closes = pl.read_parquet(DATA / "prices.parquet").filter(pl.col("asset_id").is_in(companies))
    found = universe_from_prices(closes, counts, prices_are="split_adjusted", splits=REAL_SPLITS)
    assert found.skipped.is_empty()
    # No split moves the market capitalisation: of large companies it changes by less than a quarter a day.
    change = found.universe.sort("asset_id", "date").select(
        (pl.col("market_cap") / pl.col("market_cap").shift(1)).log().abs().over("asset_id").max()
    )
    assert change.item() < 0.25
    # What was written of Apple: the first company of three thousand billion dollars at a close, on 2023-06-30.
    apple = dict(found.universe.filter(pl.col("asset_id") == AAPL).select("date", "market_cap").rows())
    assert max(cap for at, cap in apple.items() if at < date(2023, 6, 29)) < 3e12 < apple[date(2023, 6, 30)]


@needs_files
@pytest.mark.parametrize(
    ("asset", "ex"), [(AAPL, date(2020, 8, 31)), (AMZN, date(2022, 6, 6)), (NVDA, date(2021, 7, 20))]
)
def test_every_real_split_is_missed(asset, ex):
    counts = cover_counts()
    closes = pl.read_parquet(DATA / "prices.parquet").filter(
        pl.col("asset_id").is_in(counts["asset_id"].unique().to_list())
    )
    listed = REAL_SPLITS.filter((pl.col("asset_id") != asset) | (pl.col("date") != ex))
    with pytest.raises(DataError, match=f"asset {asset!r}: "):
        universe_from_prices(closes, counts, prices_are="split_adjusted", splits=listed)
    found = universe_from_prices(
        closes, counts, prices_are="split_adjusted", splits=listed, unlisted_splits="null"
    )
    assert found.skipped.select("filer", "reason").rows() == [(asset, "counts point to a missing split")]


@needs_files
def test_all_real_prices_take_seconds():
    closes = pl.read_parquet(DATA / "prices.parquet")
    ids = closes.select("asset_id").unique().sort("asset_id")
    quarters = (
        pl.date_range(date(2017, 12, 31), date(2023, 12, 31), "1q", eager=True).alias("period_end").to_frame()
    )
    counts = ids.join(quarters, how="cross").with_columns(
        value=1e8 + pl.col("period_end").dt.year() * 1e4,
        available_at=pl.col("period_end").dt.offset_by("40d"),
    )
    listed = ids.head(200).with_columns(date=pl.lit(date(2024, 2, 1)), ratio=2.0)
    start = time.perf_counter()
    found = universe_from_prices(
        closes, counts, prices_are="split_adjusted", splits=listed, unlisted_splits="null"
    )
    # About one second where it was written; the limit is for a busy machine.
    assert time.perf_counter() - start < 20.0
    assert found.universe.height == closes.height
    assert found.skipped["reason"].unique().to_list() == ["no count known"]
    assert found.universe["market_cap"].null_count() == found.skipped["rows"].sum()
