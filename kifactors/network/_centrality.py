"""`centrality`: through whom the AI revenue of the universe passes, and on whom each supplier's depends."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors import asof
from kifactors.calendar import DatesLike, score_dates
from kifactors.definition import FactorDefinition
from kifactors.errors import DataError
from kifactors.graph import propagate, weighted_customers
from kifactors.panel import KEY
from kifactors.schema import Tables
from kifactors.snapshot import Snapshot, refuse_tiers, snapshot

__all__ = ["Centrality", "centrality"]

Floats = NDArray[np.float64]
WEIGHTS = (None, "revenue", "equal")
# Columns solved at a time, which bounds the memory.
AT_ONCE = 64
FINE = 1e-14
CUSTOMERS: dict[str, Any] = {
    "date": pl.Date, "asset_id": pl.String, "ticker": pl.String, "suppliers": pl.Int64, "direct": pl.Float64,
    "through": pl.Float64, "weighting": pl.String,
}  # fmt: skip
SUPPLIERS: dict[str, Any] = {
    "date": pl.Date, "asset_id": pl.String, "ticker": pl.String, "ai_revenue": pl.Float64, "traced": pl.Float64,
    "herfindahl": pl.Float64, "pioneers": pl.Int64, "largest_id": pl.String, "largest": pl.String,
    "largest_share": pl.Float64,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Centrality:
    """Result of `kf.network.centrality`.

    customers : date, asset_id, ticker, suppliers (ties to it), direct, through, weighting; the most central first.
    suppliers : date, asset_id, ticker, ai_revenue, traced, herfindahl, pioneers, largest_id, largest, largest_share;
        everybody with AI revenue.
    left_out : date, suppliers: those with AI revenue and no known revenue, where weights are revenue.
    """

    customers: pl.DataFrame
    suppliers: pl.DataFrame
    left_out: pl.DataFrame

    def __repr__(self) -> str:
        days = self.left_out["date"]
        return f"Centrality({len(days)} date(s), {self.customers['asset_id'].n_unique()} customers)"


def centrality(
    tables: Tables,
    dates: DatesLike | dt.date | str | None = None,
    definition: FactorDefinition | None = None,
    *,
    weights: str | None = None,
) -> Centrality:
    """Say who is systemically important, and how concentrated each supplier's AI revenue is.

    Parameters
    ----------
    tables : Tables
    dates : date, dates, or ISO text, optional
        Absent: the last date of the universe, or without one the last day on which a company reported.
    definition : FactorDefinition, optional
        Absent: the default one.
    weights : {None, "revenue", "equal"}
        What a supplier counts. ``revenue``: its trailing revenue in dollars; those whose revenue is not known are left out,
        and counted in `left_out`. ``equal``: every supplier 1. None: revenue where that of every supplier with AI revenue
        is known, else equal; decided by date, and named in ``weighting``.

    Returns
    -------
    Centrality
        ``through``, of a customer j: the share of sum_i v_i r_i that would be missing if j bought nothing, v the weights;
        ``direct`` the part of it in ties to j. ``herfindahl`` of a supplier: sum of squares of the shares that each
        pioneer has in the AI revenue that can be traced to pioneers, 1 if all comes from one; ``traced`` what part of its AI
        revenue that is, the rest being disclosed without customers. Null where nothing can be traced.

    Raises
    ------
    DateError
        Nothing is known on a date.
    MissingRateError
        Revenue in another currency has no rate.

    Notes
    -----
    r = u + W (theta + delta (1 - theta) r) holds exactly with u what disclosed shares add to the ties. With M_ij = W_ij
    delta (1 - theta_j), N = (I - M)^-1 and lambda = N' v:

        through_j = sum_i lambda_i W_ij (theta_j + delta (1 - theta_j) r_j) / N_jj / sum_i v_i r_i

    N_jj takes out what passes j a second time, and is 1 unless j is on a cycle. Shares of customers overlap: revenue
    passes through several of them. Pioneer j's part of supplier i is h_ij = sum_k N_ik W_kj theta_j.

    References
    ----------
    Acemoglu, Carvalho, Ozdaglar, Tahbaz-Salehi (2012), Econometrica 80(5).

    Examples
    --------
    a earns 0.5 * 0.6 = 0.3 from p, b 0.4 * 0.5 * 0.3 = 0.06 from a and 0.1 * 1 from q: 0.46 in all. Through p: 0.36,
    through a 0.06, through q 0.1.

    >>> from datetime import date
    >>> day = date(2024, 1, 1)
    >>> tables = kf.Tables(
    ...     revenue_ties={"supplier_id": ["a", "b", "b"], "customer_id": ["p", "a", "q"], "customer_label": ["P", "A", "Q"],
    ...         "revenue_share": [0.5, 0.4, 0.1], "period_end": [day] * 3, "available_at": [day] * 3},
    ...     ai_capex_share={"asset_id": ["p", "q"], "share": [0.6, 1.0], "available_at": [day] * 2,
    ...         "provenance": ["assumed"] * 2})
    >>> found = kf.network.centrality(tables, "2024-01-31")
    >>> found.customers.select("asset_id", pl.col("direct", "through").round(6), "weighting").rows()
    [('p', 0.652174, 0.782609, 'equal'), ('q', 0.217391, 0.217391, 'equal'), ('a', 0.130435, 0.130435, 'equal')]
    >>> found.suppliers.select("asset_id", pl.col("herfindahl").round(6), "largest").rows()
    [('a', 1.0, 'p'), ('b', 0.53125, 'q')]
    """
    if weights not in WEIGHTS:
        raise DataError(f"weights is {weights!r}; expected 'revenue', 'equal' or None.")
    days: Iterable[Any] = (
        [dates] if dates is None or isinstance(dates, (str, dt.date)) else score_dates(dates)
    )
    parts = [_of(snapshot(tables, definition, day), weights) for day in days]
    customers, suppliers, left = zip(*parts, strict=True)
    return Centrality(pl.concat(customers), pl.concat(suppliers), pl.concat(left))


def _of(base: Snapshot, wanted: str | None) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    refuse_tiers(base.definition)
    system, delta = base.system, base.definition.supplier_ties.delta
    v, weighting, left = _weights(base, wanted)
    keeps = delta * (1.0 - system.theta)
    passed = system.theta + keeps * base.revenue
    graph = system.graph
    supplier = np.repeat(np.arange(v.size), np.diff(graph.rows))
    total = float(v @ base.revenue)

    def received(values: Floats) -> Floats:
        """Return sum_i values_i W_ij of every customer j."""
        return np.bincount(graph.customers, values[supplier] * graph.flow, v.size).astype(
            np.float64, copy=False
        )

    multiplied = v.copy()
    while True:
        # lambda = v + M' lambda; a bound of the sum of what is missing, for M's rows add to delta at most.
        new = v + keeps * received(multiplied)
        missing = np.abs(new - multiplied).sum() * delta / (1.0 - delta)
        multiplied = new
        if missing <= FINE * max(1.0, v.sum()):
            break
    through = received(multiplied) * passed / _returns(base, supplier)
    direct = received(v) * passed
    named = np.unique(graph.customers)
    ids, label = base.ids, base.names.label
    share = 1.0 / total if total > 0 else 0.0
    customers = pl.DataFrame(
        {
            "date": [base.day] * named.size,
            "asset_id": [ids[node] for node in named],
            "ticker": [label(ids[node]) for node in named],
            "suppliers": np.bincount(graph.customers, minlength=v.size)[named].astype(np.int64),
            "direct": direct[named] * share,
            "through": through[named] * share,
            "weighting": [weighting] * named.size,
        },
        schema=CUSTOMERS,
    ).sort("through", "asset_id", descending=[True, False])
    none = pl.DataFrame({"date": [base.day], "suppliers": [left]})
    return customers, _concentration(base), none


def _weights(base: Snapshot, wanted: str | None) -> tuple[Floats, str, int]:
    """Return what each node counts, what that is, and how many with AI revenue are left out."""
    earns = base.revenue > 0
    equal = np.ones(earns.size)
    if wanted == "equal":
        return equal, "equal", 0
    nodes = base.system.graph.nodes
    facts = asof.trailing_on(
        base.tables.fundamentals, nodes.select(KEY), time=base.definition.time, ttm=base.definition.ttm
    )
    revenue = facts["revenue"].to_numpy()
    known = np.isfinite(revenue) & (revenue > 0)
    left = int((earns & ~known).sum())
    if wanted is None and left:
        return equal, "equal", 0
    used = facts.filter(pl.Series(earns & known))
    rates = asof.fx_rates(
        base.tables.fx, used, time=base.definition.time, lag_days=base.definition.time.lag_days,
        what="revenue added over suppliers (centrality)",
    )  # fmt: skip
    dollars = facts.select("date", pl.col("currency").cast(pl.String), "revenue").join(
        rates.with_columns(pl.col("currency").cast(pl.String)), on=["date", "currency"], how="left",
        maintain_order="left",
    )  # fmt: skip
    amounts = dollars.select(pl.col("revenue") * pl.col("usd_per_unit")).to_series().fill_null(0.0).to_numpy()
    weights: Floats = np.where(earns & known, amounts, 0.0)
    # In shares, so that rounding does not depend on the unit.
    size = weights.sum()
    return (weights / size if size > 0 else weights), "revenue", left


def _solved(base: Snapshot, direct: Floats) -> Floats:
    """Return N f for some f of at least 0, (n, k)."""
    graph, spec = base.system.graph, base.definition.supplier_ties
    size = float(direct.max(initial=0.0))
    if size == 0.0:
        return np.zeros_like(direct)
    zeros = np.zeros(direct.shape[0])
    scale = 0.5 * (1.0 - spec.delta) / size
    following = replace(graph, flow=graph.flow * (1.0 - base.system.theta[graph.customers]))
    return (
        propagate(
            following, theta=zeros, disclosed=zeros, undisclosed=direct * scale,
            ties=replace(spec, tolerance=FINE, max_tiers=None),
        ).revenue
        / scale
    )  # fmt: skip


def _returns(base: Snapshot, supplier: NDArray[np.int64]) -> Floats:
    """Return N_jj of every node: 1, and more where revenue comes back to j."""
    graph = base.system.graph
    keeps = base.definition.supplier_ties.delta * (1.0 - base.system.theta)
    found = np.ones(keeps.size)
    inside = (graph.flow > 0) & (keeps[graph.customers] > 0)
    # Who is no supplier or no customer of the rest is on no cycle; repeated until all the rest are both.
    while True:
        sells, buys = np.zeros((2, keeps.size), np.bool_)
        sells[supplier[inside]], buys[graph.customers[inside]] = True, True
        rest = inside & sells[graph.customers] & buys[supplier]
        if rest.sum() == inside.sum():
            break
        inside = rest
    core = np.unique(graph.customers[inside])
    for first in range(0, core.size, AT_ONCE):
        some = core[first : first + AT_ONCE]
        unit = np.zeros((keeps.size, some.size))
        unit[some, np.arange(some.size)] = keeps[some]
        direct = np.column_stack([weighted_customers(graph, column) for column in unit.T])
        found[some] += _solved(base, direct)[some, np.arange(some.size)]
    return found


def _concentration(base: Snapshot) -> pl.DataFrame:
    """Return the Herfindahl index of every supplier's AI revenue over pioneers."""
    system, ids, label = base.system, base.ids, base.names.label
    customers = np.unique(system.graph.customers)
    pioneers = customers[system.theta[customers] > 0]
    size = system.theta.size
    traced, squares, largest = np.zeros((3, size))
    count, who = np.zeros(size, np.int64), np.full(size, -1)
    for first in range(0, pioneers.size, AT_ONCE):
        some = pioneers[first : first + AT_ONCE]
        spent = np.zeros((size, some.size))
        spent[some, np.arange(some.size)] = system.theta[some]
        direct = np.column_stack([weighted_customers(system.graph, column) for column in spent.T])
        parts = _solved(base, direct)
        traced += parts.sum(axis=1)
        squares += (parts**2).sum(axis=1)
        count += (parts > 0).sum(axis=1)
        best = parts.argmax(axis=1)
        more = parts[np.arange(size), best] > largest
        largest[more] = parts[np.arange(size), best][more]
        who[more] = some[best[more]]
    earns = np.flatnonzero(base.revenue > 0)
    has = traced[earns] > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        columns = {
            "traced": np.minimum(traced[earns] / base.revenue[earns], 1.0),
            "herfindahl": np.where(has, squares[earns] / traced[earns] ** 2, np.nan),
            "largest_share": np.where(has, largest[earns] / traced[earns], np.nan),
        }
    names = [ids[node] if node >= 0 else None for node in who[earns]]
    return pl.DataFrame(
        {
            "date": [base.day] * earns.size,
            "asset_id": [ids[node] for node in earns],
            "ticker": [label(ids[node]) for node in earns],
            "ai_revenue": base.revenue[earns],
            "pioneers": count[earns],
            "largest_id": names,
            "largest": [None if name is None else label(name) for name in names],
            **columns,
        },
        schema={name: SUPPLIERS[name] for name in ("date", "asset_id", "ticker", "ai_revenue", "pioneers", "largest_id",
                                                   "largest", "traced", "herfindahl", "largest_share")},
    ).select(*SUPPLIERS).with_columns(pl.col(pl.Float64).fill_nan(None)).sort("asset_id")  # fmt: skip
