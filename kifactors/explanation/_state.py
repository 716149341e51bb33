"""Everything one date was computed from, recomputed and held against the scores."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors import asof
from kifactors.definition import FactorDefinition
from kifactors.errors import StaleScoresError
from kifactors.explanation._names import Names
from kifactors.factor import pillars_and_composite
from kifactors.graph import propagate
from kifactors.panel import KEY
from kifactors.pillars import SupplierSystem, capex_intensity, supplier_system
from kifactors.schema import Tables
from kifactors.scores import Scores

__all__ = ["State", "panels_of", "state_on"]

Floats = NDArray[np.float64]
# Another kind of machine may round otherwise.
SAME = 1e-9
# Labels and fits are no input of the numbers that are explained.
COMPARED = (
    "exposure", "exposure_low", "exposure_high", "score", "score_capex_intensity", "score_supplier_ties",
    "score_index_membership", "capex_to_revenue", "abnormal_capex", "capex_pool_share", "guided_capex",
    "ai_revenue", "ai_revenue_low", "ai_revenue_high", "demand_growth", "index_relevance",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class State:
    """What is known on one date.

    day : the date.
    definition : of the scores.
    tables : the inputs, later rows included.
    panel : eligible assets with descriptors, pillars, `raw` composite and `in_estimation`.
    capex : theta and descriptors of pillar A of everybody live, the customers among them.
    system : what pillar B solves.
    node : number of each company in the system.
    levels : AI revenue share of the nodes after 0, 1, ... tiers where `max_tiers` is set; else its limit alone.
    everybody : exposure and market cap of everybody live, members of indices that are not scored among them.
    rows : rows in force by table.
    names : labels.
    """

    day: date
    definition: FactorDefinition
    tables: Tables
    panel: pl.DataFrame
    capex: pl.DataFrame
    system: SupplierSystem
    node: Mapping[str, int]
    levels: tuple[Floats, ...]
    everybody: pl.DataFrame
    rows: Mapping[str, pl.DataFrame]
    names: Names

    @property
    def dates(self) -> pl.Series:
        """The date as a series."""
        return pl.Series("date", [self.day], dtype=pl.Date)

    @property
    def revenue(self) -> Floats:
        """AI revenue share of the nodes."""
        return self.levels[-1]

    def row(self, asset_id: str) -> dict[str, float | None]:
        """Return the numbers of one company."""
        found = self.panel.filter(pl.col("asset_id") == asset_id)
        return found.row(0, named=True)

    def at_level(self, steps: int) -> Floats | None:
        """Return the shares that reach a company `steps` ties down the path; None beyond the last tier."""
        if len(self.levels) == 1:
            return self.levels[0]
        return self.levels[-1 - steps] if steps < len(self.levels) else None

    def rows_of(self, table: str, asset_id: str, *, key: str = "asset_id") -> pl.DataFrame:
        """Return the rows in force of one company; none where the table is absent."""
        frame = self.rows.get(table)
        return (
            pl.DataFrame(schema={key: pl.String}) if frame is None else frame.filter(pl.col(key) == asset_id)
        )


def panels_of(tables: Tables, day: date, definition: FactorDefinition) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return everybody live on a date, and the scored with the columns that scores leave out; ids are text."""
    dates = pl.Series("date", [day], dtype=pl.Date)
    reached = asof.within_reach(tables, dates, time=definition.time).encoded()
    everybody, _, combined = pillars_and_composite(reached, dates, definition)
    as_text = pl.col("asset_id").cast(pl.String)
    return everybody.with_columns(as_text), combined.frame.with_columns(as_text)


def state_on(scores: Scores, tables: Tables, day: date) -> State:
    """Recompute one date from the tables.

    Raises
    ------
    StaleScoresError
        The tables give other numbers than the scores have; the column is named.
    """
    definition = scores.definition
    everybody, panel = panels_of(tables, day, definition)
    _check_same(scores.at(day).to_polars(), panel, day)
    dates = pl.Series("date", [day], dtype=pl.Date)
    seen = asof.within_reach(tables, dates, time=definition.time)
    capex = capex_intensity(seen, everybody.select(KEY), dates, definition)
    system = supplier_system(seen, capex, dates, definition)
    ids = system.graph.nodes["asset_id"]
    rows = asof.in_force_rows(seen, dates, time=definition.time, ttm=definition.ttm)
    return State(
        day=day,
        definition=definition,
        tables=tables,
        panel=panel,
        capex=capex,
        system=system,
        node={asset: number for number, asset in enumerate(ids)},
        levels=_levels(system, definition),
        rows=rows,
        everybody=everybody.select(
            "asset_id", "exposure", *(name for name in ("market_cap",) if name in everybody.columns)
        ),
        names=Names(tables, day, pl.concat([everybody["asset_id"], ids])),
    )


def _levels(system: SupplierSystem, definition: FactorDefinition) -> tuple[Floats, ...]:
    spec = definition.supplier_ties

    def after(tiers: int | None) -> Floats:
        ties = replace(spec, max_tiers=tiers)
        return propagate(system.graph, theta=system.theta, disclosed=system.disclosed, ties=ties).revenue

    if spec.max_tiers is None:
        return (after(None),)
    return (system.disclosed, *(after(tiers) for tiers in range(1, spec.max_tiers + 1)))


def _check_same(stored: pl.DataFrame, computed: pl.DataFrame, day: date) -> None:
    remedy = "Give the tables these scores were made from, or compute the scores again."
    if stored["asset_id"].to_list() != computed["asset_id"].to_list():
        changed = set(stored["asset_id"]) ^ set(computed["asset_id"])
        raise StaleScoresError(
            f"these tables do not give the scores of {day}: {len(changed)} asset(s) are in one only, like "
            f"{min(changed)!r}. {remedy}"
        )
    for name in COMPARED:
        then, now = stored[name], computed[name]
        scale = pl.max_horizontal(then.abs(), pl.lit(1.0))
        differs = pl.select((then - now).abs() > SAME * scale).to_series().fill_null(value=False)
        differs |= then.is_null() != now.is_null()
        if differs.any():
            first = int(differs.arg_true()[0])
            raise StaleScoresError(
                f"these tables do not give the scores of {day}: column {name!r} of {stored['asset_id'][first]!r} is "
                f"{then[first]} in the scores and {now[first]} from the tables ({differs.sum()} asset(s) differ). "
                f"{remedy}"
            )
