"""Scores in parts: those of some dates, month by month, and put together again."""

from collections.abc import Collection, Iterator, Sequence
from datetime import date
from itertools import groupby, pairwise

import polars as pl

from kifactors.errors import DataError
from kifactors.scores import Scores

__all__ = ["by_month", "month_of", "of_dates", "together"]


def month_of(day: date) -> str:
    """Return the month of a date, like 2024-01."""
    return f"{day:%Y-%m}"


def of_dates(scores: Scores, dates: Collection[date]) -> Scores:
    """Return the scores of some computed dates; what they were made from stays with them."""
    kept = [day for day in scores.dates if day in dates]
    if len(kept) == len(scores.dates):
        return scores
    within = pl.Series(kept, dtype=pl.Date)
    return Scores(
        _of(scores.to_polars(), within),
        scores.definition,
        inputs=scores.inputs,
        dates=kept,
        diagnostics=_of(scores.diagnostics, within),
        history=scores.history,
        release=scores.release,
    )


def _of(frame: pl.DataFrame, dates: pl.Series) -> pl.DataFrame:
    """Return the rows of ascending dates of a frame sorted by date."""
    if not len(dates):
        return frame.clear()
    known = frame["date"]
    low = known.search_sorted(dates[0], side="left")
    rows = frame.slice(low, known.search_sorted(dates[-1], side="right") - low)
    return rows.filter(pl.col("date").is_in(dates.implode()))


def by_month(scores: Scores) -> Iterator[tuple[str, Scores]]:
    """Yield the scores of each month that has a computed date, in the order of time."""
    for month, days in groupby(scores.dates, key=month_of):
        yield month, of_dates(scores, set(days))


def together(parts: Sequence[Scores]) -> Scores:
    """Put scores of different dates together.

    They are of the inputs and the history of the part with the last date, which is what they can be continued from.

    Raises
    ------
    DataError
        There are none, their definitions differ, or two have a date in common.
    """
    if not parts:
        raise DataError("there are no scores to put together.")
    parts = sorted(parts, key=lambda part: part.dates)
    if len(parts) == 1:
        return parts[0]
    latest = max(parts, key=lambda part: part.dates[-1])
    changes = next(filter(None, (part.definition.changes_to(latest.definition) for part in parts)), None)
    if changes:
        raise DataError(
            f"scores of two definitions cannot be put together: {', '.join(changes)}. Compute all dates by one."
        )
    frame = pl.concat([part.to_polars() for part in parts])
    diagnostics = pl.concat([part.diagnostics for part in parts])
    dates = [day for part in parts for day in part.dates]
    if any(day >= later for day, later in pairwise(dates)):
        frame, diagnostics = frame.sort("date", "asset_id"), diagnostics.sort("date")
        dates = sorted(dates)
    repeated = next((day for day, later in pairwise(dates) if day == later), None)
    if repeated is not None:
        raise DataError(f"two of the scores to put together have the date {repeated}. Leave it out of one.")
    return Scores(
        frame,
        latest.definition,
        inputs=latest.inputs,
        dates=dates,
        diagnostics=diagnostics,
        history=latest.history,
        release=_releases(parts),
    )


def _releases(parts: Sequence[Scores]) -> str | None:
    """Return the release, or all of them if several made the parts: such scores are continued by none."""
    found = sorted({part.release or "unknown" for part in parts})
    return None if found == ["unknown"] else ", ".join(found)
