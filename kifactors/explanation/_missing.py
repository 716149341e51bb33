"""What is missing for a company, row by row: anonymous customers, ties that expired."""

import polars as pl

from kifactors import asof
from kifactors.explanation._node import Node, Source, sources_of
from kifactors.explanation._state import State

__all__ = ["expired_of", "missing_node", "undisclosed_sources"]


def undisclosed_sources(state: State, asset_id: str) -> dict[str, tuple[Source, ...]]:
    """Return the rows behind parts of the width of the bounds, by the name of the part."""
    found = {}
    ties = state.rows_of("revenue_ties", asset_id, key="supplier_id")
    if ties.height:
        found["anonymous customers"] = sources_of(
            "revenue_ties", ties.filter(pl.col("customer_id").is_null())
        )
    found["expired ties"] = sources_of("revenue_ties", expired_of(state, asset_id))
    return found


def expired_of(state: State, asset_id: str) -> pl.DataFrame:
    """Return the ties of a company that would be in force, had they not expired."""
    ties = state.tables.revenue_ties
    own = None if ties is None else ties.filter(pl.col("supplier_id") == asset_id)
    return asof.expired_ties(own, state.tables.tie_disclosures, state.dates, time=state.definition.time)


def missing_node(state: State, asset_id: str) -> Node | None:
    """Return what is not known of a company, each with what it costs; None if nothing is missing."""
    row = state.row(asset_id)
    gaps = []
    if row["capex_to_revenue"] is None:
        gaps.append(
            Node(
                "capex_to_revenue",
                text="spends on AI, but the trailing flows are unknown: pillar A is absent",
            )
        )
    if row["ai_revenue"] is None:
        expired = expired_of(state, asset_id)
        text = "nobody has looked at its revenue: pillar B is absent"
        if expired.height:
            text = f"its last ties, of the period to {expired['period_end'].sort()[-1]}, have expired: pillar B is absent"
        gaps.append(Node("ai_revenue", text=text, sources=sources_of("revenue_ties", expired)))
    gaps += [
        Node(name, text="unknown: left out of pillar A, whose other weights grow")
        for name in ("abnormal_capex", "capex_pool_share", "guided_capex")
        if row[name] is None and row["capex_to_revenue"] is not None
    ]
    if row["index_relevance"] is None:
        gaps.append(Node("index_relevance", text="no membership is known: pillar C is absent"))
    if not gaps:
        return None
    coverage = row["coverage"]
    return Node("missing", text=f"pillars of weight {coverage:.2f} are known", children=tuple(gaps))
