"""Why the score is what it is: pillars, their scaled descriptors, the market's own exposure, the clip."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from kifactors.cross_section import dense_standardize, sparse_standardize
from kifactors.explanation._node import Node
from kifactors.explanation._state import State

__all__ = ["score_node"]

PILLARS = {
    "score_capex_intensity": ("capex_to_revenue", "abnormal_capex", "capex_pool_share", "guided_capex"),
    "score_supplier_ties": ("ai_revenue", "demand_growth"),
    "score_index_membership": ("index_relevance",),
}


def score_node(state: State, asset_id: str, raw: Mapping[str, Node]) -> Node:
    """Return F of a company: each pillar's part, less the market mean, cut where it is clipped.

    Parameters
    ----------
    state : State
    asset_id : str
    raw : mapping of str to Node
        How the descriptors come about, by name; those that are told elsewhere are left out.
    """
    row = state.row(asset_id)
    score = row["score"]
    pillars = {name: _pillar_node(state, asset_id, name, raw) for name in PILLARS}
    if score is None:
        why = "the exposure is unknown" if row["exposure"] is None else "the estimation universe knows nobody"
        return Node("score", None, text=f"unknown: {why}", children=tuple(pillars.values()))
    mean, scale = _market(state)
    if scale == 0.0:
        text = "0 for everybody: nobody is exposed, or all who are known are alike"
        return Node("score", score, text=text, children=tuple(pillars.values()))
    weights = _weights(state)
    children = []
    for name, node in pillars.items():
        part = weights[name] * (node.value or 0.0) / scale
        value = "absent, counts as 0" if node.value is None else f"{node.value:.4f}"
        text = f"weight {weights[name]:g} x {value} / {scale:.4f}"
        children.append(Node(name, node.value, part, text, (), node.children))
    text = "cap-weighted mean" if "market_cap" in state.panel.columns else "mean"
    children.append(
        Node("market mean", mean, -mean / scale, f"less the {text} of all known {mean:.4f} / {scale:.4f}")
    )
    whole = sum(child.contribution or 0.0 for child in children)
    clip = state.definition.scaling.clip
    if abs(whole) > clip:
        children.append(Node("clip", clip, score - whole, f"scores end at -+{clip:g}"))
    elif children[0].contribution is not None:
        # The kernel adds in another order.
        children[-1] = _plus(children[-1], score - whole)
    text = f"(weighted pillars {row['raw']:.4f} - mean {mean:.4f}) / {scale:.4f}"
    return Node("score", score, text=text, children=tuple(children))


def _plus(node: Node, rounding: float) -> Node:
    part = (node.contribution or 0.0) + rounding
    return Node(node.name, node.value, part, node.text, node.sources, node.children)


def _weights(state: State) -> dict[str, float]:
    spec = state.definition.composite
    return {
        "score_capex_intensity": spec.capex_intensity,
        "score_supplier_ties": spec.supplier_ties,
        "score_index_membership": spec.index_membership,
    }


def _market(state: State) -> tuple[float, float]:
    """Return the mean that centres the composite and the root mean square that scales it; 0 where nothing does."""
    used = state.panel.filter(pl.col("in_estimation"), pl.col("raw").is_not_null())
    raw = used["raw"].to_numpy()
    weights = used["market_cap"].to_numpy() if "market_cap" in used.columns else np.ones(raw.size)
    mean = float(np.average(raw, weights=weights))
    exposed = raw[(used["exposure"] != 0).to_numpy()] - mean
    scale = float(np.sqrt(np.mean(exposed**2))) if exposed.size else 0.0
    largest = float(np.abs(raw).max())
    return mean, scale if scale > 1e-12 * largest else 0.0


def _pillar_node(state: State, asset_id: str, pillar: str, raw: Mapping[str, Node]) -> Node:
    row = state.row(asset_id)
    spec = {**_descriptor_weights(state)}
    scaled = {name: _scaled(state, asset_id, name) for name in PILLARS[pillar]}
    used = {name: spec[name] for name, x in scaled.items() if x is not None and spec[name] > 0}
    total = sum(used.values())
    children = []
    for name, x in scaled.items():
        below = (raw[name],) if name in raw else ()
        value = row[name]
        if row[pillar] is None or name not in used or x is None:
            why = "unknown: left out" if value is None else "left out"
            children.append(Node(f"{name} scaled", x, text=why, children=below))
            continue
        share = used[name] / total
        text = f"weight {share:.4g} x scaled {x:.4f} of {value:.4f}"
        children.append(Node(f"{name} scaled", x, share * x, text, (), below))
    return Node(pillar, row[pillar], None, "", (), tuple(children))


def _descriptor_weights(state: State) -> dict[str, float]:
    a, b = state.definition.capex_intensity, state.definition.supplier_ties
    return {
        "capex_to_revenue": a.capex_to_revenue,
        "abnormal_capex": a.abnormal_capex,
        "capex_pool_share": a.capex_pool_share,
        "guided_capex": a.guided_capex,
        "ai_revenue": b.ai_revenue,
        "demand_growth": b.demand_growth,
        "index_relevance": 1.0,
    }


def _scaled(state: State, asset_id: str, name: str) -> float | None:
    spec = state.definition.scaling
    if spec.method == "sparse":
        column = sparse_standardize(state.panel, name, estimation="in_estimation", clip=spec.clip)
    else:
        weights = "market_cap" if "market_cap" in state.panel.columns else None
        column = dense_standardize(
            state.panel, name, weights=weights, estimation="in_estimation", low=spec.winsorize_low,
            high=spec.winsorize_high, clip=spec.dense_clip, min_assets=spec.min_assets,
        )  # fmt: skip
    found = column.filter(state.panel["asset_id"] == asset_id)[0]
    return None if found is None else float(found)
