"""Propagation at the kernel door: many cases at once, graphs of many blocks, given starts, threads, levels."""

from dataclasses import astuple, replace

import numpy as np
import polars as pl
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from kifactors import _kernels
from kifactors._kernels import ShapeError, _backend
from kifactors.definition import SupplierTies
from kifactors.graph import propagate as propagate_graph
from kifactors.graph import tie_graph
from tests.strategies import TIES, Network, all_nodes, networks, offsets_of, random_network, tie_tables

TOLERANCE = 1e-10
# Two solutions, each within the tolerance of the limit.
SOLVED = 2 * TOLERANCE
DELTA = 0.8
COUNTS = st.sampled_from([1, 2, 3, 8, 9, 17])


def solve(network: Network, **options):
    given_options = {"delta": DELTA, "tolerance": TOLERANCE} | options
    fields = [getattr(network, name) for name in network.__dataclass_fields__]
    return _kernels.propagate(*fields, **given_options)


def cases_of(network: Network, count: int, seed: int) -> Network:
    """Return the network with `count` columns of inputs; the remainder is the same in all."""
    rng = np.random.default_rng(seed)
    shape = (network.theta.size, count)
    theta, disclosed = (np.where(rng.random(shape) < 0.7, 0.0, rng.random(shape)) for _ in range(2))
    return replace(network, theta=theta, disclosed=disclosed)


def large(seed: int, nodes=(20_000,), ties: int = 6) -> Network:
    """Dates of several blocks each; named shares add to 0.95."""
    rng = np.random.default_rng(seed)
    n = sum(nodes)
    offsets = offsets_of(nodes)
    degree = rng.integers(0, 2 * ties, n)
    rows = offsets_of(degree)
    begin, length = (np.repeat(x, nodes) for x in (offsets[:-1], nodes))
    customers = np.repeat(begin, degree) + rng.integers(0, np.repeat(length, degree))
    share = rng.random(rows[-1])
    supplier = np.repeat(np.arange(n), degree)
    flow = 0.95 * share / np.bincount(supplier, share, n)[supplier]
    theta, disclosed = (np.where(rng.random(n) < 0.05, rng.random(n), 0.0) for _ in range(2))
    return Network(rows, customers, flow, theta, disclosed, np.zeros(n), offsets)


def with_scipy(network: Network) -> np.ndarray:
    n = network.theta.size
    W = scipy.sparse.csr_array((network.flow, network.customers, network.rows), shape=(n, n))
    r = network.disclosed
    for _ in range(300):
        r = np.maximum(network.disclosed, W @ (network.theta + DELTA * (1 - network.theta) * r))
    return r


def assert_same_bits(left, right) -> None:
    for name in left.__slots__:
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name), err_msg=name)


# many cases at once


@settings(max_examples=60, deadline=None)
@given(networks(), COUNTS, st.integers(0, 99), st.sampled_from([None, 0, 2]))
def test_a_case_of_many_ends_as_it_would_alone(network, count, seed, max_tiers):
    many = cases_of(network, count, seed)
    together = solve(many, max_tiers=max_tiers)
    assert together.revenue.shape == (network.theta.size, count)
    assert together.sweeps.shape == (network.offsets.size - 1, count)
    for k in range(count):
        one = replace(network, theta=many.theta[:, k], disclosed=many.disclosed[:, k])
        alone = solve(one, max_tiers=max_tiers)
        for name in alone.__slots__:
            np.testing.assert_array_equal(getattr(together, name)[:, k], getattr(alone, name))


@settings(max_examples=30, deadline=None)
@given(networks(), COUNTS, st.integers(0, 99))
def test_many_cases_equal_the_twin(network, count, seed):
    many = cases_of(network, count, seed)
    fast = solve(many)
    with _backend.using(_backend.REFERENCE):
        slow = solve(many)
    np.testing.assert_allclose(fast.revenue, slow.revenue, atol=SOLVED)
    for found in (fast, slow):
        np.testing.assert_allclose(found.error, found.residual * DELTA / (1 - DELTA), rtol=1e-15)
        assert (found.error < TOLERANCE).all()


def test_an_input_without_columns_is_the_same_in_all_cases():
    network = random_network(3)
    many = cases_of(network, 4, 3)
    shared = solve(replace(many, theta=network.theta))
    spread = solve(replace(many, theta=np.repeat(network.theta[:, None], 4, axis=1)))
    assert_same_bits(shared, spread)


def test_a_case_that_needs_more_sweeps_does_not_move_the_others():
    """Column 0 is done after one sweep, column 1 goes around a cycle until it has converged."""
    cycle = Network(
        np.array([0, 1, 2]), np.array([1, 0]), np.array([1.0, 1.0]), np.array([[0, 0.5], [0, 0], [0, 0]])[:2],
        np.zeros((2, 2)), np.zeros(2), np.array([0, 2]),
    )  # fmt: skip
    found = solve(cycle)
    assert found.sweeps[0, 0] == 1
    assert found.sweeps[0, 1] > 10
    assert found.revenue[:, 0].tolist() == [0.0, 0.0]


# graphs of many blocks


@pytest.mark.parametrize("nodes", [(8192,), (8193,), (20_000,), (9000, 3, 12_345)])
def test_large_graphs_equal_scipy(nodes):
    network = large(1, nodes)
    found = solve(network)
    np.testing.assert_allclose(found.revenue, with_scipy(network), atol=SOLVED)
    assert (found.error < TOLERANCE).all()


def test_large_graphs_with_a_limit_of_steps_take_plain_steps():
    network = large(2)
    n = network.theta.size
    W = scipy.sparse.csr_array((network.flow, network.customers, network.rows), shape=(n, n))
    r = network.disclosed
    for steps in range(4):
        np.testing.assert_allclose(solve(network, max_tiers=steps).revenue, r, atol=1e-15)
        r = np.maximum(network.disclosed, W @ (network.theta + DELTA * (1 - network.theta) * r))


@pytest.mark.parametrize("count", [None, 3, 16])
@pytest.mark.parametrize("max_tiers", [None, 3])
@pytest.mark.parametrize("nodes", [(20_000,), (9000, 3, 12_345), (500,) * 30])
def test_threads_do_not_matter(nodes, max_tiers, count, monkeypatch):
    monkeypatch.setattr("kifactors._kernels._threads.SMALL", 0)
    network = large(5, nodes)
    if count is not None:
        network = cases_of(network, count, 5)
    one = solve(network, max_tiers=max_tiers, n_threads=1)
    for n_threads in (2, 5):
        assert_same_bits(solve(network, max_tiers=max_tiers, n_threads=n_threads), one)


# given starts


@settings(max_examples=60, deadline=None)
@given(networks(), st.integers(0, 99), st.booleans())
def test_any_start_leads_to_the_same_limit(network, seed, several):
    if several:
        network = cases_of(network, 5, seed)
    start = np.random.default_rng(seed).random(network.theta.shape)
    cold, warm = solve(network), solve(network, start=start)
    np.testing.assert_allclose(warm.revenue, cold.revenue, atol=SOLVED)
    assert (warm.error < TOLERANCE).all()


def test_the_limit_is_a_good_start():
    network = large(7)
    cold = solve(network)
    again = solve(network, start=cold.revenue)
    assert again.sweeps[0] <= 2 < 10 < cold.sweeps[0]
    np.testing.assert_allclose(again.revenue, cold.revenue, atol=SOLVED)


@settings(max_examples=60, deadline=None)
@given(tie_tables(), st.integers(0, 99), st.sampled_from([None, 4]))
def test_a_warm_start_by_date_leads_to_the_same_limit(ties, seed, count):
    graph = tie_graph(ties, all_nodes(ties), default_flow_share=1.0)
    shape = (graph.nodes.height,) if count is None else (graph.nodes.height, count)
    theta = np.random.default_rng(seed).random(shape)
    inputs = {"theta": theta, "disclosed": np.zeros_like(theta), "ties": SupplierTies(delta=DELTA)}
    cold, warm = (propagate_graph(graph, **inputs, warm_start=warm) for warm in (False, True))
    np.testing.assert_allclose(warm.revenue, cold.revenue, atol=SOLVED)


def test_a_date_like_the_one_before_costs_a_sweep_or_two():
    """Three equal dates of a cycle; then one on which an asset is new."""
    rows = [(date, s, c, c, 0.9, None) for date in (1, 2, 3) for s, c in ("ab", "ba")]
    rows += [(4, s, c, c, 0.9, None) for s, c in ("ab", "bc", "ca")]
    ties = pl.DataFrame(rows, schema=TIES, orient="row")
    nodes = pl.concat(
        [ties.select("date", asset_id="supplier_id"), ties.select("date", asset_id="customer_id")]
    )
    graph = tie_graph(ties, nodes.unique().sort("date", "asset_id"), default_flow_share=1.0)
    theta = (graph.nodes["asset_id"] == "a").to_numpy() * 0.5
    found = propagate_graph(
        graph, theta=theta, disclosed=np.zeros_like(theta), ties=SupplierTies(delta=DELTA), warm_start=True
    )
    first, second, third, fourth = found.sweeps
    assert second <= 2
    assert third <= 2
    assert first > 10
    assert fourth > 10


# levels


@pytest.mark.parametrize("level", _backend.LEVELS[1:])
@pytest.mark.parametrize("count", [None, 2, 8, 11])
def test_levels_give_the_same_bits(level, count):
    if level not in _backend.available():
        pytest.skip(f"this processor cannot run {level}")
    for network in (random_network(4), large(4, (9000,))):
        case = network if count is None else cases_of(network, count, 4)
        answers = []
        for name in ("baseline", level):
            with _backend.using(name):
                answers.append(solve(case, start=np.full(case.theta.shape, 0.1)))
        assert_same_bits(*answers)


# refusals


@pytest.mark.parametrize("name", ["theta", "disclosed", "remainder"])
@pytest.mark.parametrize("value", [-0.1, np.nan, np.inf])
def test_inputs_are_shares(name, value):
    network = random_network(6)
    bad = getattr(network, name).copy()
    bad[3] = value
    with pytest.raises(ShapeError, match=f"{name} must be finite"):
        solve(replace(network, **{name: bad}))


@pytest.mark.parametrize("name", ["theta", "disclosed"])
def test_more_than_all_is_no_share(name):
    network = random_network(6)
    with pytest.raises(ShapeError, match=rf"{name} must be finite and in \[0, 1\]"):
        solve(replace(network, **{name: getattr(network, name) + 1.001}))


@pytest.mark.parametrize("flow", [[0.6, 0.5], [-0.1, 0.2], [np.nan, 0.0], [np.inf, 0.0]])
def test_flows_are_shares_of_one_revenue(flow):
    """Above 1 the map is no contraction, and the error bound would be a lie."""
    network = Network(
        np.array([0, 2, 2]), np.array([0, 1]), np.array(flow), *np.zeros((3, 2)), np.array([0, 2])
    )
    with pytest.raises(ShapeError, match="the flows of node 0"):
        solve(network)


def test_a_customer_beyond_32_bits_is_not_wrapped():
    network = Network(
        np.array([0, 1, 1]), np.array([2**32 + 1]), np.array([0.5]), *np.zeros((3, 2)), np.array([0, 2])
    )
    with pytest.raises(ShapeError, match="outside its own date"):
        solve(network)


def test_columns_agree():
    network = cases_of(random_network(6), 3, 0)
    with pytest.raises(ShapeError, match=r"inputs have \[2, 3\] columns"):
        solve(replace(network, disclosed=network.disclosed[:, :2]))


@pytest.mark.parametrize("node", [-2, 2, 3])
def test_a_node_starts_from_an_earlier_date_only(node):
    network = Network(np.zeros(5, int), np.zeros(0, int), np.zeros(0), *np.zeros((3, 4)), np.array([0, 2, 4]))
    with pytest.raises(ShapeError, match="earlier date"):
        solve(network, earlier=np.array([-1, -1, 0, node]))


def test_inputs_stay_as_they_are():
    network = cases_of(random_network(9), 5, 9)
    before = [x.copy() for x in astuple(network)]
    solve(network, start=network.disclosed)
    for x, y in zip(astuple(network), before, strict=True):
        np.testing.assert_array_equal(x, y)
