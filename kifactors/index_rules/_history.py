"""`IndexHistory`: weights through time, turnover, and who joined or left why."""

from dataclasses import dataclass
from datetime import date

import polars as pl

from kifactors.calendar import parse_date
from kifactors.errors import DateError
from kifactors.index_rules._rules import IndexRules

__all__ = ["CHANGES", "RECONSTITUTIONS", "WEIGHTS", "IndexHistory"]

WEIGHTS = {"date": pl.Date, "asset_id": pl.String, "weight": pl.Float64, "target": pl.Float64}
RECONSTITUTIONS = {
    "date": pl.Date,
    "members": pl.Int64,
    "joined": pl.Int64,
    "left": pl.Int64,
    "turnover": pl.Float64,
    "forced_turnover": pl.Float64,
    "share_of_way": pl.Float64,
    "enter_line": pl.Float64,
    "stay_line": pl.Float64,
    "value": pl.Float64,
}
CHANGES = {"date": pl.Date, "asset_id": pl.String, "change": pl.String, "why": pl.String}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class IndexHistory:
    """An index through its reconstitutions.

    Parameters
    ----------
    weights : polars.DataFrame
        (date, asset_id, weight, target): a row per reconstitution and asset that is held or asked for, sorted. They
        are weights of that date only: without prices nothing is said of how they drift until the next. target is what
        the rules ask for; under a turnover limit it is 0 for who has left and is still held, and the weight may be 0
        for who has joined and is not bought yet.
    reconstitutions : polars.DataFrame
        A row per reconstitution: date, members, joined, left; turnover (one-way, 0.5 sum |dw|, against the weights of
        the last one, drift not included; null on the first); forced_turnover, the part that no limit can avoid;
        share_of_way, how much of the way to the target was gone; enter_line and stay_line, the values at the two
        percentiles; value, the mean of the ranked column at the target weights.
    changes : polars.DataFrame
        (date, asset_id, change, why): change is "joined" or "left".
    rules : IndexRules
    """

    weights: pl.DataFrame
    reconstitutions: pl.DataFrame
    changes: pl.DataFrame
    rules: IndexRules

    def __repr__(self) -> str:
        days = self.reconstitutions["date"]
        if days.is_empty():
            return "IndexHistory(no reconstitution)"
        return (
            f"IndexHistory({days.len()} reconstitution(s), {days[0]} to {days[-1]})\n{self.reconstitutions}"
        )

    def at(self, day: str | date) -> pl.DataFrame:
        """Return the weights of the newest reconstitution on a day or before it.

        Raises
        ------
        DateError
            The index begins later.
        """
        wanted = parse_date(day)
        if self.reconstitutions.is_empty():
            raise DateError("the index has no reconstitution; its scores had no date.")
        past = self.reconstitutions.filter(pl.col("date") <= wanted)["date"]
        if past.is_empty():
            raise DateError(f"the index begins on {self.reconstitutions['date'][0]}; {wanted} is before.")
        return self.weights.filter(pl.col("date") == past[-1])
