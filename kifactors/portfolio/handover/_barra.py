"""Exposure files as a Barra-style risk model ships them: asset, factor, exposure, date; long or wide, CSV or Parquet."""

import re
from datetime import date
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import polars as pl

from kifactors.atomic import written
from kifactors.calendar import parse_date
from kifactors.errors import DataError, DateError, MissingColumnError
from kifactors.portfolio._exposures import FactorExposures

__all__ = ["read_barra", "write_barra"]

# The numbers a factor column has beside it, and their types.
BESIDE = {"industry": pl.String, "market_cap": pl.Float64, "coverage": pl.Float64}
# What a factor may not be called in a file, beside BESIDE.
TAKEN = {"long": {"as_of", "value", "factor", "unit", "place"}, "wide": {"as_of", "factor"}}
HEADING = re.compile(r"(?P<name>.+) \[(?P<unit>[^\[\]]+)\]")


def write_barra(
    exposures: FactorExposures,
    path: str | PathLike[str],
    *,
    layout: Literal["long", "wide"] = "long",
    day: str | date | None = None,
) -> Path:
    """Write an exposure file: names, units and as-of date in plain columns, so that any tool reads it.

    Parameters
    ----------
    exposures : FactorExposures
    path : path
        Ends in .csv or .parquet; an existing file is replaced.
    layout : {"long", "wide"}
        Long: as_of, asset, factor, unit, exposure. Wide: as_of, asset and a column per factor, headed
        "name [unit]". Both with industry, market_cap (USD) and coverage where known.
    day : str or date, optional
        Only the scores of this date; all by default.

    Returns
    -------
    pathlib.Path
        The path, for chaining.

    Raises
    ------
    DateError
        There are no scores of that day; a file dated by another would mislead.
    DataError
        The path has another ending, or a factor has the name of a column here.

    Notes
    -----
    as_of is the date of the scores: what the exposures say could be used on that day. Unknown is an empty cell.
    """
    target, frame = Path(path), exposures.to_polars()
    ending = _ending(target)
    if layout not in {"long", "wide"}:
        raise DataError(f"layout is {layout!r}; expected 'long' or 'wide'.")
    wrong = [
        name
        for name in exposures.factors
        if name in TAKEN[layout] or (layout == "wide" and set("[]\n\r") & set(name))
    ]
    if wrong:
        raise DataError(f"a factor is named {wrong[0]!r}, which a {layout} file cannot hold. Rename it.")
    if day is not None:
        frame = frame.filter(pl.col("date") == parse_date(day))
        if frame.is_empty():
            raise DateError(f"there are no exposures of {day}. Take a date of the scores.")
    beside = [name for name in BESIDE if name in frame.columns and name not in exposures.units]
    if layout == "long":
        table = _long(frame, exposures, beside)
    else:
        headed = {name: f"{name} [{unit}]" for name, unit in exposures.units.items()}
        table = frame.select("date", "asset", *exposures.factors, *beside).rename({"date": "as_of", **headed})
    return written(target, table.write_csv if ending == ".csv" else table.write_parquet, what="exposures")


def read_barra(path: str | PathLike[str]) -> FactorExposures:
    """Read an exposure file that `write_barra` wrote, in either layout.

    Parameters
    ----------
    path : path
        Ends in .csv or .parquet.

    Returns
    -------
    FactorExposures
        Equal to the exposures written.

    Raises
    ------
    DataError
        The file is absent or no such file, or one factor has two units.
    MissingColumnError
        It lacks a column.
    """
    source = Path(path)
    try:
        # Names stay text: "0005" is not 5, and "NA" is a name.
        if _ending(source) == ".csv":
            table = pl.read_csv(source, infer_schema=False)
        else:
            table = pl.read_parquet(source)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{source} cannot be read as an exposure file: {error}.") from error
    absent = [name for name in ("as_of", "asset") if name not in table.columns]
    if absent:
        raise MissingColumnError(
            f"{source} has no column {absent[0]!r}; it has {', '.join(table.columns)}. Was it written by write_barra?"
        )
    return _from_long(table, source) if "factor" in table.columns else _from_wide(table, source)


def _long(frame: pl.DataFrame, exposures: FactorExposures, beside: list[str]) -> pl.DataFrame:
    units = pl.DataFrame({"factor": exposures.factors, "unit": list(exposures.units.values())})
    return (
        frame.unpivot(
            exposures.factors, index=["date", "asset", *beside], variable_name="factor", value_name="value"
        )
        .join(units.with_row_index("place"), on="factor", how="left", maintain_order="left")
        .sort("date", "asset", "place")
        .select(
            pl.col("date").alias("as_of"),
            "asset",
            "factor",
            "unit",
            pl.col("value").alias("exposure"),
            *beside,
        )
    )


def _from_long(table: pl.DataFrame, source: Path) -> FactorExposures:
    for name in ("unit", "exposure"):
        if name not in table.columns:
            raise MissingColumnError(f"{source} has no column {name!r}; it has {', '.join(table.columns)}.")
    if table["factor"].null_count():
        raise DataError(f"{source} has a row without a factor. Name it, or drop the row.")
    units = dict(table.select("factor", "unit").unique(maintain_order=True).rows())
    if table.select("factor", "unit").n_unique() > len(units):
        raise DataError(f"{source} gives a factor two units; expected one.")
    twice = table.filter(table.select("as_of", "asset", "factor").is_duplicated())
    if twice.height:
        raise DataError(
            f"{source} gives {twice['asset'][0]} two exposures to {twice['factor'][0]} on {twice['as_of'][0]}."
        )
    beside = [name for name in BESIDE if name in table.columns and name not in units]
    key = ["as_of", "asset", *beside]
    wide = table.pivot(on="factor", index=key, values="exposure", maintain_order=True)
    return _exposures(wide, units, beside, source)


def _from_wide(table: pl.DataFrame, source: Path) -> FactorExposures:
    found = {name: HEADING.fullmatch(name) for name in table.columns}
    headings = [heading for heading in found.values() if heading]
    units = {heading["name"]: heading["unit"] for heading in headings}
    if not units:
        raise MissingColumnError(
            f"{source} has no factor: neither a column 'factor', nor a heading like 'exposure [share]'."
        )
    if len(units) < len(headings):
        raise DataError(
            f"{source} has two columns of one factor: {', '.join(h[0] for h in headings)}. Keep one."
        )
    renamed = table.rename({name: heading["name"] for name, heading in found.items() if heading})
    beside = [name for name in BESIDE if name in renamed.columns and name not in units]
    return _exposures(renamed, units, beside, source)


def _exposures(
    table: pl.DataFrame, units: dict[str, Any], beside: list[str], source: Path
) -> FactorExposures:
    types = dict.fromkeys(units, pl.Float64) | {name: BESIDE[name] for name in beside}
    day = pl.col("as_of").alias("date")
    try:
        frame = table.select(
            day.cast(pl.Date) if table["as_of"].dtype != pl.String else day.str.to_date("%Y-%m-%d"),
            pl.col("asset").cast(pl.String),
            *(pl.col(name).cast(dtype) for name, dtype in types.items()),
        )
    except pl.exceptions.PolarsError as error:
        said = str(error).splitlines()[0]
        raise DataError(f"{source} holds what is no date like 2024-01-31, or no number: {said}.") from error
    try:
        return FactorExposures(frame, units)
    except DataError as error:
        raise DataError(f"{source}: {error}") from error


def _ending(path: Path) -> str:
    if path.suffix not in {".csv", ".parquet"}:
        raise DataError(f"{path} ends in {path.suffix!r}; expected .csv or .parquet.")
    return path.suffix
