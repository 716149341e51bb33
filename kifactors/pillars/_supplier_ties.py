"""Pillar B: how much of its revenue a company earns from AI infrastructure (METHODOLOGY sections 4 and 6)."""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors import asof
from kifactors.definition import FactorDefinition
from kifactors.graph import TieGraph, propagate, tie_graph, weighted_customers
from kifactors.panel import KEY, attach, extended
from kifactors.schema import Tables

__all__ = ["SupplierSystem", "SupplierTieDescriptors", "supplier_system", "supplier_ties"]


@dataclass(frozen=True, slots=True)
class SupplierSystem:
    """The system that pillar B solves (METHODOLOGY section 6); result of `supplier_system`.

    graph : the ties in force on each date.
    nodes : frame of date, asset_id, covered and what follows, null where unknown.
    theta : (n,) AI share of capex, 0 where unknown.
    disclosed : (n,) s, the disclosed AI share of own revenue by `scope_weights`, 0 where unknown.
    disclosed_high : (n,) the largest disclosed share of any scope, undiscounted.
    abnormal_capex : (n,) of the node, 0 where unknown.
    """

    graph: TieGraph
    nodes: pl.DataFrame
    theta: NDArray[np.float64]
    disclosed: NDArray[np.float64]
    disclosed_high: NDArray[np.float64]
    abnormal_capex: NDArray[np.float64]

    @property
    def covered(self) -> pl.Series:
        """Whether anybody has looked at the node; null: nobody."""
        return self.nodes["covered"]


@dataclass(frozen=True, slots=True)
class SupplierTieDescriptors:
    """Result of `supplier_ties`.

    descriptors : (date, asset_id, ai_revenue, ai_revenue_low, ai_revenue_high, demand_growth).
    convergence : (date, tie_sweeps, tie_error_bound), a row per date on which anything is known of anybody's revenue.
    system : what was solved.
    """

    descriptors: pl.DataFrame
    convergence: pl.DataFrame
    system: SupplierSystem


def supplier_ties(
    tables: Tables,
    live: pl.DataFrame,
    capex: pl.DataFrame,
    dates: pl.Series,
    definition: FactorDefinition,
    *,
    n_threads: int | None = None,
) -> SupplierTieDescriptors:
    """Return the descriptors of pillar B for every live asset.

    Parameters
    ----------
    tables : Tables
        `revenue_ties`, `ai_revenue_share`, `tie_disclosures`.
    live : polars.DataFrame
        (date, asset_id) of the assets live on each date, sorted.
    capex : polars.DataFrame
        theta and abnormal_capex of the live assets, as `capex_intensity` returns them.
    dates : polars.Series
        The score dates of `live`.
    definition : FactorDefinition

    Returns
    -------
    SupplierTieDescriptors
        - ``ai_revenue``       r = max(s, x), x_i = sum_j W_ij (theta_j + delta (1 - theta_j) r_j), in [0, 1]
        - ``ai_revenue_low``   the same: s and x are both lower bounds
        - ``ai_revenue_high``  the fixed point with the largest disclosed share of any scope, undiscounted, and
          the undisclosed remainder (anonymous customers included) as pure AI demand. A customer nobody has
          looked at is undisclosed as a whole
        - ``demand_growth``    d_i = sum_j W_ij a_j

        Null for suppliers that are not covered, unless the definition says ``uncovered = "zero"``.

    References
    ----------
    Cohen, Frazzini (2008), JF 63(4). Menzly, Ozbas (2010), JF 65(4).

    Examples
    --------
    A supplier discloses 20 % AI products (s = 0.2) and earns 50 % from a pioneer with theta 0.6: x = 0.3, so
    r = 0.3; with the other 50 % of its revenue as pure AI demand, and a pioneer of whose own revenue nothing
    is known (0.6 + 0.5 * 0.4 * 1 = 0.8), at most 0.5 * 0.8 + 0.5 = 0.9.

    >>> day = pl.date(2024, 1, 1)
    >>> tables = kf.Tables(
    ...     revenue_ties=pl.select(supplier_id=pl.lit("a"), customer_id=pl.lit("p"), customer_label=pl.lit("P"),
    ...         revenue_share=0.5, period_end=pl.date(2023, 12, 31), available_at=day),
    ...     ai_revenue_share=pl.select(asset_id=pl.lit("a"), share=0.2, scope=pl.lit("ai"),
    ...         period_end=pl.date(2023, 12, 31), available_at=day))
    >>> dates = kf.calendar.score_dates(["2024-01-31"])
    >>> capex = pl.DataFrame({"date": [dates[0]] * 2, "asset_id": ["a", "p"], "theta": [0.0, 0.6],
    ...     "abnormal_capex": [0.0, 0.1]})
    >>> found = kf.pillars.supplier_ties(tables, capex, capex, dates, kf.FactorDefinition())
    >>> [None if x is None else round(x, 6) for x in found.descriptors.filter(asset_id="a").row(0)[2:]]
    [0.3, 0.3, 0.9, 0.05]
    >>> found.descriptors.filter(asset_id="p")["ai_revenue"].to_list()
    [None]
    """
    spec = definition.supplier_ties
    system = supplier_system(tables, capex, dates, definition)
    graph, nodes = system.graph, system.nodes
    found = propagate(graph, theta=system.theta, disclosed=system.disclosed, ties=spec, n_threads=n_threads)
    # The limit from r up is the limit from s up, and never below r by a rounding.
    start = np.maximum(system.disclosed_high, found.revenue)
    # An upper bound that stopped after some tiers would not be one.
    upper = propagate(
        graph,
        theta=system.theta,
        disclosed=start,
        undisclosed=graph.undisclosed,
        ties=replace(spec, max_tiers=None),
        n_threads=n_threads,
    )
    values = {
        "ai_revenue": found.revenue,
        "ai_revenue_low": found.revenue,
        "ai_revenue_high": upper.revenue,
        "demand_growth": weighted_customers(graph, system.abnormal_capex),
    }
    frame = attach(live.select(KEY), graph.nodes.with_columns(nodes["covered"], **_series(values)))
    return SupplierTieDescriptors(
        _with_uncovered(frame, spec.uncovered),
        graph.nodes.select(pl.col("date").unique(maintain_order=True)).with_columns(
            tie_sweeps=pl.Series(np.maximum(found.sweeps, upper.sweeps)),
            tie_error_bound=pl.Series(np.maximum(found.error, upper.error)),
        ),
        system,
    )


def supplier_system(
    tables: Tables, capex: pl.DataFrame, dates: pl.Series, definition: FactorDefinition
) -> SupplierSystem:
    """Return the ties in force and what is known of everybody at either end, as the propagation takes it.

    Parameters
    ----------
    tables, capex, dates, definition
        As for `supplier_ties`.

    Examples
    --------
    >>> day = pl.date(2024, 1, 1)
    >>> tables = kf.Tables(revenue_ties=pl.select(supplier_id=pl.lit("a"), customer_id=pl.lit("p"),
    ...     customer_label=pl.lit("P"), revenue_share=0.5, period_end=pl.date(2023, 12, 31), available_at=day))
    >>> dates = kf.calendar.score_dates(["2024-01-31"])
    >>> capex = pl.DataFrame({"date": dates, "asset_id": ["p"], "theta": [0.6], "abnormal_capex": [0.1]})
    >>> system = kf.pillars.supplier_system(tables, capex, dates, kf.FactorDefinition())
    >>> system.graph.nodes["asset_id"].to_list(), system.theta.tolist(), system.graph.flow.tolist()
    (['a', 'p'], [0.0, 0.6], [0.5])
    """
    time, spec = definition.time, definition.supplier_ties
    ties = asof.revenue_ties(tables.revenue_ties, tables.tie_disclosures, dates, time=time)
    known = _known(tables, dates, definition)
    # Nothing flows to or from anybody else, so the graph does without them.
    graph = tie_graph(ties, known, default_flow_share=spec.default_flow_share)
    nodes = attach(
        graph.nodes, known, capex.select(*KEY, "theta", "abnormal_capex").filter(pl.col("theta") > 0)
    )
    theta, low, broad, growth = (
        nodes[name].fill_null(0.0).to_numpy()
        for name in ("theta", "disclosed", "disclosed_high", "abnormal_capex")
    )
    return SupplierSystem(graph, nodes, theta, low, broad, growth)


def _known(tables: Tables, dates: pl.Series, definition: FactorDefinition) -> pl.DataFrame:
    """Return who is covered or discloses a share, sorted: covered, s and its undiscounted twin."""
    weights = definition.supplier_ties.scope_weights()
    scopes = [scope for scope, weight in weights.items() if weight > 0]
    shares = asof.ai_revenue_share(tables.ai_revenue_share, dates, time=definition.time)
    disclosed = shares.group_by(KEY).agg(
        disclosed=(pl.col("share") * pl.col("scope").replace_strict(weights, return_dtype=pl.Float64)).max(),
        disclosed_high=pl.col("share").max(),
    )
    covered = asof.covered_suppliers(tables, dates, time=definition.time, scopes=scopes)
    return attach(extended(covered.with_columns(covered=pl.lit(value=True)), disclosed), disclosed)


def _series(values: dict[str, NDArray[np.float64]]) -> dict[str, pl.Series]:
    return {name: pl.Series(numbers) for name, numbers in values.items()}


def _with_uncovered(frame: pl.DataFrame, uncovered: str) -> pl.DataFrame:
    """Say what is taken of a supplier nobody has looked at: nothing, or that it earns nothing from AI."""
    columns = pl.exclude(*KEY, "covered")
    if uncovered == "zero":
        # Its bounds do not take anything: who is in no tie has everything undisclosed.
        filled = columns.fill_null(pl.lit(0.0))
        return frame.with_columns(pl.col("ai_revenue_high").fill_null(1.0)).select(*KEY, filled)
    return frame.select(*KEY, pl.when("covered").then(columns).name.keep())
