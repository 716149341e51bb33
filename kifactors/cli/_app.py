"""The commands: demonstration, score, show, definition, validate."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from kifactors import __version__, asof, calendar
from kifactors.bundle import article_figures, load_bundled
from kifactors.calendar import month_ends, parse_date
from kifactors.cli._tables import history, ranking
from kifactors.definition import FactorDefinition
from kifactors.errors import DateError, KifactorsError
from kifactors.factor import AIInfrastructureExposure
from kifactors.io import read_scores, read_tables, table_files, write_scores
from kifactors.schema import Tables, validate
from kifactors.scores import Scores

__all__ = ["Every", "app", "given_date", "messages", "out", "progress", "score_dates"]

DEMO_FILE = Path("ai_infrastructure_exposure.parquet")
# theta, the AI share of capex, is not stated before 2023; a year earlier shows what is unknown.
DEMO_START = "2022-01"
# The article names Nvidia as the usual supplier of the chips whose budgets it lists.
ARTICLE_SUPPLIER = "NVDA"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
out = Console(highlight=False)
if not out.is_terminal:
    # In a pipe or a file there is no edge to fit.
    out = Console(highlight=False, width=120)
messages = Console(stderr=True, highlight=False, markup=False)


class Every(StrEnum):
    """How often to score."""

    MONTH = "month"
    WEEK = "week"
    DAY = "day"
    SESSION = "session"


def given_date(text: str | None) -> date | None:
    """Return the date of an option."""
    try:
        return None if text is None else parse_date(text)
    except DateError as error:
        raise typer.BadParameter(str(error)) from error


def _version(value: bool) -> None:  # noqa: FBT001
    if value:
        print(__version__)
        raise typer.Exit


@app.callback(invoke_without_command=True)
def demonstration(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: ARG001, FBT002
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,  # noqa: ARG001, FBT002
) -> None:
    """AI infrastructure exposure of listed companies.

    Without a command: score the bundled companies every month from 2022, show the ranking and how the companies
    moved, and write the scores to a Parquet file in this folder.
    """
    if context.invoked_subcommand is not None:
        return
    tables = load_bundled()
    dates = month_ends(DEMO_START, asof.last_known(tables))
    scores = _compute(tables, dates, FactorDefinition())
    latest = scores.at(dates[-1])
    out.print(ranking(latest, top=25))
    unknown = latest.to_polars()["exposure"].null_count()
    out.print(f"{unknown} more companies are unknown, not 0: nothing tells their exposure yet.")
    out.print("capex, ties, index: pillar scores; coverage: weight of known pillars.\n")
    year_ends = [day for day in dates if day.month == 12]
    out.print(history(scores, _article_companies(tables), [*year_ends, dates[-1]]))
    path = write_scores(scores, DEMO_FILE)
    out.print(f"\n{len(scores):,} scores on {len(dates)} dates written to {path}", soft_wrap=True)


@app.command()
def score(
    out_file: Annotated[Path, typer.Option("--out", help="Parquet file to write.")],
    start: Annotated[str, typer.Option("--from", help="First date, like 2022-01-31.")],
    end: Annotated[str | None, typer.Option("--to", help="Last date; absent: the last report.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of input tables; absent: the bundled data.")
    ] = None,
    every: Annotated[
        Every | None,
        typer.Option(help="Absent: the dates of the universe table if there is one, else month."),
    ] = None,
    definition: Annotated[
        Path | None, typer.Option(help="TOML file; absent: the default definition.")
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            help="processes, or the address of a Dask scheduler like tcp://host:8786; absent: threads."
        ),
    ] = None,
) -> None:
    """Score a folder of input tables and write one Parquet file."""
    first, last = given_date(start), given_date(end)
    factor = FactorDefinition() if definition is None else FactorDefinition.read(definition)
    tables = load_bundled() if data is None else read_tables(data)
    assert first is not None  # noqa: S101  (the option is required)
    dates = score_dates(tables, every, first, last)
    scores = _compute(tables, dates, factor, engine)
    write_scores(scores, out_file)
    known = scores.to_polars()["exposure"].count()
    messages.print(
        f"{len(scores):,} rows on {len(dates)} dates ({known:,} with a known exposure) written to {out_file}",
        soft_wrap=True,
    )


@app.command()
def show(
    file: Annotated[Path, typer.Argument(help="Parquet file of scores.")],
    day: Annotated[str | None, typer.Option("--date", help="One computed date; absent: the last.")] = None,
    top: Annotated[
        int | None, typer.Option(help="How many; absent: 25, as CSV all, the unknown last.", min=1)
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Write all columns as CSV.")] = False,  # noqa: FBT002
) -> None:
    """Show the ranking of one date."""
    wanted = given_date(day)
    scores = read_scores(file)
    latest = scores.at(wanted or scores.dates[-1])
    if csv:
        rows = latest.to_polars().sort("exposure", "asset_id", descending=[True, False], nulls_last=True)
        sys.stdout.write((rows if top is None else latest.top(top)).write_csv())
        return
    out.print(ranking(latest, top=top or 25))
    unknown = latest.to_polars()["exposure"].null_count()
    if unknown:
        messages.print(f"{unknown:,} of {len(latest):,} assets have no known exposure on {latest.dates[-1]}.")


@app.command("definition")
def print_definition() -> None:
    """Write the default definition as TOML, to edit and pass to score."""
    sys.stdout.write(FactorDefinition().to_toml())


@app.command("validate")
def validate_folder(folder: Annotated[Path, typer.Argument(help="Folder of input tables.")]) -> None:
    """Check every input table of a folder."""
    broken = 0
    for name, path in table_files(folder).items():
        try:
            rows = validate(name, path).height
        except KifactorsError as error:
            broken += 1
            print(f"{path.name}: not valid\n{error}\n")
        else:
            print(f"{path.name}: {rows:,} rows, valid")
    if broken:
        raise typer.Exit(code=1)


def score_dates(tables: Tables, every: Every | None, first: date, last: date | None) -> list[date]:
    """List the score dates; without a last one, up to the period that holds the last report."""
    if last is None:
        last = asof.last_known(tables)
        last = max(month_ends(last, last)[0], first) if every in {None, Every.MONTH} else last
    if every is None and tables.universe is not None:
        known = tables.universe["date"].unique().sort()
        dates = known.filter(known.is_between(first, last)).to_list()
    else:
        between = {Every.WEEK: calendar.week_ends, Every.DAY: calendar.days, Every.SESSION: calendar.sessions}
        dates = between.get(every or Every.MONTH, month_ends)(first, last)
    dates = [day for day in dates if first <= day <= last]
    if not dates:
        raise DateError(f"no score date lies from {first} to {last}. Give a wider range or another --every.")
    return dates


def _compute(
    tables: Tables, dates: list[date], definition: FactorDefinition, engine: str | None = None
) -> Scores:
    with progress() as report:
        factor = AIInfrastructureExposure(definition)
        return factor.compute(tables, dates, engine=engine, progress=report)


@contextmanager
def progress() -> Iterator["_Report"]:
    """Draw a bar on a terminal, nothing in a pipe."""
    console = Console(stderr=True)
    columns = (
        TextColumn("scoring"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("dates"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield _Report(bar)


class _Report:
    """Forward dates done to a progress bar."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=None)

    def __call__(self, done: int, total: int) -> None:
        self._bar.update(self._task, completed=done, total=total)


def _article_companies(tables: Tables) -> dict[str, str]:
    """Return asset_id and label of the companies in the article's figures, and of their supplier."""
    assert tables.assets is not None  # noqa: S101  (part of the bundle)
    entities = [*article_figures()["entity"].unique(maintain_order=True), ARTICLE_SUPPLIER]
    labels = tables.assets.with_columns(
        label=pl.coalesce("ticker", pl.col("name").str.split(" (").list.first())
    )
    found = {label: asset for asset, label in labels.select("asset_id", "label").rows()}
    return {found[entity]: entity for entity in entities if entity in found}
