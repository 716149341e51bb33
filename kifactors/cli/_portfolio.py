"""The commands on portfolios: screen, exposure."""

from collections.abc import Iterable
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
import typer

from kifactors import screen as conditions
from kifactors.cli._app import app, given_date, messages, out
from kifactors.cli._tables import chosen, contributions, least_width, totals
from kifactors.errors import DataError, DateError, InfeasibleError, MissingColumnError, UnmatchedAssetError
from kifactors.index_rules import redistribute, smallest_cap
from kifactors.io import read_scores, write_frame
from kifactors.portfolio import portfolio_exposure, weights_table
from kifactors.schema import SCORES, read_file, universe_columns
from kifactors.scores import Scores

__all__ = ["app", "exposure", "screen"]

SUFFIXES = {".csv", ".parquet"}
# The sizes of weights add to no more in any fund; 100 are per cent.
MOST_LEVERAGE = 20.0


class Weighting(StrEnum):
    """How the chosen are weighted."""

    EQUAL = "equal"
    EXPOSURE = "exposure"
    CAP = "cap"


class Names(StrEnum):
    """What a weights file calls the assets."""

    TICKER = "ticker"
    ASSET_ID = "asset_id"


class Missing(StrEnum):
    """What to do with a name of unknown exposure."""

    ERROR = "error"
    EXCLUDE = "exclude"


@app.command()
def screen(
    file: Annotated[Path, typer.Argument(help="Parquet file of scores.")],
    top: Annotated[
        int | None, typer.Option(help="Keep the highest of those that pass the rest.", min=1)
    ] = None,
    by: Annotated[str, typer.Option(help="Column that ranks.")] = "exposure",
    role: Annotated[list[str] | None, typer.Option(help="Keep this role; may be given again.")] = None,
    min_exposure: Annotated[
        float | None, typer.Option(help="Keep exposures of at least this share, 0 to 1.")
    ] = None,
    min_coverage: Annotated[
        float | None, typer.Option(help="Keep coverages of at least this share, 0 to 1.")
    ] = None,
    percentile: Annotated[
        float | None, typer.Option(help="Keep exposures from this percentile of the date on.")
    ] = None,
    industry: Annotated[list[str] | None, typer.Option(help="Keep this industry; needs --universe.")] = None,
    exclude_industry: Annotated[
        list[str] | None, typer.Option(help="Drop this industry; needs --universe.")
    ] = None,
    min_market_cap: Annotated[float | None, typer.Option(help="In USD; needs --universe.")] = None,
    universe: Annotated[
        Path | None, typer.Option(help="Parquet or CSV: date, asset_id, industry, market_cap.")
    ] = None,
    day: Annotated[str | None, typer.Option("--date", help="One computed date; absent: the last.")] = None,
    weighting: Annotated[Weighting, typer.Option(help="cap needs --universe.")] = Weighting.EQUAL,
    cap: Annotated[float | None, typer.Option(help="Largest weight of a name, 0.04 for 4 %.")] = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="CSV or Parquet file of weights to write.")
    ] = None,
) -> None:
    """Choose assets of one date, weight them, and say why the others are out."""
    wanted = given_date(day)
    _check_out(out_file, file, universe, example="weights.csv")
    scores = read_scores(file)
    scores = scores.at(wanted or scores.dates[-1])
    rest = [
        *([conditions.role.element_of(role)] if role else []),
        *([conditions.exposure >= min_exposure] if min_exposure is not None else []),
        *([conditions.coverage >= min_coverage] if min_coverage is not None else []),
        *([conditions.exposure.percentile_between(percentile, 100)] if percentile is not None else []),
        *([conditions.industry.element_of(industry)] if industry else []),
        *([conditions.industry.not_element_of(exclude_industry)] if exclude_industry else []),
        *([conditions.market_cap >= min_market_cap] if min_market_cap is not None else []),
    ]
    condition = rest[0] if rest else conditions.factor(by).known()
    for another in rest[1:]:
        condition &= another
    if top is not None:
        condition = conditions.factor(by).top(top, mask=condition if rest else None)
    table = None
    if universe is not None:
        wanted_columns = condition.columns | {by} | ({"market_cap"} if weighting is Weighting.CAP else set())
        table = _of_day(universe, wanted_columns - set(SCORES.polars), scores.dates[0])
    rows = _with_columns(scores, table, by, weighting)
    try:
        found = conditions.select(scores, condition, universe=table).collect()
    except MissingColumnError as error:
        said = str(error).replace("no universe is given. Pass universe=", "there is no --universe. Give one")
        raise MissingColumnError(said) from error
    counts = found.filter(~pl.col("selected"))["reason"].cast(pl.String).value_counts(sort=True)
    counts = counts.sort("count", "reason", descending=[True, False])
    reasons = "\n".join(f"{count:>6,} out: {reason}" for reason, count in counts.rows())
    if not found["selected"].any():
        raise DataError(f"no asset passes on {scores.dates[0]}. Loosen the conditions.\n{reasons}")
    weights = _weighted(rows.filter(found["selected"]), by, weighting, cap)
    out.print(chosen(weights, scores.dates[0], by))
    if reasons:
        messages.print(reasons, soft_wrap=True)
    if out_file is not None:
        write_frame(weights, out_file)
        messages.print(f"{weights.height} weights written to {out_file}", soft_wrap=True)


@app.command()
def exposure(
    file: Annotated[Path, typer.Argument(help="Parquet file of scores.")],
    weights: Annotated[
        Path, typer.Option(help="CSV or Parquet: [date,] asset (or ticker, asset_id), weight.")
    ],
    benchmark: Annotated[Path | None, typer.Option(help="The same, of a benchmark.")] = None,
    names: Annotated[
        Names | None, typer.Option(help="What the files call the assets; absent: as their column says.")
    ] = None,
    missing: Annotated[
        Missing, typer.Option(help="A name of unknown exposure: refuse, or leave out and say its weight.")
    ] = Missing.ERROR,
    top: Annotated[int, typer.Option(help="How many names of the last date to show.", min=1)] = 15,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="CSV or Parquet file of contributions.")
    ] = None,
) -> None:
    """Show the exposure of a portfolio through time, by role and by name."""
    _check_out(out_file, file, weights, benchmark, example="exposure.csv")
    scores = read_scores(file)
    held, named = _weights(weights, scores.dates[-1])
    base, base_named = (None, named) if benchmark is None else _weights(benchmark, scores.dates[-1])
    if names is None and named != base_named:
        raise DataError(
            f"{weights} names assets by {named} and {benchmark} by {base_named}. Use one, or say --names."
        )
    try:
        found = portfolio_exposure(
            scores, held, benchmark=base, names=(names or named).value, missing=missing.value
        )
    except UnmatchedAssetError as error:
        said = str(error).replace("missing='exclude'", "--missing exclude")
        raise UnmatchedAssetError(said) from error
    for table in (totals(found), contributions(found, top=top)):
        # Where the terminal is too narrow a line runs on: half a number is worse.
        out.width = max(out.width, least_width(table))
        out.print(table)
    if out_file is not None:
        write_frame(found.by_name, out_file)
        messages.print(f"{found.by_name.height} rows written to {out_file}", soft_wrap=True)


def _check_out(out_file: Path | None, *inputs: Path | None, example: str) -> None:
    """Refuse a file to write that is of another kind, or is one of those that are read."""
    if out_file is None:
        return
    if out_file.suffix not in SUFFIXES:
        raise DataError(f"{out_file} is neither .csv nor .parquet. Name the file {example}, say.")
    for given in inputs:
        if given is not None and given.exists() and out_file.exists() and out_file.samefile(given):
            raise DataError(f"--out {out_file} would overwrite {given}, which is read. Name another file.")


def _of_day(universe: Path, names: Iterable[str], day: date) -> pl.DataFrame:
    """Return the rows of a date with these columns."""
    rows = universe_columns(universe, sorted(names))
    found = rows.filter(pl.col("date") == day)
    if found.is_empty():
        days = rows["date"].unique().sort().to_list() or ["nowhere"]
        raise DateError(
            f"{universe} has no row on {day}; it goes from {days[0]} to {days[-1]}. Say --date, or "
            "give a universe of that date."
        )
    return found


def _with_columns(scores: Scores, table: pl.DataFrame | None, by: str, weighting: Weighting) -> pl.DataFrame:
    """Return (date, asset_id, ticker, role, exposure, by) of everybody scored, and market_cap if it weights."""
    frame = scores.to_polars()
    there = [*frame.columns, *([] if table is None else table.columns)]
    if by not in there:
        raise MissingColumnError(
            f"--by {by}: neither the scores nor a --universe have a column {by!r}; take exposure or score, say."
        )
    if weighting is Weighting.CAP and "market_cap" not in there:
        raise DataError("weighting by cap needs --universe with a column market_cap.")
    if table is not None:
        frame = frame.join(table, on=["date", "asset_id"], how="left", maintain_order="left")
    if not frame[by].dtype.is_numeric():
        raise DataError(f"--by {by}: the column holds {frame[by].dtype}; expected numbers that rank.")
    names = ["date", "asset_id", "ticker", "role", "exposure", by]
    return frame.select(
        list(dict.fromkeys([*names, *(["market_cap"] if weighting is Weighting.CAP else [])]))
    )


def _weighted(rows: pl.DataFrame, by: str, weighting: Weighting, cap: float | None) -> pl.DataFrame:
    """Return the selected with their weights, the largest first."""
    shares = np.ones(rows.height)
    if weighting is not Weighting.EQUAL:
        column = "exposure" if weighting is Weighting.EXPOSURE else "market_cap"
        unknown = rows.filter(pl.col(column).is_null())
        if unknown.height:
            remedy = "--min-exposure 0" if column == "exposure" else "--min-market-cap 0"
            raise DataError(
                f"{unknown.height} of the chosen have no known {column}, {_name(unknown)} for one. Leave them out with "
                f"{remedy}, or take --weighting equal."
            )
        shares = rows[column].to_numpy()
    if not shares.sum() > 0.0:
        raise DataError("nobody chosen has an exposure above 0 to weight by; take --weighting equal.")
    if cap is not None and not 0.0 < cap <= 1.0:
        raise DataError(f"cap is {cap:g}; expected a share above 0 and at most 1, 0.04 for 4 %.")
    holders = int((shares > 0.0).sum())
    if cap is not None and holders * cap < 1.0 - 1e-12:
        raise InfeasibleError(
            f"{holders} names of at most {cap:g} add to {holders * cap:g}, not to 1. The smallest cap that holds is "
            f"{smallest_cap(holders):g}; or choose more names."
        )
    weights = redistribute(shares, np.full(rows.height, 1.0 if cap is None else cap))
    return rows.with_columns(weight=pl.Series(weights)).sort(
        "weight", by, "asset_id", descending=[True, True, False], nulls_last=True
    )


def _name(rows: pl.DataFrame) -> str:
    return str(rows["ticker"][0] or rows["asset_id"][0])


def _weights(path: Path, last: date) -> tuple[pl.DataFrame, Names]:
    """Return (date, asset, weight) and what the assets are called; without dates they are of the last scores."""
    frame = read_file(path, what="weights")
    column = next((name for name in ("asset", "ticker", "asset_id") if name in frame.columns), None)
    if column is None or "weight" not in frame.columns:
        raise MissingColumnError(
            f"{path} has the columns {', '.join(frame.columns)}; expected ticker (or asset_id) and weight, with "
            "commas between them."
        )
    if "date" not in frame.columns:
        frame = frame.with_columns(date=pl.lit(last))
    # An asset without a ticker goes by its id, as in the scores.
    named = [name for name in dict.fromkeys((column, "asset_id")) if name in frame.columns]
    rows = frame.select("date", asset=pl.coalesce(pl.col(named).cast(pl.String)), weight="weight")
    weights = weights_table(str(path), rows)
    gross = weights.group_by("date").agg(pl.col("weight").abs().sum()).sort("date")
    much = gross.filter(pl.col("weight") > MOST_LEVERAGE)
    if much.height:
        raise DataError(
            f"the weights of {path} on {much['date'][0]} add to {much['weight'][0]:g}. Expected fractions: 0.6 for 60 %."
        )
    return weights, Names.ASSET_ID if column == "asset_id" else Names.TICKER
