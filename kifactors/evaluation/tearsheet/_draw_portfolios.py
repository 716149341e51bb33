"""Pictures of what portfolios and the factor earned."""

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from kifactors.evaluation._evaluation import Evaluation
from kifactors.evaluation.tearsheet._ask import begin_of_spread, grown, legs_of, row_of, window_of
from kifactors.evaluation.tearsheet._axes import dots, end_labels, legend_above, time_axis, zero_line
from kifactors.evaluation.tearsheet._canvas import BLUE, GREY, ORANGE, new_axes, nothing, styled
from kifactors.evaluation.tearsheet._text import count, number, sessions

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_cumulative", "draw_drawdown", "draw_factor", "draw_quantiles", "draw_turnover"]

COLOURS = (ORANGE, GREY, BLUE)


def draw_quantiles(evaluation: Evaluation, ax: "Axes | None", weighting: str) -> "Axes":
    """Draw the mean forward return of each quantile, the mean of the dates' means."""
    quantiles = range(1, int(evaluation.settings["quantiles"]) + 1)
    labels = [str(k) for k in quantiles]
    frame = evaluation.portfolio_summary.filter(
        pl.col("portfolio").is_in(labels), pl.col("weighting") == weighting
    )
    horizons = list(evaluation.settings["horizons"])
    with styled():
        ax = new_axes(ax)
        title = f"Mean forward return by quantile, {weighting} weights"
        if frame["mean_of_means"].null_count() == frame.height:
            return nothing(ax, title, "No date has as many known names as there are quantiles.")
        width = 0.84 / len(horizons)
        for k, h in enumerate(horizons):
            found = dict(frame.filter(horizon=h).select("portfolio", "mean_of_means").rows())
            heights = [np.nan if found.get(x) is None else 100.0 * found[x] for x in labels]
            place = np.arange(len(labels)) + (k - (len(horizons) - 1) / 2) * width
            # One colour, the stronger the longer.
            alpha = 1.0 if len(horizons) == 1 else 0.4 + 0.6 * k / (len(horizons) - 1)
            ax.bar(place, heights, width * 0.88, color=BLUE, alpha=alpha, label=str(h))
        zero_line(ax)
        ax.set_xticks(range(len(labels)), labels)
        ax.set_xlabel("quantile of the value, from lowest to highest")
        ax.set_ylabel("mean return, %")
        ax.set_title(title)
        legend_above(ax, columns=len(horizons))
        legend: Any = ax.get_legend()
        texts = legend.get_texts()
        texts[-1].set_text(sessions(horizons[-1]))
        return ax


def draw_cumulative(evaluation: Evaluation, ax: "Axes | None", weighting: str) -> "Axes":
    """Draw what both sides of the spread and the spread earned, held from score date to score date."""
    return _through_time(
        evaluation, ax, "growth", weighting, "growth, %", f"Growth of what is held, {weighting} weights"
    )


def draw_drawdown(evaluation: Evaluation, ax: "Axes | None", weighting: str) -> "Axes":
    """Draw how far each is below its peak."""
    return _through_time(
        evaluation, ax, "drawdown", weighting, "below the peak, %", f"Drawdown, {weighting} weights"
    )


def _through_time(
    evaluation: Evaluation, ax: "Axes | None", column: str, weighting: str, unit: str, title: str
) -> "Axes":
    begin = begin_of_spread(evaluation, weighting)
    with styled():
        ax = new_axes(ax)
        if begin is None:
            long, short, _ = legs_of(evaluation).values()
            return nothing(ax, title, f"No period has {long} and {short} names with a return.")
        days: list[Any] = [begin]
        ends = []
        for (portfolio, label), colour in zip(legs_of(evaluation).items(), COLOURS, strict=True):
            one = grown(evaluation, portfolio, weighting, begin)
            days, values = one["date"].to_list(), (100.0 * one[column]).to_list()
            thin = 1.3 if colour == GREY else 1.8
            ax.plot(days, values, color=colour, linewidth=thin, label=portfolio)
            ends.append((values[-1], label, colour))
        _finish(ax, days, ends, unit, title)
        return ax


def draw_turnover(evaluation: Evaluation, ax: "Axes | None", weighting: str) -> "Axes":
    """Draw the one-way turnover of each score date, or its rolling mean where dates are too many to be told apart."""
    lines = zip(legs_of(evaluation).items(), COLOURS, strict=True)
    wanted = [(name, label, colour) for (name, label), colour in lines if colour != GREY]
    frame = evaluation.strategies.filter(
        pl.col("weighting") == weighting, pl.col("portfolio").is_in([name for name, _, _ in wanted])
    )
    frame = frame.drop_nulls("turnover").sort("date")
    days = frame["date"].unique().sort().to_list()
    marks = dots(days)
    window = 1 if marks else window_of(days)
    with styled():
        ax = new_axes(ax)
        title = f"One-way turnover at a score date, {weighting} weights"
        if frame.is_empty():
            return nothing(ax, title, f"No two periods in a row hold {wanted[0][1]} names.")
        ends = []
        for portfolio, label, colour in wanted:
            one = frame.filter(portfolio=portfolio)
            values = (100.0 * one["turnover"].rolling_mean(window)).to_list()
            if values:
                ax.plot(one["date"].to_list(), values, color=colour, linewidth=1.2, label=portfolio, **marks)
                ends.append((values[-1], label, colour))
        ax.set_ylim(bottom=0.0)
        unit = "share of the portfolio, %" if marks else f"share, %, mean of {window} dates"
        _finish(ax, days, ends, unit, title)
        return ax


def _finish(ax: "Axes", days: list[Any], ends: list[tuple[float, str, str]], unit: str, title: str) -> None:
    zero_line(ax)
    time_axis(ax, days)
    if len(days) > 1:
        end_labels(ax, ends, days[-1])
    ax.set_ylabel(unit)
    ax.set_title(title)


def draw_factor(evaluation: Evaluation, ax: "Axes | None") -> "Axes":
    """Draw the sum of the factor's returns, each for an exposure of 1."""
    column = evaluation.settings["column"]
    frame = evaluation.factor_returns.filter(pl.col("factor") == column).drop_nulls("value").sort("date")
    row = row_of(evaluation.factor_summary, factor=column)
    with styled():
        ax = new_axes(ax)
        title = "Sum of the factor's returns"
        if frame.is_empty():
            return nothing(ax, title, "No period has enough names for a regression.")
        if row is not None:
            title += f", t = {number(row['t_fm'], digits=2)}, {count(row['periods'], 'period')}"
        days = [frame["date"][0], *frame["exit"].to_list()]
        values = [0.0, *(100.0 * frame["value"].cum_sum()).to_list()]
        ax.plot(days, values, color=BLUE, label=column)
        _finish(ax, days, [], f"for a unit of {column}, %", title)
        return ax
