"""Pictures of who is in, how that lasts, and what is left out."""

from typing import TYPE_CHECKING, Any

import numpy as np

from kifactors.evaluation._evaluation import Evaluation
from kifactors.evaluation.tearsheet._ask import main_horizon, names_of
from kifactors.evaluation.tearsheet._axes import dots, legend_above, time_axis
from kifactors.evaluation.tearsheet._canvas import BLUE, GREEN, GREY, ORANGE, new_axes, nothing, styled
from kifactors.evaluation.tearsheet._text import cut, day, number, sessions

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["MOST_BARS", "draw_autocorrelation", "draw_dropped", "draw_exposed", "draw_members"]

ROLES = {"pioneer": BLUE, "tool_supplier": ORANGE, "both": GREEN}
MOST_BARS = 25
# A name is cut where it would leave no room for its bar.
LONGEST = 16


def draw_exposed(evaluation: Evaluation, ax: "Axes | None") -> "Axes":
    """Draw how many names are known and exposed on each date, and the mean coverage."""
    frame = evaluation.stability.sort("date")
    with styled():
        from matplotlib.ticker import MaxNLocator

        ax = new_axes(ax)
        title = "Names behind the figures, and their coverage"
        if frame["n"].sum() == 0:
            return nothing(ax, title, "Nobody's value is known on any date.")
        days = frame["date"].to_list()
        for column, label, colour in (("n", "known", GREY), ("exposed", "exposed", ORANGE)):
            ax.plot(days, frame[column].to_list(), color=colour, drawstyle="steps-post", label=label)
            # The last step has no length.
            ax.plot(days[-1:], frame[column].to_list()[-1:], ".", color=colour)
        ax.set_ylim(0.0, 1.12 * float(max(frame["n"])))
        ax.yaxis.set_major_locator(MaxNLocator(integer=True))
        time_axis(ax, days)
        ax.set_ylabel("names")
        covered = frame.drop_nulls("coverage")
        if covered.height:
            other: Any = ax.twinx()
            other.set_ylim(0.0, 112.0)
            other.plot(
                covered["date"].to_list(), (100.0 * covered["coverage"]).to_list(), color=BLUE, linewidth=1.1,
                linestyle=(0, (4, 2)), label="coverage",
            )  # fmt: skip
            other.set_ylabel("coverage, % (dashed)", color=BLUE)
            other.tick_params(axis="y", labelcolor=BLUE, right=False)
            other.grid(visible=False)
        ax.set_title(title)
        legend_above(ax, [*ax.get_lines()[::2], *(other.get_lines() if covered.height else [])])
        return ax


def draw_autocorrelation(evaluation: Evaluation, ax: "Axes | None") -> "Axes":
    """Draw how each ranking resembles the one before."""
    frame = evaluation.stability.sort("date").drop_nulls("rank_autocorrelation")
    with styled():
        ax = new_axes(ax)
        title = "How each ranking resembles the one before"
        if frame.is_empty():
            return nothing(ax, title, "No two dates in a row have three known names that differ.")
        days, values = frame["date"].to_list(), frame["rank_autocorrelation"].to_list()
        ax.plot(days, values, color=BLUE, linewidth=1.2, **dots(days))
        low = min(0.9, min(values))
        ax.set_ylim(low - 0.05 * (1.0 - low), 1.0)
        time_axis(ax, days)
        ax.set_ylabel("rank correlation")
        ax.set_title(title)
        return ax


def draw_members(evaluation: Evaluation, ax: "Axes | None") -> "Axes":
    """Draw who is in on the last date."""
    frame = evaluation.members.head(MOST_BARS)
    with styled():
        ax = new_axes(ax, height=max(1.8, 0.21 * frame.height + 1.2))
        title = f"Who is in on {day(evaluation.settings['last'])}"
        if evaluation.members.height > MOST_BARS:
            title += f", the first {MOST_BARS} of {evaluation.members.height}"
        if frame.is_empty():
            return nothing(ax, title, "Nobody is exposed on the last date.")
        names = [cut(name, LONGEST) for name in names_of(frame)]
        place = list(range(frame.height))
        values = [np.nan if x is None else x for x in frame["value"]]
        roles = [role or "unknown" for role in frame["role"]]
        bars = ax.barh(place, values, 0.7, color=[ROLES.get(role, GREY) for role in roles])
        ax.bar_label(bars, [_value(x) for x in frame["value"]], padding=3)
        ax.set_yticks(place, names)
        ax.set_ylim(frame.height - 0.4, -0.6)
        ax.margins(x=0.12)
        ax.grid(visible=False)
        ax.set_xticks([])
        ax.spines["bottom"].set_visible(False)
        ax.set_xlabel(str(evaluation.settings["column"]))
        ax.set_title(title)
        from matplotlib.patches import Patch

        seen = [role for role in (*ROLES, "index_only", "none", "unknown") if role in roles]
        legend_above(ax, [Patch(color=ROLES.get(role, GREY), label=role.replace("_", " ")) for role in seen])
        return ax


def draw_dropped(evaluation: Evaluation, ax: "Axes | None", horizon: int | None) -> "Axes":
    """Draw why scored rows have no return."""
    h = main_horizon(evaluation, horizon)
    frame = evaluation.dropped_counts.filter(horizon=h).sort("rows", descending=True)
    with styled():
        ax = new_axes(ax, height=max(1.1, 0.42 * frame.height + 0.6))
        title = f"Scored rows without a return, {sessions(h)}"
        if frame.is_empty():
            return nothing(ax, title, "Every scored row has a return.")
        place = list(range(frame.height))
        bars = ax.barh(place, frame["rows"].to_list(), 0.34, color=GREY)
        ax.bar_label(bars, [f"{n:,}" for n in frame["rows"]], padding=3)
        # Reasons are sentences: above their bars, where they have room.
        for k, reason in enumerate(frame["reason"]):
            ax.text(0.0, k - 0.24, reason, ha="left", va="bottom")
        ax.set_yticks([])
        ax.set_xticks([])
        ax.set_ylim(frame.height - 0.6, -0.8)
        ax.margins(x=0.14)
        ax.grid(visible=False)
        ax.spines["bottom"].set_visible(False)
        ax.set_xlabel("rows")
        ax.set_title(title)
        return ax


def _value(x: float | None) -> str:
    """Write a value that is not 0 as something else than 0."""
    if x is None:
        return ""
    return "under 0.01" if 0.0 < x < 0.005 else number(x, digits=2)
