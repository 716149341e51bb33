"""A style score per date: winsorize, standardize, combine three descriptors, neutralize, standardize again.

The dense path of METHODOLOGY section 8: clip to the 1st and 99th percentile (or to the median -+ 5 median absolute
deviations), subtract the cap-weighted mean, divide by the standard deviation, clip to 3; average the three; take the
residual on 25 industries and ln(market cap), weights sqrt(market cap); subtract the cap-weighted mean and divide by
the standard deviation.
"""

from functools import cache
from itertools import pairwise

import numpy as np
import polars as pl
from alternatives import optional
from measure import Case

import kifactors as kf

NAMES = ("x", "y", "z")
INDUSTRIES = 25
MAD = 5.0
# Residuals of sums added in another order.
RTOL = 1e-11


def cases(*, quick: bool) -> list[Case]:
    """Return the cases: quantiles and deviations, long and wide."""
    sizes = [(100, 1000)] if quick else [(2500, 3000), (250, 10_000)]
    return [case for size in sizes for case in _of_size(*size)]


def _of_size(dates: int, assets: int) -> list[Case]:
    frame = panel(dates, assets)
    # Three descriptors, cap, its logarithm and its root in; one score out; industries are 4 bytes.
    traffic = frame.height * (7 * 8 + 4)
    title = f"cross-section, {dates:,} dates x {assets:,} assets, "
    quantiles = Case(
        title + "1/99 winsorize",
        {
            "kifactors": lambda: with_kernel(frame, None, 1),
            "kifactors, two threads": lambda: with_kernel(frame, None, 2),
            "numpy per date": lambda: with_numpy(frame, deviations=False),
            "polars over": lambda: with_polars(frame, deviations=False),
        }
        | ({"numba per date": lambda: with_numba(frame)} if optional("numba") else {}),
        rtol=RTOL,
        targets={"numpy per date": 7.0, "polars over": 12.0},
        traffic=traffic,
        rounds=3,
    )
    deviations = Case(
        title + f"median -+ {MAD:g} deviations",
        {
            "kifactors": lambda: with_kernel(frame, MAD, 1),
            "kifactors, two threads": lambda: with_kernel(frame, MAD, 2),
            "numpy per date": lambda: with_numpy(frame, deviations=True),
            "polars over": lambda: with_polars(frame, deviations=True),
        },
        rtol=RTOL,
        targets={"numpy per date": 6.0, "polars over": 12.0},
        traffic=traffic,
        rounds=3,
    )
    return [quantiles, deviations]


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


def with_kernel(frame: pl.DataFrame, deviations: float | None, n_threads: int) -> pl.Series:
    """Use the function of the library."""
    return kf.cross_section.style_score(
        frame,
        dict.fromkeys(NAMES, 1.0),
        deviations=deviations,
        market_cap="cap",
        industry="industry",
        controls=("ln_cap",),
        regression_weights="root_cap",
        n_threads=n_threads,
    ).score


def with_polars(frame: pl.DataFrame, *, deviations: bool) -> pl.Series:
    """Use window expressions; neutralize by demeaning within industry."""

    def bounds(x: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
        if not deviations:
            low, high = (x.quantile(q, interpolation="linear").over("date") for q in (0.01, 0.99))
            return low, high
        middle = x.median().over("date")
        width = MAD * (x - middle).abs().median().over("date")
        return middle - width, middle + width

    def standardize(x: pl.Expr) -> pl.Expr:
        w = pl.when(x.is_not_null()).then("cap")
        mean = (w * x).sum().over("date") / w.sum().over("date")
        return (x - mean) / x.std().over("date")

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
        .with_columns(pl.col(n).clip(*bounds(pl.col(n))) for n in NAMES)
        .with_columns(standardize(pl.col(n)).clip(-3, 3) for n in NAMES)
        .with_columns(f=pl.mean_horizontal(NAMES))
        .with_columns(**{f"{name}_within": expression for name, expression in within.items()})
        .with_columns(residual=f - beta * x)
        .select(standardize(pl.col("residual")).alias("score"))
        .collect()
    )
    return done["score"]


def with_numpy(frame: pl.DataFrame, *, deviations: bool) -> np.ndarray:
    """Use numpy in a loop over dates."""
    offsets = kf.cross_section.date_offsets(frame)
    values = [frame[n].to_numpy() for n in NAMES]
    cap, ln_cap, root, industry = (frame[n].to_numpy() for n in ("cap", "ln_cap", "root_cap", "industry"))
    out = np.full(frame.height, np.nan)
    for a, b in pairwise(offsets):
        total, known = np.zeros(b - a), np.zeros(b - a)
        for column in values:
            ok = ~np.isnan(column[a:b])
            x, w = column[a:b][ok], cap[a:b][ok]
            if deviations:
                middle = np.median(x)
                width = MAD * np.median(np.abs(x - middle))
                low, high = middle - width, middle + width
            else:
                low, high = np.quantile(x, (0.01, 0.99))
            np.clip(x, low, high, out=x)
            total[ok] += np.clip((x - (w @ x) / w.sum()) / x.std(ddof=1), -3, 3)
            known += ok
        ok = known > 0
        f, code, w = total[ok] / known[ok], industry[a:b][ok], root[a:b][ok]
        weight = np.bincount(code, w, INDUSTRIES)
        y, x = (
            v - (np.bincount(code, w * v, INDUSTRIES) / np.where(weight > 0, weight, 1))[code]
            for v in (f, ln_cap[a:b][ok])
        )
        residual = y - (w * x) @ y / ((w * x) @ x) * x
        w = cap[a:b][ok]
        out[a:b][ok] = (residual - (w @ residual) / w.sum()) / residual.std(ddof=1)
    return out


def with_numba(frame: pl.DataFrame) -> np.ndarray:
    """Compile the loop of the numpy way."""
    values = np.array([frame[n].to_numpy() for n in NAMES])
    others = (frame[n].to_numpy() for n in ("cap", "ln_cap", "root_cap", "industry"))
    return _compiled()(values, *others, kf.cross_section.date_offsets(frame))


@cache
def _compiled():
    return optional("numba").njit(_scores)


def _scores(values, cap, ln_cap, root, industry, offsets):
    out = np.full(cap.size, np.nan)
    for d in range(offsets.size - 1):
        a, b = offsets[d], offsets[d + 1]
        total, known = np.zeros(b - a), np.zeros(b - a)
        for c in range(values.shape[0]):
            column = values[c, a:b]
            some = np.sort(column[~np.isnan(column)])
            n = some.size
            at_low, at_high = 0.01 * (n - 1), 0.99 * (n - 1)
            i, j = int(at_low), int(at_high)
            low = some[i] + (at_low - i) * (some[i + 1] - some[i])
            high = some[j] + (at_high - j) * (some[j + 1] - some[j])
            sums = weighted = weights = 0.0
            for k in range(b - a):
                if not np.isnan(column[k]):
                    x = min(max(column[k], low), high)
                    sums += x
                    weighted += cap[a + k] * x
                    weights += cap[a + k]
            mean, squares = sums / n, 0.0
            for k in range(b - a):
                if not np.isnan(column[k]):
                    squares += (min(max(column[k], low), high) - mean) ** 2
            deviation = np.sqrt(squares / (n - 1))
            for k in range(b - a):
                if not np.isnan(column[k]):
                    z = (min(max(column[k], low), high) - weighted / weights) / deviation
                    total[k] += min(max(z, -3.0), 3.0)
                    known[k] += 1
        means = np.zeros((3, INDUSTRIES))
        for k in range(b - a):
            if known[k] > 0:
                total[k] /= known[k]
                g, w = industry[a + k], root[a + k]
                means[0, g] += w
                means[1, g] += w * total[k]
                means[2, g] += w * ln_cap[a + k]
        xy = xx = 0.0
        for k in range(b - a):
            if known[k] > 0:
                g, w = industry[a + k], root[a + k]
                x = ln_cap[a + k] - means[2, g] / means[0, g]
                xy += w * x * (total[k] - means[1, g] / means[0, g])
                xx += w * x * x
        sums = weighted = weights = 0.0
        n = 0
        for k in range(b - a):
            if known[k] > 0:
                g = industry[a + k]
                total[k] -= means[1, g] / means[0, g] + xy / xx * (ln_cap[a + k] - means[2, g] / means[0, g])
                sums += total[k]
                weighted += cap[a + k] * total[k]
                weights += cap[a + k]
                n += 1
        mean, squares = sums / n, 0.0
        for k in range(b - a):
            if known[k] > 0:
                squares += (total[k] - mean) ** 2
        deviation = np.sqrt(squares / (n - 1))
        for k in range(b - a):
            if known[k] > 0:
                out[a + k] = (total[k] - weighted / weights) / deviation
    return out
