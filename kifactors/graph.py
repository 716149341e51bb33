"""The supplier network on every date, as compressed sparse rows, and what flows through it."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors import _kernels
from kifactors.cross_section import date_offsets
from kifactors.definition import SupplierTies
from kifactors.panel import KEY, Rows, extended

__all__ = ["TieGraph", "propagate", "tie_graph", "weighted_customers"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TieGraph:
    """Named ties between the nodes of each date.

    nodes : (n) frame of (date, asset_id), sorted; every supplier and customer is one.
    offsets : (dates + 1,) where the nodes of a date begin.
    rows : (n + 1,) where the ties of a supplier begin in `customers` and `flow`.
    customers : (ties,) node number of the customer.
    flow : (ties,) W = R * Phi, the share of the supplier's revenue that is AI infrastructure if the customer's is.
    undisclosed : (n,) 1 - sum of named R: anonymous customers and what no filing splits.
    """

    nodes: pl.DataFrame
    offsets: NDArray[np.int64]
    rows: NDArray[np.int64]
    customers: NDArray[np.int32]
    flow: Floats
    undisclosed: Floats


def tie_graph(ties: pl.DataFrame, nodes: pl.DataFrame, *, default_flow_share: float) -> TieGraph:
    """Build the graph of every date from the ties in force.

    Parameters
    ----------
    ties : polars.DataFrame
        date, supplier_id, customer_id (null: anonymous), customer_label, revenue_share, ai_share (null:
        `default_flow_share`), as `asof.revenue_ties` returns them.
    nodes : polars.DataFrame
        (date, asset_id) sorted and unique; suppliers and customers that are missing are added.

    Notes
    -----
    Printed shares are rounded: a supplier whose named shares add to slightly more than 1 is scaled to 1, so
    that the propagation stays a contraction.

    Examples
    --------
    >>> ties = pl.DataFrame({"date": [1, 1], "supplier_id": ["a", "a"], "customer_id": ["b", None],
    ...     "customer_label": ["B", "Customer A"], "revenue_share": [0.3, 0.2], "ai_share": [0.5, None]})
    >>> graph = tie_graph(ties, pl.DataFrame({"date": [1], "asset_id": ["a"]}), default_flow_share=1.0)
    >>> graph.nodes["asset_id"].to_list(), graph.flow.tolist(), graph.undisclosed.tolist()
    (['a', 'b'], [0.15], [0.7, 1.0])
    """
    named = ties.filter(pl.col("customer_id").is_not_null())
    ends = [
        ties.select("date", asset_id="supplier_id"),
        named.select("date", asset_id="customer_id"),
    ]
    nodes = extended(nodes.select(KEY), pl.concat(ends))
    rows = Rows(nodes)
    supplier, customer = (rows.of(named, asset_id=f"{end}_id") for end in ("supplier", "customer"))
    order = _in_order(supplier, customer, named["customer_label"])
    edges, supplier, customer = named[pl.Series(order)], supplier[order], customer[order]
    share = edges["revenue_share"].to_numpy()
    total = np.bincount(supplier, weights=share, minlength=nodes.height)
    scale = 1.0 / np.maximum(total, 1.0)
    ai_share = edges["ai_share"].fill_null(default_flow_share).to_numpy()
    starts = np.append(0, np.bincount(supplier, minlength=nodes.height).cumsum(dtype=np.int64))
    return TieGraph(
        nodes=nodes,
        offsets=date_offsets(nodes),
        rows=starts,
        customers=customer.astype(np.int32),
        flow=share * ai_share * scale[supplier],
        undisclosed=1.0 - np.minimum(total, 1.0),
    )


def _in_order(
    supplier: NDArray[np.int64], customer: NDArray[np.int64], labels: pl.Series
) -> NDArray[np.int64]:
    """Return the order of ties by supplier, customer and label."""
    ends = (supplier << 32) + customer
    order = np.argsort(ends, kind="stable")
    if (np.diff(ends[order]) > 0).all():
        return order
    # Labels matter only where a customer has several, and texts are slow to compare.
    frame = pl.DataFrame({"ends": ends, "label": labels})
    return frame.select(pl.arg_sort_by("ends", "label")).to_series().to_numpy().astype(np.int64)


def propagate(
    graph: TieGraph,
    *,
    theta: Floats,
    disclosed: Floats,
    undisclosed: Floats | None = None,
    ties: SupplierTies,
    start: Floats | None = None,
    warm_start: bool = False,
    n_threads: int | None = None,
) -> _kernels.Propagated:
    """Solve for the AI-attributable revenue share r of every node (METHODOLOGY section 6).

    Parameters
    ----------
    theta : (n,) or (n, k) array
        AI share of capex of each node, in [0, 1], 0 where unknown. A second axis holds k cases on the same ties,
        scenarios or bounds, which are solved together; an input without one is the same in all.
    disclosed : (n,) or (n, k) array
        s, the disclosed AI share of own revenue, in [0, 1], 0 where unknown.
    undisclosed : (n,) or (n, k) array, optional
        Share of revenue taken as pure AI demand on top of the ties: `graph.undisclosed` for the upper bound.
    ties : SupplierTies
        delta, tolerance and max_tiers.
    start : (n,) or (n, k) array, optional
        An r to start from, where it is above `disclosed`: the limit of a similar case. With `max_tiers` the result
        depends on it, else it differs by no more than the error bounds.
    warm_start : bool
        Start every date from the limit of the date before (new assets as without). It saves most iterations where
        dates resemble each other, and gives up their independence: results differ, within the error bounds, from
        those of a date alone, so `compute` does without it. Threads then share a date, not the dates.
    n_threads : int, optional
        Default the usable cores, or KIFACTORS_NUM_THREADS. Results do not depend on it.

    Returns
    -------
    Propagated
        revenue (n,) or (n, k); per date (and case) the residual, the bound of the error, and the iterations.

    Raises
    ------
    ShapeError
        Lengths do not match, a share is outside [0, 1] or not finite, a tie leads to another date.

    Notes
    -----
    r_i = max(s_i, sum_j W_ij (theta_j + delta (1 - theta_j) r_j)), iterated from r = s until the bound
    c delta / (1 - delta) of the remaining error, c the largest last change, is below `tolerance`: the map is a
    contraction by delta in the largest absolute value, for rows of W add to at most 1. A case of many ends as it
    would alone, to the last bit.

    References
    ----------
    Katz (1953), Psychometrika 18. Acemoglu, Carvalho, Ozdaglar, Tahbaz-Salehi (2012), Econometrica 80(5).

    Examples
    --------
    Supplier a earns 40 % from b, b 50 % from pioneer c whose capex is 60 % AI; delta is 0.5. b: 0.5 * 0.6 =
    0.3; a: 0.4 * 0.5 * 0.3 = 0.06.

    >>> ties = pl.DataFrame({"date": [1, 1], "supplier_id": ["a", "b"], "customer_id": ["b", "c"],
    ...     "customer_label": ["b", "c"], "revenue_share": [0.4, 0.5], "ai_share": [1.0, 1.0]})
    >>> graph = tie_graph(ties, ties.select("date", asset_id="supplier_id"), default_flow_share=1.0)
    >>> found = propagate(graph, theta=np.array([0, 0, 0.6]), disclosed=np.zeros(3),
    ...     ties=kf.definition.SupplierTies())
    >>> found.revenue.round(6).tolist()
    [0.06, 0.3, 0.0]

    With c at 60 % and at 80 %, together:

    >>> both = propagate(graph, theta=np.array([[0, 0], [0, 0], [0.6, 0.8]]), disclosed=np.zeros(3),
    ...     ties=kf.definition.SupplierTies())
    >>> both.revenue.round(6).tolist()
    [[0.06, 0.08], [0.3, 0.4], [0.0, 0.0]]
    """
    return _kernels.propagate(
        graph.rows,
        graph.customers,
        graph.flow,
        theta,
        disclosed,
        np.zeros_like(theta) if undisclosed is None else undisclosed,
        graph.offsets,
        delta=ties.delta,
        tolerance=ties.tolerance,
        max_tiers=ties.max_tiers,
        start=start,
        earlier=_earlier(graph) if warm_start else None,
        n_threads=n_threads,
    )


def _earlier(graph: TieGraph) -> NDArray[np.int64]:
    """Return the node of the same asset on the date before, -1 where it was none."""
    dates = graph.nodes["date"].unique(maintain_order=True)
    before = graph.nodes.select("asset_id", date=pl.col("date").replace_strict(dates, dates.shift(1)))
    return Rows(graph.nodes).of(before)


def weighted_customers(graph: TieGraph, values: Floats) -> Floats:
    """Return sum_j W_ij values_j for every node i; NaN counts as 0.

    Examples
    --------
    >>> ties = pl.DataFrame({"date": [1], "supplier_id": ["a"], "customer_id": ["b"], "customer_label": ["b"],
    ...     "revenue_share": [0.4], "ai_share": [1.0]})
    >>> graph = tie_graph(ties, ties.select("date", asset_id="supplier_id"), default_flow_share=1.0)
    >>> weighted_customers(graph, np.array([9.0, 0.5])).tolist()
    [0.2, 0.0]
    """
    supplier = np.repeat(np.arange(graph.nodes.height), np.diff(graph.rows))
    flowing = graph.flow * np.nan_to_num(values)[graph.customers]
    return np.bincount(supplier, weights=flowing, minlength=graph.nodes.height).astype(np.float64, copy=False)
