"""Tables that tell some rows as an earlier date knew them, and all others as a later one does."""

from collections.abc import Collection, Mapping
from datetime import date

import polars as pl

from kifactors import asof
from kifactors.schema import INPUTS, Tables

__all__ = ["EVERYTHING", "hybrid"]

# Stands for the rates of both dates together, and for all rows of all tables.
EVERYTHING = "everything"
ID_OF = {"revenue_ties": "supplier_id", "tie_disclosures": "supplier_id"}


def hybrid(tables: Tables, start: date, end: date, news: Mapping[str, Collection[str]]) -> Tables:
    """Return tables that on `end` give what `start` knew, but for the news.

    Parameters
    ----------
    tables : Tables
    start, end : date
    news : mapping of str to collection of str
        By table the companies (memberships: index and company, joined by a bar) whose rows count as `end` knows them.
        `EVERYTHING` as a table: all rows of all tables. ``fx`` with anything: the rates of both dates together.

    Returns
    -------
    Tables
        Rows without news have every date moved by the days from `start` to `end`: what was visible, current or expired
        on `start` is so on `end`. Rules of time count days between dates of one company, which a move keeps.

    Examples
    --------
    >>> from datetime import date
    >>> theta = {"asset_id": ["a", "a", "b", "b"], "share": [0.1, 0.2, 0.3, 0.4], "provenance": ["assumed"] * 4,
    ...     "available_at": [date(2024, 1, 1), date(2024, 3, 1)] * 2}
    >>> mixed = hybrid(kf.Tables(ai_capex_share=theta), date(2024, 1, 31), date(2024, 3, 31), {"ai_capex_share": ["b"]})
    >>> at = kf.calendar.score_dates(["2024-03-31"])
    >>> kf.asof.ai_capex_share(mixed.ai_capex_share, at, time=kf.definition.Time())["theta"].to_list()
    [0.1, 0.4]
    """
    if EVERYTHING in news:
        return tables
    days = (end - start).days
    frames = {}
    for name, frame in tables:
        old = asof.moved(frame, days)
        if name == "universe":
            frames[name] = old.filter(pl.col("date") == end)
        elif name == "fx":
            both = pl.concat([frame, old]) if name in news else old
            frames[name] = both.unique(INPUTS[name].key, keep="first", maintain_order=True).sort(
                INPUTS[name].key
            )
        elif name == "assets":
            frames[name] = frame
        else:
            is_new = _identity(name).is_in(list(news.get(name, ())))
            parts = pl.concat([frame.filter(is_new), old.filter(~is_new)])
            frames[name] = parts.sort(INPUTS[name].key)
    return Tables.unchecked(frames)


def _identity(table: str) -> pl.Expr:
    if table == "index_membership":
        return pl.concat_str("index_id", "asset_id", separator="|")
    return pl.col(ID_OF.get(table, "asset_id"))
