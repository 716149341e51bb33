"""What could be wrong, in sentences for whoever reads the result, the gravest first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors.errors import DataError
from kifactors.evaluation._forward import LATER, REASONS
from kifactors.evaluation._panel import Panel
from kifactors.evaluation._strategies import Held
from kifactors.evaluation._summary import spread_for

__all__ = ["PriceFacts", "limits_of"]

# Fewer names say little about a cross-section, fewer dates little about time.
FEW_NAMES, FEW_DATES = 30, 60
# A table of real stocks loses more of them than this a year.
FEW_ENDS = 0.005
# Where fewer names have a price than this share of the median of so many sessions around, it may be none.
THIN, AROUND = 0.5, 11
# More than one in five of the same value leave fewer than five quantiles.
MANY_EQUAL = 0.2
DAYS_A_YEAR = 365.25


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceFacts:
    """What only the owner of prices can say of them; None is not stated, and the report says so.

    Parameters
    ----------
    dividends : bool, optional
        Whether returns include dividends.
    survivors_only : bool, optional
        Whether stocks that were delisted are left out.
    source : str
        Where the prices come from.

    Raises
    ------
    DataError
        Something else was given: "no" would count as true.
    """

    dividends: bool | None = None
    survivors_only: bool | None = None
    source: str = ""

    def __post_init__(self) -> None:
        for name, given in (("dividends", self.dividends), ("survivors_only", self.survivors_only)):
            if given is not None and not isinstance(given, bool):
                raise DataError(f"{name} is {given!r}; expected True, False, or None where it is not known.")
        if not isinstance(self.source, str):
            raise DataError(f"source is {self.source!r}; expected text.")


def limits_of(
    panel: Panel,
    facts: PriceFacts,
    dropped: pl.DataFrame,
    held: Sequence[Held],
    *,
    column: str,
    by: str | None,
    styles: Sequence[str],
) -> tuple[str, ...]:
    """Return what the reader must know before believing a number."""
    return tuple(_sentences(panel, facts, dropped, held, column, by, styles))


def _sentences(
    panel: Panel,
    facts: PriceFacts,
    dropped: pl.DataFrame,
    held: Sequence[Held],
    column: str,
    by: str | None,
    styles: Sequence[str],
) -> Iterator[str]:
    exposed = np.add.reduceat(panel.exposed, panel.offsets[:-1], dtype=np.int64)
    there = np.flatnonzero((panel.entries.sessions >= 0) & (exposed > 0))
    if not there.size:
        yield "Nobody is exposed on any date that has prices: no figure of exposed names is known."
    if there.size and spread_for(column) == "exposed":
        yield from _few(panel, exposed, there, "exposed")
    else:
        known = np.add.reduceat(~np.isnan(panel.values), panel.offsets[:-1], dtype=np.int64)
        yield from _few(panel, known, np.flatnonzero((panel.entries.sessions >= 0) & (known > 0)), "known")
        if there.size and np.median(exposed[there]) < FEW_NAMES:
            yield (
                f"Few exposed names: {exposed[there].min()} to {exposed[there].max()} on a date (median "
                f"{np.median(exposed[there]):g}). One company can make or break every figure of theirs."
            )
    ruined = [f"{one.portfolio}, {one.weighting} weights" for one in held if one.ruin < one.value.size]
    if ruined:
        yield (
            f"Ruin: {'; '.join(ruined)} lost everything within a period. Growth ends there, and later periods are in no figure "
            "of what is held."
        )
    yield from _survivors(panel, facts)
    if facts.dividends is None:
        yield "Not stated whether returns include dividends. Without them, high payers look worse than they were."
    elif not facts.dividends:
        yield "Returns lack dividends: high payers look worse than they were."
    yield from _unpriced(panel)
    yield from _thin(panel)
    unknown = np.isnan(panel.values)
    if unknown.any():
        yield (
            f"No known {column}: {percent(unknown.mean())} of the scored rows are in no figure, and who is known is not a "
            "random choice."
        )
    yield from _unknown_exposure(panel, column)
    known = panel.values[~unknown]
    zeros = float((known == 0.0).mean()) if known.size else 0.0
    if zeros > MANY_EQUAL:
        yield (
            f"Many values are equal: {percent(zeros)} of those known are 0 and share a quantile, so that others may be "
            "empty; exposed less unexposed says more."
        )
    lost = dropped.filter(pl.col("reason").str.contains("price at|exit|way"))
    if lost.height and lost["rows"].sum():
        yield (
            f"{lost['rows'].sum():,} returns are missing because prices begin late, end or have holes; they are left out, as if that "
            "said nothing of the return."
        )
    late = dropped.filter(pl.col("reason") == REASONS[LATER])
    if late.height and late["rows"].sum():
        yield (
            f"{late['rows'].sum():,} of them end between the last price and a delisting that comes later. What their holders had "
            "then is unknown, and mostly less: returns are too high."
        )
    yield from _incomplete(panel, column, by, styles)
    if panel.caps is None:
        yield "No market caps were given: all portfolios weight names equally, small ones like large ones."
    yield "Trading costs are in no figure; the break-even cost says how much the spread could pay."
    yield (
        "One factor on one history: whoever tried more variants than this must correct for all of them "
        "(kifactors.evaluation.Trials)."
    )


def _few(panel: Panel, count: NDArray[np.int64], there: NDArray[np.intp], what: str) -> Iterator[str]:
    """Say how few names and dates there are."""
    if there.size and np.median(count[there]) < FEW_NAMES:
        yield (
            f"Few names: {count[there].min()} to {count[there].max()} are {what} on a date (median "
            f"{np.median(count[there]):g}). One company can make or break every figure here."
        )
    if 0 < there.size < FEW_DATES:
        first, last = (panel.dates[int(k)] for k in there[[0, -1]])
        yield (
            f"Short history: {there.size} score dates with {what} names and prices, {first} to {last}. Intervals are wide, "
            "and may be too narrow."
        )


def _survivors(panel: Panel, facts: PriceFacts) -> Iterator[str]:
    sessions = panel.sessions
    there = sessions.last >= 0
    ends = there & (sessions.last < sessions.days.size - 1)
    years = (sessions.days[-1] - sessions.days[0]).astype(float) / DAYS_A_YEAR
    share = ends.sum() / max(1, int(there.sum()))
    if facts.survivors_only:
        yield "Survivors only: stocks that were delisted are not in the prices, so returns are too high."
    elif share < FEW_ENDS * years:
        said = (
            "The owner says otherwise, but"
            if facts.survivors_only is False
            else "The prices look like survivors only:"
        )
        yield (
            f"{said} {int(ends.sum())} of {int(there.sum())} stocks end before the last session in {years:.1f} years. "
            "If the delisted are left out, returns are too high."
        )
    unexplained = int((ends & ~sessions.ended).sum())
    if unexplained:
        yield (
            f"{unexplained} stocks end before the last session without a delisting return; what their holders got is left "
            "out. Pass delistings=."
        )


def _unknown_exposure(panel: Panel, column: str) -> Iterator[str]:
    known = ~np.isnan(panel.values)
    neither = known & ~panel.exposed & ~panel.unexposed
    if neither.any():
        names = panel.rows["asset_id"].filter(pl.Series(neither)).n_unique()
        yield (
            f"Exposure unknown: that of {names:,} names, {percent(neither.sum() / known.sum())} of the rows with a known "
            f"{column}. They are among neither the exposed nor the unexposed."
        )


def _incomplete(panel: Panel, column: str, by: str | None, styles: Sequence[str]) -> Iterator[str]:
    """Say what of the universe is unknown of whom, and where they are missing for it."""
    missing = {"market_cap": "no cap-weighted portfolio and no regression", "industry": "no regression"}
    missing |= dict.fromkeys(styles, "no regression")
    if by is not None:
        missing[by] = f"{missing[by]}, and in no group" if by in missing else "no group"
    known = ~np.isnan(panel.values)
    for name, where in missing.items():
        lost = (
            panel.rows.filter(pl.Series(known) & panel.rows[name].is_null())
            if name in panel.rows.columns
            else None
        )
        if lost is not None and lost.height:
            yield (
                f"No {name}: {percent(lost.height / known.sum())} of the rows with a known {column} "
                f"(names: {lost['asset_id'].n_unique():,}, dates: {lost['date'].n_unique():,}) are in {where}."
            )


def _unpriced(panel: Panel) -> Iterator[str]:
    traded = np.repeat(panel.entries.sessions >= 0, np.diff(panel.offsets))
    known = ~np.isnan(panel.values) & traded
    absent = known & (panel.places < 0)
    if absent.any():
        names = panel.rows.filter(pl.Series(absent & panel.exposed))
        some = names.select(pl.coalesce("ticker", "asset_id")).to_series().unique().sort()
        text = (
            f" Exposed among them: {', '.join(some[:8])}{' ...' if len(some) > 8 else ''}."
            if len(some)
            else ""
        )
        yield (
            f"No prices: {percent(absent.sum() / known.sum())} of the rows with a known value are left out.{text}"
        )


def _thin(panel: Panel) -> Iterator[str]:
    """Say on how many sessions hardly anybody has a price; one that is entered serves as the example."""
    sessions = panel.sessions
    # What a delisting left is no price.
    priced = ~np.isnan(sessions.values) & (np.arange(sessions.days.size)[:, None] <= sessions.last)
    count = priced.sum(axis=1)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(count, AROUND // 2, mode="symmetric"), AROUND)
    thin = count < THIN * np.median(around, axis=1)
    if thin.any():
        entered = np.zeros(thin.size, bool)
        entered[panel.entries.sessions[panel.entries.sessions >= 0]] = True
        k = int(np.argmax(thin & entered if (thin & entered).any() else thin))
        yield (
            f"Thin sessions: {int(thin.sum()):,} of {count.size:,} sessions; on {sessions.days[k]} {count[k]} of {count.max():,} "
            f"stocks {'has' if count[k] == 1 else 'have'} a price. The others can be neither bought nor sold then, and every "
            "horizon counts that day: leave out dates that are no sessions."
        )


def percent(share: float) -> str:
    """Return a share as a person would say it: never all or nothing by rounding."""
    if 0.0 < share < 0.005:
        return "under 1 %"
    return "over 99 %" if 0.995 <= share < 1.0 else f"{100.0 * share:.0f} %"
