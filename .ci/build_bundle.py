"""Build the bundled tables in kifactors/data from the shared source files.

    python .ci/build_bundle.py ../shared/data

Every rule by which a source row becomes a table row is here; PROVENANCE.md describes them.
"""

import sys
from pathlib import Path

import polars as pl

import kifactors as kf
from kifactors.sources import Skips, TagMap, merge

TARGET = Path(__file__).parent.parent / "kifactors" / "data"
MEMBERSHIP_FROM = "2015-01-01"

BASIS = {
    "filed": "filed",
    "announced": "announced",
    "period_end+183d": "undated, so period end + 183 days",
    "period_end+120d": "undated, so period end + 120 days",
}


def fundamentals(source: pl.DataFrame) -> pl.DataFrame:
    """Merge tags as they were known, in the order of the tag map that comes with the package."""
    groups = [group for metric in TagMap.default().metrics.values() for group in metric.groups]
    order = {
        tag.partition(":")[2]: rank for rank, group in enumerate(groups) for tag in group if len(group) == 1
    }
    tagged = source.with_columns(
        pl.col("period_start", "period_end", "available_at").str.to_date(),
        pl.col("value").cast(pl.Float64),
        rank=pl.col("tag").replace_strict(order, return_dtype=pl.Int32),
    )
    facts = merge(
        tagged.rename({"currency": "unit", "source": "accession"}), {}, file="", skips=Skips()
    ).facts
    return facts.drop("note")


def index_membership(source: pl.DataFrame) -> pl.DataFrame:
    """Keep memberships that reach into 2015 or later; without an announcement the effective date counts."""
    quality = (
        pl.when(pl.col("start_quality") == "effective")
        .then(pl.lit(""))
        .otherwise(pl.lit("; start at or before"))
    )
    return source.filter(pl.col("end").is_null() | (pl.col("end") > MEMBERSHIP_FROM)).select(
        "index_id", "asset_id", "start", "end", available_at="start", source=pl.col("source") + quality
    )


def revenue_ties(source: pl.DataFrame) -> pl.DataFrame:
    """Keep the columns of the schema; say in the source how the date is known."""
    return source.select(
        "supplier_id", "customer_id", "customer_label", "revenue_share", "ai_share", "period_end", "available_at",
        source=pl.format("{} ({})", "source", _basis()),
    )  # fmt: skip


def capex_guidance(source: pl.DataFrame) -> pl.DataFrame:
    """Keep the columns of the schema; say in the source what kind of statement it is."""
    return source.select(
        "asset_id", "period_start", "period_end", "low", "high", "currency", "available_at",
        source=pl.format("{}: {}", "kind", "source"),
    )  # fmt: skip


def ai_revenue_share(source: pl.DataFrame) -> pl.DataFrame:
    """Where a year and its last quarter are stated on one day, keep the year: revenue elsewhere is annual too."""
    key = ("asset_id", "scope", "period_end", "available_at")
    return (
        source.sort(*key, pl.col("period") != "FY")
        .unique(key, keep="first", maintain_order=True)
        .select(
            *("asset_id", "share", "scope", "period_end", "available_at"),
            source=pl.format("{}, {}: {} ({})", "segment", "period", "source", _basis()),
        )
    )


def ai_capex_share(source: pl.DataFrame) -> pl.DataFrame:
    """Keep the columns of the schema."""
    return source.select("asset_id", "share", "available_at", "provenance", "source")


def assets(source: pl.DataFrame) -> pl.DataFrame:
    """Keep the names; the key holds the CIK of those who have one."""
    return source.select("asset_id", "ticker", "name", cik=pl.col("asset_id").str.extract(r"^cik:(\d{10})$"))


def _basis() -> pl.Expr:
    return pl.col("available_at_basis").replace_strict(BASIS)


def main(shared: Path) -> None:
    """Write each table as CSV, sorted by its key and checked against the schema."""
    tables = {
        "fundamentals": (fundamentals, "fundamentals_tagged"),
        "index_membership": (index_membership, "index_membership"),
        "revenue_ties": (revenue_ties, "revenue_ties"),
        "capex_guidance": (capex_guidance, "capex_guidance"),
        "ai_capex_share": (ai_capex_share, "ai_capex_share"),
        "ai_revenue_share": (ai_revenue_share, "ai_revenue_share"),
        "assets": (assets, "assets"),
    }
    for name, (build, file) in tables.items():
        built = build(pl.read_csv(shared / f"{file}.csv", infer_schema=False))
        target = TARGET / f"{name}.csv"
        built.write_csv(target)
        kf.schema.validate(name, target).write_csv(target, float_precision=None)
        print(f"{name}: {built.height:,} rows, {target.stat().st_size:,} bytes")
    (TARGET / "article_figures.csv").write_bytes((shared / "article_figures.csv").read_bytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
