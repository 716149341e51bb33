"""Labels of a panel: the tickers of the date. They enter no arithmetic."""

from collections.abc import Iterable
from datetime import date
from difflib import get_close_matches

import polars as pl

from kifactors.errors import DataError
from kifactors.panel import KEY, attach

__all__ = ["Names", "with_tickers"]

SUGGESTIONS = 4


class Names:
    """What people call the companies of one date, tickers or ids, and which company that is.

    Parameters
    ----------
    ids : iterable of str
        Every asset_id there is.
    assets : polars.DataFrame or None
        Validated `assets`; None: ids alone are names.
    day : date
        The date of the tickers.

    Examples
    --------
    >>> from datetime import date
    >>> names = Names(["a", "b"], pl.DataFrame({"asset_id": ["a", "b"], "ticker": ["MSFT", "AMZN"]}), date(2026, 1, 31))
    >>> names.asset_id("MSFT"), names.asset_id("amzn"), names.asset_id("b"), names.label("b")
    ('a', 'b', 'b', 'AMZN')
    >>> names.asset_id("MFST")
    Traceback (most recent call last):
        ...
    kifactors.errors.DataError: there is no company 'MFST' on 2026-01-31; near it are MSFT. Give a ticker or an asset_id.
    """

    __slots__ = ("_day", "_label_of", "_of_label")

    def __init__(self, ids: Iterable[str], assets: pl.DataFrame | None, day: date) -> None:
        known = [] if assets is None else assets["asset_id"].cast(pl.String).to_list()
        frame = pl.DataFrame({"asset_id": sorted({*ids, *known})}, schema={"asset_id": pl.String})
        frame = frame.select(pl.lit(day).alias("date"), "asset_id")
        text = None if assets is None else assets.with_columns(pl.col("asset_id").cast(pl.String))
        rows = with_tickers(frame, text).select("asset_id", "ticker").rows()
        self._day = day
        self._label_of: dict[str, str] = {asset: ticker or asset for asset, ticker in rows}
        self._of_label: dict[str, list[str]] = {}
        for asset, ticker in rows:
            if ticker is not None:
                self._of_label.setdefault(ticker, []).append(asset)

    def label(self, asset: str) -> str:
        """Return the ticker of an asset, or its id."""
        return self._label_of.get(asset, asset)

    def knows(self, name: str) -> bool:
        """Return whether somebody has this id, or this ticker in any case."""
        return name in self._label_of or any(label.upper() == name.upper() for label in self._of_label)

    def asset_id(self, name: str) -> str:
        """Return the asset_id of a name: an id, or a ticker in any case.

        Raises
        ------
        DataError
            Nobody has the name, or several have it; the message says who is near.
        """
        if name in self._label_of:
            return name
        found = self._of_label.get(name, [])
        if not found:
            same = (assets for label, assets in self._of_label.items() if label.upper() == str(name).upper())
            found = [asset for assets in same for asset in assets]
        if len(found) == 1:
            return found[0]
        if found:
            raise DataError(
                f"{name!r} is the ticker of {', '.join(found)} on {self._day}. Give the asset_id."
            )
        upper = {label.upper(): label for label in [*self._label_of, *self._of_label]}
        near = [upper[match] for match in get_close_matches(str(name).upper(), upper, SUGGESTIONS, 0.5)]
        says = f"near it are {', '.join(near)}" if near else "nothing is near it"
        raise DataError(f"there is no company {name!r} on {self._day}; {says}. Give a ticker or an asset_id.")


def with_tickers(frame: pl.DataFrame, assets: pl.DataFrame | None) -> pl.DataFrame:
    """Add `ticker` to the rows of a panel; of several names that hold on a date the one that began last.

    Parameters
    ----------
    frame : polars.DataFrame
        Sorted on (date, asset_id).
    assets : polars.DataFrame or None
        Validated `assets`. None, or without tickers: null.

    Examples
    --------
    >>> from datetime import date
    >>> days = [date(2024, 5, 31), date(2024, 6, 28)]
    >>> names = pl.DataFrame({"asset_id": ["a", "a"], "ticker": ["OLD", "NEW"], "valid_from": [None, date(2024, 6, 1)]})
    >>> with_tickers(pl.DataFrame({"date": days, "asset_id": "a"}), names)["ticker"].to_list()
    ['OLD', 'NEW']
    """
    if assets is None or "ticker" not in assets.columns:
        return frame.with_columns(ticker=pl.lit(None, pl.String))
    ends = [name for name in ("valid_from", "valid_to") if name in assets.columns]
    names = assets.select("asset_id", "ticker", *ends).with_columns(
        pl.lit(None, pl.Date).alias(name) for name in {"valid_from", "valid_to"} - {*ends}
    )
    # Most names never change: those need no dates.
    changes = pl.any_horizontal(pl.col("valid_from", "valid_to").is_not_null()).any().over("asset_id")
    always = names.filter(~changes).select("asset_id", "ticker")
    tickers = frame.select("asset_id").join(always, on="asset_id", how="left", maintain_order="left")
    frame = frame.with_columns(tickers["ticker"])
    changing = names.filter(changes)
    if changing.is_empty():
        return frame
    holds = (pl.col("valid_from").is_null() | (pl.col("valid_from") <= pl.col("date"))) & (
        pl.col("valid_to").is_null() | (pl.col("date") < pl.col("valid_to"))
    )
    labels = (
        frame.select(KEY)
        .join(changing, on="asset_id")
        .filter(holds)
        .sort(*KEY, "valid_from")
        .unique(KEY, keep="last", maintain_order=True)
        .select(*KEY, dated="ticker")
    )
    return attach(frame, labels).with_columns(ticker=pl.coalesce("dated", "ticker")).drop("dated")
