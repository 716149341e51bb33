"""Information coefficients: per date, through time, and with each month's return alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors import _kernels
from kifactors.evaluation._bootstrap import Bootstrap
from kifactors.evaluation._evaluation import FRAMES
from kifactors.evaluation._forward import Forward
from kifactors.evaluation._hac import hac_mean, least_lag
from kifactors.evaluation._panel import MONTHS, Panel

__all__ = ["Correlations", "correlate", "decay_of", "ic_frame", "ic_summary"]

Floats = NDArray[np.float64]
METHODS = ("pearson", "spearman")
FEWEST = 3
TOO_FEW = f"fewer than {FEWEST} names with value and return"
CONSTANT = "all values or all returns are equal"


@dataclass(frozen=True, slots=True, eq=False)
class Correlations:
    """Correlations of values with returns.

    names : "universe" or "exposed".
    n, pearson, spearman : (dates, horizons) arrays.
    """

    names: str
    n: NDArray[np.int64]
    pearson: Floats
    spearman: Floats

    def of(self, method: str) -> Floats:
        """Return the coefficients of a method."""
        return self.pearson if method == "pearson" else self.spearman


def correlate(panel: Panel, returns: Sequence[Floats], *, n_threads: int | None) -> list[Correlations]:
    """Correlate values with returns on each date, over everybody and over the exposed."""
    return [
        _correlations(names, panel.values, returns, panel.offsets, among, n_threads)
        for names, among in (("universe", None), ("exposed", panel.exposed))
    ]


def _correlations(
    names: str,
    values: Floats,
    returns: Sequence[Floats],
    offsets: NDArray[np.int64],
    among: NDArray[np.bool_] | None,
    n_threads: int | None,
) -> Correlations:
    found = _kernels.correlate(values, returns, offsets, among=among, n_threads=n_threads)
    return Correlations(names, found.n, found.pearson, found.spearman)


def ic_frame(
    panel: Panel,
    forward: Forward,
    horizons: Sequence[int],
    found: Sequence[Correlations],
    by: str | None,
    *,
    n_threads: int | None,
) -> pl.DataFrame:
    """Return a row per date, horizon and set of names, and per group if there are groups."""
    days = np.array(panel.dates, "datetime64[D]")
    whole = [_rows(days, None, horizons, part) for part in found]
    if by is None:
        return pl.concat(whole)
    order, offsets, day_of, labels = _blocks(panel, by)
    values, returns = panel.values[order], [r[order] for r in forward.returns]
    parts = []
    for names, among in (("universe", None), ("exposed", panel.exposed[order])):
        blocks = _correlations(names, values, returns, offsets, among, n_threads)
        parts.append(_rows(days[day_of], labels, horizons, blocks))
    return pl.concat([*whole, *parts])


def _blocks(panel: Panel, by: str) -> tuple[NDArray[np.intp], NDArray[np.int64], NDArray[np.intp], list[str]]:
    """Return the rows with a group, sorted by date and group; where each block begins; its date and its label."""
    group = panel.rows[by].cast(pl.String)
    labels = group.drop_nulls().unique().sort()
    codes = group.cast(pl.Enum(labels)).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
    day = panel.per_row(np.arange(len(panel.dates)))
    key = day * max(1, len(labels)) + codes
    rows = np.flatnonzero(codes >= 0)
    order = rows[np.argsort(key[rows], kind="stable")]
    blocks, begin = np.unique(key[order], return_index=True)
    offsets = np.append(begin, order.size).astype(np.int64)
    return (
        order,
        offsets,
        blocks // max(1, len(labels)),
        labels.gather(blocks % max(1, len(labels))).to_list(),
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
                test, plain = hac_mean(series, minimum_lag=least_lag(overlap)), hac_mean(series, lag=0)
                alone = hac_mean(series[apart], lag=0)
                known = series[~np.isnan(series)]
                low, high = bootstrap.interval(series, overlap=overlap)
                yield {
                    "horizon": horizon, "names": part.names, "method": method, "dates": test.n,
                    "mean": test.mean, "std": plain.std, "icir": plain.mean / plain.std if plain.mean is not None and plain.std else None,
                    "t_hac": test.t, "p_hac": test.p, "lag": test.lag, "t_plain": plain.t, "low": low, "high": high,
                    "dates_apart": alone.n, "mean_apart": alone.mean, "t_apart": alone.t,
                    "share_positive": float((known > 0.0).mean()) if known.size else None,
                }  # fmt: skip


def dates_apart(panel: Panel, horizon: int) -> NDArray[np.intp]:
    """Return dates from the first one on whose horizons do not overlap."""
    chosen, free = [], 0
    for k, entry in enumerate(panel.entries.sessions.tolist()):
        if entry >= free:
            chosen.append(k)
            free = entry + horizon
    return np.array(chosen, np.intp)


def decay_of(panel: Panel, bootstrap: Bootstrap, *, n_threads: int | None) -> pl.DataFrame:
    """Return the mean coefficient with the return of each month alone."""
    rows = []
    for month in range(1, MONTHS + 1):
        for part in correlate(panel, [panel.month(month)], n_threads=n_threads):
            for method in METHODS:
                series = part.of(method)[:, 0]
                test = hac_mean(series, lag=0)
                low, high = bootstrap.interval(series, overlap=panel.overlap(21))
                rows.append((month, part.names, method, test.n, test.mean, low, high))
    return pl.DataFrame(rows, schema=dict(FRAMES["decay"]), orient="row")
