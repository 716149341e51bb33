"""From facts under several tags to one value a metric, period and day it became known."""

from dataclasses import dataclass

import polars as pl

from kifactors.sources._skips import Skips

__all__ = ["Merged", "merge"]

PERIOD = ("asset_id", "metric", "period_start", "period_end")
VINTAGE = (*PERIOD, "available_at")
# Two tags agree when their values differ by rounding alone.
SAME = 1e-9


@dataclass(frozen=True, slots=True)
class Merged:
    """Result of `merge`.

    facts : one row a metric, period and day it became known: columns of the `fundamentals` table.
    tags : one row a metric and period: the tag that counts at the end (`tag`), those it was preferred to (`others`),
        whether a vintage came under an earlier choice (`changed`), and the largest difference between two tags
        of one filing relative to the one that counts (`disagreement`; null: only one tag).
    """

    facts: pl.DataFrame
    tags: pl.DataFrame


def merge(tagged: pl.DataFrame, currencies: dict[str, str], *, file: str, skips: Skips) -> Merged:
    """Choose between tags as they became known, and keep one currency a company.

    Parameters
    ----------
    tagged : frame
        asset_id, metric, period_start, period_end, rank (0 counts first), tag, value, unit, form, available_at,
        accession.
    currencies : mapping
        Which currency's facts are kept, by asset_id. Of others: the currency of the first filing, the one with more
        facts where that has two. A later change of currency is a decision for a person.
    file : str
        Named in what is left out.
    skips : Skips
        Counts facts in another currency and those of tags that come after the one that counts.

    Notes
    -----
    Once a tag that comes first has been seen for a period, vintages under tags after it are dropped, and no earlier
    ones: what a later filing says changes nothing before it. Of several filings of one day the amendment counts,
    then the larger accession number.
    """
    money = _one_currency(tagged, currencies, file, skips)
    in_order = money.sort(
        *VINTAGE,
        "rank",
        pl.col("form").str.ends_with("/A").fill_null(value=False),
        "accession",
        descending=[*[False] * (len(VINTAGE) + 1), True, True],
        nulls_last=True,
        maintain_order=True,
    )
    best = pl.col("rank").cum_min().over(PERIOD)
    kept = in_order.filter(pl.col("rank") <= best).unique(VINTAGE, keep="first", maintain_order=True)
    for asset, rows in (
        in_order.filter(pl.col("rank") > best).group_by("asset_id").len().sort("asset_id").rows()
    ):
        skips.add("a tag that comes after another for the period", file=file, filer=asset, rows=rows)
    facts = kept.select(
        *PERIOD,
        "value",
        "available_at",
        currency="unit",
        source=pl.concat_str("form", "accession", "tag", separator=" ", ignore_nulls=True),
        note=pl.when(pl.col("value") < 0).then(pl.lit("negative as filed")),
    )
    return Merged(facts, _tags(in_order, kept))


def _one_currency(tagged: pl.DataFrame, currencies: dict[str, str], file: str, skips: Skips) -> pl.DataFrame:
    """Drop money in any but one currency a company."""
    money = pl.col("unit") != "shares"
    first = (
        tagged.filter(money)
        .group_by("asset_id", "unit")
        .agg(
            pl.col("available_at").min(), first=(pl.col("available_at") == pl.col("available_at").min()).sum()
        )
        .sort("asset_id", "available_at", "first", "unit", descending=[False, False, True, False])
        .unique("asset_id", keep="first", maintain_order=True)
        .select("asset_id", chosen="unit")
    )
    chosen = pl.coalesce(
        pl.col("asset_id").replace_strict(currencies, default=None, return_dtype=pl.String)
        if currencies
        else pl.lit(None, pl.String),
        pl.col("chosen"),
    )
    facts = tagged.join(first, on="asset_id", how="left", maintain_order="left")
    another = (money & (pl.col("unit") != chosen)).fill_null(value=False)
    for asset, unit, kept, rows in (
        facts.filter(another)
        .group_by("asset_id", "unit", chosen=chosen)
        .len()
        .sort("asset_id", "unit")
        .select("asset_id", "unit", "chosen", "len")
        .rows()
    ):
        detail = f"{unit}, not {kept}: set currency under [filers] in the tag map to keep it"
        skips.add("another currency of the company", file=file, filer=asset, detail=detail, rows=rows)
    return facts.filter(~another).drop("chosen")


def _tags(in_order: pl.DataFrame, kept: pl.DataFrame) -> pl.DataFrame:
    """Say for each metric and period which tag counts, and how far others of the same filing are from it."""
    winner = kept.group_by(PERIOD, maintain_order=True).agg(
        pl.col("rank", "tag").last(), changed=pl.col("tag").n_unique() > 1
    )
    others = (
        in_order.join(
            winner.select(*PERIOD, winning="tag"),
            on=PERIOD,
            how="left",
            nulls_equal=True,
            maintain_order="left",
        )
        .filter(pl.col("tag") != pl.col("winning"))
        .group_by(PERIOD)
        .agg(others=pl.col("tag").unique().sort().str.join(", "))
    )
    filing = [*PERIOD, "accession"]
    counting = pl.col("value").sort_by("rank").first()
    apart = (
        in_order.group_by(filing)
        .agg(
            several=pl.col("tag").n_unique() > 1,
            apart=(pl.col("value") - counting).abs().max() / counting.abs(),
        )
        .filter("several")
        .group_by(PERIOD)
        # Both 0 agree; another value beside a 0 is infinitely far.
        .agg(disagreement=pl.col("apart").fill_nan(0.0).max())
    )
    return (
        winner.drop("rank")
        .join(others, on=PERIOD, how="left", nulls_equal=True, maintain_order="left")
        .join(apart, on=PERIOD, how="left", nulls_equal=True, maintain_order="left")
        .with_columns(disagreement=pl.when(pl.col("disagreement") > SAME).then("disagreement").otherwise(
            pl.when(pl.col("disagreement").is_not_null()).then(0.0)))
        .select(*PERIOD, "tag", "others", "changed", "disagreement")
    )  # fmt: skip
