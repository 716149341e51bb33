"""From SEC files to a folder of input tables: parts, tables, report."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import polars as pl

from kifactors import __version__, schema
from kifactors.atomic import written
from kifactors.errors import DataError
from kifactors.ingest._disclosures import TABLES, Reading, disclosure_tables, xbrl_parts
from kifactors.ingest._facts import companies, companyfacts_parts, fsds_parts, merged
from kifactors.ingest._filings import filing_days, names, submissions_parts
from kifactors.ingest._parts import Parts, fingerprint
from kifactors.ingest._tables import TableFiles
from kifactors.io import write_frame
from kifactors.schema import FLOW_METRICS, STOCK_METRICS
from kifactors.sources import (
    RevenueMembers,
    Skips,
    TagMap,
    is_anonymous,
    read_aliases,
    read_confirmed,
    read_members,
    write_suggestions,
)

__all__ = ["Ingested", "ingest_sec"]

StrPath = str | PathLike[str]
# Called with the stage, how much of it is done, and of how much.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Ingested:
    """Result of `ingest_sec`.

    Parameters
    ----------
    folder : path
        Holds one Parquet file a table, ``report.json`` and ``skipped.csv``.
    report : dict
        What ``report.json`` says: rows of each table; filers, documents and bytes read; filings whose time of
        acceptance is known; rows left out, by reason.
    skipped : frame
        file, filer, reason, detail (one example, or the error), rows.
    """

    folder: Path
    report: dict[str, Any]
    skipped: pl.DataFrame


def ingest_sec(
    out: StrPath,
    *,
    companyfacts: StrPath | None = None,
    submissions: StrPath | None = None,
    fsds: Iterable[StrPath] = (),
    xbrl: StrPath | None = None,
    tags: TagMap | None = None,
    members: Sequence[RevenueMembers] | None = None,
    confirmed: StrPath | None = None,
    strict: bool = False,
    progress: Progress | None = None,
) -> Ingested:
    """Read downloaded SEC files and write one Parquet file a table, as `read_tables` reads them.

    Parameters
    ----------
    out : path
        Folder for the tables; made if absent. Tables of an earlier run are replaced once all are whole.
    companyfacts : path, optional
        ``companyfacts.zip``, a folder of its documents, or one of them, plain or gzip.
    submissions : path, optional
        ``submissions.zip``, a folder of its documents, or one of them: times of acceptance, and names. Without it a
        fact is dated to the filing date, and a default ``lag_days`` of 1 is what keeps evenings out.
    fsds : paths
        Archives of Financial Statement Data Sets. Of a filer that is in `companyfacts` nothing is taken from here:
        the data sets round days to months.
    xbrl : path, optional
        XBRL instances or inline XBRL reports (10-K, 10-Q): a file, a folder and its folders, or a zip archive. A filing
        is dated by the accession number in its name or its folder's; one that nothing dates counts from 183 days after
        its period.
    tags : TagMap, optional
        Which accounting tags are which metric; absent: the map that comes with the package.
    members : sequence of RevenueMembers, optional
        Which segments and products are AI revenue (`read_members`); absent: the list that comes with the package.
    confirmed : path, optional
        ``customers_to_confirm.csv`` of an earlier run, completed by a person: which company a customer is. The aliases
        that come with the package count too.
    strict : bool
        Stop at the first document that cannot be read, instead of counting it.
    progress : callable, optional
        Called with the stage, how much of it is done, and of how much.

    Returns
    -------
    Ingested

    Raises
    ------
    DataError
        Nothing is given, a path is absent, an archive is damaged, or `strict`.

    Notes
    -----
    Work is kept in ``out/.ingest`` until the tables are written: a run that was stopped goes on where it was, as long
    as the files, the tag map and the release are the same. The same files give the same bytes.

    ``fundamentals`` has capex, revenue and assets; other metrics of the tag map are in ``other_facts.parquet``. Which
    tag counts for each filer and period, and how far others are from it, is in ``tag_report.parquet``.
    """
    tags, report = tags or TagMap.default(), progress or _silent
    quarters = [Path(path) for path in fsds]
    given = [
        Path(path) for path in (companyfacts, submissions, *quarters, xbrl, confirmed) if path is not None
    ]
    if companyfacts is None and not quarters and xbrl is None:
        raise DataError("there are no facts to read. Give companyfacts, fsds or xbrl.")
    of_ai = read_members() if members is None else members
    key = fingerprint(_files(given), repr(tags), repr(of_ai), __version__)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    parts = Parts(folder, key)

    first: list[str] = []
    if companyfacts is not None:
        first = companyfacts_parts(
            Path(companyfacts), tags, parts, strict=strict, report=partial(report, "companyfacts")
        )
    second = fsds_parts(quarters, tags, parts, strict=strict, report=partial(report, "data sets"))
    facts = parts.files("facts", first), parts.files("facts", second)
    filed = _filed([*facts[0], *facts[1]])
    third: list[str] = []
    if submissions is not None:
        wanted = filed if xbrl is None else None
        third = submissions_parts(
            Path(submissions), tags, wanted, parts, strict=strict, report=partial(report, "submissions")
        )
    known = filing_days(parts.files("filings", third), parts.files("filings", second))
    everyone = pl.concat([companies(facts[0]), companies(facts[1])])["asset_id"]
    called = names(
        parts.files("names", third), parts.files("names", first), parts.files("filings", second), everyone
    )
    fourth: list[str] = []
    if xbrl is not None:
        aliases = read_aliases()
        if confirmed is not None:
            aliases = pl.concat([aliases, read_confirmed(confirmed, called)], how="diagonal")
        days = dict(pl.concat([known, filed]).unique("accession", keep="first", maintain_order=True).rows())
        reading = Reading(days, aliases, of_ai, tags)
        fourth = xbrl_parts(Path(xbrl), reading, parts, strict=strict, report=partial(report, "xbrl"))
    skips = parts.skipped([*first, *second, *third, *fourth])
    said = disclosure_tables({name: parts.files(name, fourth) for name in TABLES}, skips)
    with TableFiles(folder) as files:
        for one in merged(*facts, known, _currencies(tags), skips, partial(report, "tables")):
            _add(files, one.facts, one.tags)
        for name, frame in {"assets": called, **said}.items():
            if frame.height:
                files.add(name, schema.validate(name, frame))
        rows = files.finish()
    numbers = [parts.numbers(name) or {} for name in [*first, *fourth]]
    summary = {
        "tables": rows,
        "filers": sum(one.get("filers", 0) for one in numbers),
        "documents": sum(one.get("documents", 0) for one in numbers),
        "bytes": sum(one.get("bytes", 0) for one in numbers),
        "filings": filed.height,
        "filings_with_a_time": filed.join(known, on="accession", how="semi").height,
        "xbrl_filings": sum(one.get("xbrl_filings", 0) for one in numbers),
    }
    done = _finish(folder, summary, skips)
    _ask(folder / "customers_to_confirm.csv", said["revenue_ties"], called)
    parts.remove()
    return done


def _silent(_stage: str, _done: int, _total: int) -> None:
    """Report nothing."""


def _files(paths: list[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise DataError(f"there is no file or folder {path}. Check the path.")
        found += sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    return found


def _filed(facts: list[Path]) -> pl.DataFrame:
    """Return accession and filing date of the filings that facts come from."""
    found = [pl.DataFrame(schema={"accession": pl.String, "available_at": pl.Date})]
    found += [
        pl.read_parquet(path, columns=["accession", "filed"]).unique().rename({"filed": "available_at"})
        for path in facts
    ]
    return pl.concat(found).unique("accession", keep="first", maintain_order=True)


def _ask(path: Path, ties: pl.DataFrame, assets: pl.DataFrame) -> None:
    """Write who the customers without a company may be; a file that is there may hold somebody's work."""
    unknown = ties.filter(pl.col("customer_id").is_null())["customer_label"]
    if assets.height and not path.exists() and not all(map(is_anonymous, unknown)):
        write_suggestions(ties, assets, path)


def _currencies(tags: TagMap) -> dict[str, str]:
    return {
        tags.asset_id(cik): rule.currency for cik, rule in tags.filers.items() if rule.currency is not None
    }


def _add(files: TableFiles, facts: pl.DataFrame, tags: pl.DataFrame) -> None:
    own = pl.col("metric").is_in(FLOW_METRICS + STOCK_METRICS)
    fundamentals, others = facts.filter(own), facts.filter(~own)
    if fundamentals.height:
        files.add("fundamentals", schema.validate("fundamentals", fundamentals))
    files.add("other_facts", others.sort("asset_id", "metric", "period_end", "available_at"))
    files.add("tag_report", tags)


def _finish(folder: Path, said: dict[str, Any], skips: Skips) -> Ingested:
    skipped = skips.to_polars()
    by_reason = skipped.group_by("reason").agg(pl.col("rows").sum()).sort("reason")
    said["skipped"] = dict(by_reason.rows())
    write_frame(skipped, folder / "skipped.csv")
    text = (json.dumps(said, indent=2, sort_keys=True) + "\n").encode()
    written(folder / "report.json", lambda file: file.write(text), what="the report")
    return Ingested(folder, said, skipped)
