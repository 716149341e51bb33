"""The composite score after a shock: the descriptors it changes, and everything above them again."""

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors import asof
from kifactors.calendar import score_dates
from kifactors.composite import combine
from kifactors.graph import weighted_customers
from kifactors.panel import KEY, attach
from kifactors.pillars import capex_intensity, economic_exposure, index_membership, supplier_ties
from kifactors.scenarios._exposure import own_spending
from kifactors.scenarios._shock import Settled
from kifactors.scenarios._system import Case, System, without
from kifactors.schema import Tables
from kifactors.snapshot import Snapshot

__all__ = ["rescored"]

Floats = NDArray[np.float64]
SHOWN = ("score", "score_capex_intensity", "score_supplier_ties", "score_index_membership", "role")


def rescored(base: Snapshot, system: System, shock: Settled, case: Case, revenue: Floats) -> pl.DataFrame:
    """Return scores before and after; `revenue` is r' of the eligible companies, NaN where unknown."""
    dates = score_dates([base.day])
    earned = supplier_ties(base.tables, base.panel, base.capex, dates, base.definition)
    panel = attach(base.panel, base.capex, earned.descriptors)
    before = _scored(panel, base.tables, dates, base)
    changed = _capex(base, shock, panel)
    gone = sorted(shock.gone)
    leaves = pl.col("asset_id").cast(pl.String).is_in(gone)
    row = np.flatnonzero(panel["eligible"].to_numpy())
    r = np.full(panel.height, np.nan)
    r[row] = revenue
    demand = weighted_customers(without(system.graph, case.lost), _growth(base, changed))
    d = np.zeros(panel.height)
    d[base.rows[base.rows >= 0]] = demand[base.rows >= 0]
    after = pl.Series("ai_revenue", np.minimum(r, 1.0)).fill_nan(None)
    moved = changed.with_columns(
        after,
        ai_revenue_low=after,
        ai_revenue_high=pl.max_horizontal(pl.col("ai_revenue_high"), after),
        demand_growth=pl.when(pl.col("demand_growth").is_not_null()).then(pl.Series(d)),
    )
    moved = moved.with_columns(
        pl.when(~leaves).then(pl.col(name)).alias(name)
        for name in moved.columns
        if name not in {*KEY, "eligible", "theta", "market_cap", "industry", "estimation"}
    )
    members = base.tables.index_membership
    if members is not None and gone:
        kept = dict(base.tables) | {"index_membership": members.filter(~leaves)}
        left = Tables.unchecked(kept)
    else:
        left = base.tables
    then = _scored(moved, left, dates, base)
    ids = before["asset_id"].cast(pl.String)
    return (
        before.select(asset_id=ids, ticker=pl.Series([base.names.label(one) for one in ids], dtype=pl.String))
        .with_columns(before.select(SHOWN))
        .with_columns(then.select(pl.col(SHOWN).name.suffix("_after")))
        .with_columns(score_change=pl.col("score_after") - pl.col("score"))
    )


def _scored(panel: pl.DataFrame, tables: Tables, dates: pl.Series, base: Snapshot) -> pl.DataFrame:
    panel = panel.with_columns(exposure=economic_exposure(pl.col("capex_to_revenue"), pl.col("ai_revenue")))
    relevance = index_membership(tables, panel, dates, base.definition)
    return combine(attach(panel, relevance).filter("eligible"), base.definition).frame


def _capex(base: Snapshot, shock: Settled, panel: pl.DataFrame) -> pl.DataFrame:
    """Return the panel with the descriptors of pillar A of who is touched, and everybody's share of the pool."""
    (own,) = own_spending(base, [shock])
    shares = dict(zip(own.rows, own.theta, strict=True))
    begins = {row: share for row, share in shares.items() if share > 0 and not panel["theta"][int(row)] > 0}
    if begins:
        # Pillar A looked at nobody who did not spend.
        spending = capex_intensity(_told(base, begins), base.panel, score_dates([base.day]), base.definition)
        panel = panel.with_columns(spending.drop(KEY))
    names = ("capex_to_revenue", "abnormal_capex", "guided_capex", "capex_pool_share")
    p, a, g, q = (panel[name].to_numpy().copy() for name in names)
    theta = panel["theta"].to_numpy().copy()
    for row, share, ratio, grown in zip(own.rows, own.theta, own.capex_to_revenue, own.growth, strict=True):
        before, p[row] = theta[row], ratio
        if before > 0 and grown > 0:
            # a = theta ln(CE / usual), g = theta (G / C - 1): announced capex moves along.
            a[row] = share * (a[row] / before + np.log(grown))
            g[row] = share * g[row] / before
            q[row] *= share * grown / before
        else:
            a[row], g[row], q[row] = 0.0, 0.0, 0.0
        theta[row] = share
    for asset, change in shock.guidance.items():
        row = base.place.get(asset, -1)
        if row >= 0:
            # theta ((1 + h) G / C - 1)
            g[row] += change * (g[row] + theta[row])
    q[list(own.gone)] = 0.0
    pool = np.nansum(q)
    values = dict(zip(names, (p, a, g, q / pool if pool > 0 else q), strict=True))
    return panel.with_columns(
        *(pl.Series(name, value).fill_nan(None) for name, value in values.items()), theta=pl.Series(theta)
    )


def _told(base: Snapshot, shares: Mapping[int, float]) -> Tables:
    """Return the tables with an AI share of capex for companies that had none."""
    told = asof.stated_capex_share(
        base.tables.ai_capex_share,
        base.panel["asset_id"].gather(list(shares)),
        list(shares.values()),
        base.day,
    )
    return Tables.unchecked(dict(base.tables) | {"ai_capex_share": told})


def _growth(base: Snapshot, panel: pl.DataFrame) -> Floats:
    """Return abnormal capex of every node after a shock; customers that are not live have none."""
    values = panel["abnormal_capex"].fill_null(0.0).to_numpy()
    found: Floats = np.append(values, 0.0)[base.rows]
    return found
