"""The filing behind a document: who, of which period, and which of its facts are of that period."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from kifactors.errors import DataError
from kifactors.schema import validate
from kifactors.sources._skips import Skips
from kifactors.sources._xbrl import XbrlFacts

__all__ = ["Filing", "filing_of", "longest_days", "not_current", "span_in_words", "valid_rows"]

# A cover page may say the end of the month for a fiscal year that ends on the Saturday nearest to it.
NEAR_DAYS = 7
# A fiscal year of 53 weeks has 371 days; longer spans count from the founding, or several years.
LONGEST_SPAN_DAYS = 371 + NEAR_DAYS
DAYS_PER_MONTH = 365.25 / 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Filing:
    """Who reports what period; `name` is the file for what is left out."""

    asset_id: str
    period_end: date
    name: str

    def skip(self, skips: Skips, reason: str, detail: str, rows: int = 1) -> None:
        """Count what is left out of the filing."""
        skips.add(reason, file=self.name, filer=self.asset_id, detail=detail, rows=rows)


def filing_of(facts: XbrlFacts, *, available_at: date, asset_id: str | None) -> Filing:
    """Return filer and period of a document, or say which of them, or which date, is missing."""
    if not isinstance(available_at, date) or isinstance(available_at, datetime):
        raise DataError(
            f"available_at must be a date and is {available_at!r}. Give the day of the filing, datetime.date."
        )
    if facts.period_end is None:
        raise DataError(
            f"{facts.name}: the cover page names no period, so its rows have no date. Read a document with a "
            "DocumentPeriodEndDate (10-K, 10-Q)."
        )
    if asset_id is None and facts.cik is None:
        raise DataError(f"{facts.name}: the cover page names no filer. Pass asset_id=.")
    return Filing(
        asset_id=asset_id if asset_id is not None else f"cik:{facts.cik}",
        period_end=facts.period_end,
        name=facts.name,
    )


def longest_days(spans: Iterable[tuple[date, date]], period_end: date) -> int:
    """Return the days of the longest span, up to a fiscal year, that ends with the period; 0 if none does."""
    days = ((end - start).days + 1 for start, end in spans if abs((end - period_end).days) <= NEAR_DAYS)
    return max((d for d in days if d <= LONGEST_SPAN_DAYS), default=0)


def not_current(start: date, end: date, period_end: date, *, longest: int) -> str:
    """Return why a span is not the one that a document reports, or an empty text if it is."""
    if abs((end - period_end).days) > NEAR_DAYS:
        return "of another period"
    days = (end - start).days + 1
    if days > LONGEST_SPAN_DAYS:
        return "of more than a year"
    return "of a shorter span" if days < longest - NEAR_DAYS else ""


def span_in_words(start: date, end: date) -> str:
    """Return a span the way one says it.

    Examples
    --------
    >>> span_in_words(date(2024, 1, 29), date(2024, 7, 28))
    '6 months to 2024-07-28'
    """
    months = round(((end - start).days + 1) / DAYS_PER_MONTH)
    return f"{months} month{'' if months == 1 else 's'} to {end}"


def valid_rows(table: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows that keep the rules of a table; no rows keep them, though a table without rows is refused."""
    return rows if rows.is_empty() else validate(table, rows)
