"""Screens: each condition against plain Python on small frames, three-valued logic, reasons, laziness."""

import gc
import math
from datetime import date, timedelta
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import kifactors as kf
from kifactors.errors import DataError, MissingColumnError
from kifactors.schema import ROLES, SCORES
from kifactors.scores import Scores
from kifactors.screen import classifier, factor, select

E, COVERAGE, ROLE = factor("exposure"), factor("coverage"), classifier("role")
FIRST = date(2024, 1, 31)


def scores_of(rows, **columns) -> Scores:
    """Rows of (day, asset_id, exposure); other columns by name, null where not given."""
    days = [FIRST + timedelta(day) for day, *_ in rows]
    known = {
        "date": days,
        "asset_id": [asset for _, asset, *_ in rows],
        "exposure": [row[2] for row in rows],
        **columns,
    }
    frame = pl.DataFrame(
        {
            name: pl.Series(known.get(name, [None] * len(rows)), dtype=dtype)
            for name, dtype in SCORES.polars.items()
        }
    )
    return Scores(
        frame,
        kf.FactorDefinition(),
        inputs={},
        dates=sorted(set(days)),
        diagnostics=pl.DataFrame({"date": []}),
    )


def one_day(exposures, **columns) -> Scores:
    return scores_of([(0, f"a{k}", x) for k, x in enumerate(exposures)], **columns)


def selected(scores, condition, **options) -> list[str]:
    return select(scores, condition, **options).filter("selected").collect()["asset_id"].to_list()


def reasons(scores, condition, **options) -> list[str | None]:
    return select(scores, condition, **options).collect()["reason"].cast(pl.String).to_list()


# by hand


def test_top_takes_the_highest_and_says_so_to_the_rest():
    scores = one_day([0.1, 0.4, None, 0.3])
    assert selected(scores, E.top(2)) == ["a1", "a3"]
    assert reasons(scores, E.top(2)) == [
        "not exposure among the 2 highest", None, "exposure unknown", None,
    ]  # fmt: skip


def test_equal_numbers_at_the_edge_go_by_asset_id():
    scores = one_day([0.2, 0.5, 0.2, 0.2])
    assert selected(scores, E.top(2)) == ["a0", "a1"]
    assert selected(scores, E.bottom(2)) == ["a0", "a2"]


def test_a_mask_chooses_before_the_ranking():
    roles = ["pioneer", "tool_supplier", "tool_supplier", "pioneer"]
    scores = one_day([0.9, 0.1, 0.3, 0.8], role=roles)
    suppliers = ROLE.element_of(["tool_supplier"])
    assert selected(scores, E.top(1, mask=suppliers)) == ["a2"]
    assert selected(scores, E.top(1) & suppliers) == []
    assert reasons(scores, E.top(1, mask=suppliers)) == [
        "not role in ('tool_supplier',)",
        "not exposure among the 1 highest of role in ('tool_supplier',)",
        None,
        "not role in ('tool_supplier',)",
    ]


def test_percentiles_are_numpys_and_include_their_ends():
    scores = one_day([0.0, 0.1, 0.2, 0.3, 0.4])
    assert selected(scores, E.percentile_between(25, 75)) == ["a1", "a2", "a3"]
    assert selected(scores, E.percentile_between(0, 100)) == [f"a{k}" for k in range(5)]
    assert selected(scores, E.percentile_between(80, 100)) == ["a4"]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (E > 0.2, ["a2"]),
        (E >= 0.2, ["a1", "a2"]),
        (E < 0.2, ["a0"]),
        (E <= 0.2, ["a0", "a1"]),
        (E.above(0.2), ["a2"]),
        (E.below(0.2), ["a0"]),
        (E.known(), ["a0", "a1", "a2"]),
        (~E.known(), ["a3"]),
    ],
    ids=str,
)
def test_comparisons(condition, expected):
    assert selected(one_day([0.1, 0.2, 0.3, None]), condition) == expected


def test_the_unknown_passes_neither_a_condition_nor_its_opposite():
    scores = one_day([0.1, 0.3, None], role=["pioneer", None, "none"])
    assert selected(scores, ~(E > 0.2)) == ["a0"]
    assert reasons(scores, ~(E > 0.2)) == [None, "exposure > 0.2", "exposure unknown"]
    pioneers = ROLE.element_of(["pioneer"])
    assert selected(scores, ~pioneers) == selected(scores, ROLE.not_element_of(["pioneer"])) == ["a2"]
    assert selected(scores, pioneers | (E > 0.2)) == ["a0", "a1"]
    assert selected(scores, ~(pioneers & (E > 0.2))) == ["a0", "a2"]  # a2 is certainly no pioneer


def test_who_fails_both_of_two_is_told_both():
    scores = one_day([0.1], coverage=[0.3], role=["none"])
    either = (E > 0.2) | (COVERAGE >= 0.5)
    assert reasons(scores, either) == ["not exposure > 0.2; not coverage >= 0.5"]
    # The certain one is named before the unknown one.
    assert reasons(one_day([None], coverage=[0.3]), (E > 0.2) & (COVERAGE >= 0.5)) == ["not coverage >= 0.5"]


def test_the_universe_brings_industry_size_and_whatever_else_it_has():
    scores = one_day([0.1, 0.2, 0.3])
    universe = pl.DataFrame({
        "date": FIRST, "asset_id": ["a2", "a0"], "industry": ["Chips", "Banks"], "market_cap": [5e9, 1e9],
        "traded_value": [1e6, 2e6],
    })  # fmt: skip
    screen = kf.screen
    assert selected(scores, screen.industry.element_of(["Chips"]), universe=universe) == ["a2"]
    assert selected(scores, screen.industry.not_element_of(["Chips"]), universe=universe) == ["a0"]
    assert selected(scores, screen.market_cap > 2e9, universe=universe) == ["a2"]
    assert selected(scores, factor("traded_value").top(1), universe=universe) == ["a0"]
    assert reasons(scores, screen.market_cap > 2e9, universe=universe)[1] == "market_cap unknown"


def test_every_date_stands_for_itself():
    scores = scores_of([(0, "a", 0.1), (0, "b", 0.2), (30, "a", 0.9), (30, "b", 0.8)])
    found = select(scores, E.top(1)).filter("selected").collect()
    assert found.select("date", "asset_id").rows() == [(FIRST, "b"), (FIRST + timedelta(30), "a")]


# against plain Python


def verdict(condition: str, x: float | None, c: float | None, r: str | None) -> bool | None:
    """Kleene's logic, one asset at a time."""
    return {
        "above": None if x is None else x > 0.4,
        "coverage": None if c is None else c >= 0.5,
        "role": None if r is None else r in {"pioneer", "both"},
        "known": x is not None,
    }[condition]


LEAVES = {
    "above": E > 0.4,
    "coverage": COVERAGE >= 0.5,
    "role": ROLE.element_of(["pioneer", "both"]),
    "known": E.known(),
}
TREES = st.recursive(
    st.sampled_from(sorted(LEAVES)),
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner), st.tuples(st.sampled_from(["and", "or"]), inner, inner)
    ),
    max_leaves=6,
)
SHARES = st.none() | st.integers(0, 10).map(lambda k: k / 10)


def built(tree):
    if isinstance(tree, str):
        return LEAVES[tree]
    if tree[0] == "not":
        return ~built(tree[1])
    return built(tree[1]) & built(tree[2]) if tree[0] == "and" else built(tree[1]) | built(tree[2])


def judged(tree, row) -> bool | None:
    if isinstance(tree, str):
        return verdict(tree, *row)
    parts = [judged(part, row) for part in tree[1:]]
    if tree[0] == "not":
        return None if parts[0] is None else not parts[0]
    decides = tree[0] == "or"
    if decides in parts:
        return decides
    return None if None in parts else not decides


@settings(max_examples=200, deadline=None)
@given(TREES, st.lists(st.tuples(SHARES, SHARES, st.none() | st.sampled_from(ROLES)), min_size=1, max_size=8))
def test_trees_of_conditions_follow_three_valued_logic(tree, rows):
    scores = one_day([x for x, *_ in rows], coverage=[c for _, c, _ in rows], role=[r for *_, r in rows])
    found = select(scores, built(tree)).collect()
    assert found["selected"].to_list() == [judged(tree, row) is True for row in rows]
    assert found["reason"].is_null().to_list() == found["selected"].to_list()


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), SHARES, st.sampled_from(ROLES)), min_size=1, max_size=30),
    st.integers(1, 8),
    st.booleans(),
    st.booleans(),
)
def test_top_and_bottom_equal_sorting(rows, n, highest, masked):
    rows = sorted(rows, key=lambda row: row[0])
    scores = scores_of(
        [(day, f"a{k:02d}", x) for k, (day, x, _) in enumerate(rows)], role=[r for *_, r in rows]
    )
    mask = ROLE.element_of(["pioneer", "none"]) if masked else None
    condition = E.top(n, mask=mask) if highest else E.bottom(n, mask=mask)
    expected = set()
    for day in range(4):
        known = [
            (-x if highest else x, f"a{k:02d}")
            for k, (d, x, role) in enumerate(rows)
            if d == day and x is not None and (not masked or role in {"pioneer", "none"})
        ]
        expected |= {asset for _, asset in sorted(known)[:n]}
    assert set(selected(scores, condition)) == expected


def percentile(known: list[Fraction], q: int) -> Fraction:
    """Definition 7 of Hyndman and Fan, in exact arithmetic."""
    place = Fraction(q) * (len(known) - 1) / 100
    below = int(place)
    above = min(below + 1, len(known) - 1)
    return known[below] + (place - below) * (known[above] - known[below])


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.none() | st.integers(0, 64).map(lambda k: k / 64), min_size=1, max_size=40),
    st.tuples(st.integers(0, 100), st.integers(0, 100)).map(sorted),
)
def test_percentiles_equal_the_definition(exposures, limits):
    known = sorted(Fraction(x) for x in exposures if x is not None)
    # Who is nearer to a line than a rounding, but not on it, may fall on either side.
    lines = [percentile(known, q) for q in limits] if known else []
    near = any(0 < abs(x - line) < Fraction(1, 10**12) for x in known for line in lines)
    assume(not near)
    expected = [
        f"a{k}" for k, x in enumerate(exposures) if x is not None and lines[0] <= Fraction(x) <= lines[1]
    ]
    found = selected(one_day(exposures), E.percentile_between(*limits))
    uncertain = {f"a{k}" for k, x in enumerate(exposures) if x is not None and Fraction(x) in lines}
    assert {*found} - uncertain == {*expected} - uncertain


def test_who_stands_on_the_line_is_in():
    """Of 101 numbers the q-th is the percentile q; numpy's 55th misses it by a rounding."""
    scores = one_day([k / 128 for k in range(101)])
    for q in range(101):
        assert len(selected(scores, E.percentile_between(q, 100))) == 101 - q
        assert len(selected(scores, E.percentile_between(0, q))) == q + 1


# laziness


def test_blocks_of_dates_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    scores = scores_of([(day, f"a{k:02d}", rng.random()) for day in range(20) for k in range(7)])
    whole = select(scores, E.top(3)).collect()
    monkeypatch.setattr("kifactors.screen._select.BLOCK_ROWS", 10)
    for n_threads in (1, 2, 5):
        lazy = select(scores, E.top(3), n_threads=n_threads)
        assert lazy.collect().equals(whole)
        assert lazy.collect(engine="streaming").equals(whole)


def test_only_the_dates_that_are_asked_for_are_judged(monkeypatch):
    monkeypatch.setattr("kifactors.screen._select.BLOCK_ROWS", 1)
    seen = []
    judge = type(E.top(1)).judge

    def counted(self, day):
        seen.append(day.frame.height)
        return judge(self, day)

    monkeypatch.setattr(type(E.top(1)), "judge", counted)
    scores = scores_of([(day, "a", 0.5) for day in range(10)])
    lazy = select(scores, E.top(1), n_threads=1)
    assert seen == []
    assert lazy.head(2).collect().height == 2
    assert len(seen) == 2
    assert lazy.select("asset_id").head(1).collect().columns == ["asset_id"]


@pytest.mark.parametrize("block", [1, 250_000])
def test_the_first_rows_are_cut_before_they_are_filtered(monkeypatch, block):
    monkeypatch.setattr("kifactors.screen._select.BLOCK_ROWS", block)
    scores = scores_of(
        [(day, asset, x) for day in range(3) for asset, x in (("a", 0.1), ("b", 0.9), ("c", 0.8))]
    )
    lazy, eager = select(scores, E > 0.5), select(scores, E > 0.5).collect()
    for n in (1, 2, 4, 7, 9):
        assert lazy.head(n).filter("selected").collect().equals(eager.head(n).filter("selected"))
        assert lazy.filter("selected").head(n).collect().equals(eager.filter("selected").head(n))
        assert lazy.slice(1, n).filter("selected").collect().equals(eager.slice(1, n).filter("selected"))
        assert lazy.filter("selected").head(n).filter(pl.col("asset_id") == "c").collect().equals(
            eager.filter("selected").head(n).filter(pl.col("asset_id") == "c"))  # fmt: skip


def test_who_has_enough_leaves_nothing_behind(monkeypatch, capfd):
    monkeypatch.setattr("kifactors.screen._select.BLOCK_ROWS", 1)
    scores = scores_of([(day, "a", 0.5) for day in range(50)])
    for _ in range(20):
        assert select(scores, E.top(1), n_threads=4).head(1).collect().height == 1
    gc.collect()
    assert capfd.readouterr().err == ""


def test_no_row_is_judged_without_rows():
    scores = scores_of([])
    found = select(scores, E.top(3)).collect()
    assert found.is_empty()
    assert found.columns == ["date", "asset_id", "selected", "reason"]


# refusals


@pytest.mark.parametrize("n", [0, -1, 2.5, True, "3"])
def test_n_is_a_whole_number(n):
    with pytest.raises(DataError, match="n is"):
        E.top(n)


@pytest.mark.parametrize("limits", [(-1, 50), (50, 101), (60, 40), (math.nan, 50)])
def test_percentiles_lie_in_0_to_100(limits):
    with pytest.raises(DataError, match="percentiles are"):
        E.percentile_between(*limits)


@pytest.mark.parametrize("limit", [math.nan, math.inf, "0.1", None, True])
def test_limits_are_finite_numbers(limit):
    with pytest.raises(DataError, match="a limit is"):
        E.above(limit)


def test_and_or_not_are_no_way_to_combine():
    with pytest.raises(DataError, match=r"Combine with & \| ~"):
        bool(E > 0.1)
    with pytest.raises(DataError, match="combined with a bool"):
        (E > 0.1) & True


def test_a_column_nobody_has_is_named():
    with pytest.raises(MissingColumnError, match="'industry'; scores have no such column and no universe"):
        select(one_day([0.1]), kf.screen.industry.known())
    universe = pl.DataFrame({"date": [FIRST], "asset_id": ["a0"]})
    with pytest.raises(MissingColumnError, match="no column 'market_cap'"):
        select(one_day([0.1]), kf.screen.market_cap > 1, universe=universe)


def test_kinds_of_columns_are_not_mixed_up():
    with pytest.raises(Exception, match=r"Use screen\.classifier"):
        select(one_day([0.1]), factor("role") > 1).collect()
    with pytest.raises(Exception, match=r"Use screen\.factor"):
        select(one_day([0.1]), classifier("exposure").element_of(["a"])).collect()


def test_a_universe_with_two_rows_of_one_asset_is_refused():
    universe = pl.DataFrame({"date": [FIRST] * 2, "asset_id": ["a0"] * 2, "market_cap": [1.0, 2.0]})
    with pytest.raises(Exception, match="has asset 'a0' twice on 2024-01-31"):
        select(one_day([0.1]), kf.screen.market_cap > 1, universe=universe).collect()


def test_one_name_is_not_a_list_of_names():
    with pytest.raises(DataError, match="names is the text 'pioneer'"):
        ROLE.element_of("pioneer")


@pytest.mark.parametrize(("scores", "condition"), [(pl.DataFrame(), E > 1), (None, E > 1)])
def test_scores_are_scores(scores, condition):
    with pytest.raises(DataError, match="expected Scores"):
        select(scores, condition)
    with pytest.raises(DataError, match=r"expected one of kifactors\.screen"):
        select(one_day([0.1]), pl.col("exposure") > 1)


@pytest.mark.parametrize("n", [np.int64(2), np.uint8(2)])
def test_numpy_counts_are_whole_numbers(n):
    assert selected(one_day([0.1, 0.3, 0.2]), E.top(n)) == ["a1", "a2"]


def test_a_mask_is_a_condition():
    with pytest.raises(DataError, match="mask is a str"):
        E.top(3, mask="tool_supplier")


def test_no_names_pass_nobody_and_exclude_nobody():
    scores = one_day([0.1, 0.2, 0.3], role=["pioneer", "none", None])
    assert selected(scores, ROLE.element_of([])) == []
    assert selected(scores, ROLE.not_element_of([])) == ["a0", "a1"]


def test_names_are_texts_and_a_set_reads_alike_in_every_run():
    assert str(ROLE.element_of({"pioneer", "both", "none"})) == "role in ('both', 'none', 'pioneer')"
    with pytest.raises(DataError, match="expected texts"):
        ROLE.element_of([None])


def test_nan_in_a_universe_is_unknown():
    scores = one_day([0.1, 0.2])
    universe = pl.DataFrame({"date": [FIRST] * 2, "asset_id": ["a0", "a1"], "volume": [math.nan, 1.0]})
    volume = factor("volume")
    assert selected(scores, volume.known(), universe=universe) == ["a1"]
    assert selected(scores, ~volume.known(), universe=universe) == ["a0"]
    assert reasons(scores, volume > 0, universe=universe) == ["volume unknown", None]


def test_infinite_numbers_have_their_place_in_percentiles():
    scores = one_day([0.1, 0.2, 0.3, 0.4])
    ratios = [-math.inf, 1.0, 2.0, math.inf]
    universe = pl.DataFrame({"date": [FIRST] * 4, "asset_id": [f"a{k}" for k in range(4)], "ratio": ratios})
    ratio = factor("ratio")
    assert selected(scores, ratio.percentile_between(50, 100), universe=universe) == ["a2", "a3"]
    assert selected(scores, ratio.percentile_between(0, 50), universe=universe) == ["a0", "a1"]


def test_who_stands_on_a_fractional_percentile_passes():
    # The place of percentile 4.4 of 751 numbers is 33, and some 4e-15 in floating point.
    scores = one_day([k / 751 for k in range(751)])
    passing = select(scores, E.percentile_between(4.4, 100)).collect()["selected"].sum()
    assert passing == 751 - 33


@pytest.mark.parametrize("form", ["pandas", "arrow", "lazy", "csv", "parquet", "mapping"])
def test_a_universe_comes_in_any_form(form, tmp_path):
    scores = one_day([0.1, 0.2, 0.3])
    universe = pl.DataFrame(
        {
            "date": [FIRST] * 3, "asset_id": ["a0", "a1", "a2"], "industry": ["x", "y", "x"],
            "market_cap": [1e9, 2e9, None], "volume": [1, 2, 3],
        }
    )  # fmt: skip
    if form == "csv":
        universe.write_csv(tmp_path / "u.csv")
    if form == "parquet":
        universe.write_parquet(tmp_path / "u.parquet")
    given = {
        "pandas": lambda: universe.to_pandas(), "arrow": lambda: universe.to_arrow(), "lazy": universe.lazy,
        "csv": lambda: tmp_path / "u.csv", "parquet": lambda: str(tmp_path / "u.parquet"),
        "mapping": lambda: universe.to_dict(as_series=False),
    }[form]()  # fmt: skip
    wanted = classifier("industry").element_of(["x"]) & (factor("volume") >= 1)
    assert selected(scores, wanted, universe=given) == ["a0", "a2"]
    assert reasons(scores, factor("market_cap") > 1.5e9, universe=given) == [
        "not market_cap > 1500000000", None, "market_cap unknown",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("universe", "said"),
    [
        (
            pl.DataFrame({"date": ["2024-01-31"], "asset_id": ["a0"], "volume": [1]}),
            "column 'date' is String",
        ),
        (pl.DataFrame({"date": [FIRST], "asset_id": [None], "volume": [1]}), "'asset_id' is null in row 0"),
        (pl.DataFrame({"date": [FIRST], "volume": [1]}), "no column 'asset_id'"),
        (pl.DataFrame({"date": [FIRST], "asset_id": ["a0"]}), "no column 'volume'"),
        (pl.LazyFrame({"date": [FIRST]}).select(pl.col("nope")), "cannot be collected"),
        (7, "got int"),
    ],
)
def test_a_universe_of_another_kind_is_refused(universe, said):
    with pytest.raises(DataError, match=said):
        select(one_day([0.1]), factor("volume") > 0, universe=universe)
