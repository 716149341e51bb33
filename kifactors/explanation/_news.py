"""What a later date knows of a company and its customers that an earlier one did not, in groups."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import polars as pl

from kifactors import asof
from kifactors.explanation._missing import expired_of
from kifactors.explanation._node import Source, sources_of
from kifactors.explanation._paths import customers_of
from kifactors.explanation._state import State

__all__ = ["News", "news_between"]

MILLION = 1e6
TIES = ("revenue_ties", "tie_disclosures")


@dataclass(frozen=True, slots=True)
class News:
    """A group of rows that differ between two dates.

    group : facts, theta, guidance, ties, disclosed share or membership.
    name : whose.
    tables : where they stand.
    key : of the rows in these tables, see `hybrid`.
    text : what changed.
    before, after : rows that are in force on one of the dates only.
    """

    group: str
    name: str
    tables: tuple[str, ...]
    key: str
    text: str
    before: tuple[Source, ...]
    after: tuple[Source, ...]


def news_between(a: State, b: State, asset_id: str) -> Iterator[News]:
    """Yield the news of a company and of everybody downstream, in the order in which they are applied."""
    tier = customers_of(a, b, asset_id)
    customers = [asset for asset in tier if asset != asset_id]
    everybody = [asset_id, *customers]
    yield from _facts(a, b, [asset_id])
    yield from _stated(a, b, "theta", "ai_capex_share", [asset_id], _theta_text)
    yield from _stated(a, b, "guidance", "capex_guidance", [asset_id], _guidance_text)
    yield from _stated(a, b, "theta", "ai_capex_share", customers, _theta_text)
    changed = _changed(a, b, "revenue_ties", "supplier_id")
    for supplier in everybody:
        if supplier in changed or _covered(a, supplier) != _covered(b, supplier):
            yield from _ties(a, b, supplier)
    yield from _stated(a, b, "disclosed share", "ai_revenue_share", everybody, _share_text)
    yield from _facts(a, b, customers)
    yield from _memberships(a, b, asset_id)


def _only_in(one: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of one frame that the other has not, whatever the date."""
    if one.is_empty() or other.is_empty():
        return one
    on = [name for name in one.columns if name != "date"]
    return one.join(other, on=on, how="anti", nulls_equal=True, maintain_order="left")


def _stated(
    a: State,
    b: State,
    group: str,
    table: str,
    assets: list[str],
    tell: Callable[[pl.DataFrame, pl.DataFrame], str],
) -> Iterator[News]:
    changed = _changed(a, b, table, "asset_id")
    for asset in assets:
        if asset not in changed:
            continue
        then, now = (state.rows_of(table, asset) for state in (a, b))
        gone, new = _only_in(then, now), _only_in(now, then)
        if gone.height or new.height:
            before, after = sources_of(table, gone), sources_of(table, new)
            yield News(group, b.names[asset], (table,), asset, tell(then, now), before, after)


def _changed(a: State, b: State, table: str, key: str) -> set[str]:
    """Return whose rows in force differ."""
    frames = [state.rows.get(table) for state in (a, b)]
    known = [frame for frame in frames if frame is not None]
    if len(known) < 2:
        return {asset for frame in known for asset in frame[key]}
    parts = _only_in(known[0], known[1]), _only_in(known[1], known[0])
    return {asset for part in parts for asset in part[key]}


def _values(frame: pl.DataFrame, column: str) -> str:
    return " and ".join(f"{x:g}" for x in frame[column]) if frame.height else "none"


def _theta_text(then: pl.DataFrame, now: pl.DataFrame) -> str:
    return f"{_values(then, 'theta')} -> {_values(now, 'theta')}"


def _guidance_text(then: pl.DataFrame, now: pl.DataFrame) -> str:
    def said(frame: pl.DataFrame) -> str:
        if frame.is_empty():
            return "none"
        row = frame.row(0, named=True)
        return f"{row['guided'] / MILLION:,.0f} million a year until {row['period_end']}"

    return f"{said(then)} -> {said(now)}"


def _share_text(then: pl.DataFrame, now: pl.DataFrame) -> str:
    said = [
        {row["scope"]: f"{row['share']:g} to {row['period_end']}" for row in frame.iter_rows(named=True)}
        for frame in (then, now)
    ]
    scopes = [scope for scope in {**said[0], **said[1]} if said[0].get(scope) != said[1].get(scope)]
    return (
        "; ".join(f"{s} {said[0].get(s, 'none')} -> {said[1].get(s, 'none')}" for s in scopes)
        or "reported again"
    )


def _ties(a: State, b: State, supplier: str) -> Iterator[News]:
    then, now = (state.rows_of("revenue_ties", supplier, key="supplier_id") for state in (a, b))
    gone, new = _only_in(then, now), _only_in(now, then)
    text = _tie_text(b, then, now) + _superseded(a, b, supplier, now)
    if then.height and not now.height and expired_of(b, supplier).height:
        text += f" (expired: of the period to {then['period_end'][0]})"
    yield News(
        "ties", b.names[supplier], TIES, supplier, text,
        sources_of("revenue_ties", gone), sources_of("revenue_ties", new),
    )  # fmt: skip


def _covered(state: State, asset_id: str) -> bool:
    number = state.node.get(asset_id)
    return number is not None and bool(state.system.nodes["covered"][number])


def _tie_text(state: State, then: pl.DataFrame, now: pl.DataFrame) -> str:
    said: list[dict[str, float]] = [{}, {}]
    for shares, frame in zip(said, (then, now), strict=True):
        for row in frame.iter_rows(named=True):
            name = state.names[row["customer_id"]] if row["customer_id"] else row["customer_label"]
            shares[name] = shares.get(name, 0.0) + row["revenue_share"]
    names = dict.fromkeys([*said[0], *said[1]])
    parts = [
        f"{name} {' -> '.join(f'{x[name]:.1%}' if name in x else 'not named' for x in said)}"
        for name in names
        if said[0].get(name) != said[1].get(name)
    ]
    return "; ".join(parts) or ("the same shares, reported again" if names else "a filing that names nobody")


def _superseded(a: State, b: State, supplier: str, now: pl.DataFrame) -> str:
    """Tell the ties that appeared in between and are not in force, for a newer period or vintage counts."""
    filed = asof.tie_filings(b.tables, supplier, (a.day, b.day), time=b.definition.time)
    if filed.is_empty():
        return ""
    known = ["customer_label", "period_end", "known_at"]
    over = filed.join(now, on=known, how="anti", maintain_order="left") if now.height else filed
    told = [
        f"{b.names[row['customer_id']] if row['customer_id'] else row['customer_label']} {row['revenue_share']:.1%} "
        f"of the period to {row['period_end']}, known {row['known_at']}"
        for row in over.iter_rows(named=True)
    ]
    return f" (superseded: {'; '.join(told)})" if told else ""


def _facts(a: State, b: State, assets: list[str]) -> Iterator[News]:
    for asset in _other_flows(a, b, assets):
        then, now = (
            asof.trailing_facts(
                state.tables.fundamentals,
                state.dates,
                asset,
                time=state.definition.time,
                ttm=state.definition.ttm,
            )
            for state in (a, b)
        )
        if then.equals(now):
            continue
        table = "fundamentals"
        gone, new = (sources_of(table, _only_in(x, y)) for x, y in ((then, now), (now, then)))
        text = "; ".join(
            f"{metric} {_sum(then, metric)} -> {_sum(now, metric)}" for metric in ("capex", "revenue")
        )
        yield News("facts", b.names[asset], (table,), asset, f"twelve months of {text}", gone, new)


def _other_flows(a: State, b: State, assets: list[str]) -> list[str]:
    """Return those of the companies that spend on AI on either date whose trailing flows differ."""
    spend: set[str] = set()
    for state in (a, b):
        theta = state.rows.get("ai_capex_share")
        if theta is not None:
            spend.update(theta.filter(pl.col("theta") > 0)["asset_id"])
    wanted = pl.DataFrame({"asset_id": sorted(spend.intersection(assets))}, schema={"asset_id": pl.String})
    flows = [
        asof.trailing_on(
            state.tables.fundamentals, wanted.select(date=pl.lit(state.day), asset_id="asset_id"),
            time=state.definition.time, ttm=state.definition.ttm,
        )
        for state in (a, b)
    ]  # fmt: skip
    differ = {asset for x, y in (flows, flows[::-1]) for asset in _only_in(x, y)["asset_id"]}
    return [asset for asset in assets if asset in differ]


def _sum(facts: pl.DataFrame, metric: str) -> str:
    used = facts.filter(metric=metric, years_ago=0)
    if used.is_empty():
        return "unknown"
    return f"{float((used['sign'] * used['value']).sum()) / MILLION:,.0f} million"


def _memberships(a: State, b: State, asset_id: str) -> Iterator[News]:
    then, now = (state.rows_of("index_membership", asset_id) for state in (a, b))
    gone, new = _only_in(then, now), _only_in(now, then)
    changed = [*gone["index_id"], *new["index_id"]] if gone.width > 1 or new.width > 1 else []
    for index in dict.fromkeys(changed):
        parts = [frame.filter(index_id=index) if frame.height else frame for frame in (gone, new)]
        text = "left" if not parts[1].height else "joined" if not parts[0].height else "told anew"
        before, after = (sources_of("index_membership", part) for part in parts)
        yield News("membership", index, ("index_membership",), f"{index}|{asset_id}", text, before, after)
