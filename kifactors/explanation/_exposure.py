"""Why the exposure is what it is, and between which bounds: spending and earning, what is not disclosed."""

from kifactors.explanation._bounds import PARTS, bound_parts
from kifactors.explanation._earning import revenue_node
from kifactors.explanation._missing import undisclosed_sources
from kifactors.explanation._node import Node
from kifactors.explanation._spending import capex_nodes
from kifactors.explanation._state import State
from kifactors.explanation._union import shapley_of_union

__all__ = ["bounds_node", "exposure_node"]


def exposure_node(state: State, asset_id: str, threshold: float) -> Node:
    """Return e of a company, split between what it spends and what it earns."""
    row = state.row(asset_id)
    e, p, r = row["exposure"], row["capex_to_revenue"], row["ai_revenue"]
    known = [x or 0.0 for x in (p, r)]
    parts = shapley_of_union(known) if e is not None else [None, None]
    spends = capex_nodes(state, asset_id)["capex_to_revenue"]
    earns = revenue_node(state, asset_id, threshold)
    children = tuple(
        Node(node.name, node.value, part, node.text, node.sources, node.children)
        for node, part in zip((spends, earns), parts, strict=True)
    )
    if e is None:
        text = "unknown: it is not known to spend, and nobody has looked at what it earns"
    elif p is None or r is None:
        text = f"{'spending' if r is None else 'earning'} alone; the other is unknown"
    else:
        text = f"1 - (1 - {p:.4f})(1 - {r:.4f})"
        if p and r:
            text += "; the overlap is split in halves"
    return Node("exposure", e, text=text, children=children)


def bounds_node(state: State, asset_id: str) -> Node:
    """Return the width of the bounds of e, split by what is not disclosed."""
    row = state.row(asset_id)
    low, high, p, r = (row[n] for n in ("exposure_low", "exposure_high", "capex_to_revenue", "ai_revenue"))
    name = "width of the bounds"
    if low is None or high is None:
        return Node(name, None, text="unknown, as the exposure is")
    text = f"from {low:.4f} to {high:.4f}"
    if r is None:
        return Node(name, high - low, text=f"{text}: what it earns is unknown and not in them")
    keeps = 1.0 - (p or 0.0)
    if asset_id in state.node:
        node = state.node[asset_id]
        parts = {
            name: float(x[node])
            for name, x in bound_parts(state.tables, state.system, state.dates, state.definition).items()
        }
    else:
        parts = dict.fromkeys(PARTS, 0.0) | {
            "undisclosed remainder": float(row["ai_revenue_high"] or 0.0) - r
        }
    scaled = {part: keeps * x for part, x in parts.items()}
    # What the bounds round differently from the sum of their parts goes where most of the width is.
    largest = max(scaled, key=lambda part: abs(scaled[part]))
    scaled[largest] += (high - low) - sum(scaled.values())
    sources = undisclosed_sources(state, asset_id)
    children = tuple(
        Node(part, parts[part], x, f"{PARTS[part]}; {parts[part]:.4f} of revenue", sources.get(part, ()))
        for part, x in scaled.items()
    )
    return Node(name, high - low, text=text, children=children)
