"""Synthetic inputs of any size: companies that report quarterly, supply each other, and are in indices."""

from datetime import date

import numpy as np
import polars as pl

import kifactors as kf

INDUSTRIES = 25
FIRST_YEAR = 2014


def tables(
    assets: int, dates: pl.Series, *, ties: int, facts: int, spenders: float = 0.01, seed: int = 0
) -> kf.Tables:
    """Return tables of about that many ties and facts, and a universe with industries and market caps.

    spenders : share of the assets that have an AI share of capex (theta); never fewer than five assets.
    """
    rng = np.random.default_rng(seed)
    names = pl.Series([f"cik:{n:010d}" for n in range(assets)])
    return kf.Tables(
        universe=_universe(names, dates, rng),
        fundamentals=_fundamentals(names, facts, rng),
        ai_capex_share=_shares(names, max(5, round(spenders * assets)), rng),
        ai_revenue_share=_revenue_shares(names, max(5, assets // 50), rng),
        revenue_ties=_ties(names, ties, rng),
        index_membership=_membership(names, rng),
    )


def _universe(names: pl.Series, dates: pl.Series, rng: np.random.Generator) -> pl.DataFrame:
    n = len(names) * len(dates)
    industry = rng.integers(0, INDUSTRIES, len(names))
    return pl.DataFrame(
        {
            "date": dates.gather(np.repeat(np.arange(len(dates)), len(names))),
            "asset_id": names.gather(np.tile(np.arange(len(names)), len(dates))),
            "industry": pl.Series([f"industry {k:02d}" for k in range(INDUSTRIES)]).gather(
                np.tile(industry, len(dates))
            ),
            "market_cap": rng.lognormal(22, 1.5, n),
        }
    )


def _fundamentals(names: pl.Series, facts: int, rng: np.random.Generator) -> pl.DataFrame:
    """Capex and revenue, year to date per quarter, as 10-Qs and 10-Ks print them."""
    quarters = max(8, round(facts / (2 * len(names))))
    company, quarter = np.divmod(np.arange(len(names) * quarters), quarters)
    year, part = FIRST_YEAR + quarter // 4, quarter % 4
    starts = np.array(
        [date(y, 1, 1) for y in range(FIRST_YEAR, FIRST_YEAR + quarters // 4 + 2)], "datetime64[D]"
    )
    start = starts[year - FIRST_YEAR]
    ends = np.array(
        [[date(y, m, d) for m, d in ((3, 31), (6, 30), (9, 30), (12, 31))] for y in
         range(FIRST_YEAR, FIRST_YEAR + quarters // 4 + 2)], "datetime64[D]")  # fmt: skip
    end = ends[year - FIRST_YEAR, part]
    filed = end + rng.integers(25, 80, end.size).astype("timedelta64[D]")
    size = rng.lognormal(19, 1.5, len(names))[company]
    # Each flow varies on its own: were their ratio constant, abnormal capex would be nothing but rounding.
    flows = {metric: factor * size * (part + 1) / 4 * rng.lognormal(0, 0.2, end.size)
             for metric, factor in (("capex", 0.1), ("revenue", 1.0))}  # fmt: skip
    both = [
        pl.DataFrame(
            {"asset_id": names.gather(company), "period_start": start, "period_end": end, "available_at": filed,
             "value": value}
        ).with_columns(metric=pl.lit(metric), currency=pl.lit("USD"))
        for metric, value in flows.items()
    ]  # fmt: skip
    days = pl.col("period_start", "period_end", "available_at")
    return pl.concat(both).with_columns(days.cast(pl.Date))


def _shares(names: pl.Series, count: int, rng: np.random.Generator) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "asset_id": names.sample(count, seed=1),
            "share": rng.uniform(0.1, 0.9, count),
            "available_at": date(FIRST_YEAR, 1, 1),
            "provenance": "assumed",
        }
    )


def _revenue_shares(names: pl.Series, count: int, rng: np.random.Generator) -> pl.DataFrame:
    years = [date(y, 12, 31) for y in range(FIRST_YEAR, FIRST_YEAR + 12)]
    grid = pl.DataFrame({"asset_id": names.sample(count, seed=2)}).join(
        pl.DataFrame({"period_end": years}), how="cross"
    )
    return grid.with_columns(
        share=pl.Series(rng.uniform(0.0, 0.9, grid.height)),
        scope=pl.Series(rng.choice(["ai", "data_center", "broad"], grid.height)),
        available_at=pl.col("period_end") + pl.duration(days=50),
    )


def _ties(names: pl.Series, ties: int, rng: np.random.Generator) -> pl.DataFrame:
    """Every supplier with ties discloses two customers a year."""
    years = 12
    suppliers = max(1, min(len(names), ties // (2 * years)))
    supplier = np.repeat(rng.permutation(len(names))[:suppliers], 2 * years)
    year = np.tile(np.repeat(np.arange(years), 2), suppliers)
    customer = (supplier + rng.integers(1, len(names), supplier.size)) % len(names)
    end = np.array([date(FIRST_YEAR + y, 12, 31) for y in range(years)], "datetime64[D]")[year]
    frame = pl.DataFrame(
        {
            "supplier_id": names.gather(supplier),
            "customer_id": names.gather(customer),
            "customer_label": names.gather(customer),
            "revenue_share": rng.uniform(0.1, 0.45, supplier.size),
            "period_end": end,
            "available_at": end + np.timedelta64(60, "D"),
        }
    ).with_columns(pl.col("period_end", "available_at").cast(pl.Date))
    return frame.unique(["supplier_id", "customer_label", "period_end"], keep="first", maintain_order=True)


def _membership(names: pl.Series, rng: np.random.Generator) -> pl.DataFrame:
    parts = []
    for index, size in (("large", len(names) // 10), ("technology", len(names) // 50)):
        start = np.datetime64("2010-01-01") + rng.integers(0, 3000, size).astype("timedelta64[D]")
        parts.append(
            pl.DataFrame({"asset_id": names.sample(size, seed=size), "start": start}).with_columns(
                pl.col("start").cast(pl.Date), index_id=pl.lit(index)
            )
        )
    return pl.concat(parts).with_columns(available_at=pl.col("start"), end=pl.lit(None, pl.Date))
