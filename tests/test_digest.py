"""Digests of rows by day: compiled == twin, every cell counts, order and pieces do not, wrong arrays are refused."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kifactors import _kernels
from kifactors._kernels import Numbers, ShapeError, Texts, _backend
from kifactors.errors import KifactorsError
from kifactors.schema import INPUTS, content
from kifactors.schema._content import FIRST_DAY, _cells

EXAMPLES = settings(max_examples=80, deadline=None)
# Around the lengths at which a text leaves its view, fills a word, or fills two.
TEXTS = st.one_of(st.none(), st.text(max_size=26), st.text("ab", min_size=7, max_size=18))
WORDS = st.integers(-(2**63), 2**63 - 1)
# As the digest of a column's name is: the one number that equals its column's key adds nothing.
KEY = 0x9E3779B97F4A7C15


@st.composite
def frames(draw):
    rows = st.tuples(TEXTS, TEXTS, st.one_of(st.none(), WORDS), st.integers(-3, 3))
    cells = draw(st.lists(rows, max_size=12))
    schema = {"x": pl.String, "y": pl.String, "n": pl.Int64, "day": pl.Int32}
    return pl.DataFrame(cells, schema=schema, orient="row")


def number(column, key):
    array = column.to_arrow()
    bits, values = array.buffers()
    valid = np.frombuffer(bits, np.uint8) if column.null_count() else None
    return Numbers(
        key, np.frombuffer(values or b"", np.int64)[array.offset :][: len(array)], valid, array.offset
    )


def digests(frame, **options):
    """Return sum and count by day."""
    columns = [_cells(frame["x"]), _cells(frame["y"]), number(frame["n"], KEY)]
    found = _kernels.digest_by_day(columns, frame["day"].to_numpy(), **options)
    known = np.flatnonzero(found.counts)
    sums, counts = found.sums[known].tolist(), found.counts[known].tolist()
    return dict(zip((known + found.first).tolist(), zip(sums, counts, strict=True), strict=True))


@EXAMPLES
@given(frames())
def test_the_kernel_equals_its_twin(frame):
    with _backend.using("baseline"):
        fast = digests(frame)
    with _backend.using("reference"):
        assert digests(frame) == fast
    assert {day: rows for day, (_, rows) in fast.items()} == dict(
        frame.group_by("day").len().select("day", pl.col("len").cast(pl.Int64)).rows()
    )


@EXAMPLES
@given(frames(), st.randoms(use_true_random=False))
def test_order_pieces_and_slices_do_not_matter(frame, random):
    rows = list(range(frame.height))
    random.shuffle(rows)
    assert digests(frame[rows]) == digests(frame)
    pieces = pl.concat([frame[:1], frame[1:]], rechunk=False)
    assert digests(pieces) == digests(frame)
    longer = pl.concat([frame.head(1), frame, frame.head(1)], rechunk=True)
    assert digests(longer.slice(min(1, frame.height), frame.height)) == digests(frame)


@EXAMPLES
@given(frames(), st.integers(0, 11), st.sampled_from(["x", "y", "n"]), TEXTS, st.one_of(st.none(), WORDS))
def test_a_changed_cell_changes_its_day_and_no_other(frame, row, column, text, word):
    new = word if column == "n" else text
    if not frame.height or frame[column][row % frame.height] == new:
        return
    row %= frame.height
    cells = frame[column].to_list()
    cells[row] = new
    before, after = digests(frame), digests(frame.with_columns(pl.Series(column, cells, frame[column].dtype)))
    assert {day for day in before if before[day] != after[day]} == {frame["day"][row]}


@EXAMPLES
@given(frames())
def test_columns_are_told_apart(frame):
    swapped = frame.with_columns(x="y", y="x")
    same = frame.sort(pl.all(), nulls_last=True).equals(swapped.sort(pl.all(), nulls_last=True))
    assert (digests(swapped) == digests(frame)) == same


def test_texts_do_not_run_into_each_other():
    one, other = (
        pl.DataFrame({"x": x, "y": y, "n": 0, "day": 0}).cast({"n": pl.Int64, "day": pl.Int32})
        for x, y in ((["ab"], ["c"]), (["a"], ["bc"]))
    )
    assert digests(one) != digests(other)


def test_lengths_and_nulls_are_told_apart():
    texts = [None, "", "\0", "\0\0", *("a" * n for n in range(1, 40)), *("a" * n + "b" for n in range(40))]
    found = set()
    for text in texts:
        frame = pl.DataFrame(
            {"x": [text], "y": ["y"], "n": [1], "day": [0]},
            schema_overrides={"x": pl.String, "day": pl.Int32},
        )
        found.add(digests(frame)[0])
    assert len(found) == len(texts)


def test_threads_do_not_change_a_bit(monkeypatch):
    rng = np.random.default_rng(0)
    n = 50_000
    frame = pl.DataFrame(
        {
            "x": pl.Series([f"cik:{k:010d}" for k in range(100)]).gather(rng.integers(0, 100, n)),
            "y": pl.Series(["", None, "short", "twelve chars"]).gather(rng.integers(0, 4, n)),
            "n": rng.integers(0, 9, n),
            "day": rng.integers(0, 500, n).astype(np.int32),
        }
    )
    one = digests(frame, n_threads=1)
    monkeypatch.setattr("kifactors._kernels._threads.SMALL", 0)
    assert digests(frame, n_threads=3) == one


def test_no_rows_and_no_columns():
    empty = _kernels.digest_by_day([], np.empty(0, np.int32))
    assert (empty.sums.size, empty.counts.size) == (0, 0)
    bare = _kernels.digest_by_day([], np.array([5, 5, 7], np.int32))
    assert (bare.first, bare.counts.tolist()) == (5, [2, 0, 1])


BITS = np.zeros(1, np.uint8)


@pytest.mark.parametrize(
    "columns",
    [
        [Numbers(0, np.zeros(3, np.int64))],
        [Numbers(0, np.zeros(2))],
        [Numbers(0, np.zeros(2, np.int64), BITS, 7)],
        [Numbers(0, np.zeros(2, np.int64), BITS, -1)],
        [Texts(0, np.zeros(31, np.uint8))],
        [Texts(0, np.zeros(32, np.uint8), (), BITS, 8)],
        [Texts(0, np.zeros(32, np.uint8), (np.zeros(3),))],
    ],
)
def test_arrays_that_do_not_fit_are_refused(columns):
    with pytest.raises(ShapeError):
        _kernels.digest_by_day(columns, np.array([1, 2], np.int32))


@pytest.mark.parametrize("days", [[0, 4_000_000], [-(2**31), 2**31 - 1]])
def test_days_that_span_ages_are_refused(days):
    with pytest.raises(ShapeError, match="days span"):
        _kernels.digest_by_day([], np.array(days, np.int32))
    with pytest.raises(KifactorsError):
        _kernels.digest_by_day([], np.array([0.5]))


def test_names_without_a_first_day_were_always_known():
    day = pl.Series("valid_from", [date(2024, 1, 1), None])
    names = pl.DataFrame({"asset_id": ["a", "b"], "ticker": ["A", "B"], "valid_from": day})
    days = content(INPUTS["assets"], names).days.tolist()
    assert days == [FIRST_DAY, (date(2024, 1, 1) - date(1970, 1, 1)).days]
    assert date.fromordinal(date(1970, 1, 1).toordinal() + FIRST_DAY) == date.min
