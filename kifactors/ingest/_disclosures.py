"""Customers and AI revenue of single filings into parts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import polars as pl

from kifactors.errors import DataError
from kifactors.ingest._documents import Kind, document_parts
from kifactors.ingest._parts import Part, Parts, Report
from kifactors.schema import INPUTS
from kifactors.sources import (
    Documents,
    RevenueMembers,
    Skips,
    TagMap,
    XbrlFacts,
    ai_revenue_share_from_xbrl,
    read_xbrl,
    revenue_ties_from_xbrl,
)

__all__ = ["TABLES", "Reading", "disclosure_tables", "xbrl_parts"]

TABLES = ("revenue_ties", "tie_disclosures", "ai_revenue_share")
BATCH = 64
# Where nobody says when a filing was made (Cohen and Frazzini 2008, p. 1982).
LAG_OF_UNDATED = timedelta(days=183)
# Files of a filing that hold no facts of their own.
LINKS = ("_lab", "_pre", "_cal", "_def", "_ref", "FilingSummary")


@dataclass(frozen=True, slots=True)
class Reading:
    """What is needed to read a filing: when it was known (by accession), names, members, keys."""

    days: dict[str, date]
    aliases: pl.DataFrame
    members: Sequence[RevenueMembers]
    tags: TagMap


def may_hold_facts(name: str) -> bool:
    """Say whether a document may be an instance or an inline report."""
    stem, _, ending = name.rpartition(".")
    return ending.lower() in {"xml", "htm", "html", "xhtml"} and not stem.endswith(LINKS)


def xbrl_parts(path: Path, reading: Reading, parts: Parts, *, strict: bool, report: Report) -> list[str]:
    """Read every filing into parts."""
    kind = Kind("xbrl", may_hold_facts, BATCH, "nvda-20240728_htm.xml")
    return document_parts(kind, path, partial(_filings, reading), parts, strict=strict, report=report)


def _filings(reading: Reading, documents: Documents, names: list[str], strict: bool) -> Part:  # noqa: FBT001
    skips = Skips()
    tables = {name: [pl.DataFrame(schema=INPUTS[name].polars)] for name in TABLES}
    read = 0
    for name in names:
        try:
            facts = read_xbrl(documents.read(name), name=name)
            found, left_out = _said(facts, reading)
        except DataError as error:
            if strict:
                raise DataError(f"{documents.path}, {name}: {error}") from error
            skips.add("a filing that cannot be read", file=name, detail=str(error))
            continue
        read += 1
        for frame in (facts.skipped, *left_out):
            skips.update(frame)
        for table, frame in found.items():
            tables[table].append(frame)
    frames = {name: pl.concat(some, how="diagonal") for name, some in tables.items()}
    return Part(frames, skips.to_polars(), {"xbrl_filings": read})


def _said(facts: XbrlFacts, reading: Reading) -> tuple[dict[str, pl.DataFrame], list[pl.DataFrame]]:
    known = reading.days.get(facts.accession or "")
    if known is None:
        if facts.period_end is None:
            raise DataError("it says no period, and nothing says when it was filed.")
        known = facts.period_end + LAG_OF_UNDATED
    asset_id = None if facts.cik is None else reading.tags.asset_id(facts.cik)
    ties = revenue_ties_from_xbrl(facts, available_at=known, aliases=reading.aliases, asset_id=asset_id)
    shares = ai_revenue_share_from_xbrl(facts, reading.members, available_at=known, asset_id=asset_id)
    found = {
        "revenue_ties": ties.revenue_ties,
        "tie_disclosures": ties.tie_disclosures,
        "ai_revenue_share": shares.ai_revenue_share,
    }
    if facts.accession not in reading.days:
        undated = pl.col("source") + " (undated, so period end + 183 days)"
        found = {name: frame.with_columns(source=undated) for name, frame in found.items()}
    return found, [ties.skipped, shares.skipped]


def disclosure_tables(files: dict[str, list[Path]], skips: Skips) -> dict[str, pl.DataFrame]:
    """Put the tables of all parts together; what two documents of one day both say counts once."""
    tables = {}
    for name in TABLES:
        key = list(INPUTS[name].key)
        rows = pl.concat(
            [pl.DataFrame(schema=INPUTS[name].polars), *map(pl.read_parquet, files[name])], how="diagonal"
        )
        once = rows.sort(*key, "source").unique(key, keep="first", maintain_order=True)
        skips.add("said by two documents of one day", file=name, rows=rows.height - once.height)
        tables[name] = once
    return tables
