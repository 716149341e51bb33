"""The door to the propagation kernel."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kifactors._kernels._backend import kernel
from kifactors._kernels._checks import Floats, Ints, ShapeError, floats, ints, offsets_of, same_slice
from kifactors._kernels._threads import over_slices

__all__ = ["Propagated", "propagate"]


@dataclass(frozen=True, slots=True)
class Propagated:
    """Limit of the propagation.

    revenue : (n,) AI-attributable share of revenue of every node.
    error : (dates,) upper bound of the distance from the limit.
    sweeps : (dates,) iterations used.
    """

    revenue: Floats
    error: Floats
    sweeps: NDArray[np.int32]


def propagate(
    rows: Ints,
    customers: Ints,
    flow: Floats,
    theta: Floats,
    disclosed: Floats,
    remainder: Floats,
    offsets: Ints,
    *,
    delta: float,
    tolerance: float,
    max_tiers: int | None = None,
    n_threads: int | None = None,
) -> Propagated:
    """Solve r = max(s, W (theta + delta (1 - theta) r)) for every slice of nodes.

    `rows` are the offsets of each node's ties in `customers` and `flow`; customers lie in the node's slice.
    """
    theta = floats(theta)
    disclosed, remainder = floats(disclosed, theta.size), floats(remainder, theta.size)
    flow = floats(flow)
    rows, customers = offsets_of(rows, flow.size), ints(customers, flow.size)
    offsets = offsets_of(offsets, theta.size)
    if rows.size != theta.size + 1:
        raise ShapeError(f"rows has {rows.size} entries; expected one more than the {theta.size} nodes.")
    if not (0.0 <= delta < 1.0 and tolerance > 0.0):
        raise ShapeError(f"need 0 <= delta < 1 and tolerance > 0; got delta={delta}, tolerance={tolerance}.")
    if not all(np.isfinite(values).all() for values in (flow, theta, disclosed, remainder)):
        raise ShapeError(
            "flow, theta, disclosed and remainder must be finite; an unknown value counts as 0 here."
        )
    same_slice(rows, customers, offsets)
    out, scratch = np.empty_like(theta), np.empty_like(theta)
    error, sweeps = np.zeros(offsets.size - 1), np.zeros(offsets.size - 1, np.int32)
    tiers = -1 if max_tiers is None else max_tiers

    def work(first: int, last: int) -> None:
        kernel("_graph").propagate(
            rows, customers, flow, theta, disclosed, remainder, offsets, first, last, delta, tolerance, tiers,
            scratch, out, error, sweeps,
        )  # fmt: skip

    over_slices(work, offsets.size - 1, size=flow.size + theta.size, n_threads=n_threads)
    return Propagated(out, error, sweeps)
