"""Score dates: ends of months, Fridays, days, exchange sessions; and the check of dates a caller gives."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from kifactors.errors import DateError, MissingExtraError

__all__ = ["DatesLike", "days", "month_ends", "parse_date", "score_dates", "sessions", "week_ends"]

DatesLike = pl.Series | Iterable[date | str]


def month_ends(start: str | date, end: str | date) -> list[date]:
    """Return the last calendar day of every month from `start` to `end`, both included.

    Parameters
    ----------
    start, end : str or date
        ``"2022-01"``, ``"2022-01-31"`` or a date; only year and month count.

    Examples
    --------
    >>> [str(day) for day in kf.month_ends("2024-01", "2024-03")]
    ['2024-01-31', '2024-02-29', '2024-03-31']
    """
    first, last = (_month(value) for value in (start, end))
    _ordered(first, last)
    return pl.date_range(first, last, "1mo", eager=True).dt.month_end().to_list()


def week_ends(start: str | date, end: str | date) -> list[date]:
    """Return every Friday from `start` to `end`.

    Examples
    --------
    >>> [str(day) for day in kf.calendar.week_ends("2024-01-01", "2024-01-12")]
    ['2024-01-05', '2024-01-12']
    """
    return [day for day in days(start, end) if day.isoweekday() == 5]


def days(start: str | date, end: str | date) -> list[date]:
    """Return every calendar day from `start` to `end`, both included.

    Examples
    --------
    >>> len(kf.calendar.days("2024-01-01", "2024-01-31"))
    31
    """
    first, last = parse_date(start), parse_date(end)
    _ordered(first, last)
    return pl.date_range(first, last, "1d", eager=True).to_list()


def sessions(start: str | date, end: str | date, *, exchange: str = "XNYS") -> list[date]:
    """Return the trading sessions of an exchange from `start` to `end` (extra ``calendar``).

    Parameters
    ----------
    start, end : str or date
        First and last day.
    exchange : str
        Market identifier code as exchange-calendars knows it; New York by default.

    Raises
    ------
    MissingExtraError
        exchange-calendars is not installed.
    DateError
        The exchange is unknown or its calendar does not reach the dates.
    """
    try:
        import exchange_calendars
    except ImportError as error:
        raise MissingExtraError(
            "trading sessions need exchange-calendars: pip install 'kifactors[calendar]'."
        ) from error
    first, last = parse_date(start), parse_date(end)
    _ordered(first, last)
    try:
        # A calendar needs an end after its start.
        book = exchange_calendars.get_calendar(exchange, start=str(first), end=str(last + timedelta(days=7)))
    except (ValueError, exchange_calendars.errors.CalendarError) as error:
        raise DateError(
            f"no sessions of {exchange} from {first} to {last}: {str(error).rstrip('.')}."
        ) from error
    return [session.date() for session in book.sessions if session.date() <= last]


def parse_date(value: str | date) -> date:
    """Return a date from ISO text or a date; anything else is an error.

    Examples
    --------
    >>> kf.calendar.parse_date("2024-01-31")
    datetime.date(2024, 1, 31)
    """
    if isinstance(value, datetime):
        raise DateError(f"{value!r} is a time; expected a date. Use .date().")
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise DateError(f"{value!r} is not a date; expected one like 2024-01-31.") from error


def score_dates(dates: DatesLike) -> pl.Series:
    """Check the dates a caller asks for and return them as a polars Date series.

    Raises
    ------
    DateError
        There are none, they are not dates, or they are not strictly ascending.

    Examples
    --------
    >>> kf.calendar.score_dates(["2024-02-29", "2024-01-31"])
    Traceback (most recent call last):
        ...
    kifactors.errors.DateError: dates must ascend strictly; 2024-01-31 follows 2024-02-29.
    Sort them and drop repeats.
    """
    series = _series(dates)
    if series.is_empty():
        raise DateError("dates is empty. Give at least one score date.")
    if series.null_count():
        raise DateError("dates holds a null. Drop it.")
    broken = np.diff(series.to_numpy()) <= np.timedelta64(0, "D")
    if broken.any():
        at = int(broken.argmax()) + 1
        raise DateError(
            f"dates must ascend strictly; {series[at]} follows {series[at - 1]}. Sort them and drop repeats."
        )
    return series.alias("date")


def _series(dates: Any) -> pl.Series:
    if isinstance(dates, (str, date)):
        raise DateError(f"dates is the single value {dates!r}; expected several. Put it into a list.")
    if isinstance(dates, pl.Series):
        series, midnight = dates, False
    elif getattr(getattr(dates, "dtype", None), "kind", "") == "M":
        # numpy and pandas have no calendar dates: there, midnight without a zone is one.
        series, midnight = pl.Series(_microseconds(dates)), True
    elif isinstance(dates, Iterable):
        return pl.Series([parse_date(value) for value in dates], dtype=pl.Date)
    else:
        raise DateError(f"dates is {dates!r}; expected several dates. Give a list.")
    if series.dtype == pl.Date:
        return series
    if midnight and isinstance(series.dtype, pl.Datetime) and series.dtype.time_zone is None:
        as_dates = series.cast(pl.Date)
        if (as_dates.cast(series.dtype) == series).all():
            return as_dates
    raise DateError(
        f"dates has type {series.dtype}; expected dates. A time of day or a time zone has no place here: "
        "convert with .date() or .dt.date()."
    )


def _microseconds(times: Any) -> Any:
    """Bring numpy times to a unit polars knows; pandas times and zones stay as they are."""
    is_numpy = type(times).__module__ == "numpy"
    return times.astype("datetime64[us]") if is_numpy and times.dtype != "datetime64[D]" else times


def _month(value: str | date) -> date:
    if isinstance(value, str) and len(value) == len("2024-01"):
        value += "-01"
    return parse_date(value).replace(day=1)


def _ordered(first: date, last: date) -> None:
    if last < first:
        raise DateError(f"the range ends on {last}, before it starts on {first}. Swap the two.")
