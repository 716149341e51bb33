"""Supplier ties: the graph that is built from them, and the fixed point that is solved on it."""

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kifactors.definition import SupplierTies
from kifactors.errors import KifactorsError
from kifactors.graph import TieGraph, propagate, tie_graph, weighted_customers
from tests.strategies import NAMES, TIES, all_nodes, tie_tables

# Tolerance of the default iteration is 1e-10, an error bound; two solutions differ by two of them.
SOLVED = 2e-10
# Dozens of roundings of numbers below 1.
ROUNDING = 1e-14
TIGHT = 1e-15

EXAMPLES = settings(max_examples=60, deadline=None)
DELTAS = st.sampled_from([0.0, 0.25, 0.5, 0.9])


def ties_of(*rows, date=1) -> pl.DataFrame:
    """Rows of supplier, customer, share; the label is the customer's name or its place."""
    full = [(date, s, c, c or f"Customer {k}", share, None) for k, (s, c, share) in enumerate(rows)]
    return pl.DataFrame(full, schema=TIES, orient="row")


def build(ties: pl.DataFrame, *, default_flow_share: float = 1.0) -> TieGraph:
    return tie_graph(ties, all_nodes(ties), default_flow_share=default_flow_share)


def spec(**parameters) -> SupplierTies:
    return SupplierTies(**parameters)


def matrix(graph: TieGraph) -> np.ndarray:
    n = graph.nodes.height
    W = np.zeros((n, n))
    np.add.at(W, (np.repeat(np.arange(n), np.diff(graph.rows)), graph.customers), graph.flow)
    return W


def step(graph: TieGraph, r, theta, disclosed, delta, remainder=0.0) -> np.ndarray:
    return np.maximum(disclosed, remainder + matrix(graph) @ (theta + delta * (1 - theta) * r))


def shares(seed: int, graph: TieGraph, count: int = 2) -> np.ndarray:
    """Shares in [0, 1] of which about half are 0 and a few are 1."""
    rng = np.random.default_rng(seed)
    drawn = rng.random((count, graph.nodes.height))
    return np.where(drawn < 0.5, 0.0, np.where(drawn > 0.95, 1.0, 2 * drawn - 1))


def node(graph: TieGraph, name: str, date: int = 1) -> int:
    at = graph.nodes.with_row_index().filter((pl.col("asset_id") == name) & (pl.col("date") == date))
    return at["index"].item()


# the graph


def test_rows_follow_the_suppliers():
    graph = tie_graph(
        ties_of(("b", "c", 0.25), ("a", "c", 0.5), ("a", "b", 0.125)),
        pl.DataFrame({"date": [1, 1], "asset_id": ["z", "a"]}),
        default_flow_share=0.5,
    )
    assert graph.nodes.rows() == [(1, "a"), (1, "b"), (1, "c"), (1, "z")]
    assert graph.rows.tolist() == [0, 2, 3, 3, 3]
    assert graph.customers.tolist() == [1, 2, 2]
    assert graph.flow.tolist() == [0.0625, 0.25, 0.125]
    assert graph.undisclosed.tolist() == [0.375, 0.75, 1.0, 1.0]
    assert graph.offsets.tolist() == [0, 4]


def test_a_stated_ai_share_replaces_the_default():
    ties = ties_of(("a", "b", 0.5), ("a", "c", 0.25)).with_columns(ai_share=pl.Series([0.0, None]))
    assert build(ties, default_flow_share=0.5).flow.tolist() == [0.0, 0.125]


def test_one_customer_under_two_labels_is_summed():
    twice = ties_of(("a", "b", 0.25), ("a", "b", 0.125)).with_columns(
        customer_label=pl.Series(["B Inc", "B Ltd"])
    )
    once = ties_of(("a", "b", 0.375))
    for ties in (twice, once):
        graph = build(ties)
        found = propagate(graph, theta=np.full(6, 0.8), disclosed=np.zeros(6), ties=spec())
        assert found.revenue[0] == pytest.approx(0.3, abs=ROUNDING)
        assert graph.undisclosed[0] == 0.625


def test_rounded_shares_above_1_are_scaled_to_1():
    graph = build(ties_of(("a", "b", 0.61), ("a", "c", 0.4)))
    np.testing.assert_allclose(graph.flow, [0.61 / 1.01, 0.4 / 1.01], rtol=ROUNDING)
    assert graph.undisclosed[0] == 0.0
    found = propagate(graph, theta=np.ones(6), disclosed=np.zeros(6), ties=spec())
    assert found.revenue[0] == pytest.approx(1.0, abs=ROUNDING)


def test_anonymous_customers_carry_nothing_and_stay_undisclosed():
    graph = build(ties_of(("a", "b", 0.25), ("a", None, 0.5), ("a", None, 0.1), ("d", None, 1.0)))
    assert graph.flow.tolist() == [0.25]
    assert graph.undisclosed.tolist() == [0.75, 1.0, 1.0, 1.0, 1.0, 1.0]
    assert graph.nodes.filter(pl.col("asset_id").is_null()).is_empty()


@pytest.mark.parametrize("nodes", [[], ["a", "q"]])
def test_without_ties_only_disclosed_shares_count(nodes):
    frame = pl.DataFrame(
        {"date": [1] * len(nodes), "asset_id": nodes}, schema={"date": pl.Int64, "asset_id": pl.String}
    )
    graph = tie_graph(pl.DataFrame(schema=TIES), frame, default_flow_share=1.0)
    disclosed = np.linspace(0.1, 0.2, len(nodes))
    found = propagate(graph, theta=np.ones(len(nodes)), disclosed=disclosed, ties=spec())
    assert found.revenue.tolist() == disclosed.tolist()
    assert weighted_customers(graph, disclosed).tolist() == [0.0] * len(nodes)
    assert graph.undisclosed.tolist() == [1.0] * len(nodes)


@EXAMPLES
@given(tie_tables(), st.integers(0, 99))
def test_row_order_of_ties_does_not_matter(ties, seed):
    order = np.random.default_rng(seed).permutation(ties.height)
    one, other = build(ties), build(ties[order])
    assert one.nodes.equals(other.nodes)
    for name in ("offsets", "rows", "customers", "flow", "undisclosed"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@EXAMPLES
@given(tie_tables())
def test_flow_and_remainder_share_the_revenue(ties):
    graph = build(ties)
    assert (matrix(graph).sum(axis=1) + graph.undisclosed <= 1 + ROUNDING).all()
    assert (graph.flow >= 0).all()
    assert (graph.undisclosed >= 0).all()
    named = ties.filter(pl.col("customer_id").is_not_null()).group_by("date", "supplier_id")
    total = graph.nodes.join(
        named.agg(pl.col("revenue_share").sum()), left_on=["date", "asset_id"], right_on=["date", "supplier_id"],
        how="left", maintain_order="left",
    )["revenue_share"].fill_null(0.0)  # fmt: skip
    np.testing.assert_allclose(graph.undisclosed, 1 - total.to_numpy(), atol=ROUNDING)


# by hand


def test_a_chain_discounts_every_step_but_the_first():
    """c earns 0.5 * 0.6 = 0.3 from the pioneer d, b 0.4 * 0.5 * 0.3 = 0.06 through c, a 1 * 0.5 * 0.06."""
    graph = build(ties_of(("a", "b", 1.0), ("b", "c", 0.4), ("c", "d", 0.5)))
    theta = np.array([0, 0, 0, 0.6, 0, 0])
    found = propagate(graph, theta=theta, disclosed=np.zeros(6), ties=spec())
    np.testing.assert_allclose(found.revenue, [0.03, 0.06, 0.3, 0.0, 0.0, 0.0], atol=SOLVED)


def test_a_disclosed_share_passes_on_and_beats_a_smaller_tie():
    """b discloses 0.8, more than its tie 0.5 * 0.6 says; a earns 0.5 * 0.5 * 0.8."""
    graph = build(ties_of(("a", "b", 0.5), ("b", "c", 0.5)))
    found = propagate(
        graph, theta=np.array([0, 0, 0.6, 0, 0, 0]), disclosed=np.array([0.1, 0.8, 0, 0, 0, 0]), ties=spec()
    )
    np.testing.assert_allclose(found.revenue[:3], [0.2, 0.8, 0.0], atol=SOLVED)


def test_a_cycle_has_a_limit():
    """a and b sell to each other: r_a = 0.5 * 0.5 r_b + 0.2, r_b = 0.5 * 0.5 r_a."""
    graph = build(ties_of(("a", "b", 0.5), ("b", "a", 0.5), ("a", "c", 0.2)))
    found = propagate(graph, theta=np.array([0, 0, 1.0, 0, 0, 0]), disclosed=np.zeros(6), ties=spec())
    np.testing.assert_allclose(found.revenue[:2], [0.2 / (1 - 1 / 16), 0.05 / (1 - 1 / 16)], atol=SOLVED)


def test_a_company_that_is_its_own_customer_stays_below_1():
    """r = 0.6 * 0.5 r + 0.4: 4 / 7."""
    graph = build(ties_of(("a", "a", 0.6), ("a", "b", 0.4)))
    found = propagate(graph, theta=np.array([0, 1.0, 0, 0, 0, 0]), disclosed=np.zeros(6), ties=spec())
    assert found.revenue[0] == pytest.approx(4 / 7, abs=SOLVED)


def test_demand_reaches_suppliers_by_flow():
    graph = build(ties_of(("a", "b", 0.5), ("a", "c", 0.25), ("b", "c", 1.0)))
    growth = np.array([9.0, 0.2, -0.4, 9.0, np.nan, 9.0])
    np.testing.assert_allclose(weighted_customers(graph, growth), [0.0, -0.4, 0, 0, 0, 0], atol=ROUNDING)
    unknown = np.where(growth == 0.2, np.nan, growth)
    np.testing.assert_allclose(weighted_customers(graph, unknown), [-0.1, -0.4, 0, 0, 0, 0], atol=ROUNDING)


# against other solutions


@EXAMPLES
@given(tie_tables(), st.integers(0, 99), DELTAS)
def test_without_disclosed_shares_it_solves_a_linear_system(ties, seed, delta):
    """r = (I - delta W diag(1 - theta))^-1 W theta."""
    graph = build(ties)
    (theta,) = shares(seed, graph, 1)
    W = matrix(graph)
    expected = np.linalg.solve(np.eye(theta.size) - delta * W * (1 - theta), W @ theta)
    found = propagate(graph, theta=theta, disclosed=np.zeros_like(theta), ties=spec(delta=delta))
    np.testing.assert_allclose(found.revenue, expected, atol=SOLVED)


@EXAMPLES
@given(tie_tables(), st.integers(0, 99), DELTAS, st.booleans())
def test_it_is_a_fixed_point(ties, seed, delta, upper):
    graph = build(ties)
    theta, disclosed = shares(seed, graph)
    rest = graph.undisclosed if upper else None
    found = propagate(graph, theta=theta, disclosed=disclosed, undisclosed=rest, ties=spec(delta=delta))
    again = step(graph, found.revenue, theta, disclosed, delta, 0.0 if rest is None else rest)
    np.testing.assert_allclose(found.revenue, again, atol=SOLVED)


@EXAMPLES
@given(tie_tables(), st.integers(0, 99), DELTAS, st.integers(0, 5))
def test_max_tiers_counts_plain_steps(ties, seed, delta, max_tiers):
    graph = build(ties)
    theta, disclosed = shares(seed, graph)
    expected = disclosed
    for _ in range(max_tiers):
        expected = step(graph, expected, theta, disclosed, delta)
    found = propagate(graph, theta=theta, disclosed=disclosed, ties=spec(delta=delta, max_tiers=max_tiers))
    np.testing.assert_allclose(found.revenue, expected, atol=SOLVED)
    assert (found.sweeps <= max_tiers).all()


@EXAMPLES
@given(tie_tables(), st.integers(0, 99))
def test_delta_0_leaves_direct_ties(ties, seed):
    graph = build(ties)
    theta, disclosed = shares(seed, graph)
    found = propagate(graph, theta=theta, disclosed=disclosed, ties=spec(delta=0.0))
    np.testing.assert_allclose(found.revenue, np.maximum(disclosed, matrix(graph) @ theta), atol=ROUNDING)
    assert found.error.tolist() == [0.0] * found.error.size


@EXAMPLES
@given(tie_tables(), st.integers(0, 99), DELTAS)
def test_dates_are_independent(ties, seed, delta):
    assume(ties.height > 0)
    graph = build(ties)
    theta, disclosed = shares(seed, graph)
    found = propagate(graph, theta=theta, disclosed=disclosed, ties=spec(delta=delta))
    for d, day in enumerate(ties.sort("date").partition_by("date", maintain_order=True)):
        part = slice(graph.offsets[d], graph.offsets[d + 1])
        alone = propagate(build(day), theta=theta[part], disclosed=disclosed[part], ties=spec(delta=delta))
        np.testing.assert_array_equal(found.revenue[part], alone.revenue)
        assert (found.error[d], found.sweeps[d]) == (alone.error[0], alone.sweeps[0])


# properties of the solution


@EXAMPLES
@given(tie_tables(), st.integers(0, 99), DELTAS, st.booleans())
def test_revenue_lies_between_disclosed_and_1(ties, seed, delta, upper):
    graph = build(ties)
    theta, disclosed = shares(seed, graph)
    rest = graph.undisclosed if upper else None
    found = propagate(graph, theta=theta, disclosed=disclosed, undisclosed=rest, ties=spec(delta=delta))
    assert (found.revenue >= disclosed).all()
    assert (found.revenue <= 1.0).all()


@pytest.mark.parametrize("what", ["theta", "disclosed", "flow", "delta", "undisclosed"])
@EXAMPLES
@given(ties=tie_tables(), seed=st.integers(0, 99), delta=st.sampled_from([0.25, 0.5]))
def test_more_of_anything_is_never_less_revenue(what, ties, seed, delta):
    low_graph = build(ties, default_flow_share=0.5)
    high_graph = build(ties, default_flow_share=1.0 if what == "flow" else 0.5)
    theta, disclosed = shares(seed, low_graph)
    more = np.random.default_rng(seed + 1).random(theta.size)
    raised = {"theta": theta + more * (1 - theta), "disclosed": disclosed + more * (1 - disclosed)}
    low = propagate(low_graph, theta=theta, disclosed=disclosed, ties=spec(delta=delta))
    high = propagate(
        high_graph,
        theta=raised["theta"] if what == "theta" else theta,
        disclosed=raised["disclosed"] if what == "disclosed" else disclosed,
        undisclosed=low_graph.undisclosed * more if what == "undisclosed" else None,
        ties=spec(delta=0.75 if what == "delta" else delta),
    )
    assert (high.revenue >= low.revenue - SOLVED).all()


@EXAMPLES
@given(
    tie_tables(),
    st.integers(0, 99),
    DELTAS,
    st.sampled_from([1e-3, 1e-6, 1e-10]),
    st.sampled_from([None, 1, 2]),
    st.booleans(),
)
def test_the_error_bound_is_honest(ties, seed, delta, tolerance, max_tiers, upper):
    graph = build(ties)
    theta, disclosed = shares(seed, graph)
    inputs = {"theta": theta, "disclosed": disclosed, "undisclosed": graph.undisclosed if upper else None}
    found = propagate(graph, **inputs, ties=spec(delta=delta, tolerance=tolerance, max_tiers=max_tiers))
    limit = propagate(graph, **inputs, ties=spec(delta=delta, tolerance=TIGHT))
    allowed = np.repeat(found.error + limit.error, np.diff(graph.offsets)) + ROUNDING
    assert (np.abs(found.revenue - limit.revenue) <= allowed).all()
    if max_tiers is None:
        assert (found.error < tolerance).all()


def test_the_error_bound_is_honest_without_a_step():
    """max_tiers = 0 returns the disclosed shares; a tie of 0.3 to a full pioneer is then 0.3 away."""
    graph = build(ties_of(("a", "b", 0.3)))
    theta = np.array([0, 1.0, 0, 0, 0, 0])
    found = propagate(graph, theta=theta, disclosed=np.zeros(6), ties=spec(max_tiers=0))
    assert found.revenue.tolist() == [0.0] * 6
    assert not found.error[0] < 0.3


@EXAMPLES
@given(tie_tables(anonymous=False), st.integers(0, 999), DELTAS)
def test_the_truth_lies_between_the_bounds_when_ties_are_hidden(ties, seed, delta):
    """Hide some customers altogether, the names of others, and some disclosed shares."""
    rng = np.random.default_rng(seed)
    full = build(ties)
    theta, disclosed = shares(seed, full)
    truth = propagate(full, theta=theta, disclosed=disclosed, ties=spec(delta=delta)).revenue
    fate = pl.Series(rng.choice(["seen", "anonymous", "gone"], ties.height))
    seen = ties.with_columns(customer_id=pl.when(fate == "seen").then("customer_id")).filter(fate != "gone")
    graph = tie_graph(seen, full.nodes, default_flow_share=1.0)
    known = disclosed * (rng.random(disclosed.size) < 0.5)
    low = propagate(graph, theta=theta, disclosed=known, ties=spec(delta=delta)).revenue
    # What is not disclosed of one's own revenue bounds nothing: the upper bound starts from all that was.
    high = propagate(
        graph, theta=theta, disclosed=disclosed, undisclosed=graph.undisclosed, ties=spec(delta=delta)
    ).revenue
    assert (low <= truth + SOLVED).all()
    assert (truth <= high + SOLVED).all()
    assert (low <= high + SOLVED).all()


def test_width_of_the_bounds_is_what_is_missing():
    """Only a 0.3 tie to a full pioneer is known: a lies between 0.3 and 1, the pioneer between 0 and 1."""
    graph = build(ties_of(("a", "b", 0.3)))
    inputs = {"theta": np.array([0, 1.0, 0, 0, 0, 0]), "disclosed": np.zeros(6)}
    low = propagate(graph, **inputs, ties=spec())
    high = propagate(graph, **inputs, undisclosed=graph.undisclosed, ties=spec())
    np.testing.assert_allclose(low.revenue, [0.3, 0, 0, 0, 0, 0], atol=SOLVED)
    np.testing.assert_allclose(high.revenue, np.ones(6), atol=SOLVED)


@pytest.mark.parametrize("n_threads", [2, 5])
def test_threads_do_not_matter(n_threads, monkeypatch):
    monkeypatch.setattr("kifactors._kernels._threads.SMALL", 0)
    rng = np.random.default_rng(11)
    rows = [
        (date, supplier, customer, customer, share, None)
        for date in range(17)
        for supplier in NAMES
        for customer, share in zip(
            rng.choice(list(NAMES), 3, replace=False), rng.dirichlet(np.ones(4))[:3], strict=True
        )
    ]
    graph = build(pl.DataFrame(rows, schema=TIES, orient="row"))
    theta, disclosed = shares(11, graph)
    one, many = (
        propagate(graph, theta=theta, disclosed=disclosed, ties=spec(delta=0.9), n_threads=n)
        for n in (1, n_threads)
    )
    np.testing.assert_array_equal(one.revenue, many.revenue)
    np.testing.assert_array_equal(one.error, many.error)


# refusals


@pytest.mark.parametrize("size", [0, 5, 7])
def test_one_number_per_node(size):
    graph = build(ties_of(("a", "b", 0.5)))
    with pytest.raises(KifactorsError, match="expected"):
        propagate(graph, theta=np.zeros(size), disclosed=np.zeros(6), ties=spec())
    with pytest.raises(KifactorsError, match="expected"):
        propagate(graph, theta=np.zeros(6), disclosed=np.zeros(size), ties=spec())
