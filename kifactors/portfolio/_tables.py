"""The two tables that portfolios bring: weights by date and asset, exposures by date and asset. Checked at the door."""

from collections.abc import Mapping

import polars as pl

from kifactors.errors import DataError
from kifactors.schema import INPUTS, Column, TableLike, TableSchema, check, coerce

__all__ = ["exposures_table", "weights_table"]

KEY = ("date", "asset")
DATE = INPUTS["universe"]["date"]
ASSET = Column(name="asset", dtype=pl.String, doc="name of the asset")
MARKET_CAP = INPUTS["universe"]["market_cap"]
BESIDE = (
    Column(name="industry", dtype=pl.String, doc="industry", required=False, nullable=True),
    MARKET_CAP,
    Column(name="coverage", dtype=pl.Float64, doc="weight of known pillars", unit="fraction", required=False,
           nullable=True, low=0.0, high=1.0),
)  # fmt: skip


def weights_table(what: str, given: TableLike) -> pl.DataFrame:
    """Return (date, asset, weight), sorted; numbers and dates may be text, as in a CSV.

    Raises
    ------
    DataError
        Nothing is there, a cell is no date, name or finite number, or a name stands twice on a date.
    """
    weight = Column(name="weight", dtype=pl.Float64, doc="weight; short ones are negative", unit="fraction")
    schema = TableSchema(name=what, doc="Weights.", key=KEY, columns=(DATE, ASSET, weight))
    frame = coerce(schema, given, from_text=True)
    if frame.is_empty():
        raise DataError(f"{what} has no rows. Give a weight a date and asset.")
    return check(schema, frame, drop_repeats=False)


def exposures_table(given: TableLike, units: Mapping[str, str]) -> pl.DataFrame:
    """Return date, asset, a column per factor, and of industry, market_cap and coverage what is there; sorted.

    Raises
    ------
    DataError
        Nothing is there, a cell is no date, name or number (of a share: in [0, 1]), or a name stands twice on a date.
    """
    factors = tuple(_factor(name, unit) for name, unit in units.items())
    beside = tuple(column for column in BESIDE if column.name not in units)
    schema = TableSchema(
        name="exposures", doc="Exposures.", key=KEY, columns=(DATE, ASSET, *factors, *beside)
    )
    frame = coerce(schema, given)
    if frame.is_empty():
        raise DataError("exposures have no rows. Give at least one date and asset.")
    return check(schema, frame, drop_repeats=False)


def _factor(name: str, unit: str) -> Column:
    if name in KEY:
        raise DataError(f"a factor is named {name!r}, which is a column of its own. Rename it.")
    low, high, of = (0.0, 1.0, "fraction") if unit == "share" else (None, None, "cross-sectional units")
    return Column(name=name, dtype=pl.Float64, doc="exposure", unit=of, nullable=True, low=low, high=high)
