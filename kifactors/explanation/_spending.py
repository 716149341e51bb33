"""Why the descriptors of pillar A are what they are: reported facts, rules, the AI share of capex, guidance."""

import polars as pl

from kifactors import asof
from kifactors.explanation._node import Node, sources_of
from kifactors.explanation._state import State

__all__ = ["capex_nodes", "theta_node", "trailing_node"]

MILLION = 1e6
RULES = {
    "annual": "a fact that spans a year",
    "year_to_date": "year + year to date - year to date a year before",
    "four_quarters": "four quarters",
}
AGO = ("", " a year ago", " two years ago", " three years ago")


def capex_nodes(state: State, asset_id: str) -> dict[str, Node]:
    """Return a node for each descriptor of pillar A of a company, by name; values as in the scores."""
    row = state.row(asset_id)
    theta = theta_node(state, asset_id)
    flows = _flows(state, asset_id) if theta.value else {}
    facts = _facts(state, asset_id) if theta.value else None
    return {
        "capex_to_revenue": _capex_to_revenue(state, row["capex_to_revenue"], theta, flows, facts),
        "abnormal_capex": _abnormal_capex(row["abnormal_capex"], theta, flows, facts),
        "capex_pool_share": Node(
            "capex_pool_share", row["capex_pool_share"], text=_pool_text(row["capex_pool_share"], theta)
        ),
        "guided_capex": _guided_capex(state, asset_id, row["guided_capex"], theta, flows),
    }


def theta_node(state: State, asset_id: str) -> Node:
    """Return theta of a company with its provenance; 0 where nothing states it."""
    rows = state.rows_of("ai_capex_share", asset_id)
    if rows.is_empty():
        return Node("theta", 0.0, text="no AI share of capex is stated: counts as 0")
    said = rows.row(0, named=True)
    text = f"AI share of capex, {said['provenance']}"
    return Node("theta", said["theta"], text=text, sources=sources_of("ai_capex_share", rows))


def _flows(state: State, asset_id: str) -> dict[str, object]:
    """Return trailing capex and revenue of the current period and three before; nulls without any."""
    panel = pl.DataFrame({"date": state.dates, "asset_id": [asset_id]})
    time, ttm = state.definition.time, state.definition.ttm
    return asof.trailing_on(state.tables.fundamentals, panel, time=time, ttm=ttm).row(0, named=True)


def _facts(state: State, asset_id: str) -> pl.DataFrame:
    time, ttm = state.definition.time, state.definition.ttm
    return asof.trailing_facts(state.tables.fundamentals, state.dates, asset_id, time=time, ttm=ttm)


def trailing_node(
    metric: str, flows: dict[str, object], facts: pl.DataFrame | None, *, years_ago: int = 0
) -> Node:
    """Return a trailing flow, the signed sum of the reported facts below it."""
    value = flows.get(metric if not years_ago else f"{metric}_{years_ago}y")
    name = f"{metric} of twelve months{AGO[years_ago]}"
    if not isinstance(value, float):
        return Node(name, text="unknown: no rule finds the facts it needs, or they have expired")
    used = [] if facts is None else facts.filter(metric=metric, years_ago=years_ago).iter_slices(1)
    children = tuple(_fact_node(fact) for fact in used)
    rule = RULES.get(str(flows.get(f"{metric}_rule"))) if not years_ago else None
    how = f" by rule: {rule}" if rule else ""
    return Node(name, value, text=f"{_money(value, flows['currency'])}{how}", children=children)


def _fact_node(fact: pl.DataFrame) -> Node:
    row = fact.row(0, named=True)
    signed = row["sign"] * row["value"]
    text = f"{'+' if row['sign'] > 0 else '-'} {_money(row['value'], row['currency'])}"
    sources = sources_of("fundamentals", fact.drop("sign", "years_ago"))
    return Node(f"{row['period_start']} to {row['period_end']}", row["value"], signed, text, sources)


def _money(value: float, currency: object) -> str:
    return f"{value / MILLION:,.0f} million {currency}"


def _capex_to_revenue(
    state: State,
    value: float | None,
    theta: Node,
    flows: dict[str, object],
    facts: pl.DataFrame | None,
) -> Node:
    name = "capex_to_revenue"
    if not theta.value:
        return Node(name, value, text="theta 0, so 0 whatever is spent", children=(theta,))
    terms = (theta, trailing_node("capex", flows, facts), trailing_node("revenue", flows, facts))
    capex, revenue = flows.get("capex"), flows.get("revenue")
    if value is None:
        least = state.definition.capex_intensity.min_revenue
        small = isinstance(revenue, float) and not (revenue > 0 and revenue >= least)
        why = (
            f"revenue is below {_money(least, flows['currency'])}"
            if small
            else "no trailing capex and revenue"
        )
        return Node(name, None, text=f"unknown: {why}", children=terms)
    assert isinstance(capex, float)  # noqa: S101  (the ratio is known)
    assert isinstance(revenue, float)  # noqa: S101
    ratio = capex / revenue
    cut = " (more than revenue: counts as 1)" if ratio > 1 else " (below 0: counts as 0)" if ratio < 0 else ""
    text = f"theta {theta.value:g} x capex over revenue {ratio:.4f}{cut}"
    return Node(name, value, text=text, children=terms)


def _abnormal_capex(
    value: float | None, theta: Node, flows: dict[str, object], facts: pl.DataFrame | None
) -> Node:
    name = "abnormal_capex"
    if not theta.value:
        return Node(name, value, text="theta 0, so 0 whatever is spent")
    ratios = [_ratio(flows, years) for years in range(4)]
    terms = tuple(
        Node(f"capex over revenue{AGO[years]}", ratio, text="" if ratio is not None else "unknown",
             children=tuple(trailing_node(m, flows, facts, years_ago=years) for m in ("capex", "revenue"))
             if years else ())
        for years, ratio in enumerate(ratios)
    )  # fmt: skip
    if value is None:
        text = "unknown: needs capex over revenue above 0 now and of the three years before"
        return Node(name, None, text=text, children=terms)
    usual = sum(ratio for ratio in ratios[1:] if ratio is not None) / 3
    text = f"theta {theta.value:g} x ln({ratios[0]:.4f} / {usual:.4f}), the mean of three years before"
    return Node(name, value, text=text, children=terms)


def _ratio(flows: dict[str, object], years: int) -> float | None:
    suffix = f"_{years}y" if years else ""
    capex, revenue = flows.get(f"capex{suffix}"), flows.get(f"revenue{suffix}")
    if not isinstance(capex, float) or not isinstance(revenue, float) or revenue == 0:
        return None
    return capex / revenue


def _pool_text(value: float | None, theta: Node) -> str:
    if not theta.value:
        return "theta 0, so 0 whatever is spent"
    return "unknown: no trailing capex" if value is None else "share of everybody's AI capex"


def _guided_capex(
    state: State, asset_id: str, value: float | None, theta: Node, flows: dict[str, object]
) -> Node:
    name = "guided_capex"
    if not theta.value:
        return Node(name, value, text="theta 0, so 0 whatever is announced")
    rows = state.rows_of("capex_guidance", asset_id)
    if rows.is_empty():
        return Node(name, None, text="unknown: no announced capex of a period that is not over")
    said = rows.row(0, named=True)
    announced = f"{_money(said['guided'], said['guidance_currency'])} a year until {said['period_end']}"
    sources = sources_of("capex_guidance", rows)
    guidance = Node("announced capex", said["guided"], text=announced, sources=sources)
    capex = flows.get("capex")
    if value is None or not isinstance(capex, float):
        return Node(name, None, text="unknown: no trailing capex to compare with", children=(guidance,))
    text = f"theta {theta.value:g} x (announced / trailing {_money(capex, flows['currency'])} - 1)"
    return Node(name, value, text=text, children=(guidance,))
