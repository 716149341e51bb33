"""What every other table says on each date. Only this room reads `available_at`."""

from collections.abc import Iterable
from datetime import date

import polars as pl

from kifactors.asof._spells import expires, in_force, on_dates, union, visible_from
from kifactors.definition import Time, TrailingTwelveMonths
from kifactors.errors import MissingRateError
from kifactors.panel import sorted_unique
from kifactors.schema import Tables

__all__ = [
    "ai_capex_share",
    "ai_revenue_share",
    "capex_guidance",
    "covered_suppliers",
    "fx_rates",
    "index_membership",
    "last_known",
    "live_assets",
    "membership_known",
    "revenue_ties",
]


def ai_capex_share(table: pl.DataFrame | None, dates: pl.Series, *, time: Time) -> pl.DataFrame:
    """Return theta on each date: (date, asset_id, theta); the latest statement counts until the next one.

    Examples
    --------
    >>> theta = kf.schema.validate("ai_capex_share", pl.DataFrame(
    ...     {"asset_id": ["a", "a"], "share": [0.5, 0.75], "provenance": ["assumed", "estimated"],
    ...      "available_at": ["2024-01-01", "2024-03-01"]},
    ... ).with_columns(pl.col("available_at").str.to_date()))
    >>> at = kf.calendar.score_dates(["2024-01-01", "2024-01-02", "2024-03-02"])
    >>> kf.asof.ai_capex_share(theta, at, time=kf.definition.Time())["theta"].to_list()
    [0.5, 0.75]
    """
    if table is None:
        return pl.DataFrame(schema={"date": pl.Date, "asset_id": pl.String, "theta": pl.Float64})
    spells = in_force(table, ["asset_id"], lag_days=time.lag_days)
    return on_dates(spells.select("asset_id", "first", "last", theta="share"), dates)


def ai_revenue_share(table: pl.DataFrame | None, dates: pl.Series, *, time: Time) -> pl.DataFrame:
    """Return the disclosed shares in force on each date, every scope with its own period.

    Parameters
    ----------
    table : polars.DataFrame or None
        Validated `ai_revenue_share`; None: nobody discloses.
    dates : polars.Series
        Ascending score dates.
    time : Time
        A share whose period ended more than `max_age_days` before a date has expired.

    Returns
    -------
    polars.DataFrame
        (date, asset_id, scope, share): per scope the newest visible period and of that the newest vintage.

    Examples
    --------
    >>> table = kf.schema.validate("ai_revenue_share", pl.DataFrame(
    ...     {"asset_id": ["a"], "share": [0.4], "scope": ["ai"], "period_end": ["2023-12-31"],
    ...      "available_at": ["2024-02-01"]},
    ... ).with_columns(pl.col("period_end", "available_at").str.to_date()))
    >>> at = kf.calendar.score_dates(["2024-02-01", "2024-02-02", "2025-07-03", "2025-07-04"])
    >>> [str(day) for day in kf.asof.ai_revenue_share(table, at, time=kf.definition.Time())["date"]]
    ['2024-02-02', '2025-07-03']
    """
    if table is None:
        schema = {"date": pl.Date, "asset_id": pl.String, "scope": pl.String, "share": pl.Float64}
        return pl.DataFrame(schema=schema)
    spells = in_force(table, ["asset_id", "scope"], lag_days=time.lag_days, expiry_days=time.max_age_days)
    return on_dates(spells.select("asset_id", "scope", "share", "first", "last"), dates)


def capex_guidance(
    table: pl.DataFrame | None, dates: pl.Series, *, time: Time, ttm: TrailingTwelveMonths
) -> pl.DataFrame:
    """Return G on each date: the period that ends first at or after it, its latest statement, as an annual rate.

    Returns
    -------
    polars.DataFrame
        (date, asset_id, guided, guidance_currency, stated_at): the midpoint of the range times 365.25 over
        the days of the period, unless it spans 350 to 380 days; `stated_at` dates the exchange rate.

    Examples
    --------
    120 over three years of 1,096 days is 39.99 a year.

    >>> table = kf.schema.validate("capex_guidance", pl.DataFrame(
    ...     {"asset_id": ["a"], "period_start": ["2024-01-01"], "period_end": ["2026-12-31"],
    ...      "low": [110.0], "high": [130.0], "currency": ["USD"], "available_at": ["2024-02-01"]},
    ... ).with_columns(pl.col("period_start", "period_end", "available_at").str.to_date()))
    >>> at = kf.calendar.score_dates(["2024-02-01", "2024-02-02", "2027-01-01"])
    >>> kf.asof.capex_guidance(
    ...     table, at, time=kf.definition.Time(), ttm=kf.definition.TrailingTwelveMonths()
    ... )["guided"].round(2).to_list()
    [39.99]
    """
    if table is None:
        return pl.DataFrame(
            schema={
                "date": pl.Date,
                "asset_id": pl.String,
                "guided": pl.Float64,
                "guidance_currency": pl.String,
                "stated_at": pl.Date,
            }
        )
    days = (pl.col("period_end") - pl.col("period_start")).dt.total_days() + 1
    annual = (
        pl.when(days.is_between(ttm.year_days_low, ttm.year_days_high)).then(1.0).otherwise(365.25 / days)
    )
    statements = table.select(
        "asset_id", "period_start", "period_end", "available_at",
        guided=(pl.col("low") + pl.col("high")) / 2 * annual,
        guidance_currency="currency",
        stated_at="available_at",
    )  # fmt: skip
    spells = in_force(
        statements,
        ["asset_id", "period_start", "period_end"],
        lag_days=time.lag_days,
        also_ends=pl.col("period_end") + pl.duration(days=1),
    )
    return (
        on_dates(spells, dates)
        .sort(
            "date", "asset_id", "period_end", "stated_at", "period_start", descending=[False] * 3 + [True] * 2
        )
        .unique(["date", "asset_id"], keep="first", maintain_order=True)
        .select("date", "asset_id", "guided", "guidance_currency", "stated_at")
    )


def revenue_ties(
    ties: pl.DataFrame | None, disclosures: pl.DataFrame | None, dates: pl.Series, *, time: Time
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
    if disclosures is not None:
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
    return on_dates(ties.join(spells, on=filing, how="inner").select(*shares, "first", "last"), dates)


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
    return _on_dates_once(seen, dates)


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
    if tables.index_membership is not None:
        seen.append(_memberships(tables.index_membership, time).select("asset_id", "first", "last"))
    return _on_dates_once(seen, dates)


def index_membership(table: pl.DataFrame | None, dates: pl.Series, *, time: Time) -> pl.DataFrame:
    """Return live memberships, from announcement (plus the lag) to removal.

    Parameters
    ----------
    table : polars.DataFrame or None
        Validated `index_membership`; None: nobody is in an index.
    dates : polars.Series
        Ascending score dates.
    time : Time
        Publication lag.

    Returns
    -------
    polars.DataFrame
        (date, index_id, asset_id, weight). Of two announced memberships of one asset in one index the later
        start counts; weight is null where the index has none.

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
    spells = _memberships(table, time).select("index_id", "asset_id", "start", "first", "last", weight=weight)
    return (
        on_dates(spells, dates)
        .sort("date", "index_id", "asset_id", "start")
        .unique(["date", "index_id", "asset_id"], keep="last", maintain_order=True)
        .drop("start")
    )


def membership_known(table: pl.DataFrame | None, dates: pl.Series, *, time: Time) -> pl.DataFrame:
    """Return (date, membership_known): whether any membership was visible, so that absence means 0."""
    first = None if table is None else table.select(visible_from(time.lag_days))["first"].min()
    known = pl.lit(value=False) if first is None else pl.col("date") >= first
    return dates.to_frame("date").with_columns(membership_known=known)


def fx_rates(
    fx: pl.DataFrame | None, wanted: pl.DataFrame, *, time: Time, lag_days: int, what: str
) -> pl.DataFrame:
    """Return the latest known exchange rate for each wanted day and currency.

    Parameters
    ----------
    fx : polars.DataFrame or None
        Validated `fx`; None: only dollars can be converted.
    wanted : polars.DataFrame
        (date, currency), repeats allowed.
    time : Time
        A rate older than `fx_max_age_days` does not count.
    lag_days : int
        Days from a rate's date to the first date that may use it.
    what : str
        What the rate is for, named in the error.

    Returns
    -------
    polars.DataFrame
        (date, currency, usd_per_unit), a row for each wanted pair; 1 for USD.

    Raises
    ------
    MissingRateError
        There is no rate, or only an older one.
    """
    wanted = wanted.select("date", "currency").unique().sort("currency", "date")
    rates = pl.DataFrame(schema={"currency": pl.String, "dated": pl.Date, "usd_per_unit": pl.Float64})
    if fx is not None:
        rates = fx.select("currency", "usd_per_unit", dated="date")
    rates = rates.with_columns(known=pl.col("dated") + pl.duration(days=lag_days)).sort("currency", "known")
    fresh = pl.col("date") - pl.col("dated") <= pl.duration(days=time.fx_max_age_days)
    found = wanted.join_asof(
        rates, left_on="date", right_on="known", by="currency", strategy="backward", check_sortedness=False
    ).with_columns(
        usd_per_unit=pl.when(pl.col("currency") == "USD").then(1.0).when(fresh).then("usd_per_unit")
    )
    missing = found.filter(pl.col("usd_per_unit").is_null())
    if missing.height:
        shown = ", ".join(
            f"{currency} on {day}" for day, currency in missing.select("date", "currency").head(3).rows()
        )
        raise MissingRateError(
            f"fx has no rate for {shown} ({missing.height} missing) that is at most {time.fx_max_age_days} days "
            f"old, and {what} needs one. Add rows to fx; a missing rate is never taken as 1."
        )
    return found.select("date", "currency", "usd_per_unit")


def _seen(frame: pl.DataFrame, key: str, expiry_days: int | None, time: Time) -> pl.DataFrame:
    last = pl.lit(None, pl.Date) if expiry_days is None else expires(expiry_days)
    return frame.select(pl.col(key).alias("asset_id"), visible_from(time.lag_days), last.alias("last"))


def _memberships(table: pl.DataFrame, time: Time) -> pl.DataFrame:
    return table.with_columns(visible_from(time.lag_days), last=pl.col("end"))


def _on_dates_once(seen: list[pl.DataFrame], dates: pl.Series) -> pl.DataFrame:
    if not seen:
        return pl.DataFrame(schema={"date": pl.Date, "asset_id": pl.String})
    return sorted_unique(on_dates(union(pl.concat(seen), ["asset_id"]), dates))


def last_known(tables: Tables) -> date:
    """Return the latest date on which a company reported, or, without fundamentals, on which any row appeared.

    Examples
    --------
    >>> kf.asof.last_known(kf.load_bundled())
    datetime.date(2026, 10, 7)
    """
    frames = [frame for _, frame in tables if "available_at" in frame.columns]
    if tables.fundamentals is not None:
        frames = [tables.fundamentals]
    elif tables.universe is not None or not frames:
        frames = [frame.rename({"date": "available_at"}) for _, frame in tables if "date" in frame.columns]
    latest = [frame["available_at"].max() for frame in frames]
    return max(day for day in latest if isinstance(day, date))
