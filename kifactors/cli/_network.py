"""The commands about the supplier network: scenario, network, sensitivity."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.markup import escape

from kifactors.bundle import load_bundled
from kifactors.calendar import month_ends
from kifactors.cli._app import given_date, messages, out
from kifactors.cli._explain import app
from kifactors.cli._tables import losses, variants
from kifactors.definition import FactorDefinition
from kifactors.errors import DataError
from kifactors.io import read_tables
from kifactors.network import graph
from kifactors.scenarios import scenario as prepare
from kifactors.scenarios import sensitivity as vary
from kifactors.schema import Tables
from kifactors.snapshot import last_day

__all__ = ["app", "network", "scenario", "sensitivity"]

Data = Annotated[Path | None, typer.Option(help="Folder of input tables; absent: the bundled data.")]
Definition = Annotated[Path | None, typer.Option(help="TOML file; absent: the default definition.")]
Day = Annotated[str | None, typer.Option("--date", help="Absent: the last known date.")]


class Disclosed(StrEnum):
    """What becomes of disclosed AI shares."""

    FOLLOWS = "follows"
    FLOOR = "floor"


@app.command()
def scenario(
    shock: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=CHANGE of AI spending: MSFT=-0.3, or pioneers=-0.2 for all; may be given again."
        ),
    ] = None,
    theta: Annotated[
        list[str] | None, typer.Option(help="NAME=SHARE: another AI share of capex; may be given again.")
    ] = None,
    lost_tie: Annotated[
        list[str] | None, typer.Option(help="SUPPLIER=CUSTOMER: a tie that ends; may be given again.")
    ] = None,
    gone: Annotated[list[str] | None, typer.Option(help="A company that leaves; may be given again.")] = None,
    unnamed: Annotated[
        float, typer.Option(help="Change of disclosed AI revenue whose customers nobody names.")
    ] = 0.0,
    disclosed: Annotated[
        Disclosed, typer.Option(help="Whether disclosed AI shares move with named customers, or stay.")
    ] = Disclosed.FOLLOWS,
    data: Data = None,
    day: Day = None,
    definition: Definition = None,
    top: Annotated[int, typer.Option(help="How many of the worst hit.", min=1)] = 15,
    csv: Annotated[bool, typer.Option("--csv", help="Write every company as CSV.")] = False,  # noqa: FBT002
) -> None:
    """Say who loses AI revenue if companies spend less on AI, a tie ends, or a company leaves."""
    held = prepare(_tables(data), _definition(definition), given_date(day), disclosed=disclosed.value)
    found = held.shock(
        _numbers(shock, "--shock"),
        theta=_numbers(theta, "--theta"),
        lost_ties=[_pair(text, "--lost-tie") for text in lost_tie or []],
        gone=gone or [],
        unnamed=unnamed,
    )
    if csv:
        sys.stdout.write(found.to_polars().drop("scenario").write_csv())
        return
    worst, every = found.worst(top), found.to_polars()
    if worst.is_empty():
        out.print("Nobody whose customers are known loses AI revenue.")
    else:
        out.print(losses(worst, found.tiers(count=2), str(held.snapshot.day)))
    r = pl.col("ai_revenue")
    alone = every.filter((r > 0) & (pl.col("ai_revenue_change").abs() <= found.noise)).height
    messages.print(
        f"{alone} of {every.filter(r > 0).height} companies with AI revenue see no change: nobody they name is shocked, or "
        "what they disclose does not follow."
    )


@app.command()
def network(
    asset: Annotated[str, typer.Argument(help="Ticker or asset_id in the middle.")],
    out_file: Annotated[Path, typer.Option("--out", help="File to write: .svg, .png or .graphml.")],
    depth: Annotated[int, typer.Option(help="Most ties between.", min=1)] = 2,
    data: Data = None,
    day: Day = None,
    definition: Definition = None,
) -> None:
    """Draw the supplier network around a company, or write it as GraphML."""
    forms = (".svg", ".png", ".graphml")
    if out_file.suffix not in forms:
        raise DataError(f"{out_file} ends in none of {', '.join(forms)}. Name it net.svg, say.")
    found = graph(_tables(data), given_date(day), _definition(definition))
    part = found.around(asset, depth=depth)
    if out_file.suffix == ".graphml":
        part.to_graphml(out_file)
    elif out_file.suffix == ".svg":
        found.to_svg(out_file, asset, depth=depth)
    else:
        found.to_png(out_file, asset, depth=depth)
    for row in part.edges.iter_rows(named=True):
        told = f"{round(100 * row['revenue_share'], 1):g} % of revenue, known {row['published']}"
        out.print(f"{escape(row['supplier'])} sells to {escape(row['customer'])}: {told}", soft_wrap=True)
    messages.print(
        f"{part.nodes.height} companies, {part.edges.height} ties written to {out_file}", soft_wrap=True
    )


@app.command()
def sensitivity(
    start: Annotated[
        str | None, typer.Option("--from", help="First date; absent: the last known one.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Last date, by month; absent: the first.")] = None,
    data: Data = None,
    definition: Definition = None,
    column: Annotated[str, typer.Option(help="Column of the scores that ranks.")] = "score",
    top: Annotated[int, typer.Option(help="How many of the largest are compared.", min=1)] = 30,
    csv: Annotated[bool, typer.Option("--csv", help="Write variants and dates as CSV.")] = False,  # noqa: FBT002
) -> None:
    """Say which assumptions decide the ranks, and which do not."""
    tables, first, last = _tables(data), given_date(start), given_date(end)
    first = last_day(tables) if first is None else first
    dates = [first] if last is None else [day for day in month_ends(first, last) if first <= day <= last]
    with messages.status("computing variants"):
        found = vary(tables, dates, _definition(definition), column=column, top=top)
    if csv:
        sys.stdout.write(found.by_date.write_csv())
        return
    out.print(variants(found.summary(), column, top))
    out.print(found.sentence(), markup=False)


def _tables(data: Path | None) -> Tables:
    return load_bundled() if data is None else read_tables(data)


def _definition(path: Path | None) -> FactorDefinition | None:
    return None if path is None else FactorDefinition.read(path)


def _pair(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise typer.BadParameter(f"{option} {text!r}: expected NAME=VALUE, like MSFT=-0.3.")
    return name, value


def _numbers(given: list[str] | None, option: str) -> dict[str, float]:
    found = {}
    for text in given or []:
        name, value = _pair(text, option)
        if name in found:
            raise typer.BadParameter(f"{option} names {name} twice. Give one number.")
        try:
            found[name] = float(value)
        except ValueError as error:
            raise typer.BadParameter(
                f"{option} {text!r}: {value!r} is no number; expected one like -0.3."
            ) from error
    return found
