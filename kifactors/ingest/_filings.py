"""When the filings that facts come from were known, and what their filers are called."""

from functools import partial
from pathlib import Path

import polars as pl

from kifactors.errors import DataError
from kifactors.ingest._documents import Kind, document_parts
from kifactors.ingest._parts import Part, Parts, Report
from kifactors.sources import FILINGS, Documents, Skips, TagMap, available_on, submissions

__all__ = ["filing_days", "names", "submissions_parts"]

BATCH = 1024
NAMES = {"asset_id": pl.String, "ticker": pl.String, "name": pl.String, "cik": pl.String, "lei": pl.String}


def is_submissions(name: str) -> bool:
    """Say whether a document of an archive or folder tells the filings of one filer."""
    return name.startswith("CIK") and name.endswith(".json")


def submissions_parts(
    path: Path, tags: TagMap, wanted: pl.DataFrame | None, parts: Parts, *, strict: bool, report: Report
) -> list[str]:
    """Read every filer's document into parts, of its filings those wanted (None: all)."""
    kind = Kind("submissions", is_submissions, BATCH, "CIK0000320193.json")
    return document_parts(kind, path, partial(_documents, tags, wanted), parts, strict=strict, report=report)


def _documents(
    tags: TagMap,
    wanted: pl.DataFrame | None,
    documents: Documents,
    names: list[str],
    strict: bool,  # noqa: FBT001
) -> Part:
    skips, rows, filings = Skips(), [], [pl.DataFrame(schema=FILINGS)]
    for name in names:
        try:
            one = submissions(documents.read(name))
        except DataError as error:
            if strict:
                raise DataError(f"{documents.path}, {name}: {error}") from error
            skips.add("a document that cannot be read", file=name, detail=str(error))
            continue
        if one.clock is None:
            what = "times of an unknown clock, dated to the latest day they may mean"
            skips.add(what, file=name, rows=one.filings.height)
        filings.append(
            one.filings if wanted is None else one.filings.join(wanted, on="accession", how="semi")
        )
        if one.cik is not None:
            rows.append((tags.asset_id(one.cik), one.ticker, one.name, one.cik, one.lei))
    frames = {"filings": pl.concat(filings), "names": pl.DataFrame(rows, schema=NAMES, orient="row")}
    return Part(frames, skips.to_polars(), {})


def filing_days(of_submissions: list[Path], of_data_sets: list[Path]) -> pl.DataFrame:
    """Return accession and available_at where a time of acceptance is known; submissions come first."""
    found = [pl.DataFrame(schema={"accession": pl.String, "available_at": pl.Date})]
    found += [pl.read_parquet(path, columns=["accession", "available_at"]) for path in of_submissions]
    accepted = pl.col("accepted").str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False)
    for path in of_data_sets:
        filings = pl.read_parquet(path).with_columns(available_at=available_on(accepted, pl.col("filed")))
        found.append(filings.filter(accepted.is_not_null()).select("accession", "available_at"))
    return pl.concat(found).drop_nulls().unique("accession", keep="first", maintain_order=True)


def names(
    of_submissions: list[Path], of_facts: list[Path], of_data_sets: list[Path], companies: pl.Series
) -> pl.DataFrame:
    """Return the `assets` rows of companies: their name of today, of submissions before companyfacts and data sets."""
    cik = pl.col("asset_id").str.extract(r"^cik:(\d{10})$")
    found = [pl.DataFrame(schema=NAMES)]
    found += [pl.read_parquet(path) for path in of_submissions]
    for path in of_facts:
        found.append(pl.read_parquet(path).select("asset_id", "name", cik=cik))
    # Of several quarters the last one.
    for path in reversed(of_data_sets):
        named = pl.read_parquet(path).filter(pl.col("name").is_not_null())
        found.append(named.select("name", "cik", asset_id=pl.lit("cik:") + pl.col("cik")))
    # A successor's own document comes before that of the predecessor whose facts it takes over.
    own = pl.col("cik") == cik
    return (
        pl.concat(found, how="diagonal")
        .filter(pl.col("asset_id").is_in(companies.implode()))
        .sort(own.fill_null(value=False), descending=True, maintain_order=True)
        .unique("asset_id", keep="first", maintain_order=True)
        .sort("asset_id")
    )
