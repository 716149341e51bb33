"""Portfolios held from one score date to the next: growth, drawdown, turnover and the cost that eats it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors import _kernels
from kifactors.evaluation._evaluation import FRAMES
from kifactors.evaluation._hac import all_equal, hac_mean
from kifactors.evaluation._measure import Grouping
from kifactors.evaluation._panel import Panel

__all__ = ["Held", "hold", "strategy_frame", "strategy_summary"]

Floats = NDArray[np.float64]
DAYS_A_YEAR = 365.25
EMPTY, EMPTY_SIDE = "no name is held: cash", "no name is on one side: cash on both"
RUINED = "everything was lost before"


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """One portfolio, or a spread of two, through the periods.

    portfolio, weighting : what it is.
    n : (periods,) names; of a spread those of both legs.
    value : (periods,) returns; NaN where it holds nobody, or everything was lost before.
    turnover : (periods,) one-way, at the beginning of each period, drift included: half of what is bought and sold.
        Who holds nobody holds cash. NaN until somebody was held, and after a loss of everything. Of a spread the sum
        of both legs; while one is empty it holds neither.
    ruin : place of the period that lost everything; that after the last if none did.
    """

    portfolio: str
    weighting: str
    n: NDArray[np.int64]
    value: Floats
    turnover: Floats
    ruin: int


@dataclass(frozen=True, slots=True, eq=False)
class Periods:
    """Dates that are traded, each until the next one's entry.

    places : (p,) places of the score dates.
    begin, end : (p,) sessions.
    """

    places: NDArray[np.intp]
    begin: NDArray[np.intp]
    end: NDArray[np.intp]


def periods_of(panel: Panel) -> Periods:
    """Return the periods; of dates that are entered on one session the last one counts."""
    entry, after = panel.entries.sessions, panel.next_sessions()
    places = np.flatnonzero((entry >= 0) & (after > entry) & (after < panel.sessions.days.size))
    return Periods(places, entry[places], after[places])


def hold(panel: Panel, period: Floats, found: Sequence[Grouping]) -> list[Held]:
    """Hold every portfolio from each entry to the next one.

    Names whose return until then is unknown are left out from the beginning of the period, as nobody can say what
    became of them; `Evaluation.dropped` lists them. Between two entries nothing is traded, so weights drift.
    """
    periods = periods_of(panel)
    held = []
    for weighting, weights in (("equal", None), *([("cap", panel.caps)] if panel.caps is not None else [])):
        for grouping in found:
            legs = _legs(panel, period, periods, grouping, weighting, weights)
            held += [*legs, _spread(legs[-1], legs[0], grouping.spread)]
    return [_until_ruin(one) for one in held]


def _legs(
    panel: Panel,
    period: Floats,
    periods: Periods,
    grouping: Grouping,
    weighting: str,
    weights: Floats | None,
) -> list[Held]:
    n, value, turnover = _kernels.hold(
        grouping.codes,
        period,
        panel.assets,
        panel.offsets,
        periods.places,
        len(grouping.labels),
        weights=weights,
    )
    after = periods.places.size
    return [
        Held(label, weighting, n[i], value[i], turnover[i], after) for i, label in enumerate(grouping.labels)
    ]


def _spread(long: Held, short: Held, name: str) -> Held:
    """Return long less short; while one of them is empty both are cash."""
    value = long.value - short.value
    there = ~np.isnan(value)
    before = np.zeros(there.size, bool)
    before[1:] = there[:-1]
    # All of a leg is sold or bought: 0.5 for each.
    turnover = np.where(there & before, long.turnover + short.turnover, np.where(there | before, 1.0, 0.0))
    turnover[np.cumsum(before) == 0] = np.nan
    label = "quantile spread" if name == "quantiles" else f"{name} spread"
    return Held(label, long.weighting, long.n + short.n, value, turnover, there.size)


def _until_ruin(one: Held) -> Held:
    """Return what is held until everything is lost."""
    lost = np.flatnonzero(one.value <= -1.0)
    if not lost.size:
        return one
    ruin = int(lost[0])
    after = np.arange(one.value.size) > ruin
    value, turnover = (np.where(after, np.nan, x) for x in (one.value, one.turnover))
    return replace(one, value=value, turnover=turnover, ruin=ruin)


def strategy_frame(panel: Panel, held: Sequence[Held]) -> pl.DataFrame:
    """Return a row per period and portfolio; a period without names earns nothing and is null with a reason."""
    periods = periods_of(panel)
    days = np.array(panel.dates, "datetime64[D]")[periods.places]
    exits = panel.sessions.days[periods.end]
    parts = []
    for one in held:
        growth = growth_of(one)
        parts.append(
            pl.DataFrame(
                {
                    "date": days,
                    "exit": exits,
                    "weighting": pl.repeat(one.weighting, days.size, eager=True),
                    "portfolio": pl.repeat(one.portfolio, days.size, eager=True),
                    "n": one.n,
                    "value": pl.Series(one.value, nan_to_null=True),
                    "cumulative": growth - 1.0,
                    "drawdown": _drawdown(growth),
                    "turnover": pl.Series(one.turnover, nan_to_null=True),
                    "reason": pl.Series(_reasons(one)).replace("", None),
                },
                schema=dict(FRAMES["strategies"]),
            )
        )
    return pl.concat(parts)


def _reasons(one: Held) -> NDArray[np.str_]:
    empty = EMPTY_SIDE if one.portfolio.endswith("spread") else EMPTY
    reasons = np.where(np.isnan(one.value), empty, "")
    return np.where(np.arange(one.value.size) > one.ruin, RUINED, reasons)


def growth_of(one: Held) -> Floats:
    """Return what 1 became by the end of each period, reinvested; a spread's is that of 1 beside both legs."""
    return np.asarray(np.cumprod(1.0 + np.maximum(np.nan_to_num(one.value, nan=0.0), -1.0)), np.float64)


def _drawdown(growth: Floats) -> Floats:
    return np.asarray(growth / np.maximum(np.maximum.accumulate(growth), 1.0) - 1.0, np.float64)


def strategy_summary(panel: Panel, held: Sequence[Held]) -> pl.DataFrame:
    """Return means a year, volatility, Sharpe ratio (of returns, no cash rate), drawdown, turnover, break-even cost.

    The mean of a period and its t are of the periods where somebody is held. All others count every period from the
    first one held, in which cash earns nothing: an investor waits in it. The break-even cost is what was earned over
    twice what was turned over.
    """
    periods = periods_of(panel)
    days = panel.sessions.days
    a_year = np.nan
    if periods.places.size:
        span = (days[periods.end[-1]] - days[periods.begin[0]]).astype(float) / DAYS_A_YEAR
        a_year = periods.places.size / span
    rows = []
    for one in held:
        known = one.value[~np.isnan(one.value)]
        first = int(np.argmax(~np.isnan(one.value))) if known.size else 0
        earned = np.nan_to_num(one.value[first : one.ruin + 1], nan=0.0) if known.size else known
        test = hac_mean(known)
        mean = float(earned.mean()) if known.size else np.nan
        std = float(earned.std(ddof=1)) if earned.size > 1 else np.nan
        turnover = one.turnover[~np.isnan(one.turnover)]
        traded = float(turnover.mean()) if turnover.size else np.nan
        growth = growth_of(one)
        rows.append(
            (
                one.weighting, one.portfolio, known.size, float(known.mean()) if known.size else np.nan, mean * a_year,
                std * np.sqrt(a_year),
                np.nan if earned.size < 2 or all_equal(1.0 + earned) else mean / std * np.sqrt(a_year),
                float(_drawdown(growth).min(initial=0.0)) if known.size else np.nan, traded,
                # Buying and selling cost alike: a one-way turnover of 1 sells and buys everything, twice its value.
                mean / (2.0 * traded) if traded > 0.0 else np.nan, None if all_equal(1.0 + known) else test.t,
            )
        )  # fmt: skip
    frame = pl.DataFrame(rows, schema=dict(FRAMES["strategy_summary"]), orient="row")
    return frame.with_columns(pl.col(pl.Float64).fill_nan(None))
