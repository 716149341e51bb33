"""Why AI revenue is what it is: the disclosed share against the ties, path by path to whoever spends."""

from kifactors.explanation._node import Node, sources_of
from kifactors.explanation._paths import Path, Tie, Ties, arrives, paths_from, reached
from kifactors.explanation._spending import theta_node
from kifactors.explanation._state import State

__all__ = ["REMAINDER", "demand_node", "revenue_node"]

REMAINDER = "smaller paths"
MOST_FAR = 5


def revenue_node(state: State, asset_id: str, threshold: float) -> Node:
    """Return r of a company: the larger of the disclosed share and of what ties bring, and how each comes about."""
    value = state.row(asset_id)["ai_revenue"]
    name = "ai_revenue"
    if value is None:
        text = (
            "unknown: no filing in force was read for customers, names one or states a share of AI revenue; "
            "counts as nothing"
        )
        return Node(name, None, text=text)
    if asset_id not in state.node:
        return Node(name, value, text="nobody has looked at it: taken as 0 by the definition")
    ties = Ties(state)
    disclosed = float(state.system.disclosed[state.node[asset_id]])
    # An iterate is what the ties carry only if it is above the disclosed share.
    through = value if value > disclosed else arrives(state, ties, asset_id, 0)
    counts = "the ties" if value > disclosed else "the disclosed share"
    text = f"the larger of disclosed {disclosed:.4f} and ties {through:.4f}: {counts} count{'' if value > disclosed else 's'}"
    return Node(
        name,
        value,
        text=text,
        children=(
            _disclosed_node(state, asset_id, disclosed, 0.0 if value > disclosed else value),
            _ties_node(state, ties, asset_id, through, value if value > disclosed else 0.0, threshold),
        ),
    )


def _disclosed_node(state: State, asset_id: str, value: float, contribution: float | None) -> Node:
    name = "disclosed share"
    rows = state.rows_of("ai_revenue_share", asset_id)
    if rows.is_empty():
        return Node(name, value, contribution, "none is disclosed")
    weights = state.definition.supplier_ties.scope_weights()
    scopes = tuple(
        Node(
            f"scope {row['scope']}",
            row["share"] * weights[row["scope"]],
            text=f"share {row['share']:g} x weight {weights[row['scope']]:g}, period to {row['period_end']}",
            sources=(source,),
        )
        for row, source in zip(rows.iter_rows(named=True), sources_of("ai_revenue_share", rows), strict=True)
    )
    best = max(scopes, key=lambda node: node.value or 0.0)
    return Node(name, value, contribution, f"the largest: {best.name}", best.sources, scopes)


def _ties_node(
    state: State, ties: Ties, asset_id: str, value: float, contribution: float, threshold: float
) -> Node:
    paths = sorted(paths_from(state, ties, asset_id, threshold), key=lambda path: -path.amount)
    nodes = [_path_node(state, path) for path in paths]
    rest = value - sum(path.amount for path in paths)
    if ties.of(asset_id):
        text = f"all that carry less than {threshold:g} each, and the rounding of the iteration"
        nodes.append(Node(REMAINDER, rest, rest, text))
    named = ties.of(asset_id)
    text = f"{len(named)} named customer{'' if len(named) == 1 else 's'}" if named else "no named customer"
    if named and not value:
        text += "; none of them, nor who buys from them, is known to spend on AI or to earn from it"
    own = tuple(tie.source for tie in named)
    carrying = {path.ties[0] for path in paths}
    nodes += [
        _tie_node(state, tie, "; carries too little to be told") for tie in named if tie not in carrying
    ]
    nodes += _far_nodes(state, ties, asset_id, paths)
    return Node("ties", value, contribution, text, own, tuple(nodes))


def _far_nodes(state: State, ties: Ties, asset_id: str, paths: list[Path]) -> list[Node]:
    """Return who spends on AI and is reached only through other customers, with what that carries."""
    tier, sellers = reached(ties, asset_id)
    carried = dict[str, float]()
    for path in paths:
        if path.ends_in == "capex":
            end = path.ties[-1].customer
            carried[end] = carried.get(end, 0.0) + path.amount
    spends = [asset for asset in tier if state.system.theta[state.node[asset]] > 0]
    far = [asset for asset in spends if tier[asset] > 1]
    # The nearest first, and of those who bring most.
    far.sort(key=lambda asset: (tier[asset], -carried.get(asset, 0.0)))
    found = []
    for asset in far[:MOST_FAR]:
        names = [state.names[seller] for seller in sellers[asset]]
        shown = " and ".join(names[:MOST_FAR]) + (
            f" and {len(names) - MOST_FAR} more" if len(names) > MOST_FAR else ""
        )
        text = f"only through {shown}"
        if asset not in carried:
            whole = all(state.system.theta[state.node[seller]] == 1.0 for seller in sellers[asset])
            text += (
                ", whose capex is AI as a whole: nothing more to pass on"
                if whole
                else ": carries too little to be told"
            )
        found.append(Node(f"{state.names[asset]} at tier {tier[asset]}", carried.get(asset, 0.0), text=text))
    if len(far) > MOST_FAR:
        found.append(Node("further away", text=f"{len(far) - MOST_FAR} more that spend on AI"))
    return found


def _path_node(state: State, path: Path) -> Node:
    delta = state.definition.supplier_ties.delta
    nodes, factors = [], []
    for place, tie in enumerate(path.ties):
        last = place == len(path.ties) - 1
        nodes.append(_tie_node(state, tie))
        factors.append(f"{tie.flow:.4g}")
        theta = theta_node(state, tie.customer)
        if not last or path.ends_in != "capex":
            factors.append(
                f"{delta * (1 - (theta.value or 0.0)):.4g} passed on by {state.names[tie.customer]}"
            )
        if last:
            nodes.append(_end_node(state, tie.customer, path.ends_in))
            end = nodes[-1]
            factors.append(f"{end.value:.4g} {end.name}")
    ids = [path.ties[0].supplier, *(tie.customer for tie in path.ties)]
    again = [state.names[asset] for asset in dict.fromkeys(ids) if ids.count(asset) > 1]
    tier = len(path.ties)
    note = f"; passes {' and '.join(again)} again (a cycle)" if again else ""
    text = f"tier {tier}: {' x '.join(factors)}{note}"
    name = " -> ".join(state.names[asset] for asset in ids)
    label = f"{name}: {path.ends_in}"
    sources = tuple(source for node in nodes for source in node.sources)
    return Node(label, path.amount, path.amount, text, sources, tuple(nodes))


def _tie_node(state: State, tie: Tie, note: str = "") -> Node:
    row = tie.source.row
    share = f"{row['revenue_share']:.1%} of the revenue of {state.names[tie.supplier]}"
    flow_share = row["ai_share"]
    if flow_share is None:
        flow_share = state.definition.supplier_ties.default_flow_share
    if flow_share != 1.0:
        share += f", {flow_share:g} of it AI if the customer's is"
    text = f"{share}, period to {row['period_end']}{note}"
    name = f"{state.names[tie.supplier]} -> {state.names[tie.customer]}"
    return Node(name, tie.flow, text=text, sources=(tie.source,))


def _end_node(state: State, customer: str, ends_in: str) -> Node:
    if ends_in == "capex":
        theta = theta_node(state, customer)
        return Node(f"theta of {state.names[customer]}", theta.value, text=theta.text, sources=theta.sources)
    disclosed = _disclosed_node(state, customer, float(state.system.disclosed[state.node[customer]]), None)
    name = f"disclosed share of {state.names[customer]}"
    return Node(name, disclosed.value, None, disclosed.text, disclosed.sources, disclosed.children)


def demand_node(state: State, asset_id: str) -> Node:
    """Return d of a company: abnormal capex of its customers, by the share of revenue they stand for."""
    value = state.row(asset_id)["demand_growth"]
    if value is None:
        return Node("demand_growth", None, text="unknown: nobody has looked at its customers")
    children = []
    for tie in Ties(state).of(asset_id):
        growth = float(state.system.abnormal_capex[state.node[tie.customer]])
        part = tie.flow * growth
        known = state.system.nodes["abnormal_capex"][state.node[tie.customer]] is not None
        spends = state.system.theta[state.node[tie.customer]] > 0
        what = "unknown, counts as 0" if spends and not known else f"{growth:.4f}"
        text = f"{tie.flow:.4g} of revenue x abnormal capex {what}"
        children.append(Node(state.names[tie.customer], growth, part, text, (tie.source,)))
    text = "abnormal capex of the customers, by their share of revenue"
    return Node(
        "demand_growth", value, text=text if children else "no named customer", children=tuple(children)
    )
