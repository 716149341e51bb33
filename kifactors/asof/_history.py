"""What was known by a day, as digests: whether scores up to that day would come out of other tables just the same."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from kifactors.definition import Time
from kifactors.schema import INPUTS, Content, Tables

__all__ = ["History", "history_of", "known_history"]

# Their rows are dated by the day they hold, not by the day they appeared.
WITHOUT_LAG = ("universe", "assets")


@dataclass(frozen=True, slots=True)
class History:
    """Digests of the rows that scores up to a day can depend on.

    Parameters
    ----------
    until : date
        The day.
    universe : tuple of str, optional
        The columns of the universe: without one of them scores are made in another way, even where it is null.
        None: there is no universe.
    tables : mapping of str to mapping of int to (int, str)
        Of each table, by the year in which they could first be used: number of rows, and their digest. A table
        without such rows is as good as none.
    """

    until: date
    universe: tuple[str, ...] | None
    tables: Mapping[str, Mapping[int, tuple[int, str]]]

    def differences(self, now: "History") -> Iterator[str]:
        """Yield a sentence for each table that says something else now; names are left out."""
        if self.universe != now.universe:
            yield f"universe {_columns(self.universe)} then, and {_columns(now.universe)} now"
        for name in INPUTS:
            then, later = self.tables.get(name, {}), now.tables.get(name, {})
            years = sorted(year for year in {*then, *later} if then.get(year) != later.get(year))
            if years and name != "assets":
                had, has = (known.get(years[0], (0, ""))[0] for known in (then, later))
                rows = f"{had:,} rows then, {has:,} now" if had != has else f"{had:,} rows, not the same ones"
                more = f", and {len(years) - 1} later year(s)" if len(years) > 1 else ""
                yield f"{name} differs in what could first be used in {years[0]} ({rows}){more}"

    def same_names(self, now: "History") -> bool:
        """Return whether the labels of every asset are the same."""
        return self.tables.get("assets", {}) == now.tables.get("assets", {})

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` takes, of types that JSON knows."""
        tables = {
            name: {str(year): list(known) for year, known in years.items()}
            for name, years in self.tables.items()
        }
        universe = None if self.universe is None else list(self.universe)
        return {"until": str(self.until), "universe": universe, "tables": tables}

    @classmethod
    def from_dict(cls, known: Mapping[str, Any]) -> "History":
        """Return a history that `to_dict` wrote."""
        tables = {
            name: {int(year): (int(rows), str(digest)) for year, (rows, digest) in years.items()}
            for name, years in known["tables"].items()
        }
        universe = known["universe"]
        return cls(date.fromisoformat(known["until"]), None if universe is None else tuple(universe), tables)


def known_history(tables: Tables, until: date, *, time: Time) -> History:
    """Digest what a score dated `until` could have seen.

    Parameters
    ----------
    tables : Tables
    until : date
        Rows that could be used later than that are left out: facts by available_at and the lag, exchange rates by
        their date and the lag, rows of the universe by their date. An end of a membership counts from that day on:
        one that is announced for later says nothing yet.
    time : Time
        Publication lag.

    Returns
    -------
    History

    Examples
    --------
    A share known on 30 December can be used from 31 December on, one of 31 December from 1 January on:

    >>> from datetime import date
    >>> theta = pl.DataFrame({"asset_id": ["a", "b"], "share": [0.5, 0.4], "provenance": "assumed",
    ...     "available_at": [date(2023, 12, 30), date(2023, 12, 31)]})
    >>> rows = lambda day: {
    ...     year: rows for year, (rows, digest) in kf.asof.known_history(
    ...         kf.Tables(ai_capex_share=theta), day, time=kf.definition.Time()
    ...     ).tables["ai_capex_share"].items()}
    >>> rows(date(2023, 12, 31)), rows(date(2024, 1, 1))
    ({2023: 1}, {2023: 1, 2024: 1})
    """
    return history_of(tables.contents(), until, time=time)


def history_of(contents: Mapping[str, Content], until: date, *, time: Time) -> History:
    """Return the same from digests of tables that nobody holds as a whole."""
    day = (until - date(1970, 1, 1)).days
    return History(
        until,
        contents["universe"].columns if "universe" in contents else None,
        {
            name: years
            for name, said in contents.items()
            if (years := _by_year(said, day, 0 if name in WITHOUT_LAG else time.lag_days))
        },
    )


def _by_year(said: Content, until: int, lag_days: int) -> dict[int, tuple[int, str]]:
    used = np.append(said.days, said.ended_known).astype(np.int64) + lag_days
    used[said.days.size :] = np.maximum(used[said.days.size :], said.ended_on)
    rows = np.append(said.rows, np.zeros_like(said.ended_on))
    digests = np.append(said.digests, said.endings)
    seen = used <= until
    years = used[seen].astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    each, place = np.unique(years, return_inverse=True)
    counts, sums = np.zeros(each.size, np.int64), np.zeros(each.size, np.uint64)
    np.add.at(counts, place, rows[seen])
    np.add.at(sums, place, digests[seen])
    return {
        int(year): (int(count), f"{total:016x}")
        for year, count, total in zip(each, counts, sums, strict=True)
    }


def _columns(names: tuple[str, ...] | None) -> str:
    return "was absent" if names is None else f"had {', '.join(names)}"
