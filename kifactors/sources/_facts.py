"""Reported facts as a filing states them, given their metric by a tag map; what cannot be a fact is counted."""

import polars as pl

from kifactors.sources._skips import Skips
from kifactors.sources._tag_map import TagMap

__all__ = ["RAW", "TAGGED", "tagged"]

# What every reader of facts ends in: one row a fact and filing, nothing judged yet.
RAW = {
    "cik": pl.String,
    "tag": pl.String,
    "unit": pl.String,
    "period_start": pl.Date,
    "period_end": pl.Date,
    "value": pl.Float64,
    "form": pl.String,
    "filed": pl.Date,
    "accession": pl.String,
}
# `rank` 0 counts first; `tag` may be a sum.
TAGGED = {
    "asset_id": pl.String,
    "metric": pl.String,
    "period_start": pl.Date,
    "period_end": pl.Date,
    "rank": pl.Int32,
    "tag": pl.String,
    "value": pl.Float64,
    "unit": pl.String,
    "form": pl.String,
    "filed": pl.Date,
    "accession": pl.String,
}
# As the schema has it: no company has that much of any currency, or that many shares.
MOST = 1e20


def tagged(raw: pl.DataFrame, tags: TagMap, *, file: str, skips: Skips) -> pl.DataFrame:
    """Give facts their metric and add up the sums; count what cannot be a fact.

    Parameters
    ----------
    raw : frame
        Columns of `RAW`; tags the map does not name are left out without a word.
    tags : TagMap
    file : str
        Named in what is left out.
    skips : Skips
        Counts facts in another unit, without or with wrong dates, dated after their own filing, that are no number,
        that one filing states twice and differently, and sums with a part missing.

    Returns
    -------
    frame
        Columns of `TAGGED`, one row a metric, period, tag and filing.
    """
    ranks = _ranks(tags, raw["cik"].unique().sort().to_list())
    facts = raw.join(ranks, on=["cik", "tag"], how="inner", maintain_order="left")
    facts = _sound(facts, file, skips)
    key = ["asset_id", "metric", "period_start", "period_end", "rank", "unit", "accession"]
    facts = _once(facts, [*key, "tag"], file, skips)
    return _sums(facts, key, file, skips).select(pl.col(name).cast(kind) for name, kind in TAGGED.items())


def _ranks(tags: TagMap, ciks: list[str]) -> pl.DataFrame:
    """Return cik, tag, asset_id, metric, rank, label of the group, size of the group, kind and kind of unit."""
    rows = [
        (cik, tag, tags.asset_id(cik), name, rank, " + ".join(group), len(group), metric.kind, metric.unit)
        for cik in ciks
        for name, metric in tags.metrics.items()
        for rank, group in enumerate(tags.groups(cik, name))
        for tag in group
    ]
    names = ["cik", "tag", "asset_id", "metric", "rank", "label", "size", "kind", "unit_kind"]
    types = [pl.String] * 4 + [pl.Int32, pl.String, pl.Int32] + [pl.String] * 2
    return pl.DataFrame(rows, schema=dict(zip(names, types, strict=True)), orient="row")


def _sound(facts: pl.DataFrame, file: str, skips: Skips) -> pl.DataFrame:
    """Drop, with its reason, what no table could hold."""
    flow, start, end = pl.col("kind") == "flow", pl.col("period_start"), pl.col("period_end")
    money = pl.col("unit").str.contains(r"^[A-Z]{3}$")
    reasons = {
        "another unit": pl.when(pl.col("unit_kind") == "money").then(~money).otherwise(pl.col("unit") != "shares"),
        "no such date": end.is_null() | pl.col("filed").is_null(),
        "a flow without a first day": flow & start.is_null(),
        "a value on a day with a first day": ~flow & start.is_not_null(),
        "a period that ends before it starts": start > end,
        "a period that ends after its filing": end > pl.col("filed"),
        "no number, or one beyond all money": ~(pl.col("value").abs() <= MOST).fill_null(value=False),
    }  # fmt: skip
    said = pl.coalesce(pl.when(broken).then(pl.lit(reason)) for reason, broken in reasons.items())
    facts = facts.with_columns(reason=said)
    return _count(facts, file, skips).drop("reason")


def _once(facts: pl.DataFrame, key: list[str], file: str, skips: Skips) -> pl.DataFrame:
    """Keep one of facts a filing repeats; none where it contradicts itself."""
    several = pl.col("value").n_unique().over(key) > 1
    facts = facts.with_columns(
        reason=pl.when(several).then(pl.lit("one filing states two values")).otherwise(None)
    )
    return _count(facts, file, skips).drop("reason").unique(key, keep="first", maintain_order=True)


def _sums(facts: pl.DataFrame, key: list[str], file: str, skips: Skips) -> pl.DataFrame:
    """Add the parts of a sum, known only where one filing states them all; a later one may restate its own."""
    single = facts.filter(pl.col("size") == 1).with_columns(tag="label")
    parts = facts.filter(pl.col("size") > 1)
    if parts.is_empty():
        return single
    parts = parts.with_columns(
        reason=pl.when(pl.len().over(key) < pl.col("size")).then(pl.lit("a sum with a part missing"))
    )
    whole = _count(parts, file, skips).sort(*key, "tag")
    added = whole.group_by(key, maintain_order=True).agg(
        pl.col("value").sum(), pl.col("form", "filed").first(), tag=pl.col("label").first()
    )
    return pl.concat([single.select(list(TAGGED)), added.select(list(TAGGED))])


def _count(facts: pl.DataFrame, file: str, skips: Skips) -> pl.DataFrame:
    """Count the rows that have a reason to go and return the others."""
    bad = facts.filter(pl.col("reason").is_not_null())
    if bad.is_empty():
        return facts
    counted = bad.group_by("asset_id", "reason").agg(
        rows=pl.len(),
        detail=pl.concat_str(
            "tag", "period_start", "period_end", "accession", separator=" ", ignore_nulls=True
        )
        .sort_by("accession", "tag", "period_end")
        .first(),
    )
    for asset, reason, rows, detail in counted.select("asset_id", "reason", "rows", "detail").rows():
        skips.add(reason, file=file, filer=asset, detail=detail or "", rows=rows)
    return facts.filter(pl.col("reason").is_null())
