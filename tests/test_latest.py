"""The as-of join and the places of a panel: by hand, against polars, the twin, and what must be refused."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kifactors as kf
from kifactors import _kernels
from kifactors._kernels import ShapeError, _backend, _threads
from kifactors.asof import latest
from kifactors.panel import Rows, attach, extended, unknown_as_null

D = date.fromisoformat
DAY = date(2024, 1, 1)
seeds = st.integers(0, 2**32 - 1)


def world(seed, *, periods, coded):
    """Facts and a panel of a few assets, some of them unknown to the other."""
    rng = np.random.default_rng(seed)
    days = [DAY + timedelta(int(d)) for d in rng.integers(0, 60, 40)]
    facts = pl.DataFrame(
        {
            "asset_id": [f"a{n}" for n in rng.integers(0, 5, 40)],
            "available_at": days,
            "value": rng.standard_normal(40),
            "text": [str(n) for n in range(40)],
        }
    ).unique(["asset_id", "available_at"], keep="first", maintain_order=True)
    if periods:
        ends = [DAY - timedelta(int(d)) for d in rng.integers(0, 4, facts.height) * 30]
        facts = facts.with_columns(period_end=pl.Series(ends))
    dates = sorted({DAY + timedelta(int(d)) for d in rng.integers(0, 70, 9)})
    panel = pl.DataFrame({"date": dates}).join(
        pl.DataFrame({"asset_id": [f"a{n}" for n in range(1, 7)]}), how="cross"
    )
    panel = panel.filter(pl.Series(rng.random(panel.height) < 0.8)).sort("date", "asset_id")
    if coded:
        ids = pl.Enum([f"a{n}" for n in range(8)])
        facts, panel = (frame.with_columns(pl.col("asset_id").cast(ids)) for frame in (facts, panel))
    return facts, panel


def by_hand(facts, panel, lag_days, max_age_days):
    """The rules of METHODOLOGY section 2, a row at a time."""
    rows = facts.to_dicts()
    out = []
    for day, asset in panel.rows():
        seen = [
            r for r in rows
            if r["asset_id"] == asset and r["available_at"] + timedelta(lag_days) <= day
        ]  # fmt: skip
        best = max(seen, key=lambda r: (r.get("period_end", DAY), r["available_at"]), default=None)
        if best and max_age_days is not None and best["period_end"] + timedelta(max_age_days) < day:
            best = None
        out.append((best["value"], best["text"]) if best else (None, None))
    return out


@settings(max_examples=150, deadline=None)
@given(seeds, st.booleans(), st.booleans(), st.integers(0, 5), st.one_of(st.none(), st.integers(0, 120)))
def test_latest_by_hand(seed, periods, coded, lag_days, max_age_days):
    facts, panel = world(seed, periods=periods, coded=coded)
    max_age_days = max_age_days if periods else None
    found = latest(facts, panel, ["value", "text"], lag_days=lag_days, max_age_days=max_age_days)
    assert found.rows() == by_hand(facts, panel, lag_days, max_age_days)


@settings(max_examples=50, deadline=None)
@given(seeds, st.booleans())
def test_latest_never_looks_ahead(seed, periods):
    facts, panel = world(seed, periods=periods, coded=False)
    day = panel["date"][panel.height // 2]
    known = facts.filter(pl.col("available_at") + pl.duration(days=1) <= day)
    before = panel.filter(pl.col("date") <= day)
    if known.height:
        assert latest(known, before, "value").equals(latest(facts, panel, "value")[: before.height])


@settings(max_examples=50, deadline=None)
@given(seeds)
def test_order_and_threads_do_not_matter(seed):
    facts, panel = world(seed, periods=True, coded=True)
    expected = latest(facts, panel, "value")
    assert latest(facts.sample(fraction=1.0, shuffle=True, seed=1), panel, "value").equals(expected)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_threads, "SMALL", 0)
        assert latest(facts, panel, "value", n_threads=3).equals(expected)


@settings(max_examples=50, deadline=None)
@given(seeds)
def test_latest_equals_polars_where_there_are_no_periods(seed):
    facts, panel = world(seed, periods=False, coded=False)
    joined = panel.join_asof(
        facts.sort("available_at"),
        left_on="date",
        right_on="available_at",
        by="asset_id",
        check_sortedness=False,
    )
    assert latest(facts, panel, "value", lag_days=0)["value"].equals(joined["value"])


@settings(max_examples=50, deadline=None)
@given(seeds, st.booleans())
def test_kernels_equal_twins(seed, periods):
    facts, panel = world(seed, periods=periods, coded=True)

    def everything():
        rows = Rows(panel).of(facts.rename({"available_at": "date"}))
        return (
            rows,
            latest(facts, panel, ["value", "text"]),
            attach(panel, facts.rename({"available_at": "date"})),
        )

    fast = everything()
    with _backend.using("reference"):
        slow = everything()
    assert np.array_equal(fast[0], slow[0])
    assert fast[1].equals(slow[1])
    assert fast[2].equals(slow[2])


@pytest.mark.parametrize("coded", [True, False])
def test_places_in_a_panel(coded):
    ids = pl.Enum(["a", "b", "c", "d"]) if coded else pl.String
    panel = pl.DataFrame(
        {
            "date": [D("2024-01-31"), D("2024-01-31"), D("2024-02-29")],
            "asset_id": ["b", "d", "a"],
            "x": [1.0, 2.0, 3.0],
        }
    ).with_columns(pl.col("asset_id").cast(ids))
    asked = pl.DataFrame(
        {
            "date": [D("2024-01-31")] * 4
            + [D("2024-02-29"), D("2024-02-10"), D("2023-01-01"), D("2030-01-01")],
            "asset_id": ["a", "b", "c", "d", "a", "a", "a", "a"],
        }
    ).with_columns(pl.col("asset_id").cast(ids))
    assert Rows(panel).of(asked).tolist() == [-1, 0, -1, 1, 2, -1, -1, -1]
    longer = extended(panel, asked)
    assert longer.height == 8
    assert longer.sort("date", "asset_id").equals(longer)
    assert sorted(x for x in longer["x"] if x is not None) == [1.0, 2.0, 3.0]
    assert attach(longer, panel.rename({"x": "y"}))["y"].equals(longer["x"].alias("y"))


def test_a_panel_that_is_out_of_order_is_refused():
    days, codes = np.zeros(2, np.int32), np.array([1, 0], np.int32)
    for bad in (codes, np.zeros(2, np.int32), np.array([-1, 0], np.int32)):
        with pytest.raises(ShapeError, match="sorted and unique"):
            _kernels.sections(days, bad)
    with pytest.raises(ShapeError, match="sorted and unique"):
        _kernels.sections(np.array([1, 0], np.int32), np.zeros(2, np.int32))


GOOD = {
    "offsets": np.array([0, 1, 2]),
    "days": np.array([0, 1], np.int32),
    "codes": np.array([0, 1], np.int32),
    "fact_codes": np.array([0, 1], np.int32),
    "fact_visible": np.array([0, 0], np.int32),
    "fact_values": np.ones((1, 2)),
}


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("days", np.array([1, 0], np.int32)),
        ("days", np.array([0, 0], np.int32)),
        ("days", np.zeros(1, np.int32)),
        ("offsets", np.array([0, 1, 1])),
        ("codes", np.zeros(3, np.int32)),
        ("fact_codes", np.zeros(3, np.int32)),
        ("fact_codes", np.zeros(2)),
        ("fact_visible", np.array([0, 3_652_059], np.int32)),
        ("fact_values", np.ones((1, 3))),
        ("fact_values", np.ones(2)),
    ],
)
def test_the_door_checks(name, bad):
    assert _kernels.last_visible(**GOOD).values.tolist() == [[1.0, 1.0]]
    with pytest.raises(ShapeError):
        _kernels.last_visible(**{**GOOD, name: bad})


@pytest.mark.parametrize("backend", ["baseline", "reference"])
def test_facts_come_in_any_order_and_of_one_day_the_last_counts(backend):
    facts = {
        "fact_codes": np.array([0, 0, -1, 0, 0], np.int32),
        "fact_visible": np.array([5, 3, 4, 3, 9], np.int32),
        "fact_values": np.array([[50.0, 30.0, 40.0, 31.0, 90.0]]),
    }
    panel = np.array([0, 1, 2, 3, 5]), np.array([2, 3, 4, 5], np.int32), np.array([0, 0, 0, 0, 1], np.uint8)
    with _backend.using(backend):
        found = _kernels.last_visible(*panel, **facts, with_facts=True)
    assert found.facts.tolist() == [-1, 3, 3, 0, -1]
    assert np.array_equal(found.values, [[np.nan, 31.0, 31.0, 50.0, np.nan]], equal_nan=True)


def test_what_latest_refuses():
    facts, panel = world(1, periods=False, coded=False)
    with pytest.raises(kf.KifactorsError, match="facts lacks column 'price'"):
        latest(facts, panel, "price")
    with pytest.raises(kf.KifactorsError, match="panel lacks column 'asset_id'"):
        latest(facts, panel.drop("asset_id"), "value")
    with pytest.raises(kf.KifactorsError, match="not sorted by date"):
        latest(facts, panel.reverse(), "value")
    with pytest.raises(kf.KifactorsError, match="no 'period_end'"):
        latest(facts, panel, "value", max_age_days=10)
    with pytest.raises(kf.KifactorsError, match="expected dates"):
        latest(facts.with_columns(pl.col("available_at").cast(pl.Datetime)), panel, "value")


def test_latest_of_nothing():
    facts, panel = world(1, periods=False, coded=False)
    assert latest(facts.clear(), panel, "value")["value"].to_list() == [None] * panel.height
    assert latest(facts, panel.clear(), "value").height == 0


def test_unknown_values_become_null_without_a_copy():
    values = np.array([1.0, np.nan, 3.0])
    series = unknown_as_null("x", values)
    assert series.to_list() == [1.0, None, 3.0]
    assert series.to_arrow().buffers()[1].address == values.ctypes.data
