"""Portfolios of equal exposure: mean forward returns by quantile, of exposed and unexposed names, and their spreads."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors.evaluation._bootstrap import Bootstrap
from kifactors.evaluation._evaluation import FRAMES
from kifactors.evaluation._hac import hac_mean
from kifactors.evaluation._measure import Means
from kifactors.evaluation._panel import Panel

__all__ = ["portfolio_frame", "portfolio_summary", "spread_frame", "spread_of", "spread_summary"]

Floats = NDArray[np.float64]
FEWER = "fewer names with a value than quantiles"
SHARED = "no value: equal values share another quantile"
NO_RETURN, NO_CAP = "no name with a return", "no name with a market cap"


def portfolio_frame(panel: Panel, horizons: Sequence[int], means: Sequence[Means]) -> pl.DataFrame:
    """Return a row per date, horizon, weighting and portfolio."""
    days = np.array(panel.dates, "datetime64[D]")
    parts = []
    for part in means:
        d, h, q = part.n.shape
        parts.append(
            pl.DataFrame(
                {
                    "date": np.repeat(days, h * q),
                    "horizon": np.tile(np.repeat(np.array(horizons, np.int64), q), d),
                    "weighting": pl.repeat(part.weighting, d * h * q, eager=True),
                    "portfolio": list(part.grouping.labels) * (d * h),
                    "n": part.n.ravel(),
                    "mean": pl.Series(part.mean.ravel(), nan_to_null=True),
                    "reason": pl.Series(_reasons(panel, part).ravel()).replace("", None),
                },
                schema=dict(FRAMES["portfolios"]),
            )
        )
    return pl.concat(parts)


def _reasons(panel: Panel, part: Means) -> NDArray[np.str_]:
    """Return (dates, horizons, portfolios) reasons why a portfolio is empty; "" where it is not."""
    codes, q = part.grouping.codes, len(part.grouping.labels)

    def count(rows: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.add.reduceat(rows, panel.offsets[:-1], dtype=np.int64)

    members = np.stack([count(codes == k) for k in range(1, q + 1)], axis=1)
    if part.grouping.spread == "quantiles":
        some = members.any(axis=1, keepdims=True)
        why = np.where(some, SHARED, FEWER)
    else:
        why = np.array([f"no name is {label}" for label in part.grouping.labels])
    nobody = np.array(NO_RETURN)
    if part.weighting == "cap" and panel.caps is not None:
        weighted = np.stack([count((codes == k) & (panel.caps > 0.0)) for k in range(1, q + 1)], axis=1)
        nobody = np.where(weighted == 0, NO_CAP, NO_RETURN)
    why = np.where(members == 0, why, nobody)
    return np.where(part.n == 0, why[:, None, :], "")


def portfolio_summary(horizons: Sequence[int], means: Sequence[Means]) -> pl.DataFrame:
    """Return means through time: of the dates' means, and of all rows."""
    rows = []
    for part in means:
        for j, horizon in enumerate(horizons):
            for k, label in enumerate(part.grouping.labels):
                n, mean = part.n[:, j, k], part.mean[:, j, k]
                there = n > 0
                count = int(n.sum())
                pooled = float((n * np.where(there, mean, 0.0)).sum() / count) if count else None
                of_means = float(mean[there].mean()) if count else None
                # Weighted by size there is no mean of all rows: caps of different years do not compare.
                pooled = pooled if part.weighting == "equal" else None
                rows.append((horizon, part.weighting, label, int(there.sum()), count, of_means, pooled))
    return pl.DataFrame(rows, schema=dict(FRAMES["portfolio_summary"]), orient="row")


def spread_frame(panel: Panel, horizons: Sequence[int], means: Sequence[Means]) -> pl.DataFrame:
    """Return the last portfolio less the first; null where one of them is empty."""
    days = np.array(panel.dates, "datetime64[D]")
    parts = [
        pl.DataFrame(
            {
                "date": np.repeat(days, len(horizons)),
                "horizon": np.tile(np.array(horizons, np.int64), days.size),
                "weighting": pl.repeat(part.weighting, days.size * len(horizons), eager=True),
                "spread": pl.repeat(part.grouping.spread, days.size * len(horizons), eager=True),
                "value": pl.Series(spread_of(part).ravel(), nan_to_null=True),
            },
            schema=dict(FRAMES["spreads"]),
        )
        for part in means
    ]
    return pl.concat(parts)


def spread_of(part: Means) -> Floats:
    """Return (dates, horizons) differences of last and first portfolio."""
    return np.asarray(part.mean[:, :, -1] - part.mean[:, :, 0], np.float64)


def spread_summary(
    panel: Panel, horizons: Sequence[int], means: Sequence[Means], bootstrap: Bootstrap
) -> pl.DataFrame:
    """Return mean, t and interval of the spreads through time."""
    rows = []
    for part in means:
        values = spread_of(part)
        for j, horizon in enumerate(horizons):
            overlap = panel.overlap(horizon)
            test = hac_mean(values[:, j], minimum_lag=overlap)
            low, high = bootstrap.interval(values[:, j], overlap=overlap)
            rows.append(
                (
                    horizon,
                    part.weighting,
                    part.grouping.spread,
                    test.n,
                    test.mean,
                    test.t,
                    test.p,
                    test.lag,
                    low,
                    high,
                )
            )
    return pl.DataFrame(rows, schema=dict(FRAMES["spread_summary"]), orient="row")
