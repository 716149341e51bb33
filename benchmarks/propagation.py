"""AI revenue through a supplier network, to an error bound of 1e-10: the kernel against scipy's power iteration."""

import numpy as np
import polars as pl
import scipy.sparse
from measure import Case

import kifactors as kf

TOLERANCE = 1e-10
DELTA = 0.5


def cases(*, quick: bool) -> list[Case]:
    """Return the cases: a market, and a world."""
    sizes = [(2_000, 20_000)] if quick else [(50_000, 500_000), (1_000_000, 5_000_000)]
    return [*(_of_size(*size) for size in sizes), _many(*sizes[0], 16)]


def _prepared(rows: np.ndarray, customers: np.ndarray, flow: np.ndarray) -> tuple:
    """Return the network as the library and as scipy hold it, and the definition."""
    firms = rows.size - 1
    nodes = pl.DataFrame({"date": np.zeros(firms, np.int32), "asset_id": np.arange(firms)})
    named = np.bincount(np.repeat(np.arange(firms), np.diff(rows)), flow, firms)
    customers = customers.astype(np.int32)
    graph = kf.graph.TieGraph(nodes, np.array([0, firms]), rows, customers, flow, 1 - named)
    matrix = scipy.sparse.csr_array((flow, customers, rows.astype(np.int32)), shape=(firms, firms))
    return graph, matrix, kf.definition.SupplierTies(delta=DELTA, tolerance=TOLERANCE)


def _of_size(firms: int, ties: int) -> Case:
    rows, customers, flow, theta, disclosed = network(firms, ties)
    graph, matrix, spec = _prepared(rows, customers, flow)

    def with_kernel(n_threads: int) -> np.ndarray:
        return kf.graph.propagate(
            graph, theta=theta, disclosed=disclosed, ties=spec, n_threads=n_threads
        ).revenue

    return Case(
        f"propagation, {firms:,} firms, {ties:,} ties",
        {
            "kifactors": lambda: with_kernel(1),
            "kifactors, two threads": lambda: with_kernel(2),
            "scipy power iteration": lambda: with_scipy(matrix, theta, disclosed),
        },
        rtol=10 * TOLERANCE,
        targets={"scipy power iteration": 1.6},
        rounds=5,
    )


def _many(firms: int, ties: int, count: int) -> Case:
    """Solve for many scenarios: other pioneers spend, other shares are disclosed."""
    rows, customers, flow, *_ = network(firms, ties)
    rng = np.random.default_rng(1)
    theta, disclosed = (
        np.where(rng.random((firms, count)) < share, rng.random((firms, count)), 0.0)
        for share in (0.01, 0.02)
    )
    graph, matrix, spec = _prepared(rows, customers, flow)

    def with_kernel(n_threads: int) -> np.ndarray:
        return kf.graph.propagate(
            graph, theta=theta, disclosed=disclosed, ties=spec, n_threads=n_threads
        ).revenue

    def one_by_one() -> np.ndarray:
        return np.column_stack([with_scipy(matrix, theta[:, k], disclosed[:, k]) for k in range(count)])

    return Case(
        f"propagation, {firms:,} firms, {ties:,} ties, {count} right-hand sides",
        {
            "kifactors, two threads": lambda: with_kernel(2),
            "kifactors": lambda: with_kernel(1),
            "scipy power iteration": lambda: with_scipy(matrix, theta, disclosed),
            "scipy, one by one": one_by_one,
        },
        rtol=10 * TOLERANCE,
        targets={"scipy power iteration": 4.0},
    )


def network(firms: int, ties: int) -> tuple[np.ndarray, ...]:
    """Return rows, customers, flow, theta and disclosed of a random network; named shares add to at most 0.9."""
    rng = np.random.default_rng(0)
    supplier = np.sort(rng.integers(0, firms, ties))
    customers = rng.integers(0, firms, ties)
    share = rng.random(ties)
    flow = 0.9 * share / np.bincount(supplier, share, firms)[supplier]
    rows = np.append(0, np.bincount(supplier, minlength=firms).cumsum())
    theta = np.where(rng.random(firms) < 0.01, rng.random(firms), 0.0)
    disclosed = np.where(rng.random(firms) < 0.02, rng.random(firms), 0.0)
    return rows, customers, flow, theta, disclosed


def with_scipy(matrix: scipy.sparse.csr_array, theta: np.ndarray, disclosed: np.ndarray) -> np.ndarray:
    """Iterate r = max(s, W (theta + delta (1 - theta) r)) with a sparse matrix."""
    direct = matrix @ theta
    one = theta.ndim == 1
    # With one theta the discount goes into the matrix; with many it cannot.
    passed = matrix @ scipy.sparse.diags_array(DELTA * (1 - theta)) if one else matrix
    discount = DELTA * (1 - theta)
    r = disclosed
    while True:
        new = passed @ (r if one else discount * r)
        new += direct
        np.maximum(disclosed, new, out=new)
        change = np.abs(new - r).max()
        r = new
        if change * DELTA / (1 - DELTA) < TOLERANCE:
            return r
