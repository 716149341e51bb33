"""The style score: fused == step by step == twin, the same bits on every level, nulls by bitmap, exact bounds."""

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kifactors as kf
from kifactors import _kernels
from kifactors._kernels import Column, ShapeError, _backend
from kifactors.cross_section import dense_standardize, neutralize, sparse_standardize, style_score
from kifactors.errors import DefinitionError
from tests.strategies import offsets_of, panels, random_panel, regressions

EXAMPLES = settings(max_examples=80, deadline=None)
ROUNDING = 1e-9
WIDER = [name for name in _backend.LEVELS if name != "baseline"]


def scored(values, weights, codes, controls, estimation, offsets, **options):
    """Every step at once: a dense and a sparse descriptor, industries, controls, the result standardized."""
    options = {"low": 0.05, "high": 0.95, "dense_clip": 3.0, "sparse_clip": 5.0, "min_assets": 3, **options}
    return _kernels.style_score(
        [values, np.round(values)], offsets, methods=[_kernels.DENSE, _kernels.SPARSE], weights=[0.7, 0.3],
        market_cap=weights, estimation=estimation, codes=codes, controls=controls, regression_weights=weights,
        restandardize=True, with_fitted=True, **options,
    )  # fmt: skip


def on(level, call):
    with np.errstate(all="ignore"), _backend.using(level):
        return call()


def arguments(case):
    return case.values, case.weights, case.codes, case.controls, case.estimation, case.offsets


def long_panel(seed, lengths=(3000, 511, 512, 513, 1, 0, 5000), kind="normal"):
    rng = np.random.default_rng(seed)
    n = sum(lengths)
    values = {
        "normal": rng.normal(size=n),
        "ties": rng.integers(0, 4, n).astype(float),
        "sorted": np.sort(rng.normal(size=n)),
        "sparse": np.where(rng.random(n) < 0.01, rng.random(n), 0.0),
        "huge": rng.standard_cauchy(n) * 1e200,
        # Every place the sample looks at holds an extreme value, so that the bracket misses.
        "trap": np.where(np.arange(n) % 5 == 0, 9.0 + rng.random(n), rng.random(n)),
    }[kind]
    values = values.copy()
    values[rng.random(n) < 0.02] = np.nan
    return values, rng.lognormal(20, 2, n), rng.integers(-1, 12, n).astype(np.int32), offsets_of(lengths)


KINDS = pytest.mark.parametrize("kind", ["normal", "ties", "sorted", "sparse", "huge", "trap"])
DEVIATIONS = pytest.mark.parametrize("deviations", [float("nan"), 3.0])


# kernel == twin


@EXAMPLES
@given(regressions(), st.sampled_from([float("nan"), 0.0, 1.5]))
def test_style_score_equals_twin(case, deviations):
    fast, slow = (
        on(level, lambda: scored(*arguments(case), deviations=deviations))
        for level in ("baseline", "reference")
    )
    same = fast.status == slow.status
    # Whether what a fit leaves is rounding can differ by a rounding: then one of them is null.
    assert ((fast.status == 3) | (slow.status == 3) | same).all()
    alike = np.repeat(same, np.diff(case.offsets))
    np.testing.assert_allclose(fast.fitted[alike], slow.fitted[alike], rtol=ROUNDING, atol=ROUNDING)
    spread = np.array([np.nanmax(np.abs(fast.fitted[a:b]), initial=1.0) for a, b in pairwise(case.offsets)])
    for (a, b), ok, size in zip(pairwise(case.offsets), same, spread, strict=True):
        left = slow.score[a:b]
        if ok and size < 1e3 and np.nanmin(np.abs(left), initial=1.0) > 1e-3:
            np.testing.assert_allclose(fast.score[a:b], left, rtol=1e-6, atol=1e-6)


@KINDS
@DEVIATIONS
def test_style_score_equals_twin_on_long_dates(kind, deviations):
    values, weights, codes, offsets = long_panel(1, kind=kind)
    controls = [np.log(weights)]
    fast, slow = (
        on(level, lambda: scored(values, weights, codes, controls, None, offsets, deviations=deviations))
        for level in ("baseline", "reference")
    )
    np.testing.assert_array_equal(fast.status, slow.status)
    assert (fast.status == 0).sum() >= 4
    np.testing.assert_allclose(fast.score, slow.score, rtol=ROUNDING, atol=ROUNDING)


@KINDS
@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 1.0), (0.01, 0.99), (0.5, 0.5), (0.123, 0.876), (0.999, 1.0)]
)
def test_clipping_bounds_are_those_of_a_sort(kind, low, high):
    """Undo the scaling: the largest and smallest z-score are the bounds."""
    values, weights, _, offsets = long_panel(2, kind=kind)
    for a, b in pairwise(offsets):
        x = np.sort(values[a:b][~np.isnan(values[a:b])])
        if x.size < 3:
            continue
        bounds = np.quantile(x, [low, high])
        clipped = np.clip(values[a:b], *bounds)
        found = _kernels.style_score(
            [values[a:b]], [0, b - a], methods=[_kernels.DENSE], market_cap=weights[a:b], low=low, high=high,
        ).score  # fmt: skip
        spread = np.ptp(bounds)
        if not spread > 1e-12 * np.abs(bounds).max():
            assert np.isnan(found).all()
            continue
        z = (clipped / spread - np.average(clipped[~np.isnan(clipped)] / spread,
             weights=weights[a:b][~np.isnan(clipped)])) / np.nanstd(clipped / spread, ddof=1)  # fmt: skip
        np.testing.assert_allclose(found, z, rtol=1e-10, atol=1e-10)


# levels


@pytest.mark.parametrize("level", WIDER)
@KINDS
@DEVIATIONS
def test_levels_give_the_same_bits(level, kind, deviations):
    if level not in _backend.available():
        pytest.skip(f"this processor cannot run {level}")
    values, weights, codes, offsets = long_panel(3, kind=kind)
    rng = np.random.default_rng(4)
    rows = (rng.random((2, values.size)) < 0.8).astype(np.uint8)
    controls = rng.normal(size=(2, values.size))

    def everything():
        style = scored(values, weights, codes, controls, rows[0], offsets, deviations=deviations)
        composite = _kernels.composite_standardize(
            values, offsets, weights=weights, exposed=rows[1], estimation=rows[0], clip=2.0
        )
        return style.score, style.fitted, style.status, composite

    for narrow, wide in zip(on("baseline", everything), on(level, everything), strict=True):
        assert narrow.tobytes() == wide.tobytes()


@pytest.mark.parametrize("level", WIDER)
def test_levels_give_the_same_bits_on_odd_dates(level):
    if level not in _backend.available():
        pytest.skip(f"this processor cannot run {level}")

    @EXAMPLES
    @given(regressions(), panels(scales=(1.0, 1e-300, 1e300)))
    def agree(case, panel):
        for call in (
            lambda: scored(*arguments(case)),
            lambda: scored(panel.values, panel.weights, np.zeros(panel.values.size, np.int32), [],
                           panel.estimation, panel.offsets),
        ):  # fmt: skip
            narrow, wide = on("baseline", call), on(level, call)
            assert narrow.score.tobytes() == wide.score.tobytes()
            assert narrow.status.tobytes() == wide.status.tobytes()

    agree()


# nulls


@pytest.mark.parametrize("start", range(9))
@pytest.mark.parametrize("level", _backend.LEVELS)
def test_a_bitmap_says_what_is_known(start, level):
    """Also where it starts within a byte, as a slice of an Arrow array does; values under nulls are anything."""
    if level not in _backend.available():
        pytest.skip(f"this processor cannot run {level}")
    panel = random_panel(start)
    known = ~np.isnan(panel.values)
    bits = np.packbits(np.append(np.ones(start, bool), known), bitorder="little")
    anything = np.where(known, panel.values, 1e300)
    for values in (panel.values, anything):
        column = Column(values, bits, start)
        found = on(
            level,
            lambda column=column: _kernels.style_score([column], panel.offsets, methods=[_kernels.DENSE]),
        )
        expected = on(
            level, lambda: _kernels.style_score([panel.values], panel.offsets, methods=[_kernels.DENSE])
        )
        np.testing.assert_array_equal(found.score, expected.score)


def test_a_short_bitmap_is_refused():
    with pytest.raises(ShapeError, match="8 bits, of which 9 from bit 0 on are needed"):
        _kernels.style_score([Column(np.ones(9), np.ones(1, np.uint8))], [0, 9], methods=[_kernels.RAW])


def frame_of(seed, dates=4, assets=700):
    rng = np.random.default_rng(seed)
    n = dates * assets
    return pl.DataFrame(
        {
            "date": np.repeat(np.arange(dates), assets),
            "x": rng.normal(size=n),
            "y": rng.standard_t(3, n),
            "z": np.where(rng.random(n) < 0.03, rng.random(n), 0.0),
            "cap": rng.lognormal(20, 2, n),
            "industry": pl.Series([f"i{k}" for k in rng.integers(0, 9, n)]),
            "inside": rng.random(n) < 0.7,
            "unknown": rng.random(n),
        }
    ).with_columns(
        pl.when(pl.col("unknown") > 0.1).then("x").alias("x"),
        pl.when((pl.col("unknown") < 0.05) | (pl.col("unknown") > 0.15)).then("y").alias("y"),
        pl.when(pl.col("unknown") < 0.98).then("cap").alias("cap"),
        pl.when(pl.col("unknown") < 0.99).then("industry").alias("industry"),
        ln_cap=pl.col("cap").log(),
    )


@pytest.mark.parametrize("deviations", [None, 4.0])
@pytest.mark.parametrize("slices", [False, True])
def test_one_pass_is_step_by_step(deviations, slices):
    frame = frame_of(5)
    if slices:
        frame = pl.concat([frame[:901], frame[901:]], rechunk=False)[700:]
    weights = {"x": 0.5, "y": 0.3, "z": 0.2}
    found = style_score(
        frame, weights, sparse=("z",), deviations=deviations, market_cap="cap", estimation="inside",
        industry="industry", controls=("ln_cap",), regression_weights="cap",
    )  # fmt: skip
    steps = [
        dense_standardize(frame, n, weights="cap", estimation="inside", deviations=deviations) for n in "xy"
    ]
    steps.append(sparse_standardize(frame, "z", estimation="inside"))
    known = [pl.col(n).is_not_null().cast(pl.Float64) * w for n, w in weights.items()]
    added = [pl.col(n).fill_null(0.0) * w for n, w in weights.items()]
    combined = frame.with_columns(steps).with_columns(f=pl.sum_horizontal(added) / pl.sum_horizontal(known))
    left = neutralize(
        combined, "f", industry="industry", controls=("ln_cap",), weights="cap", estimation="inside"
    )
    expected = dense_standardize(
        combined.with_columns(left=left.residual), "left", weights="cap", estimation="inside", low=0.0, high=1.0,
        clip=float("inf"),
    )  # fmt: skip
    # Outside the estimation universe the last of the steps also clips, to the range inside.
    inside = frame["inside"]
    np.testing.assert_allclose(found.score.filter(inside), expected.filter(inside), rtol=1e-12, atol=1e-12)
    assert found.reasons.to_list() == left.reasons.to_list() == ["fitted"] * frame["date"].n_unique()
    assert found.score.null_count() > 0


def test_the_score_has_a_weighted_mean_of_0_and_a_deviation_of_1():
    frame = frame_of(6).with_columns(pl.col("cap").fill_null(0.0))
    score = style_score(frame, {"x": 1.0, "y": 2.0}, market_cap="cap", estimation="inside").score
    inside = frame.with_columns(score=score).filter("inside", pl.col("score").is_not_null())
    per_date = inside.group_by("date").agg(
        mean=(pl.col("score") * pl.col("cap")).sum() / pl.col("cap").sum(), std=pl.col("score").std()
    )
    np.testing.assert_allclose(per_date["mean"], 0.0, atol=1e-12)
    np.testing.assert_allclose(per_date["std"], 1.0, rtol=1e-12)


def test_nothing_left_to_scale_by_is_said():
    """Two industries of two equal values each: industries explain everything."""
    day = pl.DataFrame({"date": [1] * 4, "x": [1.0, 1.0, 2.0, 2.0], "industry": ["a", "a", "b", "b"]})
    found = style_score(day, {"x": 1.0}, industry="industry", low=0.0, high=1.0)
    assert found.score.to_list() == [None] * 4
    assert found.reasons.to_list() == ["no dispersion left to scale by"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"descriptors": {}}, "at least one"),
        ({"descriptors": {"x": 0.0}}, "weights above 0"),
        ({"descriptors": {"x": float("nan")}}, "weights above 0"),
        ({"descriptors": {"x": 1.0}, "sparse": ("y",)}, "among them"),
        ({"descriptors": {"x": 1.0}, "controls": ("ln_cap",)}, "need industries"),
    ],
)
def test_bad_options_are_errors(options, message):
    with pytest.raises(DefinitionError, match=message):
        style_score(frame_of(1), **options)


@pytest.mark.parametrize(
    "options", [{"deviations": -1.0}, {"low": 0.9, "high": 0.1}, {"min_assets": 1}, {"low": -0.1}]
)
def test_bad_bounds_are_errors(options):
    with pytest.raises(ShapeError, match="need 0 <= low"):
        style_score(frame_of(1), {"x": 1.0}, **options)


@pytest.mark.parametrize("n_threads", [2, 3, 5])
def test_threads_change_no_bit(n_threads, monkeypatch):
    monkeypatch.setattr("kifactors._kernels._threads.SMALL", 0)
    frame = frame_of(7, dates=11)
    options = {"market_cap": "cap", "industry": "industry", "controls": ("ln_cap",)}
    one, many = (
        style_score(frame, {"x": 1.0, "y": 1.0}, n_threads=n, **options).score.to_numpy()
        for n in (1, n_threads)
    )
    assert one.tobytes() == many.tobytes()


def test_half_of_equal_values_leave_no_deviation():
    """The median absolute deviation of 0, 0, 0, 1, 2 is 0: every value is clipped to the median."""
    day = pl.DataFrame({"date": [1] * 5, "x": [0.0, 0.0, 0.0, 1.0, 2.0]})
    assert kf.cross_section.dense_standardize(day, "x", deviations=5.0).null_count() == 5
