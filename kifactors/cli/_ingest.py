"""The commands that turn downloaded filings into input tables: ingest sec."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from kifactors.cli._app import out
from kifactors.cli._portfolio import app
from kifactors.ingest import Ingested, ingest_sec
from kifactors.sources import TagMap, read_members

__all__ = ["app", "sec"]

ingest = typer.Typer(
    help="Turn downloaded official files into a folder of input tables.", no_args_is_help=True
)
app.add_typer(ingest, name="ingest")


@ingest.callback()
def _ingest() -> None:
    """Turn downloaded official files into a folder of input tables."""


@ingest.command()
def sec(
    out_folder: Annotated[Path, typer.Option("--out", help="Folder for the tables; made if absent.")],
    companyfacts: Annotated[
        Path | None, typer.Option(help="companyfacts.zip, a folder of its documents, or one of them.")
    ] = None,
    submissions: Annotated[
        Path | None, typer.Option(help="submissions.zip, a folder of its documents, or one: times and names.")
    ] = None,
    fsds: Annotated[
        list[Path] | None, typer.Option(help="Financial Statement Data Set, a zip; may be given again.")
    ] = None,
    xbrl: Annotated[
        Path | None,
        typer.Option(
            help="XBRL or inline XBRL reports: a file, a folder or a zip; customers and AI revenue."
        ),
    ] = None,
    members: Annotated[
        Path | None,
        typer.Option(help="TOML file: which segments are AI revenue; absent: that of the package."),
    ] = None,
    confirmed: Annotated[
        Path | None, typer.Option(help="customers_to_confirm.csv of an earlier run, completed.")
    ] = None,
    tags: Annotated[
        Path | None, typer.Option(help="TOML file of accounting tags; absent: the map of the package.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at what cannot be read.")] = False,  # noqa: FBT002
) -> None:
    """Read SEC files that you downloaded, and write fundamentals.parquet and the like.

    A run that was stopped goes on where it was. What is left out, and why, is in skipped.csv and report.json.
    """
    with _progress() as report:
        done = ingest_sec(
            out_folder,
            companyfacts=companyfacts,
            submissions=submissions,
            fsds=fsds or (),
            xbrl=xbrl,
            members=None if members is None else read_members(members),
            confirmed=confirmed,
            tags=None if tags is None else TagMap.read(tags),
            strict=strict,
            progress=report,
        )
    _summary(done)


def _summary(done: Ingested) -> None:
    said = done.report
    table = Table(box=None, pad_edge=False)
    for name, justify in (("table", "left"), ("rows", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for name, rows in said["tables"].items():
        table.add_row(f"{name}.parquet", f"{rows:,}")
    out.print(table)
    customers = done.folder / "customers_to_confirm.csv"
    if customers.exists():
        out.print(
            f"\ncustomers without a company: say who they are in {customers} and run again with --confirmed"
        )
    out.print(
        f"\n{said['filers']:,} filers in {said['documents']:,} documents ({said['bytes'] / 1e6:,.0f} MB); "
        f"{said['filings_with_a_time']:,} of {said['filings']:,} filings have a time of acceptance, the others count "
        f"from their filing date; {said['xbrl_filings']:,} XBRL filings."
    )
    left_out = Table(box=None, pad_edge=False)
    left_out.add_column("left out")
    left_out.add_column("rows", justify="right")
    for reason, rows in said["skipped"].items():
        left_out.add_row(reason, f"{rows:,}")
    if said["skipped"]:
        out.print()
        out.print(left_out)
    out.print(
        f"\nwritten to {done.folder}; the whole list of what is left out is in skipped.csv", soft_wrap=True
    )


@contextmanager
def _progress() -> Iterator["_Bars"]:
    """Draw a bar a stage on a terminal, nothing in a pipe."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield _Bars(bar)


class _Bars:
    """Forward what is done of each stage to its own bar."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._bar.add_task(stage)
        self._bar.update(self._tasks[stage], completed=done, total=total)
