"""The rows that dates can see and still count, so that a few dates cost no more than what they need."""

from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors.definition import Time
from kifactors.schema import Tables

__all__ = ["within_reach"]

# What makes an asset live counts until its period is too old.
AGED = {"fundamentals", "capex_guidance", "ai_revenue_share"}
TIES = {"revenue_ties", "tie_disclosures"}
EPOCH = date(1970, 1, 1).toordinal()


def within_reach(tables: Tables, dates: pl.Series, *, time: Time) -> Tables:
    """Return the tables less rows that change no score on any of the dates.

    Parameters
    ----------
    tables : Tables
    dates : polars.Series
        Ascending score dates.
    time : Time
        Publication lag and expiry.

    Returns
    -------
    Tables
        Without rows of the universe before the first or after the last date, rows that become visible after the
        last date, and rows whose period is too old on the first date; reported facts are kept whatever their age
        where a company has a positive AI share of capex, for they are compared over years.

    Examples
    --------
    On 1 July 2024 the first period is 551 days old, the second 550, and the third is not yet public:

    >>> from datetime import date
    >>> ends = [date(2022, 12, 28), date(2022, 12, 29), date(2024, 6, 30)]
    >>> shares = pl.DataFrame({"asset_id": "a", "share": 0.5, "scope": "ai", "period_end": ends,
    ...     "available_at": [date(2023, 2, 1), date(2023, 2, 1), date(2024, 7, 1)]})
    >>> near = kf.asof.within_reach(
    ...     kf.Tables(ai_revenue_share=shares), pl.Series([date(2024, 7, 1)]), time=kf.definition.Time())
    >>> near.ai_revenue_share["period_end"].to_list()
    [datetime.date(2022, 12, 29)]
    """
    first, last = (day.toordinal() - EPOCH for day in (dates[0], dates[-1]))
    frames = dict(tables)
    if tables.universe is not None:
        ends = np.array([first, last + 1], np.int32)
        low, high = _days(tables.universe, "date").searchsorted(ends)
        frames["universe"] = tables.universe.slice(low, high - low)
    for name, frame in frames.items():
        if "available_at" in frame.columns:
            counts = _days(frame, "available_at") <= last - time.lag_days
            if name in AGED | TIES:
                oldest = first - (time.max_age_days if name in AGED else time.tie_expiry_days)
                recent = _days(frame, "period_end") >= oldest
                counts &= recent | _spends(frame, tables) if name == "fundamentals" else recent
            # Places of the type polars uses itself: others it checks one by one.
            frames[name] = frame[pl.Series(np.flatnonzero(counts), dtype=pl.UInt32)]
    return Tables.unchecked(frames)


def _spends(facts: pl.DataFrame, tables: Tables) -> NDArray[np.bool_]:
    """Return which facts are of companies with a positive AI share of capex."""
    found = np.zeros(facts.height, np.bool_)
    if tables.ai_capex_share is not None:
        spenders = tables.ai_capex_share.filter(pl.col("share") > 0)["asset_id"].unique()
        # The facts are sorted by company: thirty searches are faster than a look at every row.
        ends = (facts["asset_id"].search_sorted(spenders, side) for side in ("left", "right"))
        for low, high in zip(*ends, strict=True):
            found[low:high] = True
    return found


def _days(frame: pl.DataFrame, column: str) -> NDArray[np.int32]:
    return frame[column].cast(pl.Int32).to_numpy()
