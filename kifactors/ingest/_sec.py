"""From SEC files to a folder of input tables: parts, tables, report."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import polars as pl

from kifactors import __version__, schema
from kifactors.errors import DataError
from kifactors.ingest._facts import companies, companyfacts_parts, fsds_parts, merged
from kifactors.ingest._filings import filing_days, names, submissions_parts
from kifactors.ingest._parts import Parts, fingerprint
from kifactors.ingest._tables import TableFiles
from kifactors.io import write_frame, written
from kifactors.schema import FLOW_METRICS, STOCK_METRICS
from kifactors.sources import Skips, TagMap

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
    tags: TagMap | None = None,
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
    tags : TagMap, optional
        Which accounting tags are which metric; absent: the map that comes with the package.
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
    given = [Path(path) for path in (companyfacts, submissions, *quarters) if path is not None]
    if companyfacts is None and not quarters:
        raise DataError("there are no facts to read. Give companyfacts or fsds.")
    key = fingerprint(_files(given), repr(tags), __version__)
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
    accessions = _accessions([*facts[0], *facts[1]])
    third: list[str] = []
    if submissions is not None:
        third = submissions_parts(
            Path(submissions), tags, accessions, parts, strict=strict, report=partial(report, "submissions")
        )
    known = filing_days(parts.files("filings", third), parts.files("filings", second))
    skips = parts.skipped([*first, *second, *third])
    with TableFiles(folder) as files:
        for one in merged(*facts, known, _currencies(tags), skips, partial(report, "tables")):
            _add(files, one.facts, one.tags)
        everyone = pl.concat([companies(facts[0]), companies(facts[1])])["asset_id"]
        called = names(
            parts.files("names", third), parts.files("names", first), parts.files("filings", second), everyone
        )
        if called.height:
            files.add("assets", schema.validate("assets", called))
        rows = files.finish()
    numbers = [parts.numbers(name) or {} for name in first]
    said = {
        "tables": rows,
        "filers": sum(one.get("filers", 0) for one in numbers),
        "documents": sum(one.get("documents", 0) for one in numbers),
        "bytes": sum(one.get("bytes", 0) for one in numbers),
        "filings": accessions.height,
        "filings_with_a_time": accessions.join(known, on="accession", how="semi").height,
    }
    done = _finish(folder, said, skips)
    parts.remove()
    return done


def _silent(_stage: str, _done: int, _total: int) -> None:
    """Report nothing."""


def _files(paths: list[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise DataError(f"there is no file or folder {path}. Check the path.")
        found += sorted(path.iterdir()) if path.is_dir() else [path]
    return found


def _accessions(facts: list[Path]) -> pl.DataFrame:
    empty = pl.DataFrame(schema={"accession": pl.String})
    return pl.concat(
        [empty, *(pl.read_parquet(path, columns=["accession"]).unique() for path in facts)]
    ).unique()


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
