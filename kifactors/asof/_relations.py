"""Who belongs to whom, and who is there at all, on each date: ties, coverage, memberships, live assets."""

from collections.abc import Iterable, Sequence

import polars as pl

from kifactors.asof._spells import in_force, on_dates, present, visible_from
from kifactors.definition import Time
from kifactors.schema import Tables

__all__ = ["covered_suppliers", "index_membership", "live_assets", "membership_known", "revenue_ties"]


def revenue_ties(
    ties: pl.DataFrame | None,
    disclosures: pl.DataFrame | None,
    dates: pl.Series,
    *,
    time: Time,
    keep: Sequence[str] = (),
) -> pl.DataFrame:
    """Return the ties in force on each date.

    Parameters
    ----------
    ties, disclosures : polars.DataFrame or None
        Validated `revenue_ties` and `tie_disclosures`; None: no ties, no further filings read.
    dates : polars.Series
        Ascending score dates.
    time : Time
        A tie whose period ended more than `tie_expiry_days` before a date has expired.
    keep : sequence of str
        Further columns of `ties` to return.

    Returns
    -------
    polars.DataFrame
        (date, supplier_id, customer_id, customer_label, revenue_share, ai_share): per supplier the set of the
        filing with the newest visible period, and of that the newest vintage. It replaces the earlier set
        whole; a disclosure of a later period empties it.

    Examples
    --------
    The filing of 2024 no longer names x:

    >>> ties = kf.schema.validate("revenue_ties", pl.DataFrame(
    ...     {"supplier_id": ["s"] * 3, "customer_id": ["x", "y", "y"], "customer_label": ["x", "y", "y"],
    ...      "revenue_share": [0.3, 0.2, 0.4], "period_end": ["2023-12-31", "2023-12-31", "2024-12-31"],
    ...      "available_at": ["2024-02-01", "2024-02-01", "2025-02-01"]},
    ... ).with_columns(pl.col("period_end", "available_at").str.to_date()))
    >>> at = kf.calendar.score_dates(["2024-12-31", "2025-02-28"])
    >>> found = kf.asof.revenue_ties(ties, None, at, time=kf.definition.Time())
    >>> sorted((str(day), customer) for day, customer in found.select("date", "customer_id").rows())
    [('2024-12-31', 'x'), ('2024-12-31', 'y'), ('2025-02-28', 'y')]
    """
    if ties is None:
        return pl.DataFrame(
            schema={
                "date": pl.Date,
                "supplier_id": pl.String,
                "customer_id": pl.String,
                "customer_label": pl.String,
                "revenue_share": pl.Float64,
                "ai_share": pl.Float64,
            }
        )
    filing = ["supplier_id", "period_end", "available_at"]
    sets = ties.select(filing).unique(maintain_order=True).with_columns(named=pl.lit(value=True))
    if disclosures is not None and disclosures.height:
        read = disclosures.select(filing).with_columns(named=pl.lit(value=False))
        # A filing whose named customers are already known by then is the set itself, not the end of it.
        named = sets.group_by("supplier_id", "period_end").agg(named_at=pl.col("available_at").min())
        empties = (pl.col("available_at") < pl.col("named_at")).fill_null(value=True)
        read = read.join(named, on=["supplier_id", "period_end"], how="left", maintain_order="left").filter(
            empties
        )
        read = read.drop("named_at")
        sets = pl.concat([sets, read])
    spells = in_force(sets, ["supplier_id"], lag_days=time.lag_days, expiry_days=time.tie_expiry_days).filter(
        "named"
    )
    if "ai_share" not in ties.columns:
        ties = ties.with_columns(ai_share=pl.lit(None, pl.Float64))
    shares = ["supplier_id", "customer_id", "customer_label", "revenue_share", "ai_share"]
    return on_dates(ties.join(spells, on=filing, how="inner").select(*shares, "first", "last", *keep), dates)


def covered_suppliers(tables: Tables, dates: pl.Series, *, time: Time, scopes: Iterable[str]) -> pl.DataFrame:
    """Return who was looked at: an unexpired tie, disclosure or disclosed share makes a supplier covered.

    Parameters
    ----------
    tables : Tables
        `revenue_ties`, `tie_disclosures` and `ai_revenue_share`; fundamentals alone do not cover.
    dates : polars.Series
        Ascending score dates.
    time : Time
        Publication lag and expiry.
    scopes : iterable of str
        The scopes of `ai_revenue_share` that cover: those of positive weight.

    Returns
    -------
    polars.DataFrame
        (date, asset_id), sorted and unique.
    """
    seen = [
        _seen(frame, "supplier_id", time.tie_expiry_days, time)
        for frame in (tables.revenue_ties, tables.tie_disclosures)
        if frame is not None
    ]
    if tables.ai_revenue_share is not None:
        shares = tables.ai_revenue_share.filter(pl.col("scope").is_in(list(scopes)))
        seen.append(_seen(shares, "asset_id", time.max_age_days, time))
    return _present(seen, dates)


def index_membership(
    table: pl.DataFrame | None, dates: pl.Series, *, time: Time, keep: Sequence[str] = ()
) -> pl.DataFrame:
    """Return live memberships, from announcement (plus the lag) to removal.

    Parameters
    ----------
    table : polars.DataFrame or None
        Validated `index_membership`; None: nobody is in an index.
    dates : polars.Series
        Ascending score dates.
    time : Time
        Publication lag.
    keep : sequence of str
        Further columns of the table to return.

    Returns
    -------
    polars.DataFrame
        (date, index_id, asset_id, weight), sorted on the first three. Of two announced memberships of one asset
        in one index the later start counts; weight is null where the index has none.

    Examples
    --------
    >>> table = kf.schema.validate("index_membership", pl.DataFrame(
    ...     {"index_id": ["m"], "asset_id": ["a"], "start": ["2024-06-24"], "end": ["2024-12-23"],
    ...      "available_at": ["2024-06-14"]},
    ... ).with_columns(pl.col("start", "end", "available_at").str.to_date()))
    >>> at = kf.calendar.score_dates(["2024-06-14", "2024-06-15", "2024-12-22", "2024-12-23"])
    >>> [str(day) for day in kf.asof.index_membership(table, at, time=kf.definition.Time())["date"]]
    ['2024-06-15', '2024-12-22']
    """
    if table is None:
        schema = {"date": pl.Date, "index_id": pl.String, "asset_id": pl.String, "weight": pl.Float64}
        return pl.DataFrame(schema=schema)
    weight = pl.col("weight") if "weight" in table.columns else pl.lit(None, pl.Float64)
    pair = pl.struct("index_id", "asset_id").rle_id()
    spells = (
        _memberships(table, time)
        .sort("index_id", "asset_id", "start")
        .select("index_id", "asset_id", "first", "last", *keep, weight=weight, pair=pair)
    )
    # By date alone: within one, rows stay in the order of the spells, which are few where rows are many.
    rows = on_dates(spells, dates).sort("date", maintain_order=True)
    again = pl.col("date", "pair") == pl.col("date", "pair").shift(-1)
    return rows.filter(~pl.all_horizontal(again.fill_null(value=False))).drop("pair")


def membership_known(table: pl.DataFrame | None, dates: pl.Series, *, time: Time) -> pl.DataFrame:
    """Return (date, membership_known): whether any membership was visible, so that absence means 0."""
    first = None if table is None else table.select(visible_from(time.lag_days))["first"].min()
    known = pl.lit(value=False) if first is None else pl.col("date") >= first
    return dates.to_frame("date").with_columns(membership_known=known)


def live_assets(tables: Tables, dates: pl.Series, *, time: Time) -> pl.DataFrame:
    """Return every asset with a visible, unexpired row in any table, or a live index membership.

    Parameters
    ----------
    tables : Tables
        A tie makes its supplier live, not its customer; a statement of theta never expires.
    dates : polars.Series
        Ascending score dates.
    time : Time
        Publication lag and expiry.

    Returns
    -------
    polars.DataFrame
        (date, asset_id), sorted and unique.
    """
    aged = (
        (tables.fundamentals, "asset_id", time.max_age_days),
        (tables.capex_guidance, "asset_id", time.max_age_days),
        (tables.ai_revenue_share, "asset_id", time.max_age_days),
        (tables.ai_capex_share, "asset_id", None),
        (tables.revenue_ties, "supplier_id", time.tie_expiry_days),
        (tables.tie_disclosures, "supplier_id", time.tie_expiry_days),
    )
    seen = [_seen(frame, key, days, time) for frame, key, days in aged if frame is not None]
    members = tables.index_membership
    if members is not None:
        seen.append(_spells(members, "asset_id", members["end"].cast(pl.Int64), time))
    return _present(seen, dates)


def _seen(frame: pl.DataFrame, key: str, expiry_days: int | None, time: Time) -> pl.DataFrame:
    if expiry_days is None:
        return _spells(frame, key, pl.Series([None], dtype=pl.Int64).new_from_index(0, frame.height), time)
    return _spells(frame, key, frame["period_end"].cast(pl.Int64) + (expiry_days + 1), time)


def _spells(frame: pl.DataFrame, key: str, last: pl.Series, time: Time) -> pl.DataFrame:
    """Return asset_id, first and last, as days since 1970."""
    first = frame["available_at"].cast(pl.Int64) + time.lag_days
    return pl.DataFrame([frame[key].alias("asset_id"), first.alias("first"), last.alias("last")])


def _memberships(table: pl.DataFrame, time: Time) -> pl.DataFrame:
    return table.with_columns(visible_from(time.lag_days), last=pl.col("end"))


def _present(seen: list[pl.DataFrame], dates: pl.Series) -> pl.DataFrame:
    if not seen:
        return pl.DataFrame(schema={"date": pl.Date, "asset_id": pl.String})
    return present(pl.concat(seen), dates)
