"""How much of the market is disclosed, how wide the bounds are for what is not, and who left."""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from kifactors import asof
from kifactors.calendar import DatesLike, score_dates
from kifactors.definition import FactorDefinition
from kifactors.errors import DataError, DefinitionError
from kifactors.explanation._bounds import PARTS, bound_parts
from kifactors.factor import pillars_and_composite
from kifactors.labels import with_tickers
from kifactors.panel import KEY
from kifactors.schema import Tables

__all__ = ["Coverage", "coverage_report"]

GROUPS = ("industry", "size")
QUINTILES = 5
BLOCK_DATES = 12
WIDTHS = {part: f"width_{part.replace(' ', '_')}" for part in PARTS}
HAS = ("fundamentals", "ties", "segments")


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is known of the scored assets, date by date; made by `coverage_report`.

    table : frame, a row per date and group; see `coverage_report`.
    left : frame of date, asset_id, ticker, why: who was scored on the date before and is not on this one.
    """

    table: pl.DataFrame
    left: pl.DataFrame

    def to_polars(self) -> pl.DataFrame:
        """Return the table."""
        return self.table.clone()

    def __str__(self) -> str:
        return f"{self.table}\n{self.left.height} left"


def coverage_report(
    tables: Tables, dates: DatesLike, definition: FactorDefinition | None = None, by: str | None = None
) -> Coverage:
    """Say how much of the market is disclosed, and what that leaves open.

    Parameters
    ----------
    tables : Tables
    dates : iterable of date or ISO text, or polars.Series
        Strictly ascending; those of the universe, if there is one.
    definition : FactorDefinition, optional
        Absent: the default one.
    by : {"industry", "size"}, optional
        Split each date by industry, or by quintile of market cap (1 the smallest), where the universe has them.

    Returns
    -------
    Coverage
        Its `table` has, per date (and ``group``):

        - ``assets`` scored, ``known`` of them with an exposure, ``market_cap`` (null without)
        - ``share_fundamentals``, ``share_ties``, ``share_segments``: the share of market cap (without: of assets) with
          trailing capex and revenue, with ties in force, with a disclosed share of AI revenue
        - ``width_mean``, ``width_median``, ``width_weighted`` (by market cap): exposure_high - exposure_low of the known
        - what ``width_mean`` is made of: ``width_further_tiers``, ``width_discounted_scopes``,
          ``width_anonymous_customers``, ``width_expired_ties``, ``width_undisclosed_remainder``; they add up to it
        - ``left``: how many of the date before are not scored any more

    Raises
    ------
    DefinitionError
        `by` is something else.
    DataError
        The universe has no such column.

    Notes
    -----
    Parts are let in one after the other in this order, at the company and at everybody downstream, and the system
    solved each time; where a disclosed share hides an anonymous customer, the later part gets the difference.

    Examples
    --------
    30 % of revenue come from a pioneer that spends on AI alone, 20 % from "Customer A": the bounds are 0.3 and 1, of
    which 0.2 are an anonymous customer and 0.5 nobody at all. The pioneer's own bounds: nothing is known of it.

    >>> from datetime import date
    >>> tables = kf.Tables(
    ...     revenue_ties={"supplier_id": ["s", "s"], "customer_id": ["p", None], "customer_label": ["P", "Customer A"],
    ...         "revenue_share": [0.3, 0.2], "period_end": [date(2023, 12, 31)] * 2,
    ...         "available_at": [date(2024, 2, 1)] * 2},
    ...     ai_capex_share={"asset_id": ["p"], "share": [1.0], "available_at": [date(2024, 1, 1)],
    ...         "provenance": ["disclosed"]})
    >>> row = kf.coverage_report(tables, ["2024-02-29"]).table.row(0, named=True)
    >>> row["assets"], row["known"], row["share_ties"], row["share_segments"]
    (2, 1, 0.5, 0.0)
    >>> [round(row[n], 6) for n in ("width_mean", "width_anonymous_customers", "width_undisclosed_remainder")]
    [0.7, 0.2, 0.5]
    """
    used = FactorDefinition() if definition is None else definition
    wanted = score_dates(dates)
    _check(tables, by)
    panel = pl.concat(list(_panels(tables, wanted, used)), how="diagonal")
    left = _left(panel, tables, wanted, used)
    groups = ["date"] if by is None else ["date", "group"]
    if by is not None:
        panel = panel.with_columns(group=pl.col("industry") if by == "industry" else _quintile())
    table = _table(panel, groups)
    gone = _counted(left, panel, groups)
    table = table.join(gone, on=groups, how="left", nulls_equal=True, maintain_order="left")
    return Coverage(
        table.with_columns(pl.col("left").fill_null(0)), left.select("date", "asset_id", "ticker", "why")
    )


def _check(tables: Tables, by: str | None) -> None:
    if not isinstance(tables, Tables):
        raise DataError(f"tables is a {type(tables).__name__}; expected kf.Tables(fundamentals=..., ...).")
    if by is None:
        return
    if by not in GROUPS:
        raise DefinitionError(f"by must be one of {', '.join(GROUPS)}; got {by!r}.")
    column = "market_cap" if by == "size" else by
    if tables.universe is None or column not in tables.universe.columns:
        raise DataError(f"by={by!r} needs a universe with the column {column!r}. Add it, or leave `by` out.")


def _quintile() -> pl.Expr:
    cap = pl.col("market_cap")
    place = cap.rank("ordinal").over("date") / cap.count().over("date")
    return (place * QUINTILES).ceil().cast(pl.Int64).cast(pl.String)


def _panels(tables: Tables, dates: pl.Series, definition: FactorDefinition) -> Iterator[pl.DataFrame]:
    """Yield the scored assets of a few dates at a time, with what is known of each and the parts of its width."""
    encoded = tables.encoded()
    for start in range(0, len(dates), BLOCK_DATES):
        block = dates[start : start + BLOCK_DATES]
        _, earned, combined = pillars_and_composite(encoded, block, definition)
        parts = bound_parts(encoded, earned.system, block, definition)
        columns = {WIDTHS[part]: pl.Series(x) for part, x in parts.items()}
        widths = _as_text(earned.system.nodes.select(KEY).with_columns(**columns))
        panel = _as_text(combined.frame).join(widths, on=KEY, how="left", maintain_order="left")
        yield _with_widths(_with_flags(panel, tables, block, definition))


def _as_text(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("asset_id").cast(pl.String))


def _with_flags(
    panel: pl.DataFrame, tables: Tables, dates: pl.Series, definition: FactorDefinition
) -> pl.DataFrame:
    time = definition.time
    facts = asof.trailing_on(tables.fundamentals, panel.select(KEY), time=time, ttm=definition.ttm)
    ties = asof.revenue_ties(tables.revenue_ties, tables.tie_disclosures, dates, time=time)
    shares = asof.ai_revenue_share(tables.ai_revenue_share, dates, time=time)
    have = {
        "fundamentals": facts.filter(pl.col("period_end").is_not_null()).select(KEY),
        "ties": ties.select("date", asset_id="supplier_id").unique(),
        "segments": shares.select(KEY).unique(),
    }
    for name, rows in have.items():
        flag = rows.with_columns(pl.lit(value=True).alias(name))
        panel = panel.join(flag, on=KEY, how="left", maintain_order="left").with_columns(
            pl.col(name).fill_null(value=False)
        )
    return panel


def _with_widths(panel: pl.DataFrame) -> pl.DataFrame:
    """Turn parts of the width of ai_revenue into parts of the width of the exposure; null where that is unknown."""
    r, width = pl.col("ai_revenue"), pl.col("exposure_high") - pl.col("exposure_low")
    keeps = 1 - pl.col("capex_to_revenue").fill_null(0.0)
    known, last = [*WIDTHS.values()][:-1], [*WIDTHS.values()][-1]
    parts = [
        pl.when(r.is_null()).then(0.0).otherwise(keeps * pl.col(name).fill_null(0.0)).alias(name)
        for name in known
    ]
    panel = panel.with_columns(*parts, width=width)
    # The last part is all the rest, so that they add up whatever the rounding.
    panel = panel.with_columns((pl.col("width") - pl.sum_horizontal(known)).alias(last))
    return panel.with_columns(pl.when(width.is_not_null()).then(pl.col(*known, last)).name.keep())


def _table(panel: pl.DataFrame, groups: list[str]) -> pl.DataFrame:
    has_caps = "market_cap" in panel.columns
    cap = pl.col("market_cap").fill_null(0.0) if has_caps else pl.lit(1.0)
    panel = panel.with_columns(weight=cap)
    weight, width = pl.col("weight"), pl.col("width")
    of_known = pl.when(width.is_not_null()).then(weight)
    total = weight.sum()
    return (
        panel.group_by(groups, maintain_order=True)
        .agg(
            assets=pl.len().cast(pl.Int64),
            known=pl.col("exposure").count().cast(pl.Int64),
            market_cap=total if has_caps else pl.lit(None, pl.Float64),
            **{
                f"share_{name}": pl.when(total > 0).then((weight * pl.col(name)).sum() / total)
                for name in HAS
            },
            width_mean=width.mean(),
            width_median=width.median(),
            width_weighted=pl.when(of_known.sum() > 0).then((weight * width).sum() / of_known.sum()),
            **{name: pl.col(name).mean() for name in WIDTHS.values()},
        )
        .sort(groups, nulls_last=True)
    )


def _left(
    panel: pl.DataFrame, tables: Tables, dates: pl.Series, definition: FactorDefinition
) -> pl.DataFrame:
    """Return who was scored on the date before and is not on this one, and why."""
    after = pl.DataFrame({"date": dates.head(len(dates) - 1), "next": dates.tail(len(dates) - 1)})
    before = panel.join(after, on="date", how="inner", maintain_order="left").select(
        "asset_id", date="next", before="date"
    )
    gone = before.join(panel, on=KEY, how="anti", maintain_order="left")
    live = asof.live_assets(tables, dates, time=definition.time).with_columns(live=pl.lit(value=True))
    others = {name: frame for name, frame in tables if name != "index_membership"}
    data = asof.live_assets(Tables.unchecked(others), dates, time=definition.time).with_columns(
        data=pl.lit(value=True)
    )
    gone = gone.join(live, on=KEY, how="left", maintain_order="left").join(
        data, left_on=["before", "asset_id"], right_on=KEY, how="left", maintain_order="left"
    )
    still = pl.col("live").fill_null(value=False)
    had = pl.col("data").fill_null(value=False)
    if tables.universe is not None:
        why = (
            pl.when(still)
            .then(pl.lit("left the universe"))
            .otherwise(pl.lit("left the universe without data"))
        )
    else:
        why = pl.when(had).then(pl.lit("its data expired")).otherwise(pl.lit("left its last index"))
    gone = gone.with_columns(why=why).sort(KEY)
    return with_tickers(gone.select(*KEY, "before", "why"), tables.assets)


def _counted(left: pl.DataFrame, panel: pl.DataFrame, groups: list[str]) -> pl.DataFrame:
    """Return how many left, in the group they were in before."""
    if "group" in groups:
        was = panel.select("asset_id", "group", before="date")
        left = left.join(was, on=["before", "asset_id"], how="left", maintain_order="left")
    return left.group_by(groups, maintain_order=True).agg(left=pl.len().cast(pl.Int64))
