"""Cross-sections on frames: hand numbers, invariances, and independent expressions of the same formulas."""

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal, assert_series_equal

from kifactors.cross_section import (
    composite_standardize,
    date_offsets,
    dense_standardize,
    neutralize,
    sparse_standardize,
)
from kifactors.errors import DataError, KifactorsError
from tests.strategies import frames

# Sums in another order over a dozen values on a grid, whose spread is at least 1e-2 of them.
ROUNDING = 1e-10
EXAMPLES = settings(max_examples=30, deadline=None)

CALLS = {
    "sparse": lambda f, **o: sparse_standardize(f, "x", estimation="estimation", **o),
    "dense": lambda f, **o: dense_standardize(f, "x", weights="weight", estimation="estimation", **o),
    "composite": lambda f, **o: composite_standardize(
        f, "x", exposed="hit", weights="weight", estimation="estimation", **o
    ),
    "neutralize": lambda f, **o: (
        neutralize(
            f.with_columns(industry=pl.when("hit").then(pl.lit("a")).otherwise(pl.lit("b"))),
            "x",
            industry="industry",
            weights="weight",
            estimation="estimation",
            **o,
        ).residual
    ),
}
EACH = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())


def section(x, **columns) -> pl.DataFrame:
    """One date of values."""
    return pl.DataFrame({"date": 1, "x": pl.Series(x, dtype=pl.Float64), **columns})


def random_frame(seed: int, *, dates: int = 12, assets: int = 80) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    n = dates * assets
    frame = pl.DataFrame(
        {
            "date": np.repeat(np.arange(dates), assets),
            "x": rng.standard_t(3, n),
            "weight": rng.lognormal(23, 1.5, n),
            "size": rng.normal(22, 2, n),
            "industry": rng.choice(["energy", "semiconductors", "software", "utilities"], n),
            "estimation": rng.random(n) < 0.8,
        }
    )
    hidden = {name: rng.random(n) < 0.05 for name in ("x", "weight", "size", "industry")}
    return frame.with_columns(
        pl.when(~pl.Series(mask)).then(pl.col(name)).alias(name) for name, mask in hidden.items()
    )


def close(left: pl.Series, right: pl.Series) -> None:
    assert_series_equal(left, right, check_names=False, rel_tol=ROUNDING, abs_tol=ROUNDING)


# by hand


def test_sparse_divides_by_the_root_mean_square_of_the_exposed():
    """3 and 4: sqrt(25 / 2) = 3.5355."""
    found = sparse_standardize(section([0, 3, 4, None, -3]).with_columns(use=pl.Series([True] * 4 + [False])), "x",
                               estimation="use")  # fmt: skip
    close(found, pl.Series([0.0, 3 / 12.5**0.5, 4 / 12.5**0.5, None, -3 / 12.5**0.5]))


def test_sparse_without_an_exposed_asset_is_zero():
    """The exposed one lies outside the estimation universe: still scored, and there is nothing to scale by."""
    frame = section([0, None, 7], use=[True, True, False])
    assert sparse_standardize(frame, "x", estimation="use").to_list() == [0.0, None, 0.0]


def test_dense_centres_on_the_weighted_mean_and_scales_about_the_plain_one():
    """Weighted mean of 1, 2, 6 with 1, 1, 2: 15 / 4; standard deviation about 3: sqrt(14 / 2)."""
    frame = section([1, 2, 6], w=[1.0, 1.0, 2.0])
    found = dense_standardize(frame, "x", weights="w", low=0.0, high=1.0)
    close(found, (pl.Series([1.0, 2.0, 6.0]) - 3.75) / 7**0.5)


def test_dense_winsorizes_linearly():
    """Quartiles of 0, 1, 2, 3, 100 are 1 and 3: 1, 1, 2, 3, 3 has mean 2 and variance 1."""
    found = dense_standardize(section([0, 1, 2, 3, 100]), "x", low=0.25, high=0.75)
    close(found, pl.Series([-1.0, -1.0, 0.0, 1.0, 1.0]))


def test_composite_counts_the_weighted_mean_and_the_exposed():
    """Mean (0 + 0 + 2 * 3) / 4 = 1.5; the exposed lie 1.5 and 1.5 away from it."""
    frame = section([0, 0, 3, None], w=[1.0, 1.0, 2.0, 9.0], hit=[False, True, True, True])
    found = composite_standardize(frame, "x", exposed="hit", weights="w")
    assert found.to_list() == [-1.0, -1.0, 1.0, None]


def test_composite_without_an_exposed_asset_is_zero():
    frame = section([1, 2, None], hit=[False, None, True])
    assert composite_standardize(frame, "x", exposed="hit").to_list() == [0.0, 0.0, None]


@pytest.mark.parametrize("name", ["dense", "composite"])
def test_without_a_weight_in_estimation_nothing_is_known(name):
    frame = section([1, 2, 3], weight=[None, 0.0, 5.0], estimation=[True, True, False], hit=True)
    frame = frame.cast({"weight": pl.Float64})
    assert CALLS[name](frame).to_list() == [None] * 3


def test_neutralize_takes_industry_and_control_out():
    """a: x = 2 size, b: x = 2 size + 1; one row of b, 3 off, lifts the mean of b by 1 and no slope."""
    frame = section([2, 4, 6, 3, 5, 7], industry=list("aaabbb"), size=[1.0, 2, 3, 1, 2, 3])
    assert neutralize(frame, "x", industry="industry", controls=("size",)).residual.abs().max() < ROUNDING
    off = frame.with_columns(x=pl.col("x") + pl.Series([0.0, 0.0, 0.0, 0.0, 3.0, 0.0]))
    found = neutralize(off, "x", industry="industry", controls=("size",))
    close(found.residual, pl.Series([0.0, 0.0, 0.0, -1.0, 2.0, -1.0]))
    close(found.fitted + found.residual, off["x"])
    assert found.reasons.to_list() == ["fitted"]


def test_neutralize_leaves_unknown_rows_out():
    """An unknown x has a fitted value, an unknown industry or one without a member in the fit has nothing."""
    frame = section([1, 3, None, 50, 60], industry=["a", "a", "a", None, "b"], use=[True] * 4 + [False])
    found = neutralize(frame, "x", industry="industry", estimation="use")
    close(found.residual, pl.Series([-1.0, 1.0, None, None, None]))
    close(found.fitted, pl.Series([2.0, 2.0, 2.0, None, None]))


def test_neutralize_without_a_degree_of_freedom_is_null():
    """Otherwise rounding noise of a saturated fit would be scaled up to a score."""
    frame = section([1.1, 2.3, 3.7], industry=["a", "b", "b"], size=[1.0, 2.0, 4.0])
    found = neutralize(frame, "x", industry="industry", controls=("size",))
    assert found.residual.null_count() == found.fitted.null_count() == 3
    assert found.reasons.to_list() == ["fewer than one residual degree of freedom"]


def test_neutralize_refuses_controls_that_industries_explain():
    frame = section([1, 2, 3, 4], industry=list("aabb"), size=[0.1, 0.1, 0.3, 0.3])
    found = neutralize(frame, "x", industry="industry", controls=("size",))
    assert found.residual.null_count() == 4
    assert found.reasons.to_list() == ["controls do not vary within industries"]


# properties


@EACH
@EXAMPLES
@given(frame=frames(), seed=st.integers(0, 99))
def test_row_order_within_a_date_does_not_matter(call, frame, seed):
    order = np.random.default_rng(seed).permutation(frame.height)
    order = order[np.argsort(frame["date"].to_numpy()[order], kind="stable")]
    close(call(frame[order]), call(frame)[order])


@EACH
@EXAMPLES
@given(frame=frames())
def test_dates_are_independent(call, frame):
    together = call(frame)
    alone = [call(day) for day in frame.partition_by("date", maintain_order=True)]
    expected = pl.concat(alone) if alone else together
    assert_series_equal(together, expected, check_exact=True)


@EACH
@EXAMPLES
@given(frame=frames())
def test_null_stays_null_and_nothing_else_appears(call, frame):
    unknown = frame["x"].is_null()
    found = call(frame)
    assert found.filter(unknown).null_count() == unknown.sum()
    assert found.drop_nulls().is_finite().all()
    assert found.dtype == pl.Float64


@pytest.mark.parametrize("name", ["sparse", "composite"])
@EXAMPLES
@given(frame=frames())
def test_known_stays_known(name, frame):
    """A date with weights always has a sparse and a composite scale, if only 0."""
    frame = frame.with_columns(pl.col("weight").fill_null(1.0), estimation=pl.lit(value=True))
    assert CALLS[name](frame).null_count() == frame["x"].null_count()


@EACH
@EXAMPLES
@given(frame=frames())
def test_nothing_is_mutated(call, frame):
    copy = frame.clone()
    call(frame)
    assert_frame_equal(frame, copy, check_exact=True)


@pytest.mark.parametrize("name", ["sparse", "dense", "composite"])
@pytest.mark.parametrize("scale", [1e-6, 3.0, 1e12])
@EXAMPLES
@given(frame=frames())
def test_units_do_not_matter(name, scale, frame):
    close(CALLS[name](frame.with_columns(pl.col("x") * scale)), CALLS[name](frame))


@pytest.mark.parametrize("name", ["sparse", "dense", "composite"])
@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e200])
def test_squares_neither_vanish_nor_overflow(name, scale):
    frame = random_frame(1, dates=1).with_columns(hit=pl.lit(value=True))
    close(CALLS[name](frame.with_columns(pl.col("x") * scale)), CALLS[name](frame))


@pytest.mark.parametrize("shift", [-7.0, 1e3])
@EXAMPLES
@given(frame=frames())
def test_dense_ignores_a_shift(shift, frame):
    shifted = CALLS["dense"](frame.with_columns(pl.col("x") + shift))
    assert_series_equal(shifted, CALLS["dense"](frame), abs_tol=1e-8)  # 1e3 of 1e16 digits went to the shift


@EACH
def test_chunks_do_not_matter(call):
    frame = random_frame(2).with_columns(hit=pl.col("x") > 0)
    halves = pl.concat([frame[:333], frame[333:]], rechunk=False)
    assert halves.n_chunks() == 2
    assert_series_equal(call(halves), call(frame), check_exact=True)


@EACH
@pytest.mark.parametrize("n_threads", [2, 5])
def test_threads_do_not_matter(call, n_threads, monkeypatch):
    monkeypatch.setattr("kifactors._kernels._threads.SMALL", 0)
    frame = random_frame(3).with_columns(hit=pl.col("x") > 0)
    assert_series_equal(call(frame, n_threads=n_threads), call(frame, n_threads=1), check_exact=True)


@pytest.mark.parametrize("name", ["sparse", "dense", "composite"])
@pytest.mark.parametrize("factor", [5.0, 1e14])
def test_what_lies_outside_estimation_is_scored_and_counts_for_nothing(name, factor):
    frame = random_frame(4).with_columns(hit=pl.col("x") > 0)
    moved = frame.with_columns(x=pl.when("estimation").then("x").otherwise(pl.col("x") * factor + 1))
    inside = frame["estimation"]
    found, other = CALLS[name](frame), CALLS[name](moved)
    assert_series_equal(found.filter(inside), other.filter(inside), check_exact=True)
    assert found.filter(~inside).null_count() == frame["x"].filter(~inside).null_count()
    assert (found.filter(~inside) != other.filter(~inside)).any()


@pytest.mark.parametrize("name", ["sparse", "dense", "composite"])
def test_results_are_clipped(name):
    frame = random_frame(5).with_columns(hit=pl.col("x") > 0)
    free, clipped = CALLS[name](frame, clip=1e9), CALLS[name](frame, clip=0.75)
    assert free.abs().max() > 0.75
    assert_series_equal(clipped, free.clip(-0.75, 0.75), check_exact=True)


@pytest.mark.parametrize("level", [0.0, -2.5, 1e12, 1e-200])
def test_a_constant_section_has_no_dense_score(level):
    assert dense_standardize(section([level] * 5), "x").null_count() == 5


@pytest.mark.parametrize("level", [1.0, 1e8, 1e12])
@pytest.mark.parametrize("seed", range(5))
def test_rounding_noise_is_not_dispersion(level, seed):
    """An absolute floor of 1e-12 would call it that."""
    x = level * (1.0 + np.random.default_rng(seed).integers(-4, 5, 50) * np.finfo(float).eps)
    frame = section(x, hit=True)
    assert dense_standardize(frame, "x").null_count() == 50
    assert composite_standardize(frame, "x", exposed="hit").to_list() == [0.0] * 50


def test_a_theme_of_few_survives_sparse_scaling():
    """25 exposed of 3,000: the 99th percentile of all is 0, and percentile winsorizing would erase them."""
    frame = section([0.0] * 2975 + [0.5] * 25)
    assert sparse_standardize(frame, "x").to_list() == [0.0] * 2975 + [1.0] * 25


@pytest.mark.parametrize(("min_assets", "known"), [(2, True), (3, True), (4, False)])
def test_min_assets_counts_known_values_in_estimation(min_assets, known):
    frame = section([1, 2, 6, None, 9], use=[True, True, True, True, False])
    found = dense_standardize(frame, "x", estimation="use", min_assets=min_assets)
    assert found.null_count() == (1 if known else 5)


@EACH
def test_one_asset_and_no_asset(call):
    columns = {"weight": [1.0], "estimation": [True], "hit": [True]}
    one = section([4], **columns)
    assert call(one).to_list() in ([1.0], [0.0], [None])
    empty = one.clear()
    assert call(empty).to_list() == []
    assert date_offsets(empty).tolist() == [0]
    unknown = section([None, None], weight=[1.0, 2.0], estimation=True, hit=True)
    assert call(unknown).to_list() == [None, None]


@EACH
def test_nan_counts_as_unknown(call):
    frame = random_frame(6).with_columns(hit=pl.col("x") > 0)
    assert_series_equal(call(frame.with_columns(pl.col("x").fill_null(float("nan")))), call(frame))


@EACH
def test_an_unsorted_frame_is_refused(call):
    frame = random_frame(7, dates=2, assets=3).with_columns(hit=pl.lit(value=True))
    with pytest.raises(DataError, match="sorted by date"):
        call(frame.reverse())


@pytest.mark.parametrize(
    "options",
    [{"high": 1.5}, {"low": -0.1}, {"low": 0.9, "high": 0.1}, {"min_assets": 0}],
    ids=["above 1", "below 0", "crossed", "no asset"],
)
def test_dense_refuses_quantiles_and_counts_that_point_outside_the_section(options):
    """The kernel trusts its caller and would read beyond its scratch space."""
    with pytest.raises(KifactorsError):
        dense_standardize(section([1, 2, 6, None]), "x", **options)


# other ways to say the same


def test_dense_equals_polars_expressions():
    frame = random_frame(8)
    inside = pl.when(pl.col("estimation") & pl.col("x").is_not_null()).then("x")
    low, high = (inside.quantile(q, interpolation="linear").over("date") for q in (0.05, 0.95))
    clipped, used = pl.col("x").clip(low, high), inside.clip(low, high)
    weight = pl.when(used.is_not_null()).then("weight")
    mean = (weight * used).sum().over("date") / weight.sum().over("date")
    expected = ((clipped - mean) / used.std(ddof=1).over("date")).clip(-2.0, 2.0)
    found = dense_standardize(
        frame, "x", weights="weight", estimation="estimation", low=0.05, high=0.95, clip=2.0
    )
    close(found, frame.select(x=expected).to_series())


def test_sparse_equals_polars_expressions():
    frame = random_frame(9).with_columns(x=pl.when(pl.col("x") > 1).then("x").otherwise(pl.col("x") * 0))
    exposed = pl.when(pl.col("estimation") & (pl.col("x") != 0)).then("x")
    expected = (pl.col("x") / (exposed**2).mean().sqrt().over("date")).clip(-2.0, 2.0)
    found = sparse_standardize(frame, "x", estimation="estimation", clip=2.0)
    close(found, frame.select(expected).to_series())


def test_composite_equals_polars_expressions():
    frame = random_frame(10).with_columns(hit=pl.col("size") > 22)
    used = pl.when(pl.col("estimation") & pl.col("weight").is_not_null() & pl.col("x").is_not_null())
    mean = (used.then(pl.col("weight") * pl.col("x")).sum() / used.then("weight").sum()).over("date")
    gap = pl.col("x") - mean
    frame = frame.with_columns(gap=gap)
    exposed = pl.when(pl.col("estimation") & pl.col("hit")).then("gap")
    expected = (pl.col("gap") / (exposed**2).mean().sqrt().over("date")).clip(-5.0, 5.0)
    found = CALLS["composite"](frame)
    close(found, frame.select(expected).to_series())


@pytest.mark.parametrize("weights", [None, "weight"])
def test_neutralize_equals_least_squares_on_dummies(weights):
    frame = random_frame(11)
    found = neutralize(
        frame, "x", industry="industry", controls=("size",), weights=weights, estimation="estimation"
    )
    frame = frame.with_columns(residual=found.residual, one=pl.lit(1.0))
    for day in frame.partition_by("date", maintain_order=True):
        known = day.drop_nulls(["x", "size", "industry", weights or "one"])
        fit = known.filter("estimation")
        design = np.column_stack([fit["size"], fit.select("industry").to_dummies()])
        root = np.sqrt(fit[weights or "one"].to_numpy())
        beta = np.linalg.lstsq(design * root[:, None], fit["x"].to_numpy() * root, rcond=None)[0]
        every = np.column_stack([known["size"], known.select("industry").to_dummies()])
        np.testing.assert_allclose(known["residual"], known["x"].to_numpy() - every @ beta, atol=ROUNDING)


def test_neutral_residuals_are_orthogonal_to_what_was_removed():
    frame = random_frame(12).drop_nulls().filter("estimation")
    found = neutralize(frame, "x", industry="industry", controls=("size",), weights="weight").residual
    assert found.null_count() == 0
    weighted = frame.with_columns(e=found * frame["weight"])
    total = frame.group_by("date").agg((pl.col("x").abs() * pl.col("weight")).sum())["x"].min()
    within = weighted.group_by("date", "industry").agg(pl.col("e").sum())["e"].abs().max()
    along = weighted.group_by("date").agg((pl.col("e") * pl.col("size")).sum())["e"].abs().max()
    assert within < ROUNDING * total
    assert along < 30 * ROUNDING * total  # size is about 22


@pytest.mark.parametrize(
    ("scale", "shift"), [(1e-3, 0.0), (-50.0, 0.0), (1.0, 1e3), (1e9, -5e11), (1.0, 1e7)]
)
def test_units_and_origin_of_a_control_do_not_matter(scale, shift):
    frame = random_frame(13)
    options = {"industry": "industry", "controls": ("size",), "weights": "weight"}
    expected = neutralize(frame, "x", **options)
    moved = neutralize(frame.with_columns(pl.col("size") * scale + shift), "x", **options)
    assert_series_equal(moved.reasons, expected.reasons)
    assert_series_equal(moved.residual, expected.residual, abs_tol=1e-7)  # a shift of 1e7 takes 7 digits


@EXAMPLES
@given(frame=frames(), name=st.sampled_from(["alpha", "Z", "10"]))
def test_names_of_industries_do_not_matter(frame, name):
    assume(frame.height > 0)
    call = CALLS["neutralize"]
    one = neutralize(frame.with_columns(industry=pl.lit("only")), "x", industry="industry").residual
    other = neutralize(frame.with_columns(industry=pl.lit(name)), "x", industry="industry").residual
    assert_series_equal(one, other, check_exact=True)
    close(call(frame), call(frame.with_columns(hit=~pl.col("hit"))))


@pytest.mark.parametrize(
    "codes", [[10101010, 10101010, 60201010, 60201010], [-5, -5, 0, 0], ["x", "x", None, "y"]]
)
def test_industries_may_be_any_labels(codes):
    frame = pl.DataFrame({"date": [1] * 4, "x": [1.0, 3.0, 6.0, 8.0], "industry": codes})
    residual = neutralize(frame, "x", industry="industry").residual.to_list()
    assert residual == ([-1.0, 1.0, None, 0.0] if None in codes else [-1.0, 1.0, -1.0, 1.0])


@pytest.mark.parametrize(
    "shape", ["random", "sorted", "reversed", "ties", "two lumps", "steps of the sample"]
)
@pytest.mark.parametrize("size", [511, 512, 2_999, 20_000])
def test_clipping_bounds_are_those_of_the_sort(shape, size):
    """The bracket of a sample finds the very order statistics, or falls back."""
    rng = np.random.default_rng(size)
    x = {
        "random": rng.standard_t(3, size),
        "sorted": np.sort(rng.random(size)),
        "reversed": -np.sort(rng.random(size)),
        "ties": rng.integers(0, 4, size).astype(float),
        "two lumps": np.where(rng.random(size) < 0.5, 0.0, 1e9) + rng.random(size),
        "steps of the sample": np.where(np.arange(size) % (size // 96) == 0, -1e6, rng.random(size)),
    }[shape]
    for low, high in ((0.01, 0.99), (0.0, 1.0), (0.25, 0.5)):
        clipped = np.clip(x, *np.quantile(x, (low, high)))
        expected = np.clip((clipped - clipped.mean()) / clipped.std(ddof=1), -3, 3)
        frame = pl.DataFrame({"date": np.ones(size, np.int32), "x": x})
        found = dense_standardize(frame, "x", low=low, high=high).to_numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
