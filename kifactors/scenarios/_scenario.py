"""`scenario`: what a date would look like if spending, shares or ties were different."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from kifactors import asof
from kifactors.definition import FactorDefinition
from kifactors.errors import DataError, DateError
from kifactors.scenarios._elasticities import Elasticities, elasticities
from kifactors.scenarios._result import Shocked
from kifactors.scenarios._shock import PIONEERS, Settled, Shock, settled
from kifactors.scenarios._system import Case, System, solve
from kifactors.schema import Tables
from kifactors.snapshot import Snapshot, refuse_tiers, snapshot

__all__ = ["Scenario", "scenario"]

DISCLOSED = ("follows", "floor")


def scenario(
    tables: Tables,
    definition: FactorDefinition | None = None,
    date: dt.date | str | None = None,
    *,
    disclosed: str = "follows",
    groups: Mapping[str, Iterable[str]] | None = None,
) -> "Scenario":
    """Prepare one date for questions like: what if Microsoft spends 30 % less on AI.

    Parameters
    ----------
    tables : Tables
    definition : FactorDefinition, optional
        Absent: the default one.
    date : date or ISO text, optional
        Absent: the last date of the universe, or without one the last day on which a company reported.
    disclosed : {"follows", "floor"}
        What becomes of a disclosed AI share s of a supplier whose named customers explain less, x < s.

        - ``follows``  the part that named customers explain moves with them, the rest stays: r = (s - x) + x'. A supplier
          that sells a quarter of its revenue to a company which stops spending loses that quarter, whatever it had
          disclosed before. Nothing switches, so everything is linear in spending
        - ``floor``    s is a fact and stays, as in the factor: r = max(s, x), equal to computing changed tables again; it
          hides what is lost below s
    groups : mapping of str to names, optional
        Names for several companies. ``"pioneers"`` are always there: every company with an AI share of capex.

    Returns
    -------
    Scenario

    Raises
    ------
    DateError
        Nothing is known on the date, or nobody has AI revenue or AI spending then: no shock could show anything.
    DefinitionError
        The definition stops after `max_tiers`, so that there is no limit to hold a change against.
    DataError
        A name in `groups` is unknown.

    Notes
    -----
    A change of AI spending by the factor m_j = 1 + shock enters where the AI part of the customer's purchases does:

        y_i = u_i + sum_j W_ij (m_j theta_j + delta (1 - theta_j) y_j),  u = r - x today                    (follows)
        y_i = max(s_i, sum_j W_ij (m_j theta_j + delta (1 - theta_j) y_j))                                  (floor)

    y_i is the AI revenue of supplier i as a multiple of its revenue today, so y = r for m = 1 and y may exceed 1 where
    customers spend more. Only the first term is scaled: theta_j W_ij is what j's AI capex buys. The rest of the tie is
    what j buys for its own products, and moves with j's own AI revenue y_j; scaling it too would count a cut twice.
    Revenue lost is not sold to others, and shares are not divided by the new, smaller revenue. What customers without a name
    buy stays, unless the shock says otherwise (`Shock.unnamed`).

    The company itself: with CE = C / S, p' = min(theta', m theta CE), theta' = m theta / (1 - theta + m theta), for the
    other capex stays. exposure = 1 - (1 - min(p', 1)) (1 - min(y, 1)).

    Elsewhere linear in m; with ``floor`` up to the first supplier whose x crosses its s: `Shocked.linear_until`.

    Examples
    --------
    Half of a's revenue comes from p, of whose capex 60 % is AI: r = 0.3. A fifth less AI spending: 0.24; b sells
    40 % to a: 0.4 * 0.5 * 0.3 = 0.06, then 0.048.

    >>> from datetime import date
    >>> day = date(2024, 1, 1)
    >>> tables = kf.Tables(
    ...     revenue_ties={"supplier_id": ["a", "b"], "customer_id": ["p", "a"], "customer_label": ["P", "A"],
    ...         "revenue_share": [0.5, 0.4], "period_end": [day] * 2, "available_at": [day] * 2},
    ...     ai_capex_share={"asset_id": ["p"], "share": [0.6], "available_at": [day], "provenance": ["assumed"]})
    >>> found = kf.scenario(tables, date="2024-01-31").shock({"pioneers": -0.2}).to_polars()
    >>> found.select("asset_id", pl.col("ai_revenue", "ai_revenue_after").round(6)).rows()
    [('a', 0.3, 0.24), ('b', 0.06, 0.048), ('p', None, None)]
    """
    if disclosed not in DISCLOSED:
        raise DataError(f"disclosed is {disclosed!r}; expected one of {', '.join(DISCLOSED)}.")
    base = snapshot(tables, definition, date)
    spec = base.definition.supplier_ties
    refuse_tiers(base.definition)
    spends = base.capex.filter(pl.col("theta") > 0, pl.col("capex_to_revenue").is_not_null())
    if not (base.revenue > 0).any() and spends.is_empty():
        raise DateError(
            f"nobody has AI revenue or AI spending on {base.day}: ties and facts are not known yet, or expired; the last "
            f"company reported on {asof.last_known(tables)}. Give a date on which they are in force."
        )
    spenders = base.system.theta > 0
    ids = np.array(base.ids, dtype=object)
    live = base.capex.filter(pl.col("theta") > 0)["asset_id"].cast(pl.String).to_list()
    known = {PIONEERS: tuple(sorted({*ids[spenders], *live}))}
    for group, names in (groups or {}).items():
        if isinstance(names, str):
            raise DataError(f"group {group!r} is one text, {names!r}; expected a list of names.")
        if group in known or base.names.knows(group):
            raise DataError(
                f"group {group!r} has the name of a company, or of {PIONEERS!r}. Call it otherwise."
            )
        known[group] = tuple(base.names.asset_id(one) for one in names)
    follows = disclosed == "follows"
    system = System(
        graph=base.system.graph,
        theta=base.system.theta,
        disclosed=np.zeros_like(base.revenue) if follows else base.system.disclosed,
        unexplained=base.unexplained if follows else np.zeros_like(base.revenue),
        revenue=base.revenue,
        reached=base.reached + base.unexplained if follows else base.reached,
        spec=spec,
    )
    return Scenario(base, system, known, disclosed)


@dataclass(frozen=True, slots=True, repr=False)
class Scenario:
    """One date under shocks; made by `kf.scenario`.

    snapshot : the date as it is.
    system : its supplier system.
    groups : asset ids by group.
    disclosed : ``"floor"`` or ``"follows"``.
    """

    snapshot: Snapshot
    system: System
    groups: Mapping[str, tuple[str, ...]]
    disclosed: str

    def __repr__(self) -> str:
        graph = self.system.graph
        return (
            f"Scenario({self.snapshot.day}, {self.snapshot.panel.height:,} companies, {graph.flow.size:,} ties, "
            f"{len(self.groups[PIONEERS])} pioneers)"
        )

    def shock(
        self,
        capex: Mapping[str, float] | None = None,
        *,
        theta: Mapping[str, float] | None = None,
        guidance: Mapping[str, float] | None = None,
        lost_ties: Iterable[tuple[str, str]] = (),
        gone: Iterable[str] = (),
        unnamed: float = 0.0,
        n_threads: int | None = None,
    ) -> Shocked:
        """Return what one scenario changes; the parameters are those of `Shock`, together.

        Raises
        ------
        DataError
            A company or a tie is unknown; the message says who is near.
        """
        one = Shock(
            capex=capex or {},
            theta=theta or {},
            guidance=guidance or {},
            lost_ties=lost_ties,
            gone=gone,
            unnamed=unnamed,
        )
        return self.shocks({"shock": one}, n_threads=n_threads)

    def shocks(
        self, shocks: Mapping[str, Shock | Mapping[str, float]], *, n_threads: int | None = None
    ) -> Shocked:
        """Return what several scenarios change, each by itself, solved together.

        Parameters
        ----------
        shocks : mapping of str to Shock
            By name; a plain mapping stands for changes of AI spending.
        n_threads : int, optional
            Threads; the result does not depend on it.
        """
        if not shocks:
            raise DataError("there is no shock; give at least one, like {'cut': {'MSFT': -0.3}}.")
        if self.disclosed == "floor" and any(
            isinstance(one, Shock) and one.unnamed != 0.0 for one in shocks.values()
        ):
            raise DataError(
                "unnamed revenue cannot change where disclosed shares stay. Use disclosed='follows'."
            )
        taken = {
            name: self._settled(one if isinstance(one, Shock) else Shock(capex=one))
            for name, one in shocks.items()
        }
        numbers = {asset: number for number, asset in enumerate(self.snapshot.ids)}
        cases = [self._case(one, numbers) for one in taken.values()]
        revenue, error = solve(self.system, cases, n_threads=n_threads)
        return Shocked(self.snapshot, self.system, taken, tuple(cases), revenue, error)

    def elasticities(
        self, pioneers: Iterable[str] | None = None, *, n_threads: int | None = None
    ) -> Elasticities:
        """Return the derivatives of every company's AI revenue by every pioneer's theta and AI spending.

        Parameters
        ----------
        pioneers : iterable of str, optional
            Absent: every company with an AI share of capex that anybody names as a customer.
        n_threads : int, optional
            Threads.
        """
        ids = self.snapshot.ids
        if isinstance(pioneers, str):
            raise DataError(f"pioneers is one text, {pioneers!r}; expected a list of names.")
        if pioneers is None:
            customers = set(self.system.graph.customers.tolist())
            numbers = [n for n in np.flatnonzero(self.system.theta > 0).tolist() if n in customers]
        else:
            names = [self.snapshot.names.asset_id(name) for name in pioneers]
            place = {asset: number for number, asset in enumerate(ids)}
            absent = next((name for name in names if name not in place), None)
            if absent is not None:
                raise DataError(f"{absent!r} is no customer of anybody on {self.snapshot.day}.")
            numbers = [place[name] for name in names]
        return elasticities(self.snapshot, self.system, numbers, n_threads=n_threads)

    def _settled(self, shock: Shock) -> Settled:
        return settled(shock, self.snapshot.names.asset_id, self.groups)

    def _case(self, shock: Settled, numbers: Mapping[str, int]) -> Case:
        graph = self.system.graph
        lost: set[int] = set()
        for supplier, customer in shock.lost_ties:
            lost |= self._ties(supplier, customer, numbers)
        gone = frozenset(numbers[asset] for asset in shock.gone if asset in numbers)
        if gone:
            away = np.zeros(graph.nodes.height, np.bool_)
            away[list(gone)] = True
            suppliers = np.repeat(away, np.diff(graph.rows))
            lost |= set(np.flatnonzero(suppliers | away[graph.customers]).tolist())
        spending = {
            numbers[asset]: factor
            for asset, factor in shock.spending.items()
            if asset in numbers and factor != 1.0 and asset not in shock.gone
        }
        theta: dict[int, Any] = {
            numbers[asset]: share
            for asset, share in shock.theta.items()
            if asset in numbers and asset not in shock.gone
        }
        return Case(spending, theta, frozenset(lost), gone, shock.unnamed)

    def _ties(self, supplier: str, customer: str, numbers: Mapping[str, int]) -> set[int]:
        graph, ids, label = self.system.graph, self.snapshot.ids, self.snapshot.names.label
        if supplier not in numbers:
            raise DataError(f"{label(supplier)!r} has no tie on {self.snapshot.day}.")
        own = range(graph.rows[numbers[supplier]], graph.rows[numbers[supplier] + 1])
        found = {tie for tie in own if ids[graph.customers[tie]] == customer}
        if not found:
            others = sorted({label(ids[graph.customers[tie]]) for tie in own}) or ["nobody"]
            raise DataError(
                f"{label(supplier)!r} does not sell to {label(customer)!r} on {self.snapshot.day}; it names "
                f"{', '.join(others)}."
            )
        return found
