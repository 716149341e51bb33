"""`Shocked`: what scenarios change, company by company."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors.errors import DataError
from kifactors.scenarios._exposure import exposure, own_spending, with_unknown
from kifactors.scenarios._rescored import rescored
from kifactors.scenarios._shock import Settled
from kifactors.scenarios._system import Case, Customers, System, derivatives, tiers
from kifactors.snapshot import Snapshot

__all__ = ["Shocked"]

# A few units in the last place of what is divided by a scale and multiplied again.
ROUNDING = 1e-14

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, repr=False)
class Shocked:
    """Result of `Scenario.shock` and `Scenario.shocks`.

    snapshot, system : the date as it is.
    shocks : what changed, by name of the scenario, by asset_id.
    cases : the same by node number.
    revenue : (nodes, scenarios) AI revenue after, as a multiple of today's revenue; rows are `snapshot.ids`.
    error : (scenarios,) bound of its distance from the limit.
    """

    snapshot: Snapshot
    system: System
    shocks: Mapping[str, Settled]
    cases: tuple[Case, ...]
    revenue: Floats
    error: Floats

    def __repr__(self) -> str:
        return f"Shocked({self.snapshot.day}, {', '.join(self.shocks)})"

    def exposures(self) -> tuple[Floats, Floats]:
        """Return AI revenue and exposure of the eligible companies after, (companies, scenarios) each; NaN: unknown."""
        base = self.snapshot
        eligible = base.panel["eligible"].to_numpy()
        # Who differs by what an iteration leaves open does not change places.
        moved = np.abs(self.revenue - self.system.revenue[:, None]) > self.noise
        r = with_unknown(base, np.where(moved, self.revenue, self.system.revenue[:, None]))[eligible]
        changes = own_spending(base, list(self.shocks.values()))
        before = base.capex["capex_to_revenue"].to_numpy()[eligible]
        place = np.cumsum(eligible) - 1
        p = np.repeat(before[:, None], len(changes), axis=1)
        e = exposure(p, r)
        for column, change in enumerate(changes):
            rows = np.array([place[row] for row in change.rows if eligible[row]], np.int64)
            if rows.size:
                p[rows, column] = [
                    value
                    for row, value in zip(change.rows, change.capex_to_revenue, strict=True)
                    if eligible[row]
                ]
                e[rows, column] = exposure(p[rows, column], r[rows, column])
            away = [place[row] for row in change.gone if eligible[row]]
            e[away, column] = r[away, column] = np.nan
        return r, e

    def to_polars(self) -> pl.DataFrame:
        """Return a row per scenario and eligible company.

        Returns
        -------
        polars.DataFrame
            scenario, asset_id, ticker; `ai_revenue` and `exposure` before, after (``_after``) and their difference
            (``_change``); `rank` of exposure, 1 the largest, equal ones the best of their places; `rank_after`,
            `rank_change`, above 0 where it fell; `switched`, whether a disclosed share took over from the ties or the
            other way round, so that the change is not proportional to the shock. Null: unknown, or gone.
        """
        base = self.snapshot
        eligible = base.panel.filter("eligible")
        r, e = self.exposures()
        rows = base.panel["eligible"].to_numpy()
        then = with_unknown(base, self.system.revenue[:, None])[rows, 0]
        usual = exposure(base.capex["capex_to_revenue"].to_numpy()[rows], then)
        ids = eligible["asset_id"].cast(pl.String)
        labels = pl.Series("ticker", [base.names.label(asset) for asset in ids], dtype=pl.String)
        rank = _ranks(usual)
        switched = self._switched()
        frames = [
            pl.DataFrame(
                {
                    "scenario": pl.Series([name]).new_from_index(0, eligible.height),
                    "asset_id": ids,
                    "ticker": labels,
                    "ai_revenue": then,
                    "ai_revenue_after": r[:, k],
                    "ai_revenue_change": r[:, k] - then,
                    "exposure": usual,
                    "exposure_after": e[:, k],
                    "exposure_change": e[:, k] - usual,
                    "rank": rank,
                    "rank_after": _ranks(e[:, k]),
                    "switched": switched[:, k],
                }
            )
            for k, name in enumerate(self.shocks)
        ]
        ranks = pl.col("rank", "rank_after").fill_nan(None).cast(pl.Int64)
        frame = pl.concat(frames).with_columns(pl.col(pl.Float64).fill_nan(None)).with_columns(ranks)
        change = (pl.col("rank_after") - pl.col("rank")).alias("rank_change")
        return frame.select(pl.exclude("switched"), change, "switched")

    def worst(self, n: int = 10, *, scenario: str | None = None) -> pl.DataFrame:
        """Return who loses most AI revenue in each scenario, or in one; the columns of `to_polars`.

        Companies that lose nothing are left out.
        """
        frame = self.to_polars().filter(pl.col("ai_revenue_change") < -self.noise)
        if scenario is not None:
            self._number(scenario)
            frame = frame.filter(pl.col("scenario") == scenario)
        order = pl.col("scenario").replace_strict({name: k for k, name in enumerate(self.shocks)})
        frame = frame.sort(order, "ai_revenue_change", "asset_id")
        return frame.filter(pl.int_range(pl.len()).over("scenario") < n)

    def tiers(self, scenario: str | None = None, *, count: int = 4) -> pl.DataFrame:
        """Return the change of AI revenue by how many steps it took; the steps add up to the whole.

        Parameters
        ----------
        scenario : str, optional
            Which; may be left out where there is one.
        count : int
            How many steps are told apart.

        Returns
        -------
        polars.DataFrame
            asset_id, ticker, tier_1 (through a tie to a shocked company), tier_2 (through one company between) ...,
            beyond, change; everybody whose AI revenue changes, customers that are not scored among them, largest
            change first.

        Examples
        --------
        >>> from datetime import date
        >>> day = date(2024, 1, 1)
        >>> tables = kf.Tables(
        ...     revenue_ties={"supplier_id": ["a", "b"], "customer_id": ["p", "a"], "customer_label": ["P", "A"],
        ...         "revenue_share": [0.5, 0.4], "period_end": [day] * 2, "available_at": [day] * 2},
        ...     ai_capex_share={"asset_id": ["p"], "share": [0.6], "available_at": [day], "provenance": ["assumed"]})
        >>> found = kf.scenario(tables, date="2024-01-31").shock({"p": -0.2}).tiers(count=2)
        >>> found.select("asset_id", pl.col(pl.Float64).round(9)).rows()
        [('a', -0.06, 0.0, 0.0, -0.06), ('b', 0.0, -0.012, 0.0, -0.012)]
        """
        if count < 1:
            raise DataError(f"count is {count}; expected at least 1.")
        number = self._number(scenario)
        found = tiers(self.system, self.cases[number], self.revenue[:, number], count=count)
        ids = self.snapshot.ids
        names = [*(f"tier_{k + 1}" for k in range(count)), "beyond"]
        return (
            pl.DataFrame({"asset_id": ids, "ticker": [self.snapshot.names.label(one) for one in ids]})
            .with_columns(**{name: pl.Series(found[:, k]) for k, name in enumerate(names)})
            .with_columns(change=pl.Series(self.revenue[:, number] - self.system.revenue))
            .filter(pl.any_horizontal(pl.col(*names, "change").abs() > self.noise))
            .sort(pl.col("change").abs(), "asset_id", descending=[True, False])
        )

    @property
    def noise(self) -> float:
        """What both solutions together may be wrong by, rounding included; a smaller change means nothing."""
        rounding = ROUNDING * max(1.0, float(self.revenue.max(initial=0.0)))
        return float(self.error.max(initial=0.0)) + self.snapshot.error + rounding

    def linear_until(self, scenario: str | None = None) -> float:
        """Return the part of a shock to AI spending up to which AI revenue is linear in it; infinite: always.

        At that part the first supplier's ties come to explain more, or less, than its disclosed share. From 1 on the
        whole shock is linear: half of it changes half as much.

        Raises
        ------
        DataError
            The scenario changes more than AI spending.

        Examples
        --------
        r = 0.3 by ties, 0.27 disclosed: a cut by a third of the shock of 30 % is all that shows.

        >>> from datetime import date
        >>> day = date(2024, 1, 1)
        >>> tables = kf.Tables(
        ...     revenue_ties={"supplier_id": ["a"], "customer_id": ["p"], "customer_label": ["P"],
        ...         "revenue_share": [0.5], "period_end": [day], "available_at": [day]},
        ...     ai_capex_share={"asset_id": ["p"], "share": [0.6], "available_at": [day], "provenance": ["assumed"]},
        ...     ai_revenue_share={"asset_id": ["a"], "share": [0.27], "scope": ["ai"], "period_end": [day],
        ...         "available_at": [day]})
        >>> found = kf.scenario(tables, date="2024-01-31", disclosed="floor").shock({"p": -0.3})
        >>> round(found.linear_until(), 6), found.worst()["ai_revenue_after"].to_list()
        (0.333333, [0.27])
        """
        case = self.cases[self._number(scenario)]
        if case.theta or case.lost or case.gone or case.unnamed != 1.0:
            raise DataError(
                "linear_until is about AI spending alone; this scenario changes other things too."
            )
        system, customers = self.system, Customers(self.system.graph)
        direct = np.zeros((system.theta.size, 2))
        for node, factor in case.spending.items():
            customers.add(direct[:, int(factor < 1.0)], node, system.theta[node] * abs(factor - 1.0))
        _, dx = derivatives(system, direct)
        slope = dx[:, 0] - dx[:, 1]
        gap = system.disclosed - system.reached
        crosses = np.where(system.active, slope < 0, slope > 0) & (system.disclosed > 0)
        return float((gap[crosses] / slope[crosses]).clip(min=0.0).min(initial=np.inf))

    def scores(self, scenario: str | None = None) -> pl.DataFrame:
        """Return the composite score and its pillars before and after one scenario.

        Parameters
        ----------
        scenario : str, optional
            Which; may be left out where there is one.

        Returns
        -------
        polars.DataFrame
            asset_id, ticker; `score`, `score_capex_intensity`, `score_supplier_ties`, `score_index_membership`,
            `role` before and after (``_after``), and ``score_change``. All companies are scaled anew, so that everybody's
            score may move. Announced capex moves with the spending. A company whose theta was 0 has
            its own usual capex, from the same facts. The upper bound is not recomputed.
        """
        number = self._number(scenario)
        name = list(self.shocks)[number]
        r, _ = self.exposures()
        return rescored(self.snapshot, self.system, self.shocks[name], self.cases[number], r[:, number])

    def _switched(self) -> NDArray[np.bool_]:
        """Return whether another of s and x is the larger one than before, of each eligible company."""
        system, base = self.system, self.snapshot
        above = self.revenue > system.disclosed[:, None] + self.noise
        before = system.revenue > system.disclosed + self.noise
        changed = (above != before[:, None]) & (system.disclosed > 0)[:, None]
        found = np.zeros((base.panel.height, len(self.shocks)), np.bool_)
        found[base.rows[base.rows >= 0]] = changed[base.rows >= 0]
        taken: NDArray[np.bool_] = found[base.panel["eligible"].to_numpy()]
        return taken

    def _number(self, scenario: str | None) -> int:
        names = list(self.shocks)
        if scenario is None and len(names) == 1:
            return 0
        if scenario not in names:
            raise DataError(f"scenario is {scenario!r}; expected one of {', '.join(names)}.")
        return names.index(scenario)


def _ranks(values: Floats) -> Floats:
    """Return the rank of each value from the largest, equal ones the best; NaN where unknown."""
    known = values[~np.isnan(values)]
    # How many are larger, and one.
    rank = known.size - np.searchsorted(np.sort(known), values, side="right") + 1.0
    found: Floats = np.where(np.isnan(values), np.nan, rank)
    return found
