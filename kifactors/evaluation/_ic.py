"""Information coefficients: per date, through time, and with each month's return alone."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors.evaluation._bootstrap import Bootstrap
from kifactors.evaluation._evaluation import FRAMES
from kifactors.evaluation._hac import all_equal, hac_mean
from kifactors.evaluation._measure import Correlations, GroupCorrelations
from kifactors.evaluation._panel import MONTH, MONTHS, Panel

__all__ = ["decay_of", "ic_by_group", "ic_frame", "ic_summary"]

METHODS = ("pearson", "spearman")
FEWEST = 3
TOO_FEW = f"fewer than {FEWEST} names with value and return"
CONSTANT = "all values or all returns are equal"


def ic_frame(
    panel: Panel, horizons: Sequence[int], found: Sequence[Correlations], groups: Sequence[GroupCorrelations]
) -> pl.DataFrame:
    """Return a row per date, horizon and set of names, and per group if there are groups."""
    days = np.array(panel.dates, "datetime64[D]")
    return pl.concat(
        [
            *(_rows(days, None, horizons, one) for one in found),
            *(_rows(days[one.places], one.labels, horizons, one.found) for one in groups),
        ]
    )


def _rows(
    days: NDArray[np.datetime64], groups: list[str] | None, horizons: Sequence[int], found: Correlations
) -> pl.DataFrame:
    d, h = found.n.shape
    few = found.n < FEWEST
    reason = np.where(few, TOO_FEW, np.where(np.isnan(found.pearson), CONSTANT, ""))
    return pl.DataFrame(
        {
            "date": np.repeat(days, h),
            "horizon": np.tile(np.array(horizons, np.int64), d),
            "names": pl.repeat(found.names, d * h, eager=True),
            "group": pl.Series(groups, dtype=pl.String).gather(np.repeat(np.arange(d), h)) if groups is not None
            else pl.repeat(None, d * h, dtype=pl.String, eager=True),
            "n": found.n.ravel(),
            "pearson": pl.Series(found.pearson.ravel(), nan_to_null=True),
            "spearman": pl.Series(found.spearman.ravel(), nan_to_null=True),
            "reason": pl.Series(reason.ravel()).replace("", None),
        },
        schema=dict(FRAMES["ic"]),
    )  # fmt: skip


def ic_summary(
    panel: Panel, horizons: Sequence[int], found: Sequence[Correlations], bootstrap: Bootstrap
) -> pl.DataFrame:
    """Return mean, ICIR, t and interval of the coefficients through time."""
    return pl.DataFrame(
        list(_summaries(panel, horizons, found, bootstrap)), schema=dict(FRAMES["ic_summary"]), orient="row"
    )


def _summaries(
    panel: Panel, horizons: Sequence[int], found: Sequence[Correlations], bootstrap: Bootstrap
) -> Iterator[Mapping[str, object]]:
    for part in found:
        for j, horizon in enumerate(horizons):
            overlap = panel.overlap(horizon)
            apart = dates_apart(panel, horizon)
            for method in METHODS:
                series = part.of(method)[:, j]
                test, plain = hac_mean(series, minimum_lag=overlap), hac_mean(series, lag=0)
                alone = hac_mean(series[apart], lag=0)
                known = series[~np.isnan(series)]
                low, high = _within(bootstrap.interval(series, overlap=overlap))
                yield {
                    "horizon": horizon, "names": part.names, "method": method, "dates": test.n,
                    "mean": test.mean, "std": plain.std, "icir": None if plain.mean is None or not plain.std or all_equal(known) else plain.mean / plain.std,
                    "t_hac": test.t, "p_hac": test.p, "lag": test.lag, "t_plain": plain.t, "low": low, "high": high,
                    "dates_apart": alone.n, "mean_apart": alone.mean, "t_apart": alone.t,
                    "share_positive": float((known > 0.0).mean()) if known.size else None,
                }  # fmt: skip


def ic_by_group(panel: Panel, horizons: Sequence[int], groups: Sequence[GroupCorrelations]) -> pl.DataFrame:
    """Return mean and t of the coefficients within each group through time."""
    rows = []
    for part in groups:
        labels = np.array(part.labels)
        for group in np.unique(labels).tolist():
            # Blocks are in the order of dates.
            inside = np.flatnonzero(labels == group)
            for j, horizon in enumerate(horizons):
                overlap, median = panel.overlap(horizon), float(np.median(part.found.n[inside, j]))
                for method in METHODS:
                    test = hac_mean(part.found.of(method)[inside, j], minimum_lag=overlap)
                    rows.append(
                        (
                            horizon,
                            group,
                            part.found.names,
                            method,
                            test.n,
                            median,
                            test.mean,
                            test.t,
                            test.p,
                            test.lag,
                        )
                    )
    return pl.DataFrame(rows, schema=dict(FRAMES["ic_by_group"]), orient="row")


def dates_apart(panel: Panel, horizon: int) -> NDArray[np.intp]:
    """Return dates from the first one on whose horizons do not overlap."""
    chosen, free = [], 0
    for k, entry in enumerate(panel.entries.sessions.tolist()):
        if entry >= free:
            chosen.append(k)
            free = entry + horizon
    return np.array(chosen, np.intp)


def decay_of(panel: Panel, months: Sequence[Correlations], bootstrap: Bootstrap) -> pl.DataFrame:
    """Return the mean coefficient with the return of each month alone."""
    rows = []
    overlap = panel.overlap(MONTH)
    for month in range(MONTHS):
        for part in months:
            for method in METHODS:
                series = part.of(method)[:, month]
                test = hac_mean(series, minimum_lag=overlap)
                low, high = _within(bootstrap.interval(series, overlap=overlap))
                rows.append((month + 1, part.names, method, test.n, test.mean, low, high))
    return pl.DataFrame(rows, schema=dict(FRAMES["decay"]), orient="row")


def _within(interval: tuple[float | None, float | None]) -> tuple[float | None, float | None]:
    """Cut an interval of a mean correlation where no correlation can be."""
    low, high = interval
    return (None if low is None else max(low, -1.0)), (None if high is None else min(high, 1.0))
