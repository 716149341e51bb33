"""What an asset was worth on each session: prices or returns as one matrix, and how assets ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors.errors import DataError, MissingColumnError
from kifactors.schema import INPUTS, Column, TableLike, TableSchema, declared, read_given

__all__ = ["Entry", "Sessions", "sessions_of"]

Entry = Literal["close", "open"]
Names = Literal["asset_id", "ticker"]
Floats = NDArray[np.float64]
DATE = INPUTS["universe"]["date"]
# A daily return above this is a price or per cent, not a fraction: nothing listed has earned a hundredfold in a day.
LARGEST_RETURN = 100.0


@dataclass(frozen=True, slots=True, eq=False)
class Sessions:
    """Values of assets by session.

    Parameters
    ----------
    days : (s,) array of datetime64[D]
        The sessions: every date on which any asset has a known price, or has a row of returns. Ascending.
    assets : polars.Series
        (a,) names, sorted.
    names : {"asset_id", "ticker"}
        What the assets are called by.
    values : (s, a) array
        Value of one unit; NaN where unknown. From the date of an asset's delisting on, what that left of it.
    gaps : (s, a) array of int32, optional
        How many returns are unknown so far. Only where values were made of returns; absent: none.
    last : (a,) array of int
        Session of the last value, before the delisting; -1 if there is none.
    ended : (a,) mask
        Whether a delisting return is known.
    """

    days: NDArray[np.datetime64]
    assets: pl.Series
    names: Names
    values: Floats
    gaps: NDArray[np.int32] | None
    last: NDArray[np.intp]
    ended: NDArray[np.bool_]

    def places(self, names: pl.Series) -> NDArray[np.intp]:
        """Return the column of each name; -1 where there is none."""
        codes = names.cast(pl.Enum(self.assets), strict=False).to_physical()
        return codes.cast(pl.Int64).fill_null(-1).to_numpy().astype(np.intp, copy=False)


def sessions_of(
    prices: TableLike | None,
    returns: TableLike | None,
    *,
    entry: Entry = "close",
    delistings: TableLike | None = None,
) -> Sessions:
    """Arrange prices or returns by session and asset.

    Parameters
    ----------
    prices : table, optional
        date, asset_id (or ticker), close and, for `entry="open"`, open: one row per session and asset, positive,
        adjusted for splits; null is unknown. A date on which no price is known is no session. Returns of prices
        without dividends lack the dividends.
    returns : table, optional
        date, asset_id (or ticker), return: a fraction, from the last session to this one, at least -1; null is
        unknown. A date on which none is known is a session, as what was earned then is unknown. Exactly one of the two
        is given.
    entry : {"close", "open"}
        Which price counts, at entry and at exit. A delisting return is relative to the last close all the same.
    delistings : table, optional
        date, asset_id (or ticker), return: what the last value became, -1 for a total loss. The date is after the
        last price, and the value known from the first session on or after it. With `entry="open"` prices need the
        column close too.

    Raises
    ------
    DataError
        Neither or both are given, a number is outside its range, an asset stands twice on a date, or a delisting is
        of an asset without prices or not after its last one.
    MissingColumnError
        A column is absent.

    Examples
    --------
    >>> from datetime import date
    >>> rows = {"date": [date(2024, 1, 2), date(2024, 1, 3)], "asset_id": ["a", "a"], "return": [0.1, -0.5]}
    >>> sessions_of(None, rows).values.round(12).tolist()
    [[1.1], [0.55]]

    What ended at 2 on the first day, and was taken over at half of that on the third:

    >>> days = [date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 4)]
    >>> prices = {"date": days + days[:1], "asset_id": ["a", "a", "a", "b"], "close": [1.0, 1.0, 1.0, 2.0]}
    >>> ends = {"date": days[2:], "asset_id": ["b"], "return": [-0.5]}
    >>> sessions_of(prices, None, delistings=ends).values[:, 1].tolist()
    [2.0, nan, 1.0]
    """
    if entry not in ("close", "open"):
        raise DataError(f"entry is {entry!r}; expected 'close' or 'open'.")
    if (prices is None) == (returns is None):
        raise DataError(
            "give either prices= or returns=, not " + ("both." if returns is not None else "neither.")
        )
    if returns is not None and entry == "open":
        raise DataError("returns end at the close: entry='open' needs prices= with a column open.")
    what, column = ("returns", "return") if prices is None else ("prices", entry)
    # Returns of delistings are relative to closes.
    ends, called = (None, None) if delistings is None else _delistings(delistings)
    closes = ("close",) if ends is not None and ends.height and column == "open" else ()
    rows, names = _rows(what, returns if prices is None else prices, column, *closes)
    for each in (column, *closes):
        _check_numbers(what, rows, each)
    assets = rows["asset"].unique().sort()
    if prices is not None and rows[column].null_count():
        rows = rows.filter(pl.col("date").is_in(rows.drop_nulls(column)["date"].unique().implode()))
    days = rows["date"].unique().sort()
    values, last = _matrix(what, rows, column, days, assets)
    gaps = None
    if prices is None:
        values, gaps = _grown(values, last)
    ended = np.zeros(len(assets), bool)
    if ends is not None:
        if called != names:
            raise DataError(f"delistings name assets by {called} and prices by {names}. Use one.")
        worth = _last_closes(rows, ends["asset"]) if closes else None
        ended = _delisted(values, last, days, assets, ends, worth)
    return Sessions(days.to_numpy(), assets, names, values, gaps, last, ended)


def _rows(what: str, given: TableLike | None, *columns: str) -> tuple[pl.DataFrame, Names]:
    """Return (date, asset, columns) and what the assets are called by."""
    read = read_given(what, given)
    names: Names = "asset_id" if "asset_id" in read.frame.columns else "ticker"
    absent = [name for name in ("date", names, *columns) if name not in read.frame.columns]
    if absent:
        why = " A delisting return is relative to the last close." if absent[0] in columns[1:] else ""
        wanted = "asset_id (or ticker)" if absent[0] == "ticker" else absent[0]
        raise MissingColumnError(
            f"{what} have no column {wanted}; they have {', '.join(read.frame.columns)}. Rename it: the columns are date, "
            f"asset_id (or ticker) and {', '.join(columns)}.{why}"
        )
    frame = read.frame.select("date", pl.col(names).alias("asset"), *columns)
    numbers = [Column(name=name, dtype=pl.Float64, doc="value", nullable=True) for name in columns]
    asset = Column(name="asset", dtype=pl.String, doc="name of the asset")
    schema = TableSchema(name=what, doc=what, key=("date", "asset"), columns=(DATE, asset, *numbers))
    rows = declared(schema, read._replace(frame=frame))
    for name in ("date", "asset"):
        if rows[name].null_count():
            raise DataError(
                f"{what}: {name} is null in row {rows[name].is_null().arg_max()}. Fill in or drop the row."
            )
    return rows, names


def _check_numbers(what: str, rows: pl.DataFrame, column: str) -> None:
    x = pl.col(column)
    low = x > 0.0 if what == "prices" else x >= -1.0
    broken = rows.filter(~(x.is_finite() & low))
    if broken.height:
        row = broken.row(0, named=True)
        expected = "a finite number above 0" if what == "prices" else "a finite fraction of at least -1"
        raise DataError(
            f"{what}: {column} of {row['asset']!r} on {row['date']} is {row[column]} ({broken.height} such row(s)); "
            f"expected {expected}, null where unknown."
            + (
                " Are these returns? Pass them as returns=."
                if what == "prices" and row[column] <= 0.0
                else ""
            )
        )
    if what == "returns" and rows.height:
        largest = rows[column].max()
        if isinstance(largest, float) and largest > LARGEST_RETURN:
            raise DataError(
                f"returns: the largest is {largest:g}; expected fractions, 0.01 for 1 %. Are these prices? Pass them as "
                "prices=."
            )


def _matrix(
    what: str, rows: pl.DataFrame, column: str, days: pl.Series, assets: pl.Series
) -> tuple[Floats, NDArray[np.intp]]:
    """Return (sessions, assets) values and the last session of each asset."""
    s = days.search_sorted(rows["date"]).cast(pl.Int64).to_numpy()
    a = rows["asset"].cast(pl.Enum(assets)).to_physical().cast(pl.Int64).to_numpy()
    flat = s * len(assets) + a
    values = np.full(len(days) * len(assets), np.nan)
    count = np.zeros(values.size, np.uint8)
    count[flat] = 1
    if int(count.sum()) < flat.size:
        seen = np.sort(flat)
        twice = int(seen[1:][seen[1:] == seen[:-1]][0])
        day, asset = days[twice // len(assets)], assets[twice % len(assets)]
        raise DataError(f"{what}: {asset!r} stands twice on {day}; expected one row per date and asset.")
    values[flat] = rows[column].fill_null(np.nan).to_numpy()
    matrix = values.reshape(len(days), len(assets))
    return matrix, _last_known(matrix)


def _last_known(values: Floats) -> NDArray[np.intp]:
    known = ~np.isnan(values[::-1])
    last = (
        values.shape[0] - 1 - known.argmax(axis=0) if values.shape[0] else np.zeros(values.shape[1], np.intp)
    )
    return np.where(known.any(axis=0), last, -1).astype(np.intp)


def _grown(returns: Floats, last: NDArray[np.intp]) -> tuple[Floats, NDArray[np.int32]]:
    """Return what 1 became, and how many returns are unknown so far; unknown ones leave the value as it is."""
    unknown = np.isnan(returns)
    values = np.asarray(np.cumprod(np.where(unknown, 1.0, 1.0 + returns), axis=0), np.float64)
    gaps = np.cumsum(unknown, axis=0, dtype=np.int32)
    # There is no value after the last return; before the first one nobody can enter either.
    values[np.arange(values.shape[0])[:, None] > last[None, :]] = np.nan
    return values, gaps


def _delistings(given: TableLike) -> tuple[pl.DataFrame, Names]:
    """Return (date, asset, return) of those whose return is known, and what the assets are called by."""
    rows, called = _rows("delistings", given, "return")
    rows = rows.drop_nulls("return")
    _check_numbers("delistings", rows, "return")
    if rows["asset"].is_duplicated().any():
        raise DataError(
            f"delistings: {rows['asset'].filter(rows['asset'].is_duplicated())[0]!r} stands twice."
        )
    return rows, called


def _last_closes(rows: pl.DataFrame, assets: pl.Series) -> dict[str, tuple[date, float]]:
    """Return day and price of the last close of each of these assets."""
    known = rows.filter(pl.col("asset").is_in(assets.implode())).drop_nulls("close").sort("date")
    found = known.group_by("asset").agg(pl.col("date", "close").last())
    return {asset: (day, close) for asset, day, close in found.select("asset", "date", "close").rows()}


def _delisted(
    values: Floats,
    last: NDArray[np.intp],
    days: pl.Series,
    assets: pl.Series,
    rows: pl.DataFrame,
    closes: Mapping[str, tuple[date, float]] | None,
) -> NDArray[np.bool_]:
    """Write what is left of the delisted from the first session on or after the given date, and mark them.

    It is left of the last close; without closes, values are such.
    """
    ended = np.zeros(len(assets), bool)
    places = rows["asset"].cast(pl.Enum(assets), strict=False).to_physical().to_list()
    for (day, asset, left), a in zip(rows.select("date", "asset", "return").rows(), places, strict=True):
        if a is None or last[a] < 0:
            raise DataError(f"delistings: {asset!r} has no prices. Drop the row, or check the name.")
        end, worth = days[int(last[a])], float(values[last[a], a])
        if closes is not None:
            if asset not in closes:
                raise DataError(
                    f"delistings: {asset!r} has no close that its return is relative to. Add one."
                )
            closed, worth = closes[asset]
            end = max(end, closed)
        _check_after(day, asset, end)
        values[days.search_sorted(day) :, a] = worth * (1.0 + left)
        ended[a] = True
    return ended


def _check_after(day: date, asset: str, last: date) -> None:
    if day <= last:
        raise DataError(
            f"delistings: {asset!r} ends on {day}, and its last price is of {last}. Give a later date."
        )
