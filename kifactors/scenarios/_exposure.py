"""What a shock does to the company itself: its own spending, its exposure."""

from collections.abc import Mapping, Sequence
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


def own_spending(base: Snapshot, shocks: Sequence[Settled]) -> list[OwnSpending]:
    """Return what the touched companies spend after each shock.

    Notes
    -----
    AI capex theta C becomes m theta C and the rest stays: C' = C (1 - theta + m theta), theta' = m theta C / C',
    p' = theta' min(1, C' / S) = min(theta', m theta CE).
    """
    place = base.place
    every = {place[one] for shock in shocks for one in (*shock.spending, *shock.theta) if one in place}
    rows = np.array(sorted(every), np.int64)
    facts = asof.trailing_on(
        base.tables.fundamentals,
        base.panel.select(KEY)[pl.Series(rows)],
        time=base.definition.time,
        ttm=base.definition.ttm,
    )
    found = facts.select(ratio=intensity(base.definition))["ratio"].to_numpy()
    ratios = dict(zip(rows.tolist(), found.tolist(), strict=True))
    usual = base.capex["theta"].to_numpy()
    return [_own(shock, place, ratios, usual) for shock in shocks]


def _own(shock: Settled, place: Mapping[str, int], ratios: Mapping[int, float], usual: Floats) -> OwnSpending:
    gone = tuple(sorted(place[one] for one in shock.gone if one in place))
    touched = [one for one in sorted({*shock.spending, *shock.theta} - shock.gone) if one in place]
    rows = tuple(place[one] for one in touched)
    shares = [shock.theta.get(one, float(usual[row])) for one, row in zip(touched, rows, strict=True)]
    factors = [shock.spending.get(one, 1.0) for one in touched]
    growth = [1.0 - share + factor * share for share, factor in zip(shares, factors, strict=True)]
    theta, after = [], []
    for row, share, factor, grown in zip(rows, shares, factors, growth, strict=True):
        now = factor * share
        theta.append(now / grown if grown > 0 else 0.0)
        # Unknown if it spends and its ratio is not known.
        after.append(0.0 if now == 0.0 else float(np.minimum(theta[-1], np.maximum(0.0, now * ratios[row]))))
    return OwnSpending(rows, tuple(theta), tuple(after), tuple(growth), gone)
