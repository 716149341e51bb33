"""Why the index relevance is what it is: how much of each index that holds the company is exposed, itself left out."""

import polars as pl

from kifactors.explanation._node import Node, sources_of
from kifactors.explanation._state import State
from kifactors.explanation._union import shapley_of_union

__all__ = ["relevance_node"]


def relevance_node(state: State, asset_id: str) -> Node:
    """Return c of a company, split among the indices that hold it."""
    value = state.row(asset_id)["index_relevance"]
    name = "index_relevance"
    if value is None:
        return Node(name, None, text="unknown: no index membership is known yet")
    rows = state.rows_of("index_membership", asset_id)
    if rows.is_empty():
        return Node(name, value, text="in no index: 0")
    means = [_others(state, index, asset_id) for index in rows["index_id"]]
    parts = shapley_of_union([mean for mean, _ in means])
    children = tuple(
        Node(
            f"index {row['index_id']}",
            mean,
            part,
            f"mean exposure {mean:.4f} of its {count} other members, since {row['start']}",
            (source,),
        )
        for row, source, (mean, count), part in zip(
            rows.iter_rows(named=True), sources_of("index_membership", rows), means, parts, strict=True
        )
    )
    return Node(name, value, text="1 - product of (1 - relevance of each index)", children=children)


def _others(state: State, index: str, asset_id: str) -> tuple[float, int]:
    """Return the weighted mean exposure of the other members of an index, and how many they are."""
    members = state.rows["index_membership"].filter(
        pl.col("index_id") == index, pl.col("asset_id") != asset_id
    )
    members = members.join(state.everybody, on="asset_id", how="left", maintain_order="left")
    cap = pl.col("market_cap").fill_null(0.0) if "market_cap" in members.columns else pl.lit(1.0)
    weighed = members.select(weight=pl.coalesce("weight", cap), e=pl.col("exposure").fill_null(0.0))
    total = float(weighed["weight"].sum())
    mean = float((weighed["weight"] * weighed["e"]).sum()) / total if total > 0 else 0.0
    return mean, members.height
