"""Random small worlds of input tables, for properties that must hold on any of them."""

from datetime import date, timedelta

import numpy as np
import polars as pl
from hypothesis import strategies as st

import kifactors as kf

ORIGIN = date(2019, 1, 1)
ASSETS = [f"a{n}" for n in range(8)]
OUTSIDERS = ["x0", "x1"]  # customers that are nobody's asset
DATES = [str(day) for day in kf.month_ends("2021-01", "2024-12")][::3]


def _day(rng, low=0, high=2200):
    return ORIGIN + timedelta(int(rng.integers(low, high)))


def fundamentals(rng):
    """Fiscal years with year-to-date reports and restatements, some missing, some late."""
    rows = []
    for asset in ASSETS:
        year_end = int(rng.choice([1, 6, 9, 12]))
        for year in range(2018, 2025):
            start = date(year - (year_end < 12), year_end % 12 + 1, 1)
            for metric, size in (("capex", 30e6), ("revenue", 200e6)):
                total = 0.0
                for quarter in range(1, 5):
                    end = start + timedelta(round(365.25 * quarter / 4) - 1)
                    total += size * rng.lognormal(0, 0.5)
                    if rng.random() < 0.15:
                        continue
                    filed = end + timedelta(int(rng.integers(20, 90)))
                    rows.append((asset, metric, start, end, total, filed))
                    if rng.random() < 0.2:
                        later = filed + timedelta(int(rng.integers(30, 500)))
                        rows.append((asset, metric, start, end, total * rng.uniform(0.8, 1.2), later))
    frame = pl.DataFrame(
        rows,
        schema=["asset_id", "metric", "period_start", "period_end", "value", "available_at"],
        orient="row",
    )
    return frame.with_columns(currency=pl.lit("USD"))


def revenue_ties(rng):
    rows = []
    for supplier in ASSETS:
        for end in (date(2020, 12, 31), date(2021, 12, 31), date(2022, 12, 31), date(2023, 12, 31)):
            if rng.random() < 0.4:
                continue
            filed = end + timedelta(int(rng.integers(10, 300)))
            others = [name for name in ASSETS + OUTSIDERS if name != supplier]
            count = int(rng.integers(1, 4))
            shares = rng.dirichlet(np.ones(count + 1))[:count]
            for customer, share in zip(rng.choice(others, count, replace=False), shares, strict=True):
                known = rng.random() < 0.75
                ai_share = float(rng.random()) if rng.random() < 0.3 else None
                label = str(customer)
                rows.append(
                    (supplier, label if known else None, label, max(float(share), 1e-6), ai_share, end, filed)
                )
    if not rows:
        return None
    names = [
        "supplier_id",
        "customer_id",
        "customer_label",
        "revenue_share",
        "ai_share",
        "period_end",
        "available_at",
    ]
    types = {"customer_id": pl.String, "ai_share": pl.Float64}
    return pl.DataFrame(rows, schema=names, schema_overrides=types, orient="row")


def build(seed, *, universe=True):
    """Return the frames of one world, by table name; every table is there."""
    rng = np.random.default_rng(seed)
    theta = pl.DataFrame(
        {
            "asset_id": [a for a in ASSETS[:5] for _ in range(2)],
            "share": rng.choice([0.0, 0.3, 0.5, 1.0], 10),
            "available_at": [_day(rng, 400, 1800) for _ in range(10)],
        }
    ).with_columns(provenance=pl.lit("assumed"))
    ends = [date(2020, 12, 31), date(2021, 12, 31), date(2022, 12, 31), date(2023, 6, 30)]
    picked = [(a, s, e) for a in ASSETS for s in kf.schema.SCOPES for e in ends if rng.random() < 0.15]
    shares = pl.DataFrame(
        [(a, s, e, float(rng.random()), e + timedelta(int(rng.integers(5, 200)))) for a, s, e in picked]
        or [("a0", "ai", ends[0], 0.5, ends[1])],
        schema=["asset_id", "scope", "period_end", "share", "available_at"],
        orient="row",
    )
    guided = [(a, y) for a in ASSETS for y in range(2020, 2026) if rng.random() < 0.5]
    guidance = pl.DataFrame(
        [
            (a, date(y, 1, 1), date(y, 12, 31), float(rng.uniform(1e8, 2e8)), _day(rng, 300, 2000), c)
            for (a, y) in guided
            for c in [str(rng.choice(["USD", "EUR"]))]
        ],
        schema=["asset_id", "period_start", "period_end", "low", "available_at", "currency"],
        orient="row",
    ).with_columns(high=pl.col("low") * 1.2)
    members = [(m, a) for m in ("m0", "m1") for a in ASSETS + OUTSIDERS if rng.random() < 0.6]
    membership = pl.DataFrame(
        [
            (m, a, start, start + timedelta(int(rng.integers(100, 1500))) if rng.random() < 0.5 else None,
             start - timedelta(int(rng.integers(0, 15))))
            for m, a in members
            for start in [_day(rng, 0, 1800)]
        ] or [("m0", "a0", ORIGIN, None, ORIGIN)],
        schema={"index_id": pl.String, "asset_id": pl.String, "start": pl.Date, "end": pl.Date, "available_at": pl.Date},
        orient="row",
    )  # fmt: skip
    read = pl.DataFrame(
        [
            (a, e, e + timedelta(int(rng.integers(10, 200))))
            for a in ASSETS
            for e in ends
            if rng.random() < 0.2
        ]
        or [("a0", ends[0], ends[1])],
        schema=["supplier_id", "period_end", "available_at"],
        orient="row",
    )
    days = pl.date_range(ORIGIN - timedelta(60), date(2025, 2, 1), "7d", eager=True)
    fx = pl.DataFrame({"date": days, "currency": "EUR", "usd_per_unit": rng.uniform(1.0, 1.2, len(days))})
    frames = {
        "fundamentals": fundamentals(rng),
        "ai_capex_share": theta.unique(["asset_id", "available_at"], keep="first", maintain_order=True),
        "ai_revenue_share": shares,
        "capex_guidance": guidance if guidance.height else None,
        "index_membership": membership,
        "tie_disclosures": read,
        "revenue_ties": revenue_ties(rng),
        "fx": fx,
    }
    if universe:
        grid = (
            pl.DataFrame({"date": DATES})
            .with_columns(pl.col("date").str.to_date())
            .join(pl.DataFrame({"asset_id": ASSETS[:6]}), how="cross")
        )
        cap = rng.lognormal(23, 1, grid.height)
        frames["universe"] = grid.with_columns(
            industry=pl.Series(rng.choice(["chips", "cloud"], grid.height)),
            market_cap=pl.Series(np.where(rng.random(grid.height) < 0.1, np.nan, cap)).fill_nan(None),
            estimation=pl.Series(rng.random(grid.height) < 0.9),
        )
    return {name: frame for name, frame in frames.items() if frame is not None}


def known_by(frames, day, lag_days=1):
    """Drop everything that could not be known on a day; an emptied table goes."""
    kept = {}
    for name, frame in frames.items():
        if "available_at" in frame.columns:
            frame = frame.filter(pl.col("available_at") + pl.duration(days=lag_days) <= day)
        elif name == "fx":
            frame = frame.filter(pl.col("date") + pl.duration(days=lag_days) <= day)
        else:
            frame = frame.filter(pl.col("date") <= day)
        if frame.height:
            kept[name] = frame
    return kept


seeds = st.integers(0, 2**32 - 1)
