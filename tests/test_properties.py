"""What must hold on any input: the look-ahead law first of all."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import kifactors as kf
from kifactors import definition as parts
from tests.worlds import ASSETS, DATES, build, known_by, seeds

FEW = settings(max_examples=15, deadline=None)
MANY = settings(max_examples=60, deadline=None)
# Two orders of one sum differ by roundings; scores divide by spreads of order one.
ROUNDING = 1e-9
# Monotone comparisons of two iterations, each within the default tolerance of its limit.
CONVERGED = 1e-9


def compute(frames, dates=DATES, definition=None, **options):
    return kf.AIInfrastructureExposure(definition).compute(kf.Tables(**frames), dates, **options).to_polars()


def until(frame, day):
    return frame.filter(pl.col("date") <= day)


@pytest.mark.slow
@MANY
@given(seeds, st.sampled_from(DATES), st.booleans(), st.integers(0, 5))
def test_look_ahead_law(seed, day, universe, lag_days):
    """Deleting every row that was not known at t leaves all output up to t bit for bit the same."""
    day = date.fromisoformat(day)
    frames = build(seed, universe=universe)
    definition = kf.FactorDefinition(time=parts.Time(lag_days=lag_days))
    dates = [d for d in DATES if d <= str(day)]
    then = known_by(frames, day, lag_days)
    if "universe" not in then and universe:
        return
    assert_frame_equal(
        compute(then, dates, definition), until(compute(frames, DATES, definition), day), check_exact=True
    )


def test_the_look_ahead_test_bites():
    """A fact moved one day earlier than it was known changes a score."""
    frames = build(7)
    early = (
        frames["fundamentals"]
        .with_columns(
            available_at=pl.max_horizontal("period_end", pl.col("available_at") - pl.duration(days=60))
        )
        .unique(["asset_id", "metric", "period_start", "period_end", "available_at"], maintain_order=True)
    )
    assert not compute(frames).equals(compute({**frames, "fundamentals": early}))


@FEW
@given(seeds, st.randoms(use_true_random=False))
def test_row_order_repeats_and_chunks_do_not_matter(seed, random):
    frames = build(seed)
    shuffled = {
        name: pl.concat(
            [f.sample(fraction=1.0, shuffle=True, seed=random.randrange(2**31)), f.head(3)], rechunk=False
        )
        for name, f in frames.items()
    }
    assert_frame_equal(compute(frames), compute(shuffled), check_exact=True)


@pytest.mark.slow
@FEW
@given(seeds)
def test_dates_are_independent(seed):
    frames = build(seed)
    together = compute(frames)
    alone = pl.concat([compute(frames, [day]) for day in DATES[::5]])
    assert_frame_equal(
        alone, together.filter(pl.col("date").is_in(alone["date"].unique().implode())), check_exact=True
    )


@pytest.mark.slow
@FEW
@given(seeds, st.integers(2, 5))
def test_threads_do_not_change_a_bit(seed, threads):
    frames = build(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kifactors._kernels._threads.SMALL", 0)
        assert_frame_equal(compute(frames, n_threads=1), compute(frames, n_threads=threads), check_exact=True)


@pytest.mark.slow
@FEW
@given(seeds)
def test_blocks_of_dates_do_not_matter(seed):
    frames = build(seed)
    whole = compute(frames)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kifactors.factor.BLOCK_ROWS", 1)
        patch.setattr("kifactors.factor.MIN_BLOCK_DATES", 3)
        assert_frame_equal(whole, compute(frames), check_exact=True)


@pytest.mark.slow
@FEW
@given(seeds)
def test_an_unrelated_asset_changes_no_economic_number(seed):
    """What a stranger reports enters cross-sectional statistics, not the facts of others."""
    frames = build(seed, universe=False)
    stranger = frames["fundamentals"].filter(pl.col("asset_id") == "a0").with_columns(asset_id=pl.lit("zz"))
    more = {**frames, "fundamentals": pl.concat([frames["fundamentals"], stranger])}
    own = ["date", "asset_id", "exposure", "exposure_low", "exposure_high", "capex_to_revenue", "abnormal_capex",
           "guided_capex", "ai_revenue", "demand_growth", "index_relevance", "role"]  # fmt: skip
    others = compute(more).filter(pl.col("asset_id") != "zz").select(own)
    assert_frame_equal(compute(frames).select(own), others, check_exact=True)


@FEW
@given(seeds)
def test_ranges(seed):
    frame = compute(build(seed, universe=False))
    for name in ("exposure", "exposure_low", "exposure_high", "ai_revenue", "ai_revenue_high", "capex_to_revenue",
                 "capex_pool_share", "index_relevance", "coverage"):  # fmt: skip
        assert frame[name].drop_nulls().is_between(0, 1).all(), name
    known = frame.drop_nulls("exposure")
    assert (known["exposure_low"] <= known["exposure"]).all()
    assert (known["exposure"] <= known["exposure_high"]).all()
    nulls = frame.select(pl.col("exposure", "exposure_low", "exposure_high", "score").is_null())
    assert nulls.select(pl.all_horizontal(pl.all() == pl.col("exposure")).all()).item()
    assert frame.select(pl.col(pl.Float64).is_nan().any().fill_null(value=False)).sum_horizontal().item() == 0
    pools = frame.group_by("date").agg(pl.col("capex_pool_share").sum())["capex_pool_share"]
    assert ((pools < 1e-12) | ((pools - 1).abs() < ROUNDING)).all()


def monotone(before, after, columns=("ai_revenue", "ai_revenue_high")):
    key = ["date", "asset_id"]
    pairs = before.select(*key, *columns).join(after.select(*key, *columns), on=key)
    for name in columns:
        assert (pairs[f"{name}_right"] >= pairs[name] - CONVERGED).drop_nulls().all(), name


@pytest.mark.slow
@FEW
@given(seeds, st.floats(0.0, 1.0))
def test_r_is_monotone_in_theta_ties_disclosure_and_delta(seed, raised):
    frames = build(seed, universe=False)
    before = compute(frames)
    for table, column in (
        ("ai_capex_share", "share"),
        ("ai_revenue_share", "share"),
        ("revenue_ties", "ai_share"),
    ):
        if table not in frames:
            continue
        up = pl.col(column) + raised * (1 - pl.col(column))
        monotone(before, compute({**frames, table: frames[table].with_columns(up)}))
    delta = 0.5 + 0.49 * raised
    monotone(
        before, compute(frames, definition=kf.FactorDefinition(supplier_ties=parts.SupplierTies(delta=delta)))
    )
    if "revenue_ties" in frames:
        # A larger share of a known customer, taken from the undisclosed rest, raises the lower bound.
        set_ = ["supplier_id", "period_end", "available_at"]
        rest = 1 - pl.col("revenue_share").sum().over(set_)
        larger = pl.col("revenue_share") + raised * rest.clip(0, 1) / pl.len().over(set_)
        grown = frames["revenue_ties"].with_columns(revenue_share=larger)
        monotone(before, compute({**frames, "revenue_ties": grown}), ("ai_revenue",))


@FEW
@given(seeds)
def test_delta_zero_is_the_larger_of_disclosed_and_direct_ties(seed):
    frames = build(seed, universe=False)
    definition = kf.FactorDefinition(supplier_ties=parts.SupplierTies(delta=0.0))
    found = compute(frames, definition=definition)
    tables = kf.Tables(**frames)
    dates, time = kf.calendar.score_dates(DATES), parts.Time()
    theta = kf.asof.ai_capex_share(tables.ai_capex_share, dates, time=time)
    direct = (
        kf.asof.revenue_ties(tables.revenue_ties, tables.tie_disclosures, dates, time=time)
        .join(theta, left_on=["date", "customer_id"], right_on=["date", "asset_id"])
        .group_by("date", asset_id="supplier_id")
        .agg(x=(pl.col("revenue_share") * pl.col("ai_share").fill_null(1.0) * pl.col("theta")).sum())
    )
    weights = {"ai": 1.0, "data_center": 0.8, "broad": 0.0}
    disclosed = (
        kf.asof.ai_revenue_share(tables.ai_revenue_share, dates, time=time)
        .group_by("date", "asset_id")
        .agg(s=(pl.col("share") * pl.col("scope").replace_strict(weights)).max())
    )
    key = ["date", "asset_id"]
    both = found.join(direct, on=key, how="left").join(disclosed, on=key, how="left").drop_nulls("ai_revenue")
    expected = both.select(pl.max_horizontal(pl.col("x", "s").fill_null(0.0))).to_series()
    assert np.allclose(both["ai_revenue"], expected, rtol=0, atol=1e-12)


@FEW
@given(seeds, st.sampled_from([1e-3, 7.0, 1e6]))
def test_rescaled_money_changes_no_score(seed, factor):
    frames = build(seed)
    scaled = {
        **frames,
        "fundamentals": frames["fundamentals"].with_columns(pl.col("value") * factor),
        "universe": frames["universe"].with_columns(pl.col("market_cap") * factor),
    }
    if "capex_guidance" in frames:
        scaled["capex_guidance"] = frames["capex_guidance"].with_columns(pl.col("low", "high") * factor)
    definition = kf.FactorDefinition(capex_intensity=parts.CapexIntensity(min_revenue=10e6 * factor))
    assert_frame_equal(
        compute(frames), compute(scaled, definition=definition), abs_tol=ROUNDING, rel_tol=ROUNDING
    )


@FEW
@given(seeds)
def test_no_input_is_mutated(seed):
    frames = build(seed)
    before = {name: frame.clone() for name, frame in frames.items()}
    tables = kf.Tables(**frames)
    held = {name: frame.clone() for name, frame in tables}
    kf.AIInfrastructureExposure().compute(tables, DATES)
    for name, frame in frames.items():
        assert_frame_equal(frame, before[name])
    for name, frame in tables:
        assert_frame_equal(frame, held[name])


@FEW
@given(seeds)
def test_uncovered_zero_fills_the_cross_section(seed):
    frames = build(seed, universe=False)
    definition = kf.FactorDefinition(supplier_ties=parts.SupplierTies(uncovered="zero"))
    full = compute(frames, definition=definition)
    assert full["ai_revenue"].null_count() == 0
    known = compute(frames).drop_nulls("ai_revenue")
    pairs = known.join(full, on=["date", "asset_id"])
    assert (pairs["ai_revenue"] == pairs["ai_revenue_right"]).all()
    assert set(ASSETS) >= set(full["asset_id"]) - {"x0", "x1"}


@FEW
@given(seeds, st.integers(0, 2**32 - 1))
def test_bounds_contain_the_truth_when_ties_are_hidden(seed, hidden):
    frames = build(seed, universe=False)
    if "revenue_ties" not in frames:
        return
    ties = frames["revenue_ties"].with_columns(customer_id=pl.col("customer_label"))
    truth = compute({**frames, "revenue_ties": ties})
    keep = pl.Series(np.random.default_rng(hidden).random(ties.height) < 0.5)
    anonymous = ties.with_columns(customer_id=pl.when(keep).then("customer_id"))
    seen = compute({**frames, "revenue_ties": anonymous})
    pairs = seen.join(truth, on=["date", "asset_id"]).drop_nulls(["ai_revenue", "ai_revenue_right"])
    assert (pairs["ai_revenue_low"] <= pairs["ai_revenue_right"] + CONVERGED).all()
    assert (pairs["ai_revenue_right"] <= pairs["ai_revenue_high"] + CONVERGED).all()
