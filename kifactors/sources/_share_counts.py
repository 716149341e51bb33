"""Reported share counts through time: which one counts from when, the splits since, and those that seem missing."""

import polars as pl

from kifactors.errors import DataError
from kifactors.schema import INPUTS, Column, Rule, TableLike, TableSchema, check, coerce
from kifactors.sources._facts import MOST

__all__ = [
    "SHARES", "SPLITS", "cumulated", "positive", "ratio_until", "read_splits", "refuse_unlisted", "states", "unlisted",
]  # fmt: skip

# The ratios of nearly all splits; their inverses are reverse splits.
SPLIT_RATIOS = (1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0, 25.0, 30.0, 50.0)
# Options, issues and buy-backs move a count between two reports by a little.
RATIO_TOLERANCE = 0.02
SHOWN = 3

ASSET_ID, DATE = INPUTS["universe"]["asset_id"], INPUTS["universe"]["date"]
_FACTS = INPUTS["fundamentals"]


def positive(name: str, doc: str, *, unit: str, nullable: bool = False) -> Column:
    """Declare a column of numbers above 0."""
    return Column(
        name=name, dtype=pl.Float64, doc=doc, unit=unit, nullable=nullable, low=0.0, high=MOST, low_open=True
    )


SHARES = TableSchema(
    name="shares",
    doc="Reported counts of shares, one row per vintage; those of several classes differ in value only.",
    key=("asset_id", "period_end", "available_at", "value"),
    columns=(
        ASSET_ID,
        _FACTS["period_end"],
        positive("value", "shares outstanding", unit="shares"),
        _FACTS["available_at"],
    ),
    rules=(
        Rule(
            column="available_at",
            broken=pl.col("available_at") < pl.col("period_end"),
            says="available_at lies before period_end: nobody can report the count of a day to come",
            remedy="use the filing date; drop rows that a filing dates after itself",
        ),
    ),
)
SPLITS = TableSchema(
    name="splits",
    doc="Splits; none: an empty table.",
    key=("asset_id", "date"),
    columns=(ASSET_ID, DATE, positive("ratio", "new shares for one old", unit="shares")),
)


def read_splits(splits: TableLike) -> pl.DataFrame:
    """Return the checked splits; a table without columns has none."""
    if isinstance(splits, pl.DataFrame) and splits.width == 0:
        splits = pl.DataFrame(schema=SPLITS.polars)
    return check(SPLITS, coerce(SPLITS, splits))


def cumulated(splits: pl.DataFrame) -> pl.DataFrame:
    """Return, from each ex-date on, the product of the ratios so far and how many of them are 1."""
    by_asset = splits.sort("asset_id", "date").select(
        "asset_id",
        ex_date="date",
        ratio=pl.col("ratio").cum_prod().over("asset_id"),
        ones=(pl.col("ratio") == 1.0).cast(pl.Int64).cum_sum().over("asset_id"),
    )
    return by_asset.sort("ex_date")


def ratio_until(frame: pl.DataFrame, day: str, ratios: pl.DataFrame) -> pl.DataFrame:
    """Add the product of the ratios up to a day (included), and how many of them are 1; sorted by the day."""
    joined = frame.sort(day, maintain_order=True).join_asof(
        ratios, left_on=day, right_on="ex_date", by="asset_id", strategy="backward", check_sortedness=False
    )
    return joined.with_columns(pl.col("ratio").fill_null(1.0), pl.col("ones").fill_null(0))


def states(counts: pl.DataFrame, *, lag_days: int, last: object) -> pl.DataFrame:
    """Return the counts that count at some time until `last`, each with the first date that may use it."""
    said = ["asset_id", "period_end", "available_at"]
    return (
        counts.group_by(said)
        .agg(value=pl.when(pl.len() == 1).then(pl.col("value").first()))
        .with_columns(known=(pl.col("available_at").to_physical() + lag_days).cast(pl.Date))
        .filter(pl.col("known") <= pl.lit(last, pl.Date))
        .sort("asset_id", "known", "period_end")
        # A count of an older day than one already known never counts.
        .filter(pl.col("period_end") == pl.col("period_end").cum_max().over("asset_id"))
        .unique(["asset_id", "known"], keep="last", maintain_order=True)
    )


def unlisted(counts: pl.DataFrame) -> pl.DataFrame:
    """Add what a count is of the one before, and whether it or an earlier one points to a missing split."""
    stated = pl.col("value").is_not_null()
    before = {
        name: pl.when(stated).then(column).forward_fill().shift(1).over("asset_id", order_by="known")
        for name, column in {
            "value_before": pl.col("value"), "day_before": pl.col("period_end"),
            "base_before": pl.col("value") / pl.col("ratio"), "ones_before": pl.col("ones"),
        }.items()
    }  # fmt: skip
    change = (pl.col("value") / pl.col("ratio") / pl.col("base_before")).alias("change")
    near = pl.any_horizontal(
        (pl.col("change") / ratio - 1.0).abs() <= RATIO_TOLERANCE
        for usual in SPLIT_RATIOS
        for ratio in (usual, 1.0 / usual)
    )
    return (
        counts.sort("asset_id", "known")
        .with_columns(**before)
        .with_columns(change)
        .with_columns(points=near.fill_null(value=False) & (pl.col("ones") == pl.col("ones_before")))
        .with_columns(unlisted=pl.col("points").cast(pl.Int64).cum_sum().over("asset_id") > 0)
    )


def refuse_unlisted(counts: pl.DataFrame) -> None:
    """Raise DataError if neighbouring counts point to a missing split."""
    found = counts.filter("points").sort("asset_id", "known")
    if found.is_empty():
        return
    told = "; ".join(
        f"asset {r['asset_id']!r}: {r['value_before']:,.0f} on {r['day_before']} and {r['value']:,.0f} on "
        f"{r['period_end']}, a ratio of {r['change']:.4g} after the splits listed"
        for r in found.head(SHOWN).iter_rows(named=True)
    )
    more = f"; and {found.height - SHOWN} more" if found.height > SHOWN else ""
    raise DataError(
        f"shares: column 'value': neighbouring counts point to a split that splits does not list: {told}{more}. Add "
        "the split, or drop one that the counts contain already; if shares were issued or a merger did it, list a split "
        "of ratio 1 between the two days; unlisted_splits='null' leaves the asset without a market_cap from there on."
    )
