"""The long panel: frames sorted and unique on (date, asset_id), and joins that use it.

Where ids are codes (polars Enum, see `Tables.encoded`) a place in the panel is computed rather than searched for,
which is some twenty times faster than a join on date and id.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors import _kernels

__all__ = ["KEY", "attach", "extended", "row_numbers"]

KEY = ("date", "asset_id")


def attach(panel: pl.DataFrame, columns: pl.DataFrame) -> pl.DataFrame:
    """Add the columns of a frame that is unique on (date, asset_id) to the rows of a sorted panel.

    Rows of the panel stay, in order; what has no match is null.

    Examples
    --------
    >>> panel = pl.DataFrame({"date": [1, 1, 2], "asset_id": ["a", "b", "a"]})
    >>> attach(panel, pl.DataFrame({"date": [2, 1], "asset_id": ["a", "b"], "x": [0.2, 0.1]}))["x"].to_list()
    [None, 0.1, 0.2]
    """
    if not (_is_coded(panel) and _is_coded(columns)):
        return panel.join(columns, on=KEY, how="left", maintain_order="left")
    values = columns.drop(KEY)
    # Most columns were made from the panel itself: then nothing needs to be looked up or copied.
    if not (panel["asset_id"].equals(columns["asset_id"]) and panel["date"].equals(columns["date"])):
        values = values.select(pl.all().gather(_places(panel, columns)))
    return pl.concat([panel, values], how="horizontal")


def _places(panel: pl.DataFrame, columns: pl.DataFrame) -> pl.Series:
    """Return for each row of the panel the row of the columns that belongs there; null where none does."""
    rows = row_numbers(panel, columns["date"], columns["asset_id"])
    places = np.full(panel.height, -1)
    places[rows[rows >= 0]] = np.flatnonzero(rows >= 0)
    return pl.select(pl.when(pl.Series(places) >= 0).then(pl.Series(places))).to_series().cast(pl.UInt32)


def extended(panel: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Add the (date, asset_id) that a sorted panel lacks, once each, in their places; their other columns are null.

    Examples
    --------
    >>> panel = pl.DataFrame({"date": [1, 2], "asset_id": ["b", "a"], "x": [0.1, 0.2]})
    >>> extended(panel, pl.DataFrame({"date": [2, 1, 1], "asset_id": ["a", "c", "c"]})).rows()
    [(1, 'b', 0.1), (1, 'c', None), (2, 'a', 0.2)]
    """
    absent = row_numbers(panel, rows["date"], rows["asset_id"]) < 0
    if not absent.any():
        return panel
    missing = rows.select(KEY).filter(pl.Series(absent)).unique()
    return pl.concat([panel, missing], how="diagonal").sort(KEY)


def row_numbers(panel: pl.DataFrame, date: pl.Series, asset_id: pl.Series) -> NDArray[np.int64]:
    """Return where each (date, asset_id) stands in a sorted panel; -1 where it is not there.

    Examples
    --------
    >>> panel = pl.DataFrame({"date": [1, 1, 2], "asset_id": ["a", "b", "a"]})
    >>> row_numbers(panel, pl.Series([2, 1, 2]), pl.Series(["a", "b", "b"])).tolist()
    [2, 1, -1]
    """
    wanted = pl.DataFrame({"date": date, "asset_id": asset_id})
    if not (_is_coded(panel) and _is_coded(wanted)):
        numbered = panel.select(KEY).with_row_index("row")
        found = wanted.join(numbered, on=KEY, how="left", maintain_order="left")["row"]
        return found.cast(pl.Int64).fill_null(-1).to_numpy()
    keys = [_days(panel), _codes(panel), _days(wanted), _codes(wanted)]
    return _kernels.locate(*keys)


def _is_coded(frame: pl.DataFrame) -> bool:
    return isinstance(frame.schema["asset_id"], pl.Enum)


def _days(frame: pl.DataFrame) -> NDArray[np.int32]:
    return frame["date"].to_physical().cast(pl.Int32).to_numpy()


def _codes(frame: pl.DataFrame) -> NDArray[np.int32]:
    return frame["asset_id"].to_physical().cast(pl.Int32).fill_null(-1).to_numpy()
