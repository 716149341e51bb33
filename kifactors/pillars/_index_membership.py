"""Pillar C: how much of the market already holds a company as part of the theme (METHODOLOGY section 7)."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors import _kernels, asof
from kifactors.definition import FactorDefinition
from kifactors.panel import KEY, Rows
from kifactors.schema import Tables

__all__ = ["economic_exposure", "index_membership"]


def economic_exposure(p: pl.Expr, r: pl.Expr) -> pl.Expr:
    """Return e = 1 - (1 - p)(1 - r), the share of a company that spends on the theme or earns from it.

    Parameters
    ----------
    p, r : polars.Expr
        `capex_to_revenue` and `ai_revenue`, in [0, 1].

    Returns
    -------
    polars.Expr
        In [0, 1]. p null: r. r null: p if p > 0, else null, for a company nobody has looked at is unknown,
        not unexposed.

    Examples
    --------
    >>> frame = pl.DataFrame({"p": [0.1, 0.1, 0.0, None, None], "r": [0.5, None, None, 0.5, None]})
    >>> frame.select(e=kf.pillars.economic_exposure(pl.col("p"), pl.col("r")))["e"].to_list()
    [0.55, 0.1, None, 0.5, None]
    """
    alone = pl.when(p > 0).then(p)
    return pl.when(r.is_null()).then(alone).when(p.is_null()).then(r).otherwise(1 - (1 - p) * (1 - r))


def index_membership(
    tables: Tables,
    live: pl.DataFrame,
    dates: pl.Series,
    definition: FactorDefinition,
    *,
    n_threads: int | None = None,
) -> pl.DataFrame:
    """Return the descriptor of pillar C for every live asset.

    Parameters
    ----------
    tables : Tables
        `index_membership`; absent: null for everybody.
    live : polars.DataFrame
        date, asset_id, exposure (e) and market_cap (absent: equal weights), sorted on (date, asset_id).
    dates : polars.Series
        The score dates of `live`.
    definition : FactorDefinition

    Returns
    -------
    polars.DataFrame
        date, asset_id and ``index_relevance`` c_i = 1 - prod over i's indices m of (1 - rho_m(-i)), where
        rho_m(-i) is the weighted mean of e over the other members: index weights if given, else market cap
        (a null cap leaves the member out), else equal; a null e counts as 0 and keeps its weight. 0 outside
        every index, null before any membership is known.

    Examples
    --------
    An index of three, exposures 0.6, 0.3 and unknown: the first sees (0.3 + 0) / 2, the third (0.6 + 0.3) / 2.

    >>> start = pl.date(2024, 1, 1)
    >>> tables = kf.Tables(index_membership=pl.DataFrame({"asset_id": ["a", "b", "c"]}).with_columns(
    ...     index_id=pl.lit("x"), start=start, end=None, available_at=start))
    >>> dates = kf.calendar.score_dates(["2024-01-31"])
    >>> live = pl.DataFrame({"date": [dates[0]] * 4, "asset_id": ["a", "b", "c", "d"],
    ...     "exposure": [0.6, 0.3, None, 0.9]})
    >>> found = kf.pillars.index_membership(tables, live, dates, kf.FactorDefinition())
    >>> found["index_relevance"].round(6).to_list()
    [0.15, 0.3, 0.45, 0.0]
    """
    members = asof.index_membership(tables.index_membership, dates, time=definition.time)
    rows = Rows(live).of(members)
    sections = members.select(pl.struct("date", "index_id").rle()).to_series().struct.field("len")
    others = _kernels.leave_one_out_mean(
        _of_rows(live["exposure"], rows),
        _weights(members, live, rows),
        np.append(0, sections.to_numpy().cumsum(dtype=np.int64)),
        n_threads=n_threads,
    )
    missed = np.ones(live.height)
    # In the order of members, so that a product over several indices always has the same bits.
    np.multiply.at(missed, rows[rows >= 0], 1.0 - others[rows >= 0])
    known = asof.membership_known(tables.index_membership, dates, time=definition.time)
    first = known.filter("membership_known")["date"].min()
    return live.select(KEY).with_columns(
        pl.when(pl.col("date") >= pl.lit(first, pl.Date))
        .then(pl.Series(1.0 - missed))
        .alias("index_relevance")
    )


def _of_rows(column: pl.Series, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the values in these rows; 0 where they are unknown, and for row -1."""
    return np.append(column.fill_null(0.0).to_numpy(), 0.0)[rows]


def _weights(members: pl.DataFrame, live: pl.DataFrame, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    if "market_cap" in live.columns:
        otherwise = _of_rows(live["market_cap"], rows)
    else:
        otherwise = np.ones(members.height)
    return members["weight"].fill_null(pl.Series(otherwise)).to_numpy()
