"""Questions that pictures and sentences ask of an evaluation alike."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import polars as pl

from kifactors.evaluation._evaluation import Evaluation
from kifactors.evaluation._summary import spread_for

__all__ = [
    "MONTH",
    "begin_of_spread",
    "grown",
    "label_of",
    "legs_of",
    "main_horizon",
    "names_of",
    "row_of",
    "window_of",
]

# Sessions of a month; what is nearest to it is told first.
MONTH = 21
DAYS_A_YEAR = 365.25


def main_horizon(evaluation: Evaluation, horizon: int | None = None) -> int:
    """Return the horizon nearest to a month, if none is asked for."""
    horizons: Sequence[int] = evaluation.settings["horizons"]
    return min(horizons, key=lambda h: abs(h - MONTH)) if horizon is None else horizon


def row_of(frame: pl.DataFrame, **where: object) -> dict[str, Any] | None:
    """Return the row where columns have these values, or None."""
    found = frame.filter(*(pl.col(name) == value for name, value in where.items()))
    return found.row(0, named=True) if found.height else None


def names_of(members: pl.DataFrame) -> list[str]:
    """Return tickers, and ids of those without."""
    return members.select(pl.coalesce("ticker", "asset_id")).to_series().to_list()


def label_of(column: str) -> str:
    """Return what a column of scores is in words."""
    return {
        "exposure": "AI infrastructure exposure",
        "score": "the AI infrastructure score",
        "neutral_score": "the neutral AI infrastructure score",
    }.get(column, column)


def window_of(days: Sequence[date]) -> int:
    """Return how many dates a year has, at most half of those there are and at least 3."""
    if len(days) < 2:
        return 3
    a_year = (len(days) - 1) * DAYS_A_YEAR / (days[-1] - days[0]).days
    return max(3, min(round(a_year), len(days) // 2))


def legs_of(evaluation: Evaluation) -> dict[str, str]:
    """Return the portfolios that a column is judged by: the long one, the short one, their spread, and what they are called."""
    if spread_for(evaluation.settings["column"]) == "exposed":
        return {"exposed": "exposed", "unexposed": "unexposed", "exposed spread": "spread"}
    return {str(evaluation.settings["quantiles"]): "highest", "1": "lowest", "quantile spread": "spread"}


def begin_of_spread(evaluation: Evaluation, weighting: str) -> date | None:
    """Return the first date on which somebody is on both sides of the spread, so that all begin together."""
    spread = list(legs_of(evaluation))[-1]
    frame = evaluation.strategies.filter(weighting=weighting, portfolio=spread).drop_nulls("value")
    found = frame["date"].min()
    return found if isinstance(found, date) else None


def grown(evaluation: Evaluation, portfolio: str, weighting: str, begin: date) -> pl.DataFrame:
    """Return date, growth, drawdown and turnover of a portfolio that begins at 1 on a date.

    A period without names earns nothing, as in `Evaluation.strategies`.
    """
    frame = evaluation.strategies.filter(
        pl.col("portfolio") == portfolio, pl.col("weighting") == weighting, pl.col("date") >= begin
    ).sort("date")
    # Nothing grows after a loss of everything.
    growth = (1.0 + frame["value"].fill_null(0.0)).clip(lower_bound=0.0).cum_prod()
    growth = pl.concat([pl.Series([1.0]), growth])
    return pl.DataFrame(
        {
            "date": [begin, *frame["exit"].to_list()],
            "growth": growth - 1.0,
            "drawdown": growth / growth.cum_max() - 1.0,
        }
    )
