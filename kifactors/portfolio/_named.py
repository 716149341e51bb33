"""What portfolios call the assets of scores, and in which unit a column of scores counts."""

from typing import Literal

import polars as pl

from kifactors.errors import DataError, MissingColumnError
from kifactors.schema import SCORES
from kifactors.scores import Scores

__all__ = ["Unit", "called", "unit_of"]

# A share in [0, 1], additive in a portfolio; or a standardized score around 0.
Unit = Literal["share", "z"]


def called(scores: Scores, names: str) -> pl.Series:
    """Return what portfolios call the assets of the rows of scores; no name for two assets of a date."""
    if names not in {"asset_id", "ticker"}:
        raise DataError(f"names is {names!r}; expected 'asset_id' or 'ticker'.")
    name = pl.col("asset_id") if names == "asset_id" else pl.coalesce("ticker", "asset_id")
    frame = scores.to_polars().select("date", asset=name)
    twice = frame.filter(frame.is_duplicated())
    if twice.height:
        raise DataError(
            f"{twice['asset'][0]!r} stands for two assets on {twice['date'][0]}; take names='asset_id'."
        )
    return frame["asset"]


def unit_of(name: str) -> Unit:
    columns = {column.name: column for column in SCORES.columns}
    if name not in columns:
        raise MissingColumnError(f"scores have no column {name!r}.")
    unit = columns[name].unit
    if unit == "fraction":
        return "share"
    if unit == "cross-sectional units":
        return "z"
    raise DataError(f"{name} is neither a share in [0, 1] nor standardized; take 'exposure' or 'score'.")
