"""Which company and which date is meant; near names for one that is not there."""

from collections.abc import Mapping
from datetime import date
from difflib import get_close_matches

import polars as pl

from kifactors.errors import DataError, UnmatchedAssetError
from kifactors.labels import with_tickers
from kifactors.schema import Tables
from kifactors.scores import Scores

__all__ = ["Names", "asset_of", "check_inputs"]

NEAR = 3


class Names:
    """Labels of companies on one date: the ticker, else the name before a bracket, else the id."""

    __slots__ = ("_labels",)

    def __init__(self, tables: Tables, day: date, ids: pl.Series) -> None:
        keys = pl.DataFrame({"asset_id": ids.unique().drop_nulls().sort()}).select(
            date=pl.lit(day), asset_id="asset_id"
        )
        tickers = with_tickers(keys, tables.assets)
        self._labels: Mapping[str, str] = {
            asset: ticker or asset for asset, ticker in tickers.select("asset_id", "ticker").rows()
        }

    def __getitem__(self, asset_id: str) -> str:
        return self._labels.get(asset_id, asset_id)


def check_inputs(scores: Scores, tables: Tables) -> None:
    """Refuse what is neither scores nor tables."""
    if not isinstance(scores, Scores):
        raise DataError(
            f"scores is a {type(scores).__name__}; expected Scores. Read a file with kf.read_scores."
        )
    if not isinstance(tables, Tables):
        raise DataError(
            f"tables is a {type(tables).__name__}; expected the kf.Tables the scores were made from."
        )


def asset_of(asset: str, *frames: pl.DataFrame, when: str) -> str:
    """Return the id of a company that is an id or a ticker of one of these scores.

    Parameters
    ----------
    asset : str
        An asset_id, or a ticker in any case.
    frames : polars.DataFrame
        Scores of a date; the first that knows the name decides.
    when : str
        The date or dates, named in the error.

    Raises
    ------
    UnmatchedAssetError
        Nobody has that id or ticker, with near ones; or two companies have that ticker.

    Examples
    --------
    >>> frame = pl.DataFrame({"asset_id": ["cik:1", "cik:2"], "ticker": ["NVDA", "AMD"]})
    >>> asset_of("nvda", frame, when="2024-01-31")
    'cik:1'
    >>> asset_of("NVDIA", frame, when="2024-01-31")
    Traceback (most recent call last):
        ...
    kifactors.errors.UnmatchedAssetError: nobody among the 2 scored on 2024-01-31 has the id or ticker 'NVDIA'. Near
    names: NVDA (cik:1). Give an asset_id or a ticker of that date.
    """
    wanted = str(asset)
    for frame in frames:
        if (frame["asset_id"] == wanted).any():
            return wanted
        hits = frame.filter(pl.col("ticker").str.to_uppercase() == wanted.upper())
        if hits.height > 1:
            ids = ", ".join(hits["asset_id"].to_list())
            raise UnmatchedAssetError(
                f"several companies have the ticker {asset!r} on {when}: {ids}. Give the id."
            )
        if hits.height:
            return str(hits["asset_id"][0])
    known: dict[str, str] = {}
    for asset_id, ticker in pl.concat(frames).select("asset_id", "ticker").unique().sort("asset_id").rows():
        known.update(
            {name.upper(): f"{ticker or asset_id} ({asset_id})" for name in (ticker, asset_id) if name}
        )
    near = dict.fromkeys(known[name] for name in get_close_matches(wanted.upper(), list(known), NEAR, 0.5))
    hint = f" Near names: {', '.join(near)}." if near else ""
    count = max(frame.height for frame in frames)
    raise UnmatchedAssetError(
        f"nobody among the {count} scored on {when} has the id or ticker {asset!r}.{hint} Give an asset_id or a "
        "ticker of that date."
    )
