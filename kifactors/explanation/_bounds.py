"""What the width of the bounds is made of, for everybody at once."""

from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors import asof
from kifactors.definition import FactorDefinition
from kifactors.graph import propagate
from kifactors.panel import Rows
from kifactors.pillars import SupplierSystem
from kifactors.schema import Tables

__all__ = ["PARTS", "bound_parts"]

PARTS = {
    "further tiers": "customers beyond max_tiers",
    "discounted scopes": "disclosed shares that contain more than AI, in full",
    "anonymous customers": "customers that are disclosed without a name, as pure AI demand",
    "expired ties": "customers named in filings that are too old by now, as pure AI demand",
    "undisclosed remainder": "revenue that no filing splits, as pure AI demand",
}


def bound_parts(
    tables: Tables, system: SupplierSystem, dates: pl.Series, definition: FactorDefinition
) -> dict[str, NDArray[np.float64]]:
    """Split `ai_revenue_high` - `ai_revenue_low` of every node by what is not disclosed.

    Parameters
    ----------
    tables : Tables
    system : SupplierSystem
        Of the dates.
    dates : polars.Series
        Ascending score dates.
    definition : FactorDefinition

    Returns
    -------
    dict of str to (n,) array
        By the names of `PARTS`, in that order; they add up to the width within the tolerance of the propagation.

    Notes
    -----
    One part after the other is let in, in the order of `PARTS`, at the company and at everybody downstream, and the
    system solved each time; a part is what its step adds. Shares are monotone, so no part is negative. Where the larger
    of two bounds hides a part (an anonymous customer below a disclosed share), the part that comes later gets it.
    """
    spec = replace(definition.supplier_ties, max_tiers=None)
    graph = system.graph
    anonymous, expired = _unnamed(tables, dates, definition, system)
    undisclosed = graph.undisclosed
    anonymous = np.minimum(anonymous, undisclosed)
    expired = np.minimum(expired, undisclosed - anonymous)
    nothing = np.zeros_like(undisclosed)
    low, high = system.disclosed, np.maximum(system.disclosed, system.disclosed_high)
    # A column for each step: what counts as disclosed, and what of the undisclosed is let in.
    disclosed = np.column_stack([low, high, high, high, high])
    let_in = np.column_stack([nothing, nothing, anonymous, anonymous + expired, undisclosed])
    steps = propagate(graph, theta=system.theta, disclosed=disclosed, undisclosed=let_in, ties=spec).revenue
    first = propagate(graph, theta=system.theta, disclosed=low, ties=definition.supplier_ties).revenue
    # The upper bound starts from the lower one, which a rounding may have left above.
    steps = np.maximum.accumulate(np.column_stack([first, steps]), axis=1)
    return dict(zip(PARTS, np.diff(steps, axis=1).T, strict=True))


def _unnamed(
    tables: Tables, dates: pl.Series, definition: FactorDefinition, system: SupplierSystem
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return per node the revenue from anonymous customers and from customers of expired ties."""
    time = definition.time
    ties = asof.revenue_ties(tables.revenue_ties, tables.tie_disclosures, dates, time=time)
    gone = asof.expired_ties(tables.revenue_ties, tables.tie_disclosures, dates, time=time)
    rows = Rows(system.graph.nodes)

    def per_node(frame: pl.DataFrame) -> NDArray[np.float64]:
        at = rows.of(frame, asset_id="supplier_id")
        weights = frame["revenue_share"].to_numpy()[at >= 0]
        found = np.bincount(at[at >= 0], weights=weights, minlength=system.graph.nodes.height)
        return found.astype(np.float64, copy=False)

    return per_node(ties.filter(pl.col("customer_id").is_null())), per_node(gone)
