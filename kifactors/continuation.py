"""Whether scores may be continued by later dates: same definition, same release, same history."""

import polars as pl

from kifactors import __version__
from kifactors.asof import History, known_history
from kifactors.calendar import DatesLike, score_dates
from kifactors.definition import FactorDefinition
from kifactors.errors import DateError, StaleScoresError
from kifactors.schema import Tables
from kifactors.scores import Scores

__all__ = ["known_past", "later_dates"]


def later_dates(scores: Scores, dates: DatesLike) -> pl.Series:
    """Return the dates to add, which must lie after every computed one.

    Raises
    ------
    DateError
        They are no ascending dates, or one is not later than the last computed date.
    """
    wanted = score_dates(dates)
    last = scores.dates[-1]
    early = wanted.filter(wanted <= last)
    if len(early):
        shown = ", ".join(str(day) for day in early.head(3))
        done = "computed already" if set(early) <= set(scores.dates) else "not after it"
        raise DateError(
            f"the last computed date is {last}, and new_dates has {len(early)} that is {done}: {shown}. An update only "
            "appends: leave these dates out, or compute all dates again to have others between."
        )
    return wanted


def known_past(scores: Scores, definition: FactorDefinition, tables: Tables) -> History:
    """Return what the tables tell of the past of the scores, if it is what made them.

    Raises
    ------
    StaleScoresError
        The definition, the release or the past differs, with the parameters or the tables that do.
    """
    changes = scores.definition.changes_to(definition)
    if changes:
        raise StaleScoresError(
            f"these scores were made by another definition: {', '.join(changes)}. Use the one of the scores "
            "(scores.definition), or compute all dates again."
        )
    then = scores.history
    if then is None:
        raise StaleScoresError(
            "these scores do not tell from which past they were made: an earlier release wrote them, or they were put "
            "together by hand. Compute all dates again."
        )
    if scores.release != __version__:
        raise StaleScoresError(
            f"these scores were made by kifactors {scores.release}; this is {__version__}, which may compute "
            "differently. Compute all dates again."
        )
    now = known_history(tables, then.until, time=definition.time)
    found = list(then.differences(now))
    if found:
        raise StaleScoresError(
            f"the tables tell another past than the one these scores were made from, as known on {then.until}: "
            f"{'; '.join(found)}. Compute all dates again; rows that came late or were corrected belong beside the old "
            "ones, dated by the day they arrived."
        )
    return now
