"""The door to the propagation kernel."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kifactors._kernels._backend import kernel
from kifactors._kernels._checks import Floats, Ints, ShapeError, floats, ints, offsets_of, typed
from kifactors._kernels._threads import over_slices, thread_count, together

__all__ = ["Propagated", "propagate"]

# Columns that share a vector, and from how many on that beats one after the other.
LANES = 8
SEVERAL = 3
# Named shares of a supplier may exceed 1 by rounding.
MOST = 1.0 + 1e-9
# Room for the counters of a line of work, each on a cache line of its own.
LINE = 32


@dataclass(frozen=True, slots=True)
class Propagated:
    """Limit of the propagation; for k inputs at once every array has a second axis of k.

    revenue : (n,) AI-attributable share of revenue of every node.
    residual : (dates,) largest change in the last iteration; 1 before the first.
    error : (dates,) upper bound of the distance from the limit, residual * delta / (1 - delta).
    sweeps : (dates,) iterations used.
    """

    revenue: Floats
    residual: Floats
    error: Floats
    sweeps: NDArray[np.int32]


def propagate(
    rows: Ints,
    customers: NDArray[np.int32],
    flow: Floats,
    theta: Floats,
    disclosed: Floats,
    remainder: Floats,
    offsets: Ints,
    *,
    delta: float,
    tolerance: float,
    max_tiers: int | None = None,
    start: Floats | None = None,
    earlier: Ints | None = None,
    n_threads: int | None = None,
) -> Propagated:
    """Solve r = max(s, remainder + W (theta + delta (1 - theta) r)) for every slice of nodes.

    `rows` are the offsets of each node's ties in `customers` and `flow`; customers lie in the node's slice. theta,
    disclosed, remainder and start are (n,), or (n, k) for k inputs at once. A node starts from the limit of the node
    `earlier`, of an earlier slice; -1: from `start`, and where that is absent from `disclosed`.
    """
    flow = floats(flow)
    rows = offsets_of(rows, flow.size)
    customers = _numbers(customers, flow.size, rows.size - 1)
    offsets = offsets_of(offsets, rows.size - 1)
    if not (0.0 <= delta < 1.0 and tolerance > 0.0):
        raise ShapeError(f"need 0 <= delta < 1 and tolerance > 0; got delta={delta}, tolerance={tolerance}.")
    _check_ties(rows, customers, flow, offsets)
    columns = _Columns.of(rows.size - 1, theta, disclosed, remainder, start)
    inputs = (
        columns.grouped("theta", theta, most=1.0),
        columns.grouped("disclosed", disclosed, most=1.0),
        columns.grouped("remainder", remainder, most=np.inf),
        np.empty((0, 0)) if start is None else columns.grouped("start", start, most=1.0),
    )
    before = np.empty(0, np.int64) if earlier is None else _earlier(earlier, offsets)
    passed, revenue = np.empty_like(inputs[0]), np.empty_like(inputs[0])
    dates = offsets.size - 1
    units = columns.groups * dates
    moving, residual, error = np.zeros((3, units, columns.width))
    sweeps, lines = np.zeros((units, columns.width), np.int32), np.zeros((units, LINE), np.int64)
    tiers = -1 if max_tiers is None else max_tiers
    room = kernel("_graph").scratch_sizes(int(np.diff(offsets).max(initial=0)), columns.width, tiers >= 0)

    def work(first: int, last: int, scratch: tuple[Floats, Floats] | None = None) -> None:
        kernel("_graph").propagate(
            rows, customers, flow, *inputs, before, offsets, first, last, delta, tolerance, tiers, passed, revenue,
            *(scratch or (np.empty(room[0]), np.zeros(room[1]))), moving, lines, residual, error, sweeps,
        )  # fmt: skip

    threads = thread_count(n_threads)
    size = (flow.size + rows.size) * columns.width
    if earlier is None and (threads == 1 or units >= 2 * threads):
        over_slices(work, units, size=size * columns.groups, n_threads=threads)
    else:
        # Few dates, or each waits for the one before: all threads work on the same one.
        scratch = np.empty(room[0]), np.zeros(room[1])
        for unit in range(units):
            together(lambda: work(unit, unit + 1, scratch), size=size // dates, n_threads=threads)  # noqa: B023
    return Propagated(columns.nodes(revenue), *(columns.dates(found) for found in (residual, error, sweeps)))


@dataclass(frozen=True, slots=True)
class _Columns:
    """How k inputs lie in memory: in groups of as many columns as a vector takes, a group after the other."""

    rows: int
    count: int | None
    groups: int
    width: int

    @classmethod
    def of(cls, rows: int, *inputs: Any) -> "_Columns":
        counts = {np.shape(values)[1] for values in inputs if np.ndim(values) == 2}
        if len(counts) > 1 or 0 in counts:
            raise ShapeError(f"inputs have {sorted(counts)} columns; expected the same number, at least 1.")
        count = counts.pop() if counts else None
        width = LANES if count is not None and count >= SEVERAL else 1
        return cls(rows, count, -(-(count or 1) // width), width)

    def grouped(self, name: str, values: Any, *, most: float) -> Floats:
        """Return (groups, rows * width); columns beyond the last are 0."""
        array = np.asarray(values)
        if array.ndim not in {1, 2} or array.shape[0] != self.rows:
            raise ShapeError(f"{name} has shape {array.shape}; expected {self.rows} rows.")
        array = floats(array.reshape(-1)).reshape(self.rows, *(array.shape[1:] or (1,)))
        if not ((array >= 0.0) & (array <= most) & np.isfinite(array)).all():
            limits = "at least 0" if np.isinf(most) else f"in [0, {most:g}]"
            raise ShapeError(f"{name} must be finite and {limits}; an unknown value counts as 0 here.")
        if self.groups == self.width == 1:
            return floats(array[:, 0])[None]
        wide: Floats = np.zeros((self.rows, self.groups * self.width))
        wide[:, : self.count] = array
        parts: Floats = np.ascontiguousarray(wide.reshape(self.rows, self.groups, self.width).swapaxes(0, 1))
        return parts.reshape(self.groups, self.rows * self.width)

    def nodes(self, values: Floats) -> Floats:
        """Undo `grouped`."""
        return self._flat(values.reshape(self.groups, self.rows, self.width))  # type: ignore[no-any-return]

    def dates(self, values: Any) -> Any:
        """Return (dates, k) of (groups * dates, width)."""
        return self._flat(values.reshape(self.groups, len(values) // self.groups, self.width))

    def _flat(self, parts: Any) -> Any:
        wide = parts.swapaxes(0, 1).reshape(parts.shape[1], self.groups * self.width)
        return wide[:, 0] if self.count is None else np.ascontiguousarray(wide[:, : self.count])


def _numbers(customers: Any, ties: int, nodes: int) -> NDArray[np.int32]:
    wide = np.asarray(customers)
    if wide.dtype == np.int64 and wide.size and not (wide.min() >= 0 and wide.max() < nodes):
        raise ShapeError(f"a tie leads to a customer outside its own date: there are {nodes} nodes.")
    return typed(wide, np.int32, ties)  # type: ignore[no-any-return]


def _check_ties(rows: Ints, customers: NDArray[np.int32], flow: Floats, offsets: Ints) -> None:
    node = kernel("_graph").first_fault(rows, customers, flow, offsets, MOST)
    if node < 0:
        return
    own = slice(rows[node], rows[node + 1])
    date = np.searchsorted(offsets, node, side="right") - 1
    outside = (customers[own] < offsets[date]) | (customers[own] >= offsets[date + 1])
    if outside.any():
        raise ShapeError(
            f"a tie of node {node} leads to customer {customers[own][outside][0]}, outside its own date."
        )
    raise ShapeError(
        f"the flows of node {node} are {flow[own][:5]}; expected finite shares of at least 0 and at most 1 in all."
    )


def _earlier(values: Any, offsets: Ints) -> Ints:
    earlier = ints(values, int(offsets[-1]))
    if not ((earlier >= -1) & (earlier < np.repeat(offsets[:-1], np.diff(offsets)))).all():
        raise ShapeError("a node can start only from a node of an earlier date.")
    return earlier
