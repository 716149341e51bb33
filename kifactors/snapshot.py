"""One date, taken apart: who is there, what pillars A and B know of them, and the supplier system with its solution."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors import asof
from kifactors.calendar import parse_date, score_dates
from kifactors.definition import FactorDefinition
from kifactors.eligible import check_covered, live_panel
from kifactors.errors import DataError, DateError, DefinitionError
from kifactors.graph import propagate, weighted_customers
from kifactors.labels import Names
from kifactors.panel import Rows
from kifactors.pillars import SupplierSystem, capex_intensity, supplier_system
from kifactors.schema import Tables

__all__ = ["Snapshot", "last_day", "refuse_tiers", "snapshot"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Inputs and solution of one date.

    tables : ids as codes.
    panel : (n) live assets: date, asset_id, eligible, and market_cap, industry, estimation where there are any.
    capex : (n) theta and the descriptors of pillar A of the same rows.
    system : m nodes with their ties.
    revenue : (m,) r.
    reached : (m,) x, what the ties alone explain.
    error : bound of the distance of r from its limit.
    rows : (m,) row of each node in `panel`, -1 for a customer that is not live.
    ids : asset_id of each node.
    place : row in `panel` by asset_id.
    """

    tables: Tables
    definition: FactorDefinition
    day: date
    names: Names
    panel: pl.DataFrame
    capex: pl.DataFrame
    system: SupplierSystem
    revenue: Floats
    reached: Floats
    error: float
    rows: NDArray[np.int64]
    ids: list[str]
    place: dict[str, int]

    @property
    def unexplained(self) -> Floats:
        """What r - x is, u: disclosed AI revenue beyond what named customers account for, (m,)."""
        # Where r is x, they differ by rounding or by the error bound.
        gap = self.revenue - self.reached
        found: Floats = np.where(gap > max(self.error, 1e-15), gap, 0.0)
        return found


def snapshot(
    tables: Tables, definition: FactorDefinition | None = None, day: date | str | None = None
) -> Snapshot:
    """Take one date apart.

    Parameters
    ----------
    tables : Tables
    definition : FactorDefinition, optional
        Absent: the default one.
    day : date or ISO text, optional
        Absent: the last date of the universe, or without one the last day on which a company reported.

    Raises
    ------
    DateError
        Nothing is known on that date, or the universe has no rows on it.
    DataError
        `tables` is not a `Tables`.

    Examples
    --------
    >>> from datetime import date
    >>> tables = kf.Tables(revenue_ties={"supplier_id": ["a"], "customer_id": ["p"], "customer_label": ["P"],
    ...     "revenue_share": [0.5], "period_end": [date(2023, 12, 31)], "available_at": [date(2024, 1, 1)]},
    ...     ai_capex_share={"asset_id": ["p"], "share": [0.6], "available_at": [date(2024, 1, 1)], "provenance": ["assumed"]})
    >>> found = snapshot(tables, day="2024-01-31")
    >>> found.ids, found.revenue.tolist()
    (['a', 'p'], [0.3, 0.0])
    >>> snapshot(tables, day="2020-01-31")
    Traceback (most recent call last):
        ...
    kifactors.errors.DateError: nothing is known on 2020-01-31; the last company reported on 2024-01-01. Give a date on
    which rows of the tables are visible and unexpired.
    """
    if not isinstance(tables, Tables):
        raise DataError(f"tables is a {type(tables).__name__}; expected kf.Tables(fundamentals=..., ...).")
    if definition is not None and not isinstance(definition, FactorDefinition):
        raise DataError(f"definition is a {type(definition).__name__}; expected a FactorDefinition.")
    definition = FactorDefinition() if definition is None else definition
    when = last_day(tables) if day is None else parse_date(day)
    dates = score_dates([when])
    if tables.universe is not None:
        check_covered(tables.universe["date"], dates)
    coded = tables.encoded()
    panel = live_panel(coded, dates, definition)
    if panel.is_empty():
        raise DateError(
            f"nothing is known on {when}; the last company reported on {asof.last_known(tables)}. Give a date on which "
            "rows of the tables are visible and unexpired."
        )
    capex = capex_intensity(coded, panel, dates, definition)
    system = supplier_system(coded, capex, dates, definition)
    graph, spec = system.graph, definition.supplier_ties
    found = propagate(graph, theta=system.theta, disclosed=system.disclosed, ties=spec)
    passed = system.theta + spec.delta * (1.0 - system.theta) * found.revenue
    live, ids = (frame["asset_id"].cast(pl.String).to_list() for frame in (panel, graph.nodes))
    return Snapshot(
        tables=coded,
        definition=definition,
        day=when,
        names=Names([*live, *ids], tables.assets, when),
        panel=panel,
        capex=capex,
        system=system,
        revenue=found.revenue,
        reached=weighted_customers(graph, passed),
        error=float(found.error.max(initial=0.0)),
        rows=Rows(panel).of(graph.nodes),
        ids=ids,
        place={asset: row for row, asset in enumerate(live)},
    )


def refuse_tiers(definition: FactorDefinition) -> None:
    """Refuse a definition that stops before the limit: r is then no solution that changes could be measured from."""
    limit = definition.supplier_ties.max_tiers
    if limit is not None:
        raise DefinitionError(
            f"supplier_ties.max_tiers = {limit} stops before the limit, which is needed here. Leave it out."
        )


def last_day(tables: Tables) -> date:
    """Return the last date of the universe that has reports, or without one the last day on which a company reported.

    Examples
    --------
    >>> last_day(kf.load_bundled())
    datetime.date(2026, 10, 7)
    """
    last = asof.last_known(tables)
    if tables.universe is None:
        return last
    days = tables.universe["date"]
    known = days.filter(days <= last)
    return (known if len(known) else days).max()  # type: ignore[return-value]
