"""Dates in ranges of whole calendar months: what a task computes are whole partitions of a store."""

from collections.abc import Sequence
from datetime import date
from itertools import groupby

__all__ = ["month_ranges", "tasks_for"]

# Enough that workers end at about the same time and a lost one loses little; few enough that what a task costs
# however short it is, the look at every fact, stays small.
TASKS_PER_WORKER = 8


def month_ranges(dates: Sequence[date], most: int) -> list[list[date]]:
    """Cut ascending dates between calendar months into at most so many ranges of about as many dates.

    Parameters
    ----------
    dates : sequence of date
        Ascending.
    most : int
        How many ranges at most, 1 or more; there are never more than months.

    Returns
    -------
    list of list of date
        All dates, in order.

    Examples
    --------
    >>> from datetime import date
    >>> days = [date(2024, 1, 30), date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 29)]
    >>> [len(days) for days in month_ranges(days, 2)]
    [2, 2]
    >>> [len(days) for days in month_ranges(days, 10)]
    [2, 1, 1]
    """
    months = [list(days) for _, days in groupby(dates, key=lambda day: (day.year, day.month))]
    ranges: list[list[date]] = []
    done, last = 0, -1
    for month in months:
        # The range that the middle of the month falls into, were all ranges equal.
        place = (2 * done + len(month)) * most // (2 * len(dates))
        if place > last:
            ranges.append([])
            last = place
        ranges[-1] += month
        done += len(month)
    return ranges


def tasks_for(workers: int) -> int:
    """Return how many tasks to make for so many workers."""
    return TASKS_PER_WORKER * workers
