"""The supplier system under shocks: many right-hand sides on one network, tiers, derivatives."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kifactors.definition import SupplierTies
from kifactors.graph import TieGraph, propagate, weighted_customers

__all__ = ["Case", "Customers", "System", "derivatives", "solve", "tiers", "without"]

Floats = NDArray[np.float64]
# Derivatives are few; what is multiplied by them should not see where an iteration stopped.
FINE = 1e-14
# Cases solved at a time: arrays of a few megabytes are used again, larger ones are asked for anew.
AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class System:
    """r = max(s, u + sum_j W_ij (m_j theta_j + delta (1 - theta_j) r_j)) and its solution today, where all m are 1.

    graph : n nodes and their ties of one date.
    theta, disclosed : (n,) theta and s.
    unexplained : (n,) u, 0 where the disclosed share is a floor.
    revenue, reached : (n,) r and x = u + sum.
    spec : SupplierTies
    """

    graph: TieGraph
    theta: Floats
    disclosed: Floats
    unexplained: Floats
    revenue: Floats
    reached: Floats
    spec: SupplierTies

    @property
    def active(self) -> NDArray[np.bool_]:
        """Nodes whose r follows their ties: x >= s, at equality as for an increase, (n,)."""
        # Both are found by iteration: what is equal may differ by its rounding.
        return self.reached >= self.disclosed - 1e-15


@dataclass(frozen=True, slots=True)
class Case:
    """What is different, by node number: m, theta, ties (positions) that end, nodes that leave, and the factor of u."""

    spending: Mapping[int, float]
    theta: Mapping[int, float]
    lost: frozenset[int] = frozenset()
    gone: frozenset[int] = frozenset()
    unnamed: float = 1.0

    @property
    def spends(self) -> bool:
        """Whether demand is another one, beyond shares and ties."""
        return bool(self.spending) or self.unnamed != 1.0


class Customers:
    """The ties of a graph by customer: who sells to it, and which share of revenue."""

    __slots__ = ("_begin", "_order", "flow", "suppliers")

    def __init__(self, graph: TieGraph) -> None:
        nodes = graph.nodes.height
        self._order = np.argsort(graph.customers, kind="stable")
        self._begin = np.append(0, np.bincount(graph.customers, minlength=nodes).cumsum())
        suppliers = np.repeat(np.arange(nodes), np.diff(graph.rows))
        self.suppliers, self.flow = suppliers[self._order], graph.flow[self._order]

    def ties(self, node: int) -> slice:
        """Return where the ties to a customer lie in `suppliers` and `flow`."""
        return slice(int(self._begin[node]), int(self._begin[node + 1]))

    def positions(self, node: int) -> NDArray[np.int64]:
        """Return where the ties to a customer lie in the graph."""
        return self._order[self.ties(node)]

    def add(self, target: Floats, node: int, value: float) -> None:
        """Add W_ij value to every supplier i of customer j."""
        own = self.ties(node)
        # A supplier may have several ties to one customer.
        np.add.at(target, self.suppliers[own], self.flow[own] * value)


def without(graph: TieGraph, lost: Iterable[int]) -> TieGraph:
    """Return the graph less some ties, by position; what they carried is sold to nobody.

    Examples
    --------
    >>> ties = pl.DataFrame({"date": [1, 1], "supplier_id": ["a", "b"], "customer_id": ["b", "c"],
    ...     "customer_label": ["b", "c"], "revenue_share": [0.4, 0.5], "ai_share": [1.0, 1.0]})
    >>> graph = kf.graph.tie_graph(ties, ties.select("date", asset_id="supplier_id"), default_flow_share=1.0)
    >>> without(graph, [0]).rows.tolist(), without(graph, [0]).flow.tolist()
    ([0, 0, 1, 1], [0.5])
    """
    kept = np.ones(graph.flow.size, np.bool_)
    kept[list(lost)] = False
    before = np.append(0, kept.cumsum())
    return replace(graph, rows=before[graph.rows], customers=graph.customers[kept], flow=graph.flow[kept])


def solve(system: System, cases: Sequence[Case], *, n_threads: int | None = None) -> tuple[Floats, Floats]:
    """Return r of every node in every case, (n, k), and the bounds of the errors, (k,).

    Cases on one network with one theta are solved together. theta without a change of spending is part of the
    right-hand side; with one, (1 - theta) moves into the ties and m theta out of them, for then no share is above 1.
    """
    revenue = np.empty((system.theta.size, len(cases)))
    error = np.zeros(len(cases))
    if not revenue.size:
        return revenue, error
    networks: dict[tuple[Any, Any, frozenset[tuple[int, float]] | None, bool], list[int]] = {}
    for number, case in enumerate(cases):
        theta = frozenset(case.theta.items()) if _is_demand(system, case) else None
        # Those that may exceed the revenue of today are iterated further, and so by themselves.
        grows = theta is not None and _most(system, case) > 1.0
        networks.setdefault((case.lost, case.gone, theta, grows), []).append(number)
    for (_, _, theta, _), numbers in networks.items():
        group = [cases[number] for number in numbers]
        found, bound = (_shares if theta is None else _spending)(system, group, n_threads)
        revenue[:, numbers], error[numbers] = found, bound
    return revenue, error


def _is_demand(system: System, case: Case) -> bool:
    """Whether demand is another one, or may exceed all revenue of today: with it, u + x may be above 1."""
    return case.spends or bool(case.theta and system.unexplained.any())


def changed(system: System, case: Case) -> tuple[TieGraph, Floats, Floats, Floats]:
    """Return the graph, theta, s and u of a case."""
    graph = without(system.graph, case.lost) if case.lost else system.graph
    theta, disclosed, unexplained = system.theta, system.disclosed, system.unexplained
    if case.theta or case.gone:
        theta, disclosed, unexplained = theta.copy(), disclosed.copy(), unexplained.copy()
        for node, share in case.theta.items():
            theta[node] = share
        for values in (theta, disclosed, unexplained):
            values[list(case.gone)] = 0.0
    return graph, theta, disclosed, unexplained


def _shares(system: System, cases: Sequence[Case], n_threads: int | None) -> tuple[Floats, Floats]:
    """Solve cases in which nobody spends more or less."""
    graph, _, disclosed, unexplained = changed(system, cases[0])
    theta = np.column_stack([changed(system, case)[1] for case in cases])
    found = propagate(
        graph, theta=theta, disclosed=disclosed, undisclosed=unexplained, ties=system.spec,
        start=system.revenue, n_threads=n_threads,
    )  # fmt: skip
    return found.revenue, found.error[0]


def _spending(system: System, cases: Sequence[Case], n_threads: int | None) -> tuple[Floats, Floats]:
    """Solve cases that differ in demand alone."""
    graph, theta, disclosed, unexplained = changed(system, cases[0])
    customers = Customers(graph)
    usual = weighted_customers(graph, theta)
    onward = replace(graph, flow=graph.flow * (1.0 - theta[graph.customers]))
    found, error = np.empty((theta.size, len(cases))), np.empty(len(cases))
    for first in range(0, len(cases), AT_ONCE):
        some = slice(first, first + AT_ONCE)
        # The kernel keeps r in [0, 1]; more spending can make more AI revenue than all revenue of today.
        scale = np.array([_most(system, case) for case in cases[some]])
        grown = bool((scale > 1.0).any())
        demand = np.column_stack([usual + case.unnamed * unexplained for case in cases[some]])
        for column, case in zip(demand.T, cases[some], strict=True):
            for node, factor in case.spending.items():
                customers.add(column, node, theta[node] * (factor - 1.0))
        # A cut to nothing leaves the rounding of the subtraction.
        np.maximum(demand, 0.0, out=demand)
        solved = propagate(
            onward,
            theta=np.zeros_like(theta),
            disclosed=disclosed[:, None] / scale if grown else disclosed,
            undisclosed=demand / scale if grown else demand,
            # What is multiplied by the scale afterwards is found to what numbers resolve.
            ties=replace(system.spec, tolerance=min(system.spec.tolerance, FINE)) if grown else system.spec,
            start=system.revenue[:, None] / scale if grown else system.revenue,
            n_threads=n_threads,
        )
        found[:, some] = solved.revenue * scale if grown else solved.revenue
        error[some] = solved.error[0] * scale
    return found, error


def _most(system: System, case: Case) -> float:
    """Return a bound of every r, at least 1."""
    most = max(1.0, case.unnamed, *case.spending.values())
    if not case.theta:
        # Every part of u + x, which is 1 at most, grows by no more.
        return most
    besides = case.unnamed * float(system.unexplained.max(initial=0.0))
    return max(most + besides, besides / (1.0 - system.spec.delta))


def tiers(system: System, case: Case, revenue: Floats, *, count: int) -> Floats:
    """Return the change of r by the number of steps it took, (n, count + 1); the last is all that is beyond.

    With f_i the change that node i would see if no other AI revenue moved, and c_i = (r'_i - r_i) / (x'_i - x_i) what
    of a change reaches r, the change of x is f + K c f + K c K c f + ..., K_ij = W_ij delta (1 - theta_j): term k
    went through k - 1 companies.
    """
    graph, theta, _, unexplained = changed(system, case)
    delta = system.spec.delta
    spent = theta.copy()
    for node, factor in case.spending.items():
        spent[node] *= factor

    def reached(r: Floats) -> Floats:
        return case.unnamed * unexplained + weighted_customers(graph, spent + delta * (1.0 - theta) * r)

    gone = list(case.gone)
    moved = reached(revenue) - system.reached
    passes = np.zeros_like(moved)
    # Below the error of the solution a ratio means nothing.
    np.divide(revenue - system.revenue, moved, out=passes, where=np.abs(moved) > 1e-14)
    np.clip(passes, 0.0, 1.0, out=passes)
    # Nothing is sold to who left, so its change reaches nobody but through the ties that ended.
    passes[gone] = 0.0
    total = revenue - system.revenue
    found = np.empty((total.size, count + 1))
    now = reached(system.revenue) - system.reached
    for tier in range(count):
        found[:, tier] = passes * now
        if tier == 0:
            # What the gone lose they lose at once.
            found[gone, 0] = total[gone]
        now = weighted_customers(graph, delta * (1.0 - theta) * passes * now)
    found[:, count] = total - found[:, :count].sum(axis=1)
    return found


def derivatives(system: System, direct: Floats, *, n_threads: int | None = None) -> tuple[Floats, Floats]:
    """Return dr and dx for direct changes f of x, (n, k): dx = f + K dr, dr = dx where r follows ties, else 0.

    f is at least 0; the answer is proportional to it.
    """
    active = system.active
    supplier = np.repeat(np.arange(active.size), np.diff(system.graph.rows))
    flow = system.graph.flow * (1.0 - system.theta[system.graph.customers])
    size = float(direct.max(initial=0.0))
    if size == 0.0:
        return np.zeros_like(direct), np.zeros_like(direct)
    # In the range of shares, a tenth of it, for the sum over tiers may be larger than any direct change.
    scale = 0.1 * (1.0 - system.spec.delta) / size
    following = replace(system.graph, flow=flow * active[supplier])
    zeros = np.zeros(active.size)
    found = propagate(
        following, theta=zeros, disclosed=zeros, undisclosed=direct * scale * active[:, None],
        ties=replace(system.spec, tolerance=FINE), n_threads=n_threads,
    ).revenue / scale  # fmt: skip
    full = replace(system.graph, flow=flow)
    onward = np.column_stack([weighted_customers(full, system.spec.delta * column) for column in found.T])
    return found, direct + onward
