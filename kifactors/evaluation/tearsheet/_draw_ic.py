"""Pictures of information coefficients."""

from typing import TYPE_CHECKING

import polars as pl

from kifactors.evaluation._evaluation import Evaluation
from kifactors.evaluation.tearsheet._ask import main_horizon, window_of
from kifactors.evaluation.tearsheet._axes import dots, end_labels, legend_above, points, time_axis, zero_line
from kifactors.evaluation.tearsheet._canvas import BLUE, ORANGE, new_axes, nothing, styled
from kifactors.evaluation.tearsheet._text import sessions, share

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_by_horizon", "draw_decay", "draw_ic"]

# Colour is not all that tells them apart.
SETS = {"universe": ("all known names", BLUE, "o"), "exposed": ("exposed names", ORANGE, "s")}
NOBODY = "No date has three names with a value and a return."


def draw_ic(evaluation: Evaluation, ax: "Axes | None", horizon: int | None) -> "Axes":
    """Draw the rank coefficient of each date and its rolling mean."""
    h = main_horizon(evaluation, horizon)
    frame = evaluation.ic.filter(pl.col("group").is_null(), pl.col("horizon") == h).drop_nulls("spearman")
    with styled():
        ax = new_axes(ax)
        title = f"Rank IC of each date, {sessions(h)}"
        if frame.is_empty():
            return nothing(ax, title, NOBODY)
        days = frame["date"].unique().sort().to_list()
        window, few = window_of(days), bool(dots(days))
        ends = []
        for names, (label, colour, marker) in SETS.items():
            one = frame.filter(names=names).sort("date")
            ax.plot(
                one["date"].to_list(),
                one["spearman"].to_list(),
                marker,
                color=colour,
                alpha=0.45 if few else 0.12,
                markersize=3 if few else 2,
                clip_on=False,
            )
            line = one.with_columns(mean=pl.col("spearman").rolling_mean(window)).drop_nulls("mean")
            if line.is_empty():
                continue
            ax.plot(line["date"].to_list(), line["mean"].to_list(), color=colour, label=label, zorder=3)
            ends.append((line["mean"][-1], label.removesuffix(" names"), colour))
        ax.set_ylim(-1.05, 1.05)
        zero_line(ax)
        time_axis(ax, days)
        if ends:
            end_labels(ax, ends, days[-1])
        ax.set_ylabel("rank correlation")
        ax.set_title(title)
        return ax


def draw_by_horizon(evaluation: Evaluation, ax: "Axes | None") -> "Axes":
    """Draw mean rank coefficients and their intervals by horizon."""
    frame = evaluation.ic_summary.filter(method="spearman").drop_nulls("mean")
    horizons = list(evaluation.settings["horizons"])
    with styled():
        ax = new_axes(ax)
        title = f"Mean rank IC by horizon, {share(evaluation.settings['confidence'], digits=0)} intervals"
        if frame.is_empty():
            return nothing(ax, title, NOBODY)
        for shift, (names, (label, colour, marker)) in zip((-0.1, 0.1), SETS.items(), strict=True):
            one = frame.filter(names=names).sort("horizon")
            points(ax, [horizons.index(h) + shift for h in one["horizon"]], one, colour, marker, label)
        zero_line(ax)
        ax.set_xticks(range(len(horizons)), [str(h) for h in horizons])
        ax.set_xlim(-0.5, len(horizons) - 0.5)
        ax.set_xlabel("sessions from the entry")
        ax.set_ylabel("mean rank correlation")
        ax.set_title(title)
        legend_above(ax)
        return ax


def draw_decay(evaluation: Evaluation, ax: "Axes | None") -> "Axes":
    """Draw the mean rank coefficient with the return of each month alone."""
    frame = evaluation.decay.filter(method="spearman").drop_nulls("mean")
    with styled():
        ax = new_axes(ax)
        title = "How long it lasts: rank IC with each month alone"
        if frame.is_empty():
            return nothing(ax, title, NOBODY)
        for shift, (names, (label, colour, marker)) in zip((-0.14, 0.14), SETS.items(), strict=True):
            one = frame.filter(names=names).sort("month")
            points(ax, [m + shift for m in one["month"]], one, colour, marker, label)
        zero_line(ax)
        ax.set_xticks(range(1, 13))
        ax.set_xlim(0.4, 12.6)
        ax.set_xlabel("month after the entry, 21 sessions each")
        ax.set_ylabel("mean rank correlation")
        ax.set_title(title)
        legend_above(ax)
        return ax
