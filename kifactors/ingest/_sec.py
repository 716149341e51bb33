"""From SEC files to a folder of input tables: parts, tables, report."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import polars as pl

from kifactors import __version__, schema
from kifactors.errors import DataError
from kifactors.ingest._facts import companyfacts_parts, fsds_parts, merged
from kifactors.ingest._parts import Parts, fingerprint
from kifactors.ingest._tables import TableFiles
from kifactors.io import write_frame, written
from kifactors.schema import FLOW_METRICS, STOCK_METRICS
from kifactors.sources import TagMap

__all__ = ["Ingested", "ingest_sec"]

StrPath = str | PathLike[str]


@dataclass(frozen=True, slots=True)
class Ingested:
    """Result of `ingest_sec`.

    Parameters
    ----------
    folder : path
        Holds one Parquet file a table, ``report.json`` and ``skipped.csv``.
    report : dict
        What ``report.json`` says: rows of each table, filers, documents, bytes, and what was left out by reason.
    skipped : frame
        file, filer, reason, detail, rows.
    """

    folder: Path
    report: dict[str, Any]
    skipped: pl.DataFrame


def ingest_sec(
    out: StrPath,
    *,
    companyfacts: StrPath | None = None,
    fsds: Iterable[StrPath] = (),
    tags: TagMap | None = None,
    strict: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> Ingested:
    """Read downloaded SEC files and write one Parquet file a table, as `read_tables` reads them."""
    folder = Path(out)
    tags = tags or TagMap.default()
    report = progress or (lambda _stage, _done, _total: None)
    quarters = [Path(path) for path in fsds]
    given = [Path(path) for path in (companyfacts, *quarters) if path is not None]
    if not given:
        raise DataError("nothing to read. Give companyfacts, fsds or xbrl.")
    folder.mkdir(parents=True, exist_ok=True)
    key = fingerprint(_files(given), repr(tags), __version__)
    parts = Parts(folder, key)
    first = (
        companyfacts_parts(
            Path(companyfacts), tags, parts, strict=strict, report=lambda a, b: report("companyfacts", a, b)
        )
        if companyfacts is not None
        else []
    )
    second = fsds_parts(quarters, tags, parts, strict=strict, report=lambda a, b: report("fsds", a, b))
    names = [*first, *second]
    skips = parts.skipped(names)
    known = pl.DataFrame(schema={"accession": pl.String, "available_at": pl.Date})
    currencies = {
        tags.asset_id(cik): rule.currency for cik, rule in tags.filers.items() if rule.currency is not None
    }
    own = pl.col("metric").is_in(FLOW_METRICS + STOCK_METRICS)
    with TableFiles(folder) as files:
        for one in merged(
            parts.files("facts", first), parts.files("facts", second), known, currencies, skips,
            lambda done, total: report("merge", done, total),
        ):  # fmt: skip
            fundamentals = one.facts.filter(own)
            if fundamentals.height:
                files.add("fundamentals", schema.validate("fundamentals", fundamentals))
            files.add("other_facts", one.facts.filter(~own))
            files.add("tag_report", one.tags)
        rows = files.finish()
    numbers = [parts.numbers(name) or {} for name in names]
    said = {
        "tables": rows,
        **{key: sum(one.get(key, 0) for one in numbers) for key in ("filers", "documents", "bytes")},
    }
    skipped = skips.to_polars()
    by_reason = skipped.group_by("reason").agg(pl.col("rows").sum()).sort("reason").rows()
    said["skipped"] = dict(by_reason)
    write_frame(skipped, folder / "skipped.csv")
    text = json.dumps(said, indent=1, sort_keys=True).encode()
    written(folder / "report.json", lambda file: file.write(text), what="the report")
    parts.remove()
    return Ingested(folder, said, skipped)


def _files(paths: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise DataError(f"there is no file or folder {path}. Check the path.")
        found += sorted(path.iterdir()) if path.is_dir() else [path]
    return found
