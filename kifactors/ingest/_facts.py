"""Facts of every filer into parts, then chosen, dated and put in order company by company."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import polars as pl

from kifactors.errors import DataError
from kifactors.ingest._documents import Kind, document_parts
from kifactors.ingest._parts import Part, Parts, Report
from kifactors.sources import (
    TAGGED,
    Documents,
    Merged,
    Skips,
    TagMap,
    companyfacts,
    companyfacts_frame,
    merge,
    read_fsds,
    tagged,
)

__all__ = ["companies", "companyfacts_parts", "fsds_parts", "merged"]

# Filers of one part: their facts are a few megabytes.
BATCH = 128
# Companies merged together.
CHUNK = 256


def is_companyfacts(name: str) -> bool:
    """Say whether a document of an archive or folder is one filer's facts."""
    return name.startswith("CIK") and name.endswith(".json") and "-submissions-" not in name


def companyfacts_parts(path: Path, tags: TagMap, parts: Parts, *, strict: bool, report: Report) -> list[str]:
    """Read every filer's document into parts."""
    kind = Kind("companyfacts", is_companyfacts, BATCH, "CIK0000320193.json")
    return document_parts(kind, path, partial(_filers, tags), parts, strict=strict, report=report)


def _filers(tags: TagMap, documents: Documents, names: list[str], strict: bool) -> Part:  # noqa: FBT001
    """Read some documents; one that cannot be read is counted, or stops everything if `strict`."""
    skips, filers, size = Skips(), [], 0
    for name in names:
        try:
            data = documents.read(name)
            size += len(data)
            filers.append(companyfacts(data, tags))
        except DataError as error:
            if strict:
                raise DataError(f"{documents.path}, {name}: {error}") from error
            skips.add("a document that cannot be read", file=name, detail=str(error))
    facts = tagged(companyfacts_frame(filers), tags, file=documents.path.name, skips=skips)
    named = {"asset_id": [tags.asset_id(one.cik) for one in filers], "name": [one.name for one in filers]}
    frames = {
        "facts": facts.sort(list(TAGGED)),
        "names": pl.DataFrame(named, schema={"asset_id": pl.String, "name": pl.String}),
    }
    return Part(frames, skips.to_polars(), {"filers": len(filers), "bytes": size, "documents": len(names)})


def fsds_parts(paths: list[Path], tags: TagMap, parts: Parts, *, strict: bool, report: Report) -> list[str]:
    """Read every quarter into a part; one that cannot be read is counted, or stops everything if `strict`."""
    names = []
    for number, path in enumerate(paths):
        name = f"fsds-{number:05d}"
        if parts.numbers(name) is None:
            parts.write(name, _quarter(path, tags, strict=strict))
        names.append(name)
        report(number + 1, len(paths))
    return names


def _quarter(path: Path, tags: TagMap, *, strict: bool) -> Part:
    skips = Skips()
    try:
        found = read_fsds(path, tags, skips=skips)
    except DataError as error:
        if strict:
            raise
        skips.add("an archive that cannot be read", file=path.name, detail=str(error))
        return Part({}, skips.to_polars(), {"filings": 0, "rows": 0})
    facts = tagged(found.facts, tags, file=path.name, skips=skips)
    frames = {"facts": facts.sort(list(TAGGED)), "filings": found.filings.sort("accession")}
    return Part(frames, skips.to_polars(), {"filings": found.filings.height, "rows": found.rows})


def merged(
    first: list[Path],
    second: list[Path],
    known: pl.DataFrame,
    currencies: dict[str, str],
    skips: Skips,
    report: Report,
) -> Iterator[Merged]:
    """Merge the facts of some companies at a time, ascending.

    Parameters
    ----------
    first, second : list of path
        Files of facts. Companies in `first` take nothing from `second`: the days of one source do not fit those of
        the other.
    known : frame
        accession, available_at: the day filings were known, where it is not the filing date.
    """
    of_first = companies(first)
    of_second = companies(second).join(of_first, on="asset_id", how="anti")
    if second:
        doubled = pl.scan_parquet(second).join(of_first.lazy(), on="asset_id", how="semi").select(pl.len())
        skips.add("in companyfacts already", file="data sets", rows=doubled.collect().item())
    every = pl.concat([of_first, of_second]).unique().sort("asset_id")["asset_id"]
    for start in range(0, len(every), CHUNK):
        some = every[start : start + CHUNK]
        facts = pl.concat(
            pl.scan_parquet(files)
            .filter(pl.col("asset_id").is_between(pl.lit(some[0]), pl.lit(some[-1])))
            .join(own.lazy(), on="asset_id", how="semi")
            for files, own in ((first, of_first), (second, of_second))
            if files
        ).collect()
        dated = facts.join(known, on="accession", how="left", maintain_order="left").with_columns(
            available_at=pl.coalesce("available_at", "filed")
        )
        yield merge(dated, currencies, file="all facts", skips=skips)
        report(min(start + CHUNK, len(every)), len(every))


def companies(files: list[Path]) -> pl.DataFrame:
    """Return asset_id of every company of some files of facts."""
    if not files:
        return pl.DataFrame(schema={"asset_id": pl.String})
    return pl.scan_parquet(files).select(pl.col("asset_id").unique()).collect()
