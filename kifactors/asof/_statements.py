"""What companies state, and what money is worth, on each date: AI shares, guidance, exchange rates."""

from collections.abc import Sequence
from datetime import date, timedelta

import polars as pl

from kifactors.asof._spells import in_force, on_dates
from kifactors.definition import Time, TrailingTwelveMonths
from kifactors.errors import MissingRateError
from kifactors.schema import Tables

__all__ = [
    "ai_capex_share",
    "ai_revenue_share",
    "capex_guidance",
    "fx_rates",
    "last_known",
    "stated_capex_share",
]


def stated_capex_share(
    table: pl.DataFrame | None, assets: pl.Series, shares: Sequence[float], day: date
) -> pl.DataFrame:
    """Return a table of AI shares of capex in which these assets have stated these ones, known on a day.

    Examples
    --------
    >>> told = stated_capex_share(None, pl.Series(["a"]), [0.5], date(2024, 1, 31))
    >>> at = kf.calendar.score_dates(["2024-01-31"])
    >>> kf.asof.ai_capex_share(told, at, time=kf.definition.Time())["theta"].to_list()
    [0.5]
    """
    n = len(assets)
    stated = pl.DataFrame(
        {
            "asset_id": assets,
            "share": list(shares),
            "available_at": [day - timedelta(days=1)] * n,
            "provenance": ["assumed"] * n,
        }
    )
    if table is None:
        return stated
    others = table.filter(~pl.col("asset_id").is_in(assets.implode()))
    return pl.concat([others, stated.cast({"provenance": table.schema["provenance"]})], how="diagonal")


def ai_capex_share(
    table: pl.DataFrame | None, dates: pl.Series, *, time: Time, keep: Sequence[str] = ()
) -> pl.DataFrame:
    """Return theta on each date: (date, asset_id, theta); the latest statement counts until the next one.

    `keep` names further columns of the table to return.

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
    return on_dates(spells.select("asset_id", "first", "last", *keep, theta="share"), dates)


def ai_revenue_share(
    table: pl.DataFrame | None, dates: pl.Series, *, time: Time, keep: Sequence[str] = ()
) -> pl.DataFrame:
    """Return the disclosed shares in force on each date, every scope with its own period.

    Parameters
    ----------
    table : polars.DataFrame or None
        Validated `ai_revenue_share`; None: nobody discloses.
    dates : polars.Series
        Ascending score dates.
    time : Time
        A share whose period ended more than `max_age_days` before a date has expired.
    keep : sequence of str
        Further columns of the table to return.

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
    return on_dates(spells.select("asset_id", "scope", "share", "first", "last", *keep), dates)


def capex_guidance(
    table: pl.DataFrame | None,
    dates: pl.Series,
    *,
    time: Time,
    ttm: TrailingTwelveMonths,
    keep: Sequence[str] = (),
) -> pl.DataFrame:
    """Return G on each date: the period that ends first at or after it, its latest statement, as an annual rate.

    `keep` names further columns of the table to return.

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
        *dict.fromkeys(("asset_id", "period_start", "period_end", "available_at", *keep)),
        guided=(pl.col("low") + pl.col("high")) / 2 * annual,
        guidance_currency="currency",
        stated_at="available_at",
    )  # fmt: skip
    spells = in_force(
        statements, ["asset_id", "period_start", "period_end"], lag_days=time.lag_days, expiry_days=0
    )
    return (
        on_dates(spells, dates)
        .sort(
            "date", "asset_id", "period_end", "stated_at", "period_start", descending=[False] * 3 + [True] * 2
        )
        .unique(["date", "asset_id"], keep="first", maintain_order=True)
        .select("date", "asset_id", "guided", "guidance_currency", "stated_at", *keep)
    )


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
