"""The tie paths that bring AI revenue: from a supplier to its customers, theirs, and whoever spends in the end."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from kifactors.explanation._node import Source, sources_of
from kifactors.explanation._state import State

__all__ = ["Path", "Tie", "Ties", "arrives", "customers_of", "paths_from", "paths_of", "reached"]

PATHS: dict[str, Any] = {
    "path": pl.String,
    "tier": pl.Int64,
    "ends_in": pl.String,
    "contribution": pl.Float64,
    "ties": pl.List(pl.Float64),
    "sources": pl.List(pl.String),
    "known_at": pl.Date,
}


@dataclass(frozen=True, slots=True, eq=False)
class Tie:
    """A tie in force: `flow` is W = R * Phi, scaled where the named shares of the supplier add to more than 1."""

    supplier: str
    customer: str
    flow: float
    source: Source


@dataclass(frozen=True, slots=True)
class Path:
    """Ties from the company down to one that spends (`theta`) or discloses (`disclosed`), and what it carries."""

    ties: tuple[Tie, ...]
    ends_in: str
    amount: float


class Ties:
    """The ties in force of one date by supplier, the largest first; made when they are asked for."""

    __slots__ = ("_customers", "_known", "_rows")

    def __init__(self, state: State) -> None:
        self._known: dict[str, list[Tie]] = {}
        self._customers: dict[str, list[str]] = {}
        rows = state.rows.get("revenue_ties")
        self._rows: pl.DataFrame | None = None
        if rows is None:
            return
        named = rows.filter(pl.col("customer_id").is_not_null())
        total = pl.col("revenue_share").sum().over("supplier_id")
        share = pl.col("ai_share").fill_null(state.definition.supplier_ties.default_flow_share)
        flow = pl.col("revenue_share") * share / pl.max_horizontal(total, pl.lit(1.0))
        by = ("supplier_id", "flow", "customer_id", "customer_label")
        self._rows = named.with_columns(flow=flow).sort(by, descending=[False, True, False, False])
        ends = self._rows.group_by("supplier_id", maintain_order=True).agg("customer_id")
        self._customers = dict(ends.rows())

    def customers(self, supplier: str) -> list[str]:
        """Return the named customers of a supplier."""
        return self._customers.get(supplier, [])

    def of(self, supplier: str) -> list[Tie]:
        """Return the ties to named customers of a supplier."""
        if self._rows is None:
            return []
        if supplier not in self._known:
            low, high = (
                self._rows["supplier_id"].search_sorted(supplier, side) for side in ("left", "right")
            )
            rows = self._rows.slice(low, high - low)
            sources = sources_of("revenue_ties", rows.drop("flow"))
            ends = rows.select("customer_id", "flow").rows()
            self._known[supplier] = [
                Tie(supplier, customer, flow, source)
                for (customer, flow), source in zip(ends, sources, strict=True)
            ]
        return self._known[supplier]


def arrives(state: State, ties: Ties, asset_id: str, steps: int) -> float:
    """Return x, what the ties of a company bring it, `steps` ties down a path."""
    return sum(tie.flow * _per_flow(state, tie.customer, steps) for tie in ties.of(asset_id))


def _per_flow(state: State, customer: str, steps: int) -> float:
    """Return theta + delta (1 - theta) r of the customer of a tie that is `steps` ties down a path."""
    number = state.node[customer]
    theta = float(state.system.theta[number])
    level = state.at_level(steps + 1)
    passed = 0.0 if level is None else float(level[number])
    return theta + state.definition.supplier_ties.delta * (1 - theta) * passed


def paths_from(
    state: State,
    ties: Ties,
    asset_id: str,
    threshold: float,
    *,
    before: tuple[Tie, ...] = (),
    weight: float = 1.0,
) -> Iterator[Path]:
    """Yield the paths that carry at least the threshold; the part below a tie only shrinks, so small ones are cut."""
    delta = state.definition.supplier_ties.delta
    for tie in ties.of(asset_id):
        steps = len(before)
        if weight * tie.flow * _per_flow(state, tie.customer, steps) < threshold:
            continue
        number = state.node[tie.customer]
        theta = float(state.system.theta[number])
        here = (*before, tie)
        spends = weight * tie.flow * theta
        if spends >= threshold:
            yield Path(here, "capex", spends)
        level = state.at_level(steps + 1)
        if level is None:
            continue
        onwards = weight * tie.flow * delta * (1 - theta)
        disclosed = float(state.system.disclosed[number])
        if float(level[number]) <= disclosed:
            if onwards * disclosed >= threshold:
                yield Path(here, "disclosed share", onwards * disclosed)
        else:
            yield from paths_from(state, ties, tie.customer, threshold, before=here, weight=onwards)


def paths_of(state: State, asset_id: str, threshold: float) -> pl.DataFrame:
    """Return a row per path that carries at least the threshold, the largest first."""
    found = sorted(paths_from(state, Ties(state), asset_id, threshold), key=lambda path: -path.amount)
    rows = []
    for path in found:
        ids = [path.ties[0].supplier, *(tie.customer for tie in path.ties)]
        rows.append(
            (
                " -> ".join(state.names[asset] for asset in ids), len(path.ties), path.ends_in, path.amount,
                [tie.flow for tie in path.ties], [tie.source.source for tie in path.ties],
                max((t.source.known_at for t in path.ties if t.source.known_at), default=None),
            )
        )  # fmt: skip
    return pl.DataFrame(rows, schema=PATHS, orient="row")


def customers_of(a: State, b: State, asset_id: str) -> list[str]:
    """Return everybody downstream of a company on either date, itself first, the nearest before the others."""
    tiers = [reached(Ties(state), asset_id)[0] for state in (a, b)]
    both = {asset: min(tier[asset] for tier in tiers if asset in tier) for tier in tiers for asset in tier}
    return sorted(both, key=lambda asset: (both[asset], asset))


def reached(ties: Ties, asset_id: str) -> tuple[dict[str, int], dict[str, list[str]]]:
    """Return how many ties away everybody downstream is at least, and who of them and of the company sells there."""
    tier, sellers = {asset_id: 0}, dict[str, list[str]]()
    now = [asset_id]
    while now:
        onwards = []
        for supplier in now:
            for customer in ties.customers(supplier):
                if customer not in tier:
                    tier[customer] = tier[supplier] + 1
                    onwards.append(customer)
                known = sellers.setdefault(customer, [])
                if supplier not in known:
                    known.append(supplier)
        now = onwards
    return tier, sellers
