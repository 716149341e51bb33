"""The commands that say why and how sure: explain, coverage."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kifactors import asof
from kifactors.bundle import load_bundled
from kifactors.cli._app import Every, given_date, out, score_dates
from kifactors.cli._store import app
from kifactors.cli._tables import coverages
from kifactors.definition import FactorDefinition
from kifactors.explanation import Change, Explanation, coverage_report, explain_change
from kifactors.explanation import explain as explain_score
from kifactors.io import read_scores, read_tables
from kifactors.schema import Tables

__all__ = ["app", "coverage", "explain"]


class By(StrEnum):
    """How dates are split."""

    INDUSTRY = "industry"
    SIZE = "size"


def _tables(data: Path | None) -> Tables:
    return load_bundled() if data is None else read_tables(data)


@app.command()
def explain(
    file: Annotated[Path, typer.Argument(help="Parquet file of scores.")],
    asset: Annotated[str, typer.Argument(help="Ticker of that date, or asset_id.")],
    day: Annotated[str | None, typer.Option("--date", help="One computed date; absent: the last.")] = None,
    since: Annotated[
        str | None, typer.Option(help="An earlier computed date: explain what changed since then.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the input tables of the scores; absent: the bundled data.")
    ] = None,
    threshold: Annotated[
        float, typer.Option(help="Share of revenue; tie paths that carry less are told as one sum.")
    ] = 1e-4,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,  # noqa: FBT002
) -> None:
    """Say why a company has its exposure and score, down to the filings."""
    wanted, earlier = given_date(day), given_date(since)
    scores, tables = read_scores(file), _tables(data)
    found: Explanation | Change
    if earlier is None:
        found = explain_score(scores, tables, asset, wanted, threshold=threshold)
    else:
        found = explain_change(scores, tables, asset, earlier, wanted or scores.dates[-1])
    if as_json:
        sys.stdout.write(f"{found.to_json(indent=2)}\n")
    elif out.is_terminal:
        out.print(found)
    else:
        # In a pipe a line per node, however long.
        sys.stdout.write(f"{found}\n")


@app.command()
def coverage(
    data: Annotated[
        Path | None, typer.Option(help="Folder of input tables; absent: the bundled data.")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="First date; absent: a year before the last.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Last date; absent: the last report.")] = None,
    every: Annotated[
        Every | None,
        typer.Option(help="Absent: the dates of the universe table if there is one, else month."),
    ] = None,
    by: Annotated[By | None, typer.Option(help="Split each date by industry or by size.")] = None,
    definition: Annotated[
        Path | None, typer.Option(help="TOML file; absent: the default definition.")
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Write all columns as CSV.")] = False,  # noqa: FBT002
) -> None:
    """Say how much of the market is disclosed, and how wide the bounds are for what is not."""
    first, last = given_date(start), given_date(end)
    used = FactorDefinition() if definition is None else FactorDefinition.read(definition)
    tables = _tables(data)
    if first is None:
        final = last or asof.last_known(tables)
        # 29 February has no day a year before.
        first = final.replace(year=final.year - 1, day=min(final.day, 28))
    found = coverage_report(
        tables, score_dates(tables, every, first, last), used, None if by is None else by.value
    )
    if csv:
        sys.stdout.write(found.table.write_csv())
        return
    out.print(coverages(found.table))
    for why, count in found.left["why"].value_counts(sort=True).rows():
        out.print(f"{count:,} {'was' if count == 1 else 'were'} no longer scored: {why}", markup=False)
