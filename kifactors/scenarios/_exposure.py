"""What a shock does to the company itself: its own spending, its exposure."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors import asof
from kifactors.panel import KEY
from kifactors.pillars import intensity
from kifactors.scenarios._shock import Settled
from kifactors.snapshot import Snapshot

__all__ = ["OwnSpending", "exposure", "own_spending", "with_unknown"]

Floats = NDArray[np.float64]


def exposure(p: Floats, r: Floats) -> Floats:
    """Return e = 1 - (1 - p)(1 - r), r above 1 as 1; NaN is unknown, as in `pillars.economic_exposure`.

    Examples
    --------
    >>> exposure(np.array([0.1, 0.1, 0.0, np.nan, 0.5]), np.array([0.5, np.nan, np.nan, 0.5, 1.2])).tolist()
    [0.55, 0.1, nan, 0.5, 1.0]
    """
    r = np.minimum(r, 1.0)
    found: Floats = 1.0 - (1.0 - p) * (1.0 - r)
    # Most have both.
    unknown = np.isnan(found)
    p, r = p[unknown], r[unknown]
    with np.errstate(invalid="ignore"):
        found[unknown] = np.where(np.isnan(r), np.where(p > 0, p, np.nan), r)
    return found


def with_unknown(base: Snapshot, revenue: Floats) -> Floats:
    """Return r of every row of the panel, (n, k), from those of the nodes; NaN where nobody has looked."""
    zero = base.definition.supplier_ties.uncovered == "zero"
    found = np.full((base.panel.height, revenue.shape[1]), 0.0 if zero else np.nan)
    covered = base.system.covered.fill_null(value=False).to_numpy()
    known = (base.rows >= 0) & (covered | zero)
    if zero:
        # Who is a node because somebody sells to it, and is not covered, is 0 as well.
        known &= covered
    found[base.rows[known]] = revenue[known]
    return found


@dataclass(frozen=True, slots=True)
class OwnSpending:
    """Pillar A of the companies a shock touches.

    rows : rows of the panel whose spending or theta is different.
    theta : theta' = m theta / (1 - theta + m theta).
    capex_to_revenue : p', NaN where unknown.
    growth : C' / C, of all capex.
    gone : rows of the panel that leave.
    """

    rows: tuple[int, ...]
    theta: tuple[float, ...]
    capex_to_revenue: tuple[float, ...]
    growth: tuple[float, ...]
    gone: tuple[int, ...]


def own_spending(base: Snapshot, shock: Settled) -> OwnSpending:
    """Return what the touched companies spend after a shock.

    Notes
    -----
    AI capex theta C becomes m theta C and the rest stays: C' = C (1 - theta + m theta), theta' = m theta C / C',
    p' = theta' min(1, C' / S) = min(theta', m theta CE).
    """
    touched = sorted({*shock.spending, *shock.theta} - shock.gone)
    asset_ids = base.panel["asset_id"].cast(pl.String)
    wanted = base.panel.select(KEY).with_row_index("row").with_columns(text=asset_ids)
    gone = wanted.filter(pl.col("text").is_in(sorted(shock.gone)))["row"].to_list() if shock.gone else []
    rows = wanted.filter(pl.col("text").is_in(touched))
    if rows.is_empty():
        return OwnSpending((), (), (), (), tuple(gone))
    facts = asof.trailing_on(
        base.tables.fundamentals, rows.select(KEY), time=base.definition.time, ttm=base.definition.ttm
    )
    ratios = facts.select(ratio=intensity(base.definition))["ratio"].to_list()
    usual = base.capex["theta"].to_numpy()
    found = []
    for row, asset, ratio in zip(rows["row"], rows["text"], ratios, strict=True):
        share, factor = shock.theta.get(asset, float(usual[row])), shock.spending.get(asset, 1.0)
        growth = 1.0 - share + factor * share
        theta = factor * share / growth if growth > 0 else 0.0
        if share * factor == 0.0:
            p = 0.0
        else:
            p = np.nan if ratio is None else min(theta, max(0.0, factor * share * ratio))
        found.append((row, theta, float(p), growth))
    taken, theta_after, after, grown = zip(*found, strict=True)
    return OwnSpending(taken, theta_after, after, grown, tuple(gone))
