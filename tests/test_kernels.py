"""The kernel door: compiled == twin, threads change no bit, wrong arrays are refused."""

import importlib
import inspect
import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kifactors import _kernels
from kifactors._kernels import NEVER, ShapeError, _backend, _threads
from kifactors.errors import DefinitionError
from tests.strategies import (
    ASSETS,
    CAPEX,
    REVENUE,
    SEEDS,
    Filings,
    Network,
    Panel,
    fields_of,
    filings,
    networks,
    panels,
    random_filings,
    random_network,
    random_panel,
    random_regression,
    regressions,
)

# Sums of up to a few hundred terms in another order, divided by a spread no smaller than 1e-3 of the values.
ROUNDING = 1e-9
# The same without a division by a spread.
SUMS = 1e-12

RULES = (350, 380, 80, 100, 10, 10, 20)
EXAMPLES = settings(max_examples=80, deadline=None)


def both(call):
    """Return what the compiled kernel and its twin answer to the same call of the door."""
    with np.errstate(all="ignore"):
        with _backend.using("baseline"):
            fast = call()
        with _backend.using("reference"):
            return fast, call()


def sparse_standardize(values, estimation, offsets, *, clip=5.0, **options):
    return _kernels.style_score(
        [values], offsets, methods=[_kernels.SPARSE], estimation=estimation, sparse_clip=clip, **options
    ).score


def dense_standardize(values, weights, estimation, offsets, *, clip=3.0, **options):
    options = {"low": 0.01, "high": 0.99, "min_assets": 3, **options}
    return _kernels.style_score(
        [values], offsets, methods=[_kernels.DENSE], market_cap=weights, estimation=estimation, dense_clip=clip,
        **options,
    ).score  # fmt: skip


def neutralize(values, controls, weights, codes, estimation, offsets, **options):
    return _kernels.style_score(
        [values], offsets, methods=[_kernels.RAW], codes=codes, controls=controls, regression_weights=weights,
        estimation=estimation, with_fitted=True, **options,
    )  # fmt: skip


def composite_standardize(values, weights, exposed, estimation, offsets, *, clip=5.0, **options):
    return _kernels.composite_standardize(
        values, offsets, weights=weights, exposed=exposed, estimation=estimation, clip=clip, **options
    )


def style(values, weights, estimation, codes, controls, offsets, **options):
    """Every step at once: a dense and a sparse descriptor, industries, controls, the result standardized."""
    options = {"low": 0.05, "high": 0.95, "dense_clip": 3.0, "sparse_clip": 5.0, "min_assets": 3, **options}
    return _kernels.style_score(
        [values, np.round(values)], offsets, methods=[_kernels.DENSE, _kernels.SPARSE], weights=[0.7, 0.3],
        market_cap=weights, estimation=estimation, codes=codes, controls=controls, regression_weights=weights,
        restandardize=True, with_fitted=True, **options,
    )  # fmt: skip


def sparse(p: Panel, **options):
    return sparse_standardize(p.values, p.estimation, p.offsets, **options)


def composite(p: Panel, **options):
    return composite_standardize(*fields_of(p), **options)


def dense(p: Panel, **options):
    return dense_standardize(p.values, p.weights, p.estimation, p.offsets, **options)


def leave_one_out(p: Panel, **options):
    values, weights = np.abs(np.nan_to_num(p.values)), np.nan_to_num(p.weights)
    return _kernels.leave_one_out_mean(values, weights, p.offsets, **options)


def propagate(network: Network, **options):
    options = {"delta": 0.5, "tolerance": 1e-12, **options}
    return _kernels.propagate(*fields_of(network), **options)


def trailing(facts: Filings, **options):
    options = {"rules": RULES, "max_age_days": 550, **options}
    return _kernels.trailing_twelve_months(*fields_of(facts), **options)


def arrays(answer) -> list[np.ndarray]:
    return [answer] if isinstance(answer, np.ndarray) else [getattr(answer, n) for n in answer.__slots__]


def assert_same(left, right) -> None:
    """Bit for bit, and the same kind of array."""
    for a, b in zip(arrays(left), arrays(right), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


# kernel == twin


@EXAMPLES
@given(panels(scales=(1.0, 1e-3, 1e12, 1e-300, 1e300)), st.sampled_from([0.5, 5.0]))
def test_sparse_standardize_equals_twin(panel, clip):
    fast, slow = both(lambda: sparse(panel, clip=clip))
    np.testing.assert_allclose(fast, slow, rtol=SUMS)


@EXAMPLES
@given(panels(), st.sampled_from([0.5, 5.0]))
def test_composite_standardize_equals_twin(panel, clip):
    fast, slow = both(lambda: composite(panel, clip=clip))
    np.testing.assert_allclose(fast, slow, rtol=ROUNDING, atol=ROUNDING)


@EXAMPLES
@given(
    panels(),
    st.sampled_from([(0.01, 0.99), (0.0, 1.0), (0.25, 0.75), (0.5, 0.5)]),
    st.sampled_from([2, 3, 5]),
)
def test_dense_standardize_equals_twin(panel, quantiles, min_assets):
    low, high = quantiles
    fast, slow = both(lambda: dense(panel, low=low, high=high, min_assets=min_assets))
    np.testing.assert_allclose(fast, slow, rtol=ROUNDING, atol=ROUNDING)


@EXAMPLES
@given(panels(scales=(1.0, 1e12, 1e-300)))
def test_leave_one_out_mean_equals_twin(panel):
    fast, slow = both(lambda: leave_one_out(panel))
    np.testing.assert_allclose(fast, slow, rtol=SUMS)


@pytest.mark.parametrize("call", [sparse, composite, dense, leave_one_out])
@pytest.mark.parametrize("seed", range(4))
def test_cross_section_equals_twin_on_wide_dates(call, seed):
    fast, slow = both(lambda: call(random_panel(seed)))
    np.testing.assert_allclose(fast, slow, rtol=ROUNDING, atol=ROUNDING)


@EXAMPLES
@given(st.lists(st.integers(-4, 4), min_size=2, max_size=60), st.floats(0.0, 0.49), st.floats(0.51, 1.0))
def test_quantiles_are_linear_between_the_right_neighbours(grid, low, high):
    """With a clip that never binds, what winsorizing did can be read off the extreme z-scores."""
    values = np.array(grid, float)
    panel = Panel(
        values, np.ones(values.size), values > 0, np.ones(values.size, np.uint8), np.array([0, values.size])
    )
    found = dense(panel, low=low, high=high, clip=1e9, min_assets=2)
    lower, upper = np.quantile(values, [low, high])
    clipped = np.clip(values, lower, upper)
    assume(upper - lower > 1e-6)  # the rest divides by the spread
    np.testing.assert_allclose(found, (clipped - clipped.mean()) / clipped.std(ddof=1), atol=ROUNDING)


@EXAMPLES
@given(regressions())
def test_neutralize_equals_twin(case):
    fast, slow = both(lambda: neutralize(*fields_of(case)))
    np.testing.assert_array_equal(fast.status, slow.status)
    scale = np.nanmax(np.abs(case.values), initial=1.0)
    for a, b in ((fast.score, slow.score), (fast.fitted, slow.fitted)):
        np.testing.assert_allclose(a / scale, b / scale, atol=ROUNDING)


@pytest.mark.parametrize("n_controls", [0, 1, 2, 5, 16])
def test_neutralize_equals_twin_on_wide_dates(n_controls):
    case = random_regression(3, n_controls=n_controls)
    fast, slow = both(lambda: neutralize(*fields_of(case)))
    np.testing.assert_array_equal(fast.status, slow.status)
    assert (fast.status == 0).sum() > 5
    np.testing.assert_allclose(fast.score, slow.score, rtol=ROUNDING, atol=ROUNDING)


def test_neutralize_says_why_a_date_has_no_fit():
    """Dates: fitted; saturated (two assets, two industries); a control that industries explain; nothing known."""
    lengths, nan = [4, 2, 4, 2], np.nan
    found = neutralize(
        np.array([1.0, 3, 6, 8, 1, 2, 1, 3, 6, 8, nan, nan]),
        np.array([[1.0, 2, 1, 2, 1, 2, 5, 5, 9, 9, 1, 2]]),
        np.ones(12),
        np.array([0, 0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 0], np.int32),
        np.ones(12, np.uint8),
        np.append(0, np.cumsum(lengths)),
    )
    assert [_kernels.DATE_REASONS[s][:8] for s in found.status] == [
        "fitted",
        "fewer th",
        "controls",
        "fewer th",
    ]
    np.testing.assert_allclose(found.score[:4], 0.0, atol=ROUNDING)
    assert np.isnan(found.score[4:]).all()


@EXAMPLES
@given(networks(), st.sampled_from([0.0, 0.5, 0.9]))
def test_propagate_equals_twin(network, delta):
    fast, slow = both(lambda: propagate(network, delta=delta))
    allowed = fast.error + slow.error + SUMS
    distance = np.abs(fast.revenue - slow.revenue)
    assert (distance <= np.repeat(allowed, np.diff(network.offsets))).all()
    assert (fast.error < 1e-12).all()
    assert (fast.sweeps <= slow.sweeps).all()


@EXAMPLES
@given(networks(), st.sampled_from([0.0, 0.9]), st.integers(0, 4))
def test_limited_propagate_equals_twin(network, delta, max_tiers):
    fast, slow = both(lambda: propagate(network, delta=delta, max_tiers=max_tiers))
    np.testing.assert_array_equal(fast.sweeps, slow.sweeps)
    np.testing.assert_allclose(fast.revenue, slow.revenue, atol=SUMS)
    np.testing.assert_allclose(fast.error, slow.error, atol=SUMS)


def test_propagate_equals_twin_on_wide_dates():
    fast, slow = both(lambda: propagate(random_network(1), delta=0.9))
    # Both lie within 1e-12 of the limit.
    np.testing.assert_allclose(fast.revenue, slow.revenue, atol=3e-12)


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.sampled_from([RULES, (350, 380, 80, 100, 0, 0, 0), (300, 430, 60, 120, 30, 30, 60)]))
def test_trailing_twelve_months_equals_twin(seed, rules):
    """Values are whole numbers, so sums are exact: every array is equal bit for bit."""
    rows, dates = random_filings(seed)
    facts = filings(rows, dates, assets=3)
    fast, slow = both(lambda: trailing(facts, rules=rules))
    assert_same(fast, slow)


def test_fiscal_calendars_reach_every_rule():
    """The oracle would prove nothing if its calendars never got past rule 1 or never had a past."""
    found = [trailing(filings(*random_filings(seed), assets=3)) for seed in range(60)]
    rules = np.concatenate([f.rules.reshape(-1, 2) for f in found])
    for metric in (CAPEX, REVENUE):
        assert np.bincount(rules[:, metric], minlength=4).min() >= 20
    past = np.concatenate([f.periods.reshape(-1, 4) for f in found]) != NEVER
    assert past.sum(axis=0).min() >= 20
    assert not past[past[:, 0]].all()


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(0, 5))
def test_trailing_twelve_months_never_looks_ahead(seed, which):
    rows, dates = random_filings(seed)
    today = dates[min(which, dates.size - 1)]
    kept = [row for row in rows if row[4] <= today]
    all_facts, known = (trailing(filings(r, dates, assets=3)) for r in (rows, kept))
    for a, b in zip(arrays(all_facts), arrays(known), strict=True):
        np.testing.assert_array_equal(a[:, dates <= today], b[:, dates <= today])


# trailing twelve months by hand


def day(text: str) -> int:
    return int(np.datetime64(text, "D").astype(int))


def one_filer(*facts, dates, revenue_ends, **options):
    """Capex facts (start, end, visible, value); revenue is 1000 a year at the given ends, seen at once."""
    rows = [(0, CAPEX, day(a), day(b), day(seen), value) for a, b, seen, value in facts]
    rows += [(0, REVENUE, day(end) - 364, day(end), day(end), 1000.0) for end in revenue_ends]
    return trailing(filings(rows, [day(d) for d in dates], assets=1), **options)


def test_a_restatement_counts_from_its_own_date_on():
    found = one_filer(
        ("2023-01-01", "2023-12-31", "2024-02-01", 100.0),
        ("2023-01-01", "2023-12-31", "2025-01-15", 97.0),
        dates=["2024-01-31", "2024-02-01", "2025-01-14", "2025-01-15"],
        revenue_ends=["2023-12-31"],
    )
    assert found.capex[0, :, 0].tolist()[1:] == [100.0, 100.0, 97.0]
    assert found.periods[0, :, 0].tolist() == [NEVER, *[day("2023-12-31")] * 3]


def test_a_late_vintage_of_an_old_period_does_not_move_the_current_one():
    found = one_filer(
        ("2022-01-01", "2022-12-31", "2025-06-01", 80.0),
        ("2023-01-01", "2023-12-31", "2024-02-01", 100.0),
        dates=["2024-02-01", "2025-06-01"],
        revenue_ends=["2022-12-31", "2023-12-31"],
    )
    assert found.periods[0, :, 0].tolist() == [day("2023-12-31")] * 2
    np.testing.assert_array_equal(found.capex[0, :, 1], [np.nan, 80.0])


def test_year_to_date_rolls_a_year_forward():
    """100 + 70 - 40, the longer year to date going first: the second quarter alone would give 100 + 35 - 20."""
    found = one_filer(
        ("2023-01-01", "2023-12-31", "2024-02-01", 100.0),
        ("2023-01-01", "2023-06-30", "2023-08-01", 40.0),
        ("2024-01-01", "2024-06-30", "2024-08-01", 70.0),
        ("2024-04-01", "2024-06-30", "2024-08-01", 35.0),
        dates=["2024-08-01"],
        revenue_ends=["2024-06-30"],
    )
    assert found.capex[0, 0, 0] == 130.0
    assert found.rules[0, 0].tolist() == [2, 1]


@pytest.mark.parametrize(("gap", "expected"), [(0, 10.0), (10, 10.0), (11, np.nan)])
def test_four_quarters_allow_gaps_of_ten_days(gap, expected):
    last = day("2023-12-31")
    starts = [last - 90, last - 90 - gap - 91, last - 90 - gap - 182, last - 90 - gap - 273]
    rows = [(0, CAPEX, s, s + 90, last, value) for s, value in zip(starts, [4.0, 3.0, 2.0, 1.0], strict=True)]
    rows.append((0, REVENUE, last - 364, last, last, 1000.0))
    found = trailing(filings(rows, [last], assets=1))
    np.testing.assert_equal(found.capex[0, 0, 0], expected)
    assert found.rules[0, 0, CAPEX] == (3 if gap <= 10 else 0)


@pytest.mark.parametrize(
    ("days", "known"), [(349, False), (350, True), (371, True), (380, True), (381, False)]
)
def test_a_year_spans_350_to_380_days(days, known):
    last = day("2023-12-31")
    rows = [(0, metric, last - days + 1, last, last, 7.0) for metric in (CAPEX, REVENUE)]
    assert (trailing(filings(rows, [last], assets=1)).periods[0, 0, 0] == last) == known


def test_of_two_years_with_one_end_the_nearer_to_365_days_counts():
    last = day("2023-12-31")
    rows = [
        (0, m, last - days + 1, last, last, float(days)) for m in (CAPEX, REVENUE) for days in (355, 371, 380)
    ]
    assert trailing(filings(rows, [last], assets=1)).capex[0, 0, 0] == 371.0


@pytest.mark.parametrize(("age", "known"), [(550, True), (551, False)])
def test_a_period_expires_after_max_age_days(age, known):
    last = day("2023-12-31")
    rows = [(0, metric, last - 364, last, last, 7.0) for metric in (CAPEX, REVENUE)]
    found = trailing(filings(rows, [last + age], assets=1))
    assert (found.periods[0, 0, 0] == last) == known
    assert np.isnan(found.capex[0, 0, 0]) != known


@pytest.mark.parametrize(("days", "known"), [(345, False), (346, True), (385, True), (386, False)])
def test_the_past_is_matched_within_twenty_days(days, known):
    """A year is 365.25 days: 346 and 385 days before lie 19.25 and 19.75 days away from it."""
    last = day("2024-12-31")
    rows = [(0, m, end - 364, end, last, 7.0) for m in (CAPEX, REVENUE) for end in (last, last - days)]
    expected = last - days if known else NEVER
    assert trailing(filings(rows, [last], assets=1)).periods[0, 0].tolist() == [last, expected, NEVER, NEVER]


def test_of_two_past_periods_the_nearer_counts():
    """Two years are 730.5 days: 730 and 731 days before are equally near, the later one counts."""
    last = day("2024-12-31")
    ends = (last, last - 360, last - 370, last - 730, last - 731)
    rows = [(0, m, end - 364, end, last, 7.0) for m in (CAPEX, REVENUE) for end in ends]
    expected = [last, last - 370, last - 730, NEVER]
    assert trailing(filings(rows, [last], assets=1)).periods[0, 0].tolist() == expected


def test_total_assets_belong_to_the_current_period_end():
    last = day("2023-12-31")
    rows = [(0, metric, last - 364, last, last, 7.0) for metric in (CAPEX, REVENUE)]
    rows += [
        (0, ASSETS, end, end, last, value) for end, value in ((last - 92, 5.0), (last, 6.0), (last + 90, 7.0))
    ]
    assert trailing(filings(rows, [last], assets=1)).assets[0, 0] == 6.0


# the door


def nothing(size: int = 0):
    return np.zeros(size)


@pytest.mark.parametrize("dates", [0, 3])
def test_empty_input_gives_empty_output(dates):
    offsets = np.zeros(dates + 1, np.int64)
    mask = np.zeros(0, np.uint8)
    empty = Panel(nothing(), nothing(), mask, mask, offsets)
    for call in (sparse, composite, dense, leave_one_out):
        assert call(empty).shape == (0,)
    fit = neutralize(nothing(), np.zeros((1, 0)), nothing(), mask.astype(np.int32), mask, offsets)
    assert fit.score.shape == (0,)
    assert fit.status.tolist() == [1] * dates
    found = propagate(Network(np.zeros(1, int), np.zeros(0, int), *[nothing()] * 4, offsets))
    assert found.revenue.shape == (0,)
    assert found.error.shape == found.sweeps.shape == (dates,)
    for assets in (0, 2):
        facts = trailing(filings([], range(dates), assets=assets))
        assert facts.periods.shape == facts.capex.shape == (assets, dates, 4)
        assert (facts.periods == NEVER).all()


def strided(array: np.ndarray) -> np.ndarray:
    wide = np.repeat(array, 2, axis=-1)
    return wide[..., ::2]


def locked(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.setflags(write=False)
    return array


def cases() -> dict:
    panel = random_panel(7)
    return {
        "sparse": (sparse_standardize, (panel.values, panel.estimation, panel.offsets), {}),
        "composite": (composite_standardize, fields_of(panel), {}),
        "dense": (dense_standardize, (panel.values, panel.weights, panel.estimation, panel.offsets), {}),
        "leave_one_out": (
            _kernels.leave_one_out_mean,
            (np.abs(np.nan_to_num(panel.values)), np.nan_to_num(panel.weights), panel.offsets),
            {},
        ),
        "neutralize": (neutralize, fields_of(random_regression(7, n_controls=2)), {}),
        "propagate": (_kernels.propagate, fields_of(random_network(7)), {"delta": 0.5, "tolerance": 1e-10}),
        "propagate_two_tiers": (
            _kernels.propagate,
            fields_of(random_network(8)),
            {"delta": 0.9, "tolerance": 1e-10, "max_tiers": 2},
        ),
        "trailing": (
            _kernels.trailing_twelve_months,
            fields_of(filings(*random_filings(7, assets=20, dates=15), assets=20)),
            {"rules": RULES, "max_age_days": 550},
        ),
    }


# Absent: weights of 1, all rows, no controls, no industries.
OPTIONAL = {"weights", "exposed", "estimation", "controls", "codes"}

KERNELS = pytest.mark.parametrize(("function", "arguments", "options"), cases().values(), ids=cases().keys())


@KERNELS
@pytest.mark.parametrize("wrap", [strided, locked], ids=["strided", "read-only"])
def test_layout_and_locks_do_not_matter(function, arguments, options, wrap):
    expected = function(*arguments, **options)
    assert_same(function(*(wrap(a) for a in arguments), **options), expected)


@KERNELS
def test_inputs_are_not_written_to(function, arguments, options):
    copies = [a.copy() for a in arguments]
    function(*arguments, **options)
    for a, b in zip(arguments, copies, strict=True):
        np.testing.assert_array_equal(a, b)


@KERNELS
def test_lossless_types_are_widened(function, arguments, options):
    """int32 offsets and boolean masks come from polars; a memoryview of another type would be refused."""
    narrow = {np.dtype(np.int64): np.int32, np.dtype(np.uint8): np.bool_}
    converted = [a.astype(narrow.get(a.dtype, a.dtype)) for a in arguments]
    assert_same(function(*converted, **options), function(*arguments, **options))


@KERNELS
@pytest.mark.parametrize("spoil", [lambda a: None, lambda a: a.astype(str), lambda a: a.astype(complex),
                                   lambda a: a[None, None], lambda a: np.append(a, a[..., -1:] + 1, axis=-1)],
                         ids=["none", "text", "complex", "dimensions", "longer"])  # fmt: skip
def test_each_argument_is_checked(function, arguments, options, spoil):
    names = list(inspect.signature(function).parameters)
    for k, good in enumerate(arguments):
        dates = function is _kernels.trailing_twelve_months and k == len(arguments) - 1
        bad = spoil(good)
        if bad is None and names[k] in OPTIONAL:
            continue
        if dates and bad is not None and bad.shape == (good.size + 1,):
            continue  # one more score date is not wrong
        with pytest.raises(ShapeError):
            function(*arguments[:k], bad, *arguments[k + 1 :], **options)


@pytest.mark.parametrize(
    "offsets",
    [[], [1, 4], [0, 3], [0, 5], [0, 3, 2, 4], [0, -1, 4], [0.0, 4.0], [[0, 4]]],
    ids=["none", "late", "short", "long", "falling", "negative", "float", "two-dimensional"],
)
def test_offsets_rise_from_0_to_the_number_of_values(offsets):
    with pytest.raises(ShapeError):
        sparse_standardize(np.ones(4), np.ones(4, np.uint8), offsets)


@pytest.mark.parametrize("shape", [(1, 3), (4,), (1, 4, 1), (17, 4)])
def test_controls_have_up_to_16_rows_of_all_values(shape):
    ones = np.ones(4)
    with pytest.raises(ShapeError):
        neutralize(ones, np.ones(shape), ones, np.zeros(4, np.int32), ones.astype(bool), [0, 4])


@pytest.mark.parametrize("customer", [-1, 2, 3, 10**9])
def test_a_customer_lies_in_its_own_date(customer):
    network = Network(
        np.array([0, 1, 1, 1]), np.array([customer]), np.array([0.5]), *np.zeros((3, 3)), np.array([0, 2, 3])
    )
    with pytest.raises(ShapeError, match="outside its own date"):
        propagate(network)


@pytest.mark.parametrize("slot", [-1, 1])
def test_a_fact_points_to_a_slot(slot):
    good = filings([(0, CAPEX, 1, 365, 400, 1.0)], [500], assets=1)
    with pytest.raises(ShapeError, match="slot"):
        trailing(replace(good, fact_slot=np.array([slot])))


def test_slots_and_facts_cover_the_same_assets():
    good = filings([(0, CAPEX, 1, 365, 400, 1.0)], [500], assets=1)
    with pytest.raises(ShapeError, match="numbers of assets"):
        trailing(replace(good, fact_offsets=np.array([0, 1, 1])))


@pytest.mark.parametrize(
    "disorder",
    [
        lambda f: replace(f, dates=f.dates[::-1]),
        lambda f: replace(f, fact_visible=f.fact_visible[::-1]),
        lambda f: replace(f, slot_end=f.slot_end[::-1], slot_start=f.slot_start[::-1]),
        lambda f: replace(f, slot_offsets=np.array([0, 1, 2]), fact_offsets=np.array([0, 2, 2])),
    ],
    ids=["dates", "arrivals", "slots", "another asset's slot"],
)
def test_dates_arrivals_and_slots_are_in_order(disorder):
    """The kernel walks forward once: on falling dates it would show the first what only the last may know."""
    rows = [(0, CAPEX, 1, 365, 400, 1.0), (0, CAPEX, 366, 730, 800, 2.0)]
    good = filings(rows, [500, 900], assets=1)
    with pytest.raises(ShapeError):
        trailing(disorder(good))


@pytest.mark.parametrize("count", [0, 6, 8])
def test_there_are_seven_rules(count):
    with pytest.raises(ShapeError):
        trailing(filings([], [500], assets=1), rules=tuple(range(count)))


def test_no_kernel_takes_none():
    """`not None` on every memoryview: without it None is a segmentation fault."""
    cross_section = importlib.import_module("kifactors._kernels._cross_section")
    panel = random_panel(1)
    with pytest.raises(TypeError):
        cross_section.leave_one_out_mean(panel.values, panel.weights, panel.offsets, 0, 1, None, None)
    with pytest.raises(TypeError):
        cross_section.composite_standardize(None, None, None, None, None, None, 0, 1, 5.0, None, None)


# threads and processes


@KERNELS
def test_threads_change_no_bit(function, arguments, options, monkeypatch):
    monkeypatch.setattr(_threads, "SMALL", 0)
    expected = function(*arguments, **options, n_threads=1)
    for n_threads in (2, 5):
        assert_same(function(*arguments, **options, n_threads=n_threads), expected)


@KERNELS
def test_concurrent_callers_get_the_same(function, arguments, options, monkeypatch):
    monkeypatch.setattr(_threads, "SMALL", 0)
    expected = function(*arguments, **options, n_threads=1)
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(function, *arguments, **options, n_threads=2) for _ in range(16)]
        for answer in answers:
            assert_same(answer.result(), expected)


@pytest.mark.parametrize("n_threads", [1, 2, 5, 64])
@pytest.mark.parametrize("n_slices", [0, 1, 2, 7, 64, 65])
def test_every_slice_is_worked_on_once(n_threads, n_slices, monkeypatch):
    monkeypatch.setattr(_threads, "SMALL", 0)
    ranges: list[tuple[int, int]] = []
    _threads.over_slices(lambda a, b: ranges.append((a, b)), n_slices, size=1, n_threads=n_threads)
    assert sorted(s for a, b in ranges for s in range(a, b)) == list(range(n_slices))
    assert len(ranges) == max(1, min(n_threads, n_slices))


def test_small_work_stays_in_the_calling_thread():
    ranges: list[tuple[int, int]] = []
    _threads.over_slices(lambda a, b: ranges.append((a, b)), 10, size=_threads.SMALL - 1, n_threads=4)
    assert ranges == [(0, 10)]


def test_an_error_in_a_thread_reaches_the_caller(monkeypatch):
    monkeypatch.setattr(_threads, "SMALL", 0)

    def work(first, last):
        raise ZeroDivisionError(f"{first}:{last}")

    with pytest.raises(ZeroDivisionError, match="0:5"):
        _threads.over_slices(work, 10, size=1, n_threads=2)


def test_the_environment_sets_the_number_of_threads(monkeypatch):
    monkeypatch.setenv("KIFACTORS_NUM_THREADS", "3")
    assert _kernels.thread_count() == 3
    assert _kernels.thread_count(2) == 2
    monkeypatch.setenv("KIFACTORS_NUM_THREADS", "")
    assert 1 <= _kernels.thread_count() <= (os.cpu_count() or 1)


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", " ", "\u00b2", "\u0663"])
def test_a_bad_number_of_threads_in_the_environment_is_an_error(text, monkeypatch):
    monkeypatch.setenv("KIFACTORS_NUM_THREADS", text)
    with pytest.raises(DefinitionError, match="KIFACTORS_NUM_THREADS"):
        sparse(random_panel(1))


@pytest.mark.parametrize("n_threads", [0, -2])
def test_a_bad_number_of_threads_is_an_error(n_threads):
    with pytest.raises(DefinitionError, match="number of threads"):
        sparse(random_panel(1), n_threads=n_threads)


def python(*arguments: str, **environment: str) -> str:
    """Run a fresh interpreter that imports the package under test."""
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(Path(_kernels.__file__).parents[2]), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(("flag", "twin"), [("1", True), ("0", False), ("", False)])
def test_the_environment_chooses_the_twin(flag, twin):
    code = "from kifactors._kernels import _backend as b; print(b.level(), b.kernel('_asof').__name__)"
    level, name = python("-c", code, KIFACTORS_REFERENCE=flag).split()
    assert (level == "reference") == twin
    assert name == ("kifactors._kernels._reference" if twin else "kifactors._kernels._asof")


@pytest.mark.parametrize("level", _backend.available())
def test_the_environment_forces_a_level(level):
    code = (
        "from kifactors._kernels import _backend as b; print(b.level(), b.kernel('_cross_section').__file__)"
    )
    found, path = python("-c", code, KIFACTORS_SIMD=level, KIFACTORS_REFERENCE="").split()
    assert found == level
    assert Path(path).parent.name == ("_kernels" if level == "baseline" else level)


def test_a_level_that_is_not_there_is_an_error_that_names_those_that_are():
    with pytest.raises(DefinitionError, match="'avx1024'; this build on this processor has baseline"):
        _backend.using("avx1024").__enter__()


PROCESSES = """
import multiprocessing, os, sys
import numpy as np
from kifactors import _kernels
from kifactors._kernels import _threads

_threads.SMALL = 0
x = np.random.default_rng(5).normal(size=1000)

def work():
    return _kernels.style_score([x], np.arange(0, 1001, 10), methods=[_kernels.SPARSE], n_threads=4).score

if __name__ == "__main__":
    expected = work()
    context = multiprocessing.get_context(sys.argv[1])
    with context.Pool(2) as pool:
        for found in [pool.apply_async(work) for _ in range(4)]:
            assert (found.get(60) == expected).all()
    assert (work() == expected).all()
    print("equal")
"""


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_kernels_work_in_child_processes(method, tmp_path):
    """Threads before a fork must leave nothing behind that a child could wait for."""
    script = tmp_path / "processes.py"
    script.write_text(PROCESSES)
    assert python(str(script), method) == "equal"
