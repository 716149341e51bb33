"""A look-ahead audit of any factor: change everything after a date, and see whether the past moves."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from kifactors.calendar import parse_date
from kifactors.errors import DataError, DateError, MissingColumnError
from kifactors.evaluation._compared import FOUND, Compared, check_days
from kifactors.evaluation._options import names_of, whole

__all__ = ["LookAheadAudit", "audit_look_ahead"]

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
        The column of each table that says on which date a row is known, a Date or a Datetime, of which its day counts;
        a table that is not named is never changed.
    cuts : sequence of dates
        The dates t. Scores of dates <= t must not move. A time has the day of its own zone: a score of 15:00 of the day
        t is compared, and what is known at 15:00 of the day t is not changed.
    key : sequence of str
        The columns that name a score: the first one is its date, a Date or a Datetime.
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
        The factor gives two results for the same inputs, on whatever date, returns no polars frame or a key twice, no
        cut can change anything, or none has scores up to it.
    DateError
        Cuts are no dates.
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
    days = _cuts(cuts)
    key = names_of("key", key, "columns")
    never_added = names_of("never_added", never_added, "tables", fewest=0)
    rng = np.random.default_rng(whole("seed", seed, least=0))
    _check(tables, known, never_added)
    counts = {
        cut: {name: tables[name].filter(_after(column, cut)).height for name, column in known.items()}
        for cut in days
    }
    if not any(any(rows.values()) for rows in counts.values()):
        raise DataError("no table has a row after any cut: nothing was tested. Cut earlier.")
    computed = Compared(factor, key)
    whole_run = computed.run(dict(tables))
    if computed.differences(whole_run, computed.run(dict(tables)), None, "nothing").height:
        raise DataError(
            "the factor gives two results for the same inputs: make it deterministic first (seed, order)."
        )
    first = computed.first_day(whole_run)
    if not any(any(counts[cut].values()) and first is not None and first <= cut for cut in days):
        raise DataError(
            f"no scores up to any cut: the first is of {first or 'never'}, and nothing would be compared. Cut later, "
            "where inputs change after."
        )
    parts = []
    for cut in days:
        if not any(counts[cut].values()):
            continue
        for change in ("numbers", "order", "removed", "added"):
            altered = {
                name: _altered(frame, known[name], _after(known[name], cut), change, rng)
                if name in known and not (change == "added" and name in never_added)
                else frame
                for name, frame in tables.items()
            }
            parts.append(computed.differences(whole_run, computed.run(altered), cut, change))
    changed = [(name, cut, rows) for cut in days for name, rows in counts[cut].items()]
    rows = pl.DataFrame(changed, schema={"table": pl.String, "cut": pl.Date, "rows": pl.Int64}, orient="row")
    return LookAheadAudit(
        pl.concat([pl.DataFrame(schema=FOUND), *parts]).head(MOST_ROWS), computed.runs, rows
    )


def _cuts(given: Sequence[str | date]) -> list[date]:
    if isinstance(given, str | date) or not isinstance(given, Iterable):
        raise DateError(f"cuts is {given!r}; expected a list of dates, ['2024-01-31'] say.")
    days = list(dict.fromkeys(parse_date(cut) for cut in given))
    if not days:
        raise DateError("there are no cuts. Give the dates after which inputs change.")
    return days


def _check(
    tables: Mapping[str, pl.DataFrame], known: Mapping[str, str], never_added: Collection[str]
) -> None:
    for name, frame in tables.items():
        if not isinstance(frame, pl.DataFrame):
            raise DataError(
                f"table {name!r} is a {type(frame).__module__.partition('.')[0]} {type(frame).__name__}; expected a polars "
                "DataFrame. Use pl.from_pandas(...) or .collect(), say."
            )
    for name, column in known.items():
        if name not in tables or column not in tables[name].columns:
            raise MissingColumnError(f"known says {name!r} has a column {column!r}, and it has not.")
        check_days(tables[name], column, f"table {name!r}")
    unknown = [name for name in never_added if name not in tables]
    if unknown:
        raise DataError(f"never_added has {unknown[0]!r}; the tables are {', '.join(tables)}.")


def _after(column: str, cut: date) -> pl.Expr:
    return pl.col(column).dt.date() > cut


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
