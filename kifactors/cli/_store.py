"""The command that brings a store up to date, from cron or by hand: update."""

import json
import sys
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kifactors import asof
from kifactors.cli._app import Every, given_date, progress, score_dates
from kifactors.cli._evaluation import app
from kifactors.definition import FactorDefinition
from kifactors.errors import DataError, KifactorsError
from kifactors.io import read_tables
from kifactors.schema import INPUTS, Tables
from kifactors.store import ScoreStore, open_store, update_store

__all__ = ["app", "update"]


class LogFormat(StrEnum):
    """How a line of the log is written."""

    TEXT = "text"
    JSON = "json"


class _Log:
    """Writes what happened, a line each, as soon as it did."""

    def __init__(self, form: LogFormat) -> None:
        self._form = form

    def __call__(self, event: str, **facts: str | int | None) -> None:
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        known = {name: value for name, value in facts.items() if value is not None}
        if self._form is LogFormat.JSON:
            line = json.dumps({"time": now, "event": event, **known})
        else:
            line = " ".join([now, event, *(f"{name}={_text(value)}" for name, value in known.items())])
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def _text(value: str | int) -> str:
    text = str(value)
    return json.dumps(text) if " " in text or '"' in text or "\n" in text else text


@app.command()
def update(
    store_uri: Annotated[
        str, typer.Option("--store", help="Folder or URI of the store, like s3://bucket/scores.")
    ],
    data: Annotated[Path, typer.Option(help="Folder of input tables.")],
    start: Annotated[
        str | None, typer.Option("--from", help="First date; absent: the first one of the store.")
    ] = None,
    end: Annotated[
        str | None,
        typer.Option(
            "--to", help="Last date; absent: the last day on which a row of the tables became known."
        ),
    ] = None,
    every: Annotated[
        Every | None,
        typer.Option(help="Absent: the dates of the universe table if there is one, else month."),
    ] = None,
    definition: Annotated[
        Path | None, typer.Option(help="TOML file; absent: that of the store, or the default one.")
    ] = None,
    restate: Annotated[
        str | None,
        typer.Option(help="A reason: compute all dates anew, and write those that differ as a new version."),
    ] = None,
    compact: Annotated[  # noqa: FBT002
        bool, typer.Option("--compact", help="Then put the files of each month together.")
    ] = False,
    storage_option: Annotated[
        list[str] | None, typer.Option(help="KEY=VALUE for the object store; may be given again.")
    ] = None,
    log: Annotated[LogFormat, typer.Option(help="How lines of the log are written.")] = LogFormat.TEXT,
) -> None:
    """Compute the dates that a store lacks and append them in one commit.

    Run it as often as you like, from several machines: what is there is not computed again.
    """
    write = _Log(log)
    try:
        store = open_store(store_uri, storage_options=_options(storage_option or []))
        tables = read_tables(data)
        write("read", data=str(data), tables=sum(getattr(tables, name) is not None for name in INPUTS))
        dates = _dates(store, tables, every, start, end)
        with progress() as report:
            done = update_store(
                store,
                tables,
                dates,
                definition=None if definition is None else FactorDefinition.read(definition),
                restate=restate,
                progress=report,
            )
        first, last = (str(day) for day in (done.dates[0], done.dates[-1])) if done.dates else (None, None)
        event = "updated" if done.dates else "nothing to do"
        write(event, store=store.uri, version=done.version, dates=len(done.dates), first=first, last=last)
        if compact:
            before = done.version
            version = store.compact()
            write(
                "compacted" if version != before else "nothing to compact", store=store.uri, version=version
            )
    except KifactorsError as error:
        if log is LogFormat.JSON:
            write("failed", error=type(error).__name__, message=str(error))
            raise typer.Exit(code=1) from error
        raise


def _dates(
    store: ScoreStore, tables: Tables, every: Every | None, start: str | None, end: str | None
) -> list[date]:
    """List the dates the store should have; none after what the tables know, or those would miss what comes."""
    first, last = given_date(start), given_date(end)
    if first is None:
        held = store.dates() if store.exists() else ()
        if not held:
            raise DataError(
                f"the store {store.uri} has no dates to go on from. Say the first one with --from, like "
                "--from 2022-01-31."
            )
        first = held[0]
    return score_dates(tables, every, first, last or asof.last_known(tables))


def _options(given: list[str]) -> dict[str, str]:
    options = dict(text.partition("=")[::2] for text in given)
    wrong = next((text for text in given if "=" not in text), None)
    if wrong is not None:
        raise typer.BadParameter(f"--storage-option {wrong!r}: expected KEY=VALUE.")
    return options
