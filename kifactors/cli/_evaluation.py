"""The command that holds scores against what was earned after them: evaluate."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kifactors.cli._app import messages, out
from kifactors.cli._ingest import app
from kifactors.cli._tables import figures, groups
from kifactors.errors import DataError
from kifactors.evaluation import PriceFacts
from kifactors.evaluation import evaluate as hold_against
from kifactors.io import read_scores

__all__ = ["app", "evaluate"]


class Entry(StrEnum):
    """Which price of the session after the score date is paid."""

    CLOSE = "close"
    OPEN = "open"


@app.command()
def evaluate(
    file: Annotated[Path, typer.Argument(help="Parquet file of scores.")],
    prices: Annotated[
        Path | None, typer.Option(help="Parquet or CSV: date, asset_id (or ticker), close [, open].")
    ] = None,
    returns: Annotated[
        Path | None, typer.Option(help="Instead of prices: date, asset_id (or ticker), return, 0.01 for 1 %.")
    ] = None,
    universe: Annotated[
        Path | None, typer.Option(help="date, asset_id, market_cap, industry; absent: equal weights.")
    ] = None,
    delistings: Annotated[
        Path | None,
        typer.Option(
            help="date, asset_id (or ticker), return: what the last close became, from that date on."
        ),
    ] = None,
    horizon: Annotated[
        list[int] | None, typer.Option(help="In sessions; may be given again. Absent: 1, 5, 21, 63.", min=1)
    ] = None,
    column: Annotated[str, typer.Option(help="Column of the scores.")] = "exposure",
    by: Annotated[str | None, typer.Option(help="Coefficients within each name of this column too.")] = None,
    style: Annotated[
        list[str] | None, typer.Option(help="Column of the universe that regressions hold constant.")
    ] = None,
    entry: Annotated[Entry, typer.Option(help="Price paid in the session after the score.")] = Entry.CLOSE,
    dividends: Annotated[
        bool | None, typer.Option("--dividends/--no-dividends", help="Whether returns include them.")
    ] = None,
    survivors: Annotated[
        bool | None,
        typer.Option("--survivors-only/--with-delisted", help="Whether prices lack the delisted."),
    ] = None,
    draws: Annotated[int, typer.Option(help="Bootstrap draws of the intervals; 0: none.", min=0)] = 1_000,
    out_file: Annotated[Path | None, typer.Option("--out", help="HTML file to write.")] = None,
) -> None:
    """Hold scores against what was earned after them, and say how sure that is."""
    if out_file is not None and out_file.suffix != ".html":
        raise DataError(f"{out_file} does not end in .html. Name it report.html, say.")
    scores = read_scores(file)
    with messages.status("evaluating"):
        found = hold_against(
            scores,
            prices=prices,
            returns=returns,
            universe=universe,
            delistings=delistings,
            horizons=horizon or (1, 5, 21, 63),
            column=column,
            by=by,
            styles=style or (),
            entry=entry.value,
            draws=draws,
            facts=PriceFacts(dividends=dividends, survivors_only=survivors),
        )
        if out_file is not None:
            found.to_html(out_file)
    out.print(figures(found))
    if by is not None:
        out.print(groups(found))
    out.print("What could be wrong:")
    for number, limit in enumerate(found.limits, start=1):
        out.print(f"{number:>2}. {limit}", markup=False)
    if out_file is not None:
        messages.print(f"tear sheet written to {out_file}", soft_wrap=True)
