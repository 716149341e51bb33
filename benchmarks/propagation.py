"""Propagation of AI revenue through a supplier network: the kernel against scipy's sparse power iteration.

    python benchmarks/propagation.py [FIRMS] [TIES]

One thread each, to the same error bound of 1e-10.
"""

import sys

import numpy as np
import polars as pl
import scipy.sparse
from compare import compare, environment

import kifactors as kf

TOLERANCE = 1e-10
DELTA = 0.5


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


def with_kernel(graph: kf.graph.TieGraph, theta: np.ndarray, disclosed: np.ndarray) -> np.ndarray:
    """Use the function of the library."""
    spec = kf.definition.SupplierTies(delta=DELTA, tolerance=TOLERANCE)
    return kf.graph.propagate(graph, theta=theta, disclosed=disclosed, ties=spec, n_threads=1).revenue


def with_scipy(matrix: scipy.sparse.csr_array, theta: np.ndarray, disclosed: np.ndarray) -> np.ndarray:
    """Iterate r = max(s, W (theta + delta (1 - theta) r)) with a sparse matrix."""
    direct = matrix @ theta
    passed = matrix @ scipy.sparse.diags_array(DELTA * (1 - theta))
    r = disclosed
    while True:
        new = np.maximum(disclosed, direct + passed @ r)
        change = np.abs(new - r).max()
        r = new
        if change * DELTA / (1 - DELTA) < TOLERANCE:
            return r


if __name__ == "__main__":
    firms, ties = [int(text) for text in sys.argv[1:]] or [50_000, 500_000]
    rows, customers, flow, theta, disclosed = network(firms, ties)
    nodes = pl.DataFrame({"date": np.zeros(firms, np.int32), "asset_id": np.arange(firms)})
    graph = kf.graph.TieGraph(nodes, np.array([0, firms]), rows, customers, flow, 1 - np.bincount(
        np.repeat(np.arange(firms), np.diff(rows)), flow, firms))  # fmt: skip
    matrix = scipy.sparse.csr_array((flow, customers, rows), shape=(firms, firms))
    print(environment())
    compare(
        f"propagation, {firms:,} firms, {ties:,} ties, one thread",
        {
            "kifactors": lambda: with_kernel(graph, theta, disclosed),
            "scipy power iteration": lambda: with_scipy(matrix, theta, disclosed),
        },
        rtol=10 * TOLERANCE,
        rounds=9,
    )
