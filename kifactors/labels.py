"""Labels of a panel: the tickers of the date. They enter no arithmetic."""

import polars as pl

from kifactors.panel import KEY, attach

__all__ = ["with_tickers"]


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
