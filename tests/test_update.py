"""Updates: new dates alone are computed, the result is that of a full run, and another past is refused."""

import pickle
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import kifactors as kf
from kifactors import definition as parts
from kifactors.errors import DataError, DateError, MissingRateError, StaleScoresError
from kifactors.schema import INPUTS
from tests.worlds import ASSETS, DATES, build, known_by, seeds

MANY = settings(max_examples=60, deadline=None)
FEW = settings(max_examples=15, deadline=None)
FACTOR = kf.AIInfrastructureExposure()
CUTS = st.integers(1, len(DATES) - 1)


def names(rng):
    """Return tickers that change on some day, or always hold, or are missing."""
    rows = []
    for asset in ASSETS:
        change = date(2019, 1, 1) + timedelta(int(rng.integers(0, 2400)))
        kind = rng.integers(0, 4)
        if kind == 1:
            rows.append((asset, asset.upper(), None, None))
        elif kind > 1:
            rows += [
                (asset, "OLD", None, change),
                (asset, "NEW", change, None if kind == 2 else change + timedelta(400)),
            ]
    schema = {"asset_id": pl.String, "ticker": pl.String, "valid_from": pl.Date, "valid_to": pl.Date}
    return pl.DataFrame(rows, schema=schema, orient="row")


def world(seed, *, universe=True, labelled=True):
    frames = build(seed, universe=universe)
    labels = names(np.random.default_rng([seed, 1]))
    return {**frames, "assets": labels} if labelled and labels.height else frames


def then(frames, day, lag_days=1, *, announced=True):
    """Return the tables of a day: nothing that was not known, and ends of what was going on still open."""
    labels = frames.get("assets")
    kept = known_by({name: frame for name, frame in frames.items() if name != "assets"}, day, lag_days)
    open_at = lambda end: pl.when(pl.col(end) <= day).then(end)  # noqa: E731
    if "index_membership" in kept and not announced:
        kept["index_membership"] = kept["index_membership"].with_columns(end=open_at("end"))
    if labels is not None:
        labels = labels.filter((pl.col("valid_from") <= day).fill_null(value=True)).with_columns(
            valid_to=open_at("valid_to")
        )
        kept |= {"assets": labels} if labels.height else {}
    return kept


def day_of(place):
    return date.fromisoformat(DATES[place])


def in_dollars(frames):
    """Return a world that needs no exchange rate."""
    return {
        n: f.with_columns(currency=pl.lit("USD")) if n == "capex_guidance" else f for n, f in frames.items()
    }


def with_weights(members=None):
    members = build(3)["index_membership"] if members is None else members
    return members.with_columns(weight=pl.int_range(1, pl.len() + 1).cast(pl.Float64))


def compute(frames, dates, factor=FACTOR):
    return factor.compute(kf.Tables(**frames), dates)


def assert_same(got, expected):
    assert_frame_equal(got.to_polars(), expected.to_polars(), check_exact=True)
    assert_frame_equal(got.diagnostics, expected.diagnostics, check_exact=True)
    for name in ("dates", "definition", "inputs", "history", "release"):
        assert getattr(got, name) == getattr(expected, name), name


# Equal to a full run --------------------------------------------------------------------------------------


@pytest.mark.slow
@MANY
@given(seeds, CUTS, st.booleans(), st.booleans(), st.integers(0, 5))
def test_an_update_equals_a_full_run(seed, cut, universe, announced, lag_days):
    frames = world(seed, universe=universe)
    factor = kf.AIInfrastructureExposure(kf.FactorDefinition(time=parts.Time(lag_days=lag_days)))
    before = then(frames, date.fromisoformat(DATES[cut - 1]), lag_days, announced=announced)
    assume(not universe or "universe" in before)
    made = compute(before, DATES[:cut], factor)
    got = factor.update(made, kf.Tables(**frames), DATES[cut:])
    assert_same(got, compute(frames, DATES, factor))


@pytest.mark.slow
@FEW
@given(seed=seeds, cuts=st.lists(CUTS, min_size=2, max_size=4, unique=True))
def test_so_do_several_updates_through_files(seed, cuts, tmp_path_factory):
    frames, path = world(seed), tmp_path_factory.mktemp("scores") / "scores.parquet"
    ends = [*sorted(cuts), len(DATES)]
    kf.write_scores(compute(then(frames, date.fromisoformat(DATES[ends[0] - 1])), DATES[: ends[0]]), path)
    for low, high in pairwise(ends):
        today = kf.Tables(**then(frames, date.fromisoformat(DATES[high - 1]), announced=False))
        kf.write_scores(FACTOR.update(kf.read_scores(path), today, DATES[low:high]), path)
    full = compute(then(frames, date.fromisoformat(DATES[-1]), announced=False), DATES)
    assert_same(kf.read_scores(path), full)
    assert kf.read_scores(path).to_arrow().equals(full.to_arrow(), check_metadata=True)


@pytest.mark.slow
@FEW
@given(seeds, CUTS)
def test_blocks_and_threads_do_not_matter(seed, cut):
    frames = world(seed)
    full, made = compute(frames, DATES), compute(frames, DATES[:cut])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kifactors.factor.BLOCK_ROWS", 1)
        patch.setattr("kifactors.factor.MIN_BLOCK_DATES", 3)
        patch.setattr("kifactors._kernels._threads.SMALL", 0)
        assert_same(FACTOR.update(made, kf.Tables(**frames), DATES[cut:], n_threads=3), full)


@pytest.mark.slow
@FEW
@given(seeds, CUTS, st.sampled_from([1, 40, 400, 4000]))
def test_what_is_out_of_reach_does_not_matter(seed, cut, days):
    """Rows that are left out for their age change nothing, whatever the age."""
    frames = world(seed)
    time = parts.Time(max_age_days=days, tie_expiry_days=days)
    factor = kf.AIInfrastructureExposure(kf.FactorDefinition(time=time))
    made = compute(frames, DATES[:cut], factor)
    assert_same(factor.update(made, kf.Tables(**frames), DATES[cut:]), compute(frames, DATES, factor))


@pytest.mark.parametrize("universe", [True, False])
def test_a_date_alone_has_the_same_bits(universe):
    """Of this world one date has a single company that spends; polars divides one row in another way than several."""
    frames = world(3, universe=universe, labelled=False)
    tables, full = kf.Tables(**frames), compute(frames, DATES)
    for day in DATES:
        alone, expected = FACTOR.compute(tables, [day]), full.at(day)
        assert_frame_equal(alone.to_polars(), expected.to_polars(), check_exact=True)
        assert_frame_equal(alone.diagnostics, expected.diagnostics, check_exact=True)


@FEW
@given(seeds, CUTS)
def test_nothing_is_changed_in_place(seed, cut):
    frames = world(seed)
    tables, made = kf.Tables(**frames), compute(frames, DATES[:cut])
    held, scores = {name: frame.clone() for name, frame in tables}, pickle.loads(pickle.dumps(made))
    FACTOR.update(made, tables, DATES[cut:])
    assert_same(made, scores)
    for name, frame in tables:
        assert_frame_equal(frame, held[name])


@pytest.mark.slow
@FEW
@given(seeds, st.integers(1, len(DATES) - 2), st.integers(0, len(DATES) - 2))
def test_one_date_of_more_may_be_continued(seed, cut, kept):
    frames = world(seed)
    one = compute(frames, DATES[:cut]).at(DATES[min(kept, cut - 1)])
    later = DATES[min(kept, cut - 1) + 1 :]
    assert_same(FACTOR.update(one, kf.Tables(**frames), later), compute(frames, [str(one.dates[0]), *later]))


APPEARING = sorted({*build(3)} - {"universe"})


@pytest.mark.parametrize("name", APPEARING)
def test_a_table_may_appear_with_rows_that_are_new(name):
    frames = in_dollars(world(3))
    absent = {other: frame for other, frame in frames.items() if other != name}
    late = frames[name].filter(pl.col("date" if name == "fx" else "available_at") >= day_of(5))
    assert late.height
    now = {**absent, name: late}
    made = compute(absent, DATES[:6])
    assert_same(FACTOR.update(made, kf.Tables(**now), DATES[6:]), compute(now, DATES))


def test_a_table_may_vanish_that_told_nothing_yet():
    frames = world(3)
    late = frames["tie_disclosures"].filter(pl.col("available_at") >= day_of(9))
    made = compute({**frames, "tie_disclosures": late}, DATES[:10])
    now = {name: frame for name, frame in frames.items() if name != "tie_disclosures"}
    assert_same(FACTOR.update(made, kf.Tables(**now), DATES[10:]), compute(now, DATES))


def test_optional_columns_may_appear_where_nulls_mean_the_same():
    frames = world(3)
    bare = {**frames, "revenue_ties": frames["revenue_ties"].drop("ai_share")}
    early = pl.col("available_at") < day_of(9)
    later = frames["revenue_ties"].with_columns(ai_share=pl.when(early).then(None).otherwise("ai_share"))
    now = {**frames, "revenue_ties": later}
    assert_same(FACTOR.update(compute(bare, DATES[:10]), kf.Tables(**now), DATES[10:]), compute(now, DATES))


@pytest.mark.parametrize("column", ["source", "note", "provenance"])
def test_texts_that_change_no_score_may_be_corrected(column):
    frames = world(3)
    name = "ai_capex_share" if column == "provenance" else "fundamentals"
    now = {**frames, name: frames[name].with_columns(pl.lit("estimated").alias(column))}
    assert_same(FACTOR.update(compute(frames, DATES[:9]), kf.Tables(**now), DATES[9:]), compute(now, DATES))


# Names ----------------------------------------------------------------------------------------------------


def test_labels_of_earlier_dates_follow_the_names():
    """A listing, a rename that is dated, one that is not, a name that is dropped: labels are those of a full run."""
    frames = world(3, labelled=False)
    then_ = pl.DataFrame({"asset_id": ["a0", "a1", "a2"], "ticker": ["A", "B", "C"]})
    dated = pl.DataFrame(
        [("a0", "A", None, day_of(12)), ("a0", "AA", day_of(12), None), ("a1", "BB", None, None), ("a3", "D", None, None)],
        schema={"asset_id": pl.String, "ticker": pl.String, "valid_from": pl.Date, "valid_to": pl.Date},
        orient="row",
    )  # fmt: skip
    for before in (then_, None):
        for now in (dated, then_, None):
            made = compute({**frames, **({} if before is None else {"assets": before})}, DATES[:10])
            tables = {**frames, **({} if now is None else {"assets": now})}
            assert_same(FACTOR.update(made, kf.Tables(**tables), DATES[10:]), compute(tables, DATES))


def test_labels_are_made_again_only_if_names_differ(monkeypatch):
    frames = world(3, labelled=False)
    names_ = pl.DataFrame({"asset_id": ["a0"], "ticker": ["A"], "valid_from": [None], "valid_to": [None]})
    made = compute({**frames, "assets": names_}, DATES[:10])
    renamed = [("a0", "A", None, day_of(12)), ("a0", "AA", day_of(12), None), ("a9", "Z", day_of(11), None)]
    now = pl.DataFrame(renamed, schema=["asset_id", "ticker", "valid_from", "valid_to"], orient="row")
    seen = []
    labelled = kf.factor.with_tickers
    monkeypatch.setattr(
        kf.factor, "with_tickers", lambda frame, assets: seen.append(frame.height) or labelled(frame, assets)
    )
    got = FACTOR.update(made, kf.Tables(**frames, assets=now), DATES[10:])
    assert len(seen) == 1, "only the new dates"
    assert got.to_polars().filter(asset_id="a0")["ticker"].unique().sort().to_list() == ["A", "AA"]


# Another past ---------------------------------------------------------------------------------------------

CUT = 10
EDITS = [
    (name, column.name)
    for name, schema in INPUTS.items()
    for column in schema.columns
    if column.used
    and name != "assets"
    and column.name in {**build(3), "index_membership": with_weights()}[name].columns
]


def refused(made, tables, *parts_):
    with pytest.raises(StaleScoresError) as caught:
        FACTOR.update(made, tables, DATES[CUT:])
    for part in parts_:
        assert part in str(caught.value)


def edited(frame, row, column, rng):
    """Change one cell to another value that the schema takes."""
    value = frame[column][row]
    if frame[column].dtype == pl.Date:
        new = date(2019, 1, 1) if value is None else value - timedelta(1 + int(rng.integers(0, 3)))
    elif frame[column].dtype == pl.Float64:
        new = value * (1 - 2.0**-52) if value else 0.25
    elif frame[column].dtype == pl.Boolean:
        new = not value
    else:
        new = {"capex": "revenue", "ai": "broad", "EUR": "GBP", "USD": "CHF"}.get(value, "zz")
    cells = frame[column].to_list()
    cells[row] = new
    if column == "currency" and "metric" in frame.columns:  # a company has one
        owner = pl.col("asset_id") == frame["asset_id"][row]
        return frame.with_columns(currency=pl.when(owner).then(pl.lit(new)).otherwise("currency"))
    return frame.with_columns(pl.Series(column, cells, frame[column].dtype))


def visible(frame, name, rng):
    """Return a row that the last computed date could see."""
    known = {"universe": pl.col("date"), "fx": pl.col("date") + pl.duration(days=1)}
    at = frame.select(
        (known.get(name, pl.col("available_at") + pl.duration(days=1)) <= day_of(CUT - 1)).arg_true()
    )
    rows = at.to_series().to_list()
    assume(rows)
    return rows[int(rng.integers(len(rows)))]


@pytest.mark.parametrize(("name", "column"), EDITS)
@settings(max_examples=4, deadline=None)
@given(seed=seeds)
def test_an_edited_cell_is_refused(name, column, seed):
    rng = np.random.default_rng(seed)
    frames = world(seed)
    assume(name in frames)
    frames["index_membership"] = with_weights(frames["index_membership"])
    made = compute(frames, DATES[:CUT])
    row = visible(frames[name], name, rng)
    frame = edited(frames[name], row, column, rng)
    if column == "end":
        ends = [f["end"].fill_null(date.max)[row] for f in (frame, frames[name])]
        assume(min(ends) <= day_of(CUT - 1))  # else nothing of it was known yet
    try:
        tables = kf.Tables(**{**frames, name: frame})
    except DataError:
        assume(False)  # the schema saw it first
    refused(made, tables, f"{name} differs")


@pytest.mark.parametrize("name", sorted({*build(3)}))
@settings(max_examples=6, deadline=None)
@given(seed=seeds, kind=st.sampled_from(["deleted", "added", "all"]))
def test_a_row_that_vanished_or_was_added_is_refused(name, seed, kind):
    rng = np.random.default_rng(seed)
    frames = world(seed)
    assume(name in frames)
    row = visible(frames[name], name, rng)
    fewer = frames[name].with_row_index("row").filter(pl.col("row") != row).drop("row")
    assume(fewer.height and (kind != "all" or len(frames) > 1))
    without = {other: frame for other, frame in frames.items() if other != name}
    one, other = ({**without, name: fewer} if kind != "all" else without), frames
    if kind == "added":
        made, tables = compute_or_skip(one), kf.Tables(**other)
    else:
        made, tables = compute_or_skip(other), kf.Tables(**one)
    refused(made, tables, name if name == "universe" and kind == "all" else f"{name} differs")


def compute_or_skip(frames):
    """Compute, unless the missing row makes that impossible: a rate, a date of the universe."""
    try:
        return compute(frames, DATES[:CUT])
    except (DateError, MissingRateError):
        assume(False)


def test_the_message_tells_table_year_and_counts():
    frames = world(3)
    made = compute(frames, DATES[:CUT])
    facts = frames["fundamentals"].sort("available_at")
    fewer = {**frames, "fundamentals": facts[2:]}
    year = facts["available_at"][0].year
    had = facts.filter(pl.col("available_at").dt.offset_by("1d").dt.year() == year).height
    refused(
        made,
        kf.Tables(**fewer),
        f"as known on {day_of(CUT - 1)}: ",
        f"fundamentals differs in what could first be used in {year} ({had} rows then, {had - 2} now)",
        "Compute all dates again",
    )
    assert "later year" not in message(made, fewer)
    doubled = {**frames, "fundamentals": facts.with_columns(pl.col("value") * 2)}
    assert "rows, not the same ones), and" in message(made, doubled)
    both = {**doubled, "ai_capex_share": frames["ai_capex_share"].with_columns(share=0.123)}
    assert message(made, both).count("differs in what") == 2


def message(made, frames):
    with pytest.raises(StaleScoresError) as caught:
        FACTOR.update(made, kf.Tables(**frames), DATES[CUT:])
    return str(caught.value)


@pytest.mark.parametrize("column", ["industry", "market_cap", "estimation"])
def test_a_column_of_the_universe_counts_even_where_it_is_null(column):
    frames = world(3)
    universe = frames["universe"]
    fewer = {**frames, "universe": universe.drop(column)}
    part = f"universe had {', '.join(universe.columns)} then, and had "
    refused(compute(frames, DATES[:CUT]), kf.Tables(**fewer), part)
    if column != "estimation":
        null = {
            **frames,
            "universe": universe.with_columns(pl.lit(None, universe.schema[column]).alias(column)),
        }
        refused(compute(fewer, DATES[:CUT]), kf.Tables(**null), "universe had date")


def test_a_universe_that_appears_or_vanishes_is_another_past():
    frames = world(3)
    without = {name: frame for name, frame in frames.items() if name != "universe"}
    late = {**frames, "universe": frames["universe"].filter(pl.col("date") >= day_of(CUT))}
    for now in (frames, late):
        refused(compute(without, DATES[:CUT]), kf.Tables(**now), "universe was absent then, and had date")
    refused(compute(frames, DATES[:CUT]), kf.Tables(**without), "universe had date", "was absent now")


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [(None, 1, True), (1, None, True), (30, 1, True), (None, 0, False), (0, -1, False), (-30, None, False)],
)
def test_an_end_counts_from_its_day_on(before, after, same):
    """Days are counted from the last computed date; one day after it nothing of the end is in the scores yet."""
    frames = world(3)
    last = day_of(CUT - 1)
    member = lambda days: pl.DataFrame(  # noqa: E731
        {"index_id": ["m"], "asset_id": ["a0"], "start": [date(2019, 1, 1)], "available_at": [date(2019, 1, 1)],
         "end": [None if days is None else last + timedelta(days)]}, schema_overrides={"end": pl.Date})  # fmt: skip
    made = compute({**frames, "index_membership": member(before)}, DATES[:CUT])
    now = {**frames, "index_membership": member(after)}
    if same:
        assert_same(FACTOR.update(made, kf.Tables(**now), DATES[CUT:]), compute(now, DATES))
    else:
        refused(made, kf.Tables(**now), "index_membership differs")


# Definition, release, dates, types ------------------------------------------------------------------------


def test_another_definition_is_refused_by_parameter():
    frames = world(3)
    made = compute(frames, DATES[:CUT])
    other = kf.FactorDefinition(supplier_ties=parts.SupplierTies(delta=0.25), time=parts.Time(lag_days=2))
    with pytest.raises(
        StaleScoresError, match=r"time.lag_days 1 -> 2, supplier_ties.delta 0.5 -> 0.25\. Use"
    ):
        kf.AIInfrastructureExposure(other).update(made, kf.Tables(**frames), DATES[CUT:])


def test_screening_changes_no_score_and_is_taken_over():
    frames = world(3)
    other = kf.AIInfrastructureExposure(kf.FactorDefinition(screening=parts.Screening(max_weight=0.1)))
    got = other.update(compute(frames, DATES[:CUT]), kf.Tables(**frames), DATES[CUT:])
    assert_same(got, compute(frames, DATES, other))


def remade(made, **changes):
    options = {name: getattr(made, name) for name in ("inputs", "dates", "diagnostics", "history", "release")}
    return kf.Scores(made.to_polars(), made.definition, **{**options, **changes})


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"release": "0.0.9"}, "made by kifactors 0.0.9; this is"),
        ({"history": None}, "do not tell from which past"),
    ],
)
def test_scores_of_another_release_or_without_history_are_refused(changes, part):
    frames = world(3)
    made = remade(compute(frames, DATES[:CUT]), **changes)
    refused(made, kf.Tables(**frames), part, "Compute all dates again")


@pytest.mark.parametrize(
    ("dates", "part"),
    [
        ([], "dates is empty"),
        ([DATES[CUT + 1], DATES[CUT]], "ascend strictly"),
        ([DATES[CUT - 1], DATES[CUT]], f"new_dates has 1 that is computed already: {DATES[CUT - 1]}"),
        (["2021-02-01"], "new_dates has 1 that is not after it: 2021-02-01"),
        (DATES, f"new_dates has {CUT} that is computed already: {DATES[0]}, {DATES[1]}, {DATES[2]}"),
        (["2030-01-01"], "universe has no rows on 2030-01-01"),
    ],
)
def test_dates_that_cannot_be_appended_are_refused(dates, part):
    frames = world(3)
    with pytest.raises(DateError, match=part):
        FACTOR.update(compute(frames, DATES[:CUT]), kf.Tables(**frames), dates)


def test_other_types_are_refused():
    frames = world(3)
    made = compute(frames, DATES[:CUT])
    with pytest.raises(DataError, match=r"tables is a dict; expected kf.Tables"):
        FACTOR.update(made, frames, DATES[CUT:])
    with pytest.raises(DataError, match=r"scores is a DataFrame; expected Scores. Read a file"):
        FACTOR.update(made.to_polars(), kf.Tables(**frames), DATES[CUT:])


def test_progress_counts_new_dates():
    frames, seen = world(3), []
    FACTOR.update(
        compute(frames, DATES[:CUT]),
        kf.Tables(**frames),
        DATES[CUT:],
        progress=lambda *step: seen.append(step),
    )
    assert seen[-1] == (len(DATES) - CUT,) * 2


def test_earlier_dates_are_not_copied():
    frames = world(3)
    made = compute(frames, DATES[:CUT])
    got = FACTOR.update(made, kf.Tables(**frames), DATES[CUT:])
    old, new = (scores.to_polars()["coverage"].get_chunks()[0] for scores in (made, got))
    assert old.to_numpy().ctypes.data == new.to_numpy().ctypes.data


def test_few_rows_are_in_reach_of_a_few_dates():
    tables = kf.Tables(**world(3))
    day = kf.calendar.score_dates(DATES[-1:])
    near = kf.asof.within_reach(tables, day, time=parts.Time())
    assert near.universe["date"].unique().to_list() == [date.fromisoformat(DATES[-1])]
    for _, frame in near:
        if "available_at" in frame.columns:
            assert frame["available_at"].max() < date.fromisoformat(DATES[-1])
    assert near.revenue_ties["period_end"].min() >= day[0] - timedelta(parts.Time().tie_expiry_days)
    assert near.fundamentals.height < tables.fundamentals.height
