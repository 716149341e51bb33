"""Winsorize, standardize, combine three descriptors and neutralize them, per date: kernels, polars, numpy.

    python benchmarks/cross_section.py [DATES] [ASSETS]

One thread each. The work of the dense path of METHODOLOGY section 8: clip to the 1st and 99th percentile, subtract
the cap-weighted mean, divide by the standard deviation, clip to 3; average the three; take the residual on 25
industries and ln(market cap), weights sqrt(market cap).
"""

import os
import sys
from itertools import pairwise

os.environ["POLARS_MAX_THREADS"] = "1"  # before polars is imported
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import polars as pl
from compare import compare, environment

import kifactors as kf

NAMES = ("x", "y", "z")
INDUSTRIES = 25
# The residual of a regression computed in another order.
RTOL = 1e-9


def panel(dates: int, assets: int) -> pl.DataFrame:
    """Return a random panel; one value in fifty is unknown."""
    rng = np.random.default_rng(0)
    n = dates * assets
    columns = {name: np.where(rng.random(n) < 0.02, np.nan, rng.standard_t(4, n)) for name in NAMES}
    cap = rng.lognormal(22, 1.5, n)
    return pl.DataFrame(
        {
            "date": np.repeat(np.arange(dates, dtype=np.int32), assets),
            **columns,
            "cap": cap,
            "ln_cap": np.log(cap),
            "root_cap": np.sqrt(cap),
            "industry": rng.integers(0, INDUSTRIES, n).astype(np.int32),
        }
    ).with_columns(pl.col(NAMES).fill_nan(None))


def with_kernels(frame: pl.DataFrame) -> np.ndarray:
    """Use the functions of the library."""
    scores = [kf.cross_section.dense_standardize(frame, n, weights="cap", n_threads=1) for n in NAMES]
    frame = frame.with_columns(s.alias(f"s_{s.name}") for s in scores)
    frame = frame.with_columns(f=pl.mean_horizontal(f"s_{n}" for n in NAMES))
    found = kf.cross_section.neutralize(
        frame, "f", industry="industry", controls=("ln_cap",), weights="root_cap", n_threads=1
    )
    return found.residual.fill_null(float("nan")).to_numpy()


def with_polars(frame: pl.DataFrame) -> np.ndarray:
    """Use window expressions; neutralize by demeaning within industry."""

    def standardize(name: str) -> pl.Expr:
        x = pl.col(name)
        low, high = (x.quantile(q, interpolation="linear").over("date") for q in (0.01, 0.99))
        x = x.clip(low, high)
        w = pl.when(x.is_not_null()).then("cap")
        mean = (w * x).sum().over("date") / w.sum().over("date")
        return ((x - mean) / x.std().over("date")).clip(-3, 3).alias(f"s_{name}")

    group = ["date", "industry"]
    w = pl.when(pl.col("f").is_not_null()).then("root_cap")
    within = {
        name: pl.col(name) - (w * pl.col(name)).sum().over(group) / w.sum().over(group)
        for name in ("f", "ln_cap")
    }
    f, x = pl.col("f_within"), pl.col("ln_cap_within")
    beta = (w * x * f).sum().over("date") / (w * x * x).sum().over("date")
    done = (
        frame.lazy()
        .with_columns(standardize(n) for n in NAMES)
        .with_columns(f=pl.mean_horizontal(f"s_{n}" for n in NAMES))
        .with_columns(**{f"{name}_within": expression for name, expression in within.items()})
        .select(residual=f - beta * x)
        .collect()
    )
    return done["residual"].fill_null(float("nan")).to_numpy()


def with_numpy(frame: pl.DataFrame) -> np.ndarray:
    """Use numpy in a loop over dates."""
    offsets = kf.cross_section.date_offsets(frame)
    values = [frame[n].fill_null(float("nan")).to_numpy() for n in NAMES]
    cap, ln_cap, root, industry = (frame[n].to_numpy() for n in ("cap", "ln_cap", "root_cap", "industry"))
    out = np.empty(frame.height)
    for a, b in pairwise(offsets):
        total, known = np.zeros(b - a), np.zeros(b - a)
        for column in values:
            x = column[a:b]
            ok = ~np.isnan(x)
            low, high = np.quantile(x[ok], (0.01, 0.99))
            x = np.clip(x, low, high)
            w = cap[a:b][ok]
            s = np.clip((x - (w @ x[ok]) / w.sum()) / x[ok].std(ddof=1), -3, 3)
            total[ok] += s[ok]
            known += ok
        with np.errstate(invalid="ignore"):
            f = total / known
        ok = ~np.isnan(f)
        code, w = industry[a:b][ok], root[a:b][ok]
        weight = np.bincount(code, w, INDUSTRIES)
        inside = []
        for v in (f[ok], ln_cap[a:b][ok]):
            mean = np.bincount(code, w * v, INDUSTRIES) / np.where(weight > 0, weight, 1)
            inside.append(v - mean[code])
        y, x = inside
        out[a:b] = np.nan
        out[a:b][ok] = y - (w * x) @ y / ((w * x) @ x) * x
    return out


if __name__ == "__main__":
    size = [int(text) for text in sys.argv[1:]] or [250, 3000]
    data = panel(*size)
    print(environment())
    compare(
        f"cross-section, {size[0]:,} dates x {size[1]:,} assets, one thread",
        {
            "kifactors": lambda: with_kernels(data),
            "numpy per date": lambda: with_numpy(data),
            "polars over": lambda: with_polars(data),
        },
        rtol=RTOL,
    )
