"""How long a ranking lasts: rank autocorrelation, turnover of the top, half-life, and the figures year by year."""

import math
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors.cross_section import rank
from kifactors.evaluation._evaluation import FRAMES
from kifactors.evaluation._hac import hac_mean
from kifactors.evaluation._measure import Correlations, Grouping, Means
from kifactors.evaluation._panel import Panel
from kifactors.evaluation._portfolios import spread_of
from kifactors.evaluation._summary import spread_for

__all__ = ["members_of", "periods_by_year", "stability_frame", "stability_summary"]

Floats = NDArray[np.float64]


def stability_frame(panel: Panel, quantiles: Grouping) -> pl.DataFrame:
    """Return how each date's ranking resembles the one before.

    Notes
    -----
    rank_autocorrelation is Pearson's correlation of the ranks of two dates, each among all names known on its date,
    over the names known on both. top_turnover is the share of the top quantile that was not in it on the date before.
    Both as alphalens has them.
    """
    ranks = (
        rank(panel.rows.select("date", value=pl.Series(panel.values, nan_to_null=True)), "value")
        .fill_null(np.nan)
        .to_numpy()
    )
    known = ~np.isnan(panel.values)
    top = quantiles.codes == len(quantiles.labels)
    ids = panel.assets
    coverage = panel.rows["coverage"].fill_null(np.nan).to_numpy()
    rows = []
    n_assets = int(ids.max(initial=-1)) + 1
    before, was_top = np.full(n_assets, np.nan), np.zeros(n_assets, bool)
    for k, day in enumerate(panel.dates):
        a, b = int(panel.offsets[k]), int(panel.offsets[k + 1])
        now, is_top = np.full(n_assets, np.nan), np.zeros(n_assets, bool)
        now[ids[a:b]], is_top[ids[a:b]] = ranks[a:b], top[a:b]
        rows.append(
            (
                day, int(known[a:b].sum()), int(panel.exposed[a:b].sum()), _mean(coverage[a:b]),
                _correlation(before, now) if k else None,
                float((is_top & ~was_top).sum() / is_top.sum()) if k and is_top.any() and was_top.any() else None,
            )
        )  # fmt: skip
        before, was_top = now, is_top
    return pl.DataFrame(rows, schema=dict(FRAMES["stability"]), orient="row")


def _mean(x: Floats) -> float | None:
    known = x[~np.isnan(x)]
    return float(known.mean()) if known.size else None


def _correlation(a: Floats, b: Floats) -> float | None:
    both = ~np.isnan(a) & ~np.isnan(b)
    x, y = a[both], b[both]
    if x.size < 3 or x.min() == x.max() or y.min() == y.max():
        return None
    x, y = x - x.mean(), y - y.mean()
    return float((x @ y) / math.sqrt((x @ x) * (y @ y)))


def stability_summary(panel: Panel, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the means, and after how many days half of a lead in rank is gone.

    Notes
    -----
    half_life_days = days_between ln(1/2) / ln(rank autocorrelation), as if ranks were autoregressive of order one;
    null where the autocorrelation is not in (0, 1).
    """
    mean = frame["rank_autocorrelation"].mean()
    days = np.array(panel.dates, "datetime64[D]")
    between = float(np.diff(days).astype(float).mean()) if days.size > 1 else None
    rho = mean if isinstance(mean, float) else math.nan
    half = between * math.log(0.5) / math.log(rho) if between is not None and 0.0 < rho < 1.0 else None
    return pl.DataFrame(
        [(mean, frame["top_turnover"].mean(), between, half)],
        schema=dict(FRAMES["stability_summary"]),
        orient="row",
    )


def periods_by_year(
    panel: Panel,
    horizons: Sequence[int],
    place: int,
    found: Sequence[Correlations],
    means: Sequence[Means],
    *,
    column: str,
) -> pl.DataFrame:
    """Return mean rank IC and mean spread of the evaluated column by calendar year, at the horizon of this place."""
    years = np.array([day.year for day in panel.dates])
    spread = next(spread_of(m)[:, place] for m in means if m.grouping.spread == spread_for(column))
    overlap = panel.overlap(horizons[place])
    rows = []
    for year in np.unique(years).tolist():
        inside = np.flatnonzero(years == year)
        earned = hac_mean(spread[inside], minimum_lag=overlap)
        for part in found:
            ic = hac_mean(part.spearman[inside, place], minimum_lag=overlap)
            rows.append(
                (
                    panel.dates[inside[0]], panel.dates[inside[-1]], part.names, ic.n, ic.mean, ic.t, earned.mean,
                    earned.t,
                )
            )  # fmt: skip
    frame = pl.DataFrame(rows, schema=dict(FRAMES["periods"]), orient="row")
    return frame.with_columns(pl.col(pl.Float64).fill_nan(None))


def members_of(panel: Panel) -> pl.DataFrame:
    """Return who is exposed on the last score date, the highest value first."""
    a = int(panel.offsets[-2])
    last = panel.rows[a:].select("asset_id", "ticker", "role", "coverage")
    last = last.with_columns(value=pl.Series(panel.values[a:], nan_to_null=True)).filter(
        pl.Series(panel.exposed[a:])
    )
    return last.select(list(FRAMES["members"])).sort(
        "value", "asset_id", descending=[True, False], nulls_last=True
    )
