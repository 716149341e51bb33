"""Which clock the times of acceptance of a filer were written in: all of them say UTC, and of some it is not so.

Read as UTC, a report of half past four on New York's clock would seem to come at noon, before the close: a day too early.
The filing dates tell. What is accepted by 17:30 in New York is filed on that day, what comes later on the next business
day, and at night nothing is accepted.
"""

from datetime import date, time

import polars as pl

__all__ = ["NEW_YORK", "available_by_clock", "available_on"]

NEW_YORK = "America/New_York"
# What is accepted later is read after the market has closed.
CLOSE_HOUR = 16
# Before this year the archive knows the day of some filings only, and says midnight.
TIMES_FROM = 2002
# Forms under the rule; insiders and large holders may file until 22:00.
ORDINARY = [
    form + more for form in ("10-K", "10-Q", "8-K", "20-F", "40-F", "6-K", "DEF 14A") for more in ("", "/A")
]
OPENS, CUTOFF, GRACE, CLOSES = time(6), time(17, 30), time(17, 31), time(22, 10)
# Fewer ordinary filings rule out no clock.
ENOUGH = 20
# On days on which the SEC is closed the rule breaks on any clock: one is ruled out if it breaks so much more often than
# the best one, as a share of the filings, and none is if the best one breaks more often than that.
MORE_BROKEN, ILL_FITTING = 0.02, 0.05


def available_on(accepted: pl.Expr, filed: pl.Expr) -> pl.Expr:
    """Return the first day on which the market could act on a filing.

    Parameters
    ----------
    accepted : expression
        Datetime of New York, without a zone. Null, or midnight before 2002: only the day is known.
    filed : expression
        Date of filing.

    Returns
    -------
    expression
        The day of acceptance, the next one after 16:00:00, and never before the filing date: what is accepted after
        17:30 is filed, and published, on the next business day.

    Examples
    --------
    A Friday's evening, published on Monday:

    >>> from datetime import date, datetime
    >>> pl.select(kf.sources.available_on(pl.lit(datetime(2023, 8, 25, 19, 36)), pl.lit(date(2023, 8, 28)))).item()
    datetime.date(2023, 8, 28)
    >>> pl.select(kf.sources.available_on(pl.lit(datetime(2024, 8, 28, 17, 5)), pl.lit(date(2024, 8, 28)))).item()
    datetime.date(2024, 8, 29)
    """
    day, midnight = accepted.dt.date(), accepted.dt.time() == pl.time(0, 0, 0)
    late = accepted > day.cast(pl.Datetime) + pl.duration(hours=CLOSE_HOUR)
    next_day = pl.when(late).then(day.dt.offset_by("1d")).otherwise(day)
    known = pl.when(~(midnight & (accepted.dt.year() < TIMES_FROM))).then(next_day)
    return pl.max_horizontal(known, filed)


def available_by_clock(filings: pl.DataFrame) -> tuple[pl.Series, str | None]:
    """Return the day each filing of one filer was known, and the clock of its times.

    Parameters
    ----------
    filings : frame
        form, filed, and accepted as it is written, without a zone.

    Returns
    -------
    days : Series
        The latest day of all clocks that the filing dates do not rule out: an open clock costs a day, and gives
        none away.
    clock : str or None
        "UTC", "New York", or "UTC twice" where the hours between the two were added twice; None: open.
    """
    accepted, filed = pl.col("accepted"), pl.col("filed")
    once = _to_new_york(accepted)
    clocks = {"New York": accepted, "UTC": once, "UTC twice": _to_new_york(once)}
    ordinary = filings.filter(
        pl.col("form").is_in(ORDINARY) & (filed >= date(TIMES_FROM, 1, 1)) & accepted.is_not_null()
    )
    broken = ordinary.select(**{name: _breaks(here, filed).sum() for name, here in clocks.items()}).row(
        0, named=True
    )
    n, least = ordinary.height, min(broken.values())
    told = n >= ENOUGH and least <= ILL_FITTING * n
    left = [name for name in clocks if not told or broken[name] <= least + MORE_BROKEN * n]
    days = filings.select(pl.max_horizontal(available_on(clocks[name], filed) for name in left)).to_series()
    return days, left[0] if len(left) == 1 else None


def _to_new_york(moment: pl.Expr) -> pl.Expr:
    return moment.dt.replace_time_zone("UTC").dt.convert_time_zone(NEW_YORK).dt.replace_time_zone(None)


def _breaks(accepted: pl.Expr, filed: pl.Expr) -> pl.Expr:
    """Say which times break the rule of the filing date."""
    at, day = accepted.dt.time(), accepted.dt.date()
    # A minute of grace: the rule counts when a submission begins.
    return (at < OPENS) | (at > CLOSES) | ((at > GRACE) & (filed <= day)) | ((at <= CUTOFF) & (filed > day))
