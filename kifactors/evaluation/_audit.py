"""A look-ahead audit of any factor: change everything after a date, and see whether the past moves."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from kifactors.calendar import parse_date
from kifactors.errors import DataError, DateError, MissingColumnError

__all__ = ["LookAheadAudit", "audit_look_ahead"]

FOUND = {
    "date": pl.Date,
    "asset_id": pl.String,
    "column": pl.String,
    "change": pl.String,
    "cut": pl.Date,
    "before": pl.String,
    "after": pl.String,
}
# What a user would look at; the rest is the same again.
MOST_ROWS = 1_000
# What numbers are multiplied by: shares stay shares, and a low end stays below its high end.
SMALLER = (0.1, 0.9)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LookAheadAudit:
    """What moved before a date when only things after it were changed.

    Parameters
    ----------
    found : polars.DataFrame
        date, asset_id, column; change: "numbers", "order", "removed" or "added"; cut: the date after which inputs were
        changed; before, after: the cell as text. The first thousand. Empty: nothing was found, which is not a proof.
    runs : int
        How often the factor was computed.
    changed : polars.DataFrame
        table, cut, rows: how many rows each cut could change. A table with 0 everywhere was not tested.
    """

    found: pl.DataFrame
    runs: int
    changed: pl.DataFrame

    @property
    def passed(self) -> bool:
        """Whether nothing before any cut moved."""
        return self.found.is_empty()

    def __repr__(self) -> str:
        verdict = "nothing moved" if self.passed else f"LOOK-AHEAD: {self.found.height} cell(s) moved"
        untested = self.changed.group_by("table").agg(pl.col("rows").sum()).filter(pl.col("rows") == 0)
        note = f"; not tested: {', '.join(sorted(untested['table']))}" if untested.height else ""
        return f"LookAheadAudit({verdict} in {self.runs} runs{note})" + (
            "" if self.passed else f"\n{self.found}"
        )


def audit_look_ahead(
    factor: Callable[[dict[str, pl.DataFrame]], pl.DataFrame],
    tables: Mapping[str, pl.DataFrame],
    known: Mapping[str, str],
    cuts: Sequence[str | date],
    *,
    key: Sequence[str] = ("date", "asset_id"),
    never_added: Collection[str] = (),
    seed: int = 0,
) -> LookAheadAudit:
    """Change everything that is known after a date, compute again, and compare all scores up to it.

    Parameters
    ----------
    factor : callable
        Takes a dict of the tables and returns a frame with the columns of `key` and any others. It must be
        deterministic. Anybody's: a closure over one's own code will do.
    tables : mapping of str to polars.DataFrame
        What the factor reads.
    known : mapping of str to str
        The column of each table that says on which date a row is known; a table that is not named is never changed.
    cuts : sequence of dates
        The dates t. Scores of dates <= t must not move.
    key : sequence of str
        The columns that name a score: the first one is its date.
    never_added : collection of str
        Tables to which no rows are added, as the factor would refuse them: intervals that must not overlap, say.
    seed : int
        Of the changes.

    Returns
    -------
    LookAheadAudit

    Raises
    ------
    DataError
        The factor gives two results for the same inputs, returns no polars frame or a key twice, or no cut can change
        anything.
    MissingColumnError
        `known` names a column that is absent.

    Notes
    -----
    For each cut, of the rows with known > t: the numbers of each are multiplied by a random factor from 0.1 to 0.9
    (whole numbers change places); their order is reversed; they are removed; they are added a second time, a day later,
    with other numbers. Equality is exact. A look-ahead through the calendar, the date of the last row say, is found by
    the removal.

    Examples
    --------
    Demeaning over the whole sample looks ahead; over the date does not.

    >>> from datetime import date
    >>> rows = pl.DataFrame({"date": [date(2024, 1, 31), date(2024, 2, 29)], "asset_id": ["a", "a"], "x": [1.0, 3.0]})
    >>> def whole(tables):
    ...     return tables["x"].with_columns(pl.col("x") - pl.col("x").mean())
    >>> def by_date(tables):
    ...     return tables["x"].with_columns(pl.col("x") - pl.col("x").mean().over("date"))
    >>> audit = kf.evaluation.audit_look_ahead
    >>> audit(whole, {"x": rows}, {"x": "date"}, ["2024-01-31"]).passed
    False
    >>> audit(by_date, {"x": rows}, {"x": "date"}, ["2024-01-31"]).passed
    True
    """
    days = [parse_date(cut) for cut in cuts]
    if not days:
        raise DateError("there are no cuts. Give the dates after which inputs change.")
    for name, column in known.items():
        if name not in tables or column not in tables[name].columns:
            raise MissingColumnError(f"known says {name!r} has a column {column!r}, and it has not.")
    computed = _Compared(factor, list(key))
    whole = computed.run(dict(tables))
    found = computed.differences(whole, computed.run(dict(tables)), days[-1], "nothing")
    if found.height:
        raise DataError(
            "the factor gives two results for the same inputs: make it deterministic first (seed, order)."
        )
    changed, parts = [], []
    rng = np.random.default_rng(seed)
    for cut in days:
        later = {name: pl.col(column) > cut for name, column in known.items()}
        counts = {name: tables[name].filter(later[name]).height for name in known}
        changed += [(name, cut, count) for name, count in counts.items()]
        if not any(counts.values()):
            continue
        for change in ("numbers", "order", "removed", "added"):
            altered = {
                name: _altered(frame, known[name], later[name], change, rng)
                if name in known and not (change == "added" and name in never_added)
                else frame
                for name, frame in tables.items()
            }
            parts.append(computed.differences(whole, computed.run(altered), cut, change))
    rows = pl.DataFrame(changed, schema={"table": pl.String, "cut": pl.Date, "rows": pl.Int64}, orient="row")
    if not parts:
        raise DataError("no table has a row after any cut: nothing was tested. Cut earlier.")
    return LookAheadAudit(pl.concat(parts).head(MOST_ROWS), computed.runs, rows)


def _altered(
    frame: pl.DataFrame, column: str, later: pl.Expr, change: str, rng: np.random.Generator
) -> pl.DataFrame:
    past, future = frame.filter(~later.fill_null(value=False)), frame.filter(later.fill_null(value=False))
    match change:
        case "numbers":
            return pl.concat([past, _noisy(future, rng)])
        case "order":
            return pl.concat([past, future.reverse()])
        case "removed":
            return past
        case _:
            moved = future.with_columns((pl.col(column) + timedelta(days=1)).cast(frame.schema[column]))
            return pl.concat([past, future, _noisy(moved, rng)])


def _noisy(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Make the floats of each row smaller by one factor, so that ranges and orders hold; shuffle integers."""
    factor = pl.Series(rng.uniform(*SMALLER, frame.height))
    columns = []
    for values in frame.get_columns():
        if values.dtype.is_float():
            columns.append((values * factor).cast(values.dtype))
        elif values.dtype.is_integer():
            columns.append(values.gather(rng.permutation(len(values))))
        else:
            columns.append(values)
    return pl.DataFrame(columns)


class _Compared:
    """A factor, and what differs between two of its results."""

    def __init__(self, factor: Callable[[dict[str, pl.DataFrame]], pl.DataFrame], key: list[str]) -> None:
        self.factor, self.key, self.runs = factor, key, 0

    def run(self, tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
        self.runs += 1
        found = self.factor(tables)
        if not isinstance(found, pl.DataFrame):
            raise DataError(f"the factor returns a {type(found).__name__}; expected a polars frame.")
        absent = [name for name in self.key if name not in found.columns]
        if absent:
            raise MissingColumnError(
                f"the factor's result has no column {absent[0]!r}; it has {found.columns}."
            )
        if found.select(pl.struct(self.key).is_duplicated().any()).item():
            raise DataError(f"the factor's result has a {tuple(self.key)} twice.")
        return found

    def differences(self, whole: pl.DataFrame, other: pl.DataFrame, cut: date, change: str) -> pl.DataFrame:
        """Return the cells up to the cut that differ, as text."""
        day = self.key[0]
        names = [name for name in whole.columns if name not in self.key]
        a, b = (
            frame.filter(pl.col(day) <= cut)
            .select(*(pl.col(name).cast(pl.String) if name != day else pl.col(day) for name in self.key),
                    *(pl.col(name).cast(pl.String) for name in names if name in frame.columns))
            .sort(self.key)
            for frame in (whole, other)
        )  # fmt: skip
        if a.equals(b):
            return pl.DataFrame(schema=FOUND)
        there, here = (
            frame.unpivot(index=self.key, variable_name="column").with_columns(there=pl.lit(value=True))
            for frame in (a, b)
        )
        both = there.join(here, on=[*self.key, "column"], how="full", suffix="_after", coalesce=True)
        both = both.filter(
            pl.col("value").ne_missing(pl.col("value_after"))
            | pl.col("there").ne_missing(pl.col("there_after"))
        )
        asset = pl.concat_str(self.key[1:], separator=" ") if len(self.key) > 1 else pl.lit("")
        absent = pl.lit("no row")
        return both.sort(*self.key, "column").select(
            pl.col(day).cast(pl.Date).alias("date"),
            asset.alias("asset_id"),
            "column",
            pl.lit(change).alias("change"),
            pl.lit(cut).alias("cut"),
            pl.when("there").then(pl.col("value").fill_null("null")).otherwise(absent).alias("before"),
            pl.when("there_after")
            .then(pl.col("value_after").fill_null("null"))
            .otherwise(absent)
            .alias("after"),
        )
