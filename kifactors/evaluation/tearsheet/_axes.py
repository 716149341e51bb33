"""What the pictures share: dates below, names at the ends of lines, means with their intervals."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from kifactors.evaluation.tearsheet._canvas import GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["dots", "end_labels", "legend_above", "points", "time_axis", "zero_line"]

# Of so few the dates themselves are written.
FEW_DATES = 3
MOST_TICKS = 5
STEPS = (1, 2, 3, 6, 12, 24, 60, 120, 240, 600)
# With more dates the dots of a line touch each other, and make a file large.
MOST_DOTS = 150
# Labels are no nearer than this share of the height.
GAP = 0.085


def zero_line(ax: "Axes") -> None:
    """Draw where nothing is."""
    ax.axhline(0.0, color=GREY, linewidth=0.9, zorder=1)


def time_axis(ax: "Axes", days: Sequence[date]) -> None:
    """Write a few dates, each with its year."""
    from matplotlib.dates import date2num

    labels = date_labels(sorted(set(days)))
    ax.set_xticks([float(date2num(day)) for day in labels], list(labels.values()))  # type: ignore[no-untyped-call]


def date_labels(days: Sequence[date]) -> dict[date, str]:
    """Return which dates to write below an axis, and how.

    First days of every so many months, so that a few of them fit; of a short time or few dates some of the dates.

    Examples
    --------
    >>> from datetime import date, timedelta
    >>> list(date_labels([date(2021, 2, 26) + timedelta(7 * k) for k in range(53)]).values())
    ['Apr 2021', 'Jul 2021', 'Oct 2021', 'Jan 2022']
    >>> list(date_labels([date(2021, 2, 26), date(2021, 3, 5)]).values())
    ['26 Feb 2021', '5 Mar 2021']
    """
    if len(days) > FEW_DATES:
        first, last = (day.year * 12 + day.month - 1 for day in (days[0], days[-1]))
        for step in STEPS:
            begins = [date(k // 12, k % 12 + 1, 1) for k in range(first, last + 1) if k % step == 0]
            ticks = [day for day in begins if day >= days[0]]
            if len(ticks) <= MOST_TICKS:
                break
        if len(ticks) > 1:
            return {day: f"{day:%Y}" if step >= 12 else f"{day:%b %Y}" for day in ticks}
    middle = days[0] + (days[-1] - days[0]) / 2
    near = min(days, key=lambda day: abs(day - middle))
    # Not where it would lie on one of the others.
    is_apart = abs(near - middle) < (days[-1] - days[0]) / 6
    chosen = {days[0], days[-1], *([near] if is_apart else [])}
    return {day: f"{day.day} {day:%b %Y}" for day in sorted(chosen)}


def dots(days: Sequence[date]) -> dict[str, Any]:
    """Return how a line marks its dates, if they are few enough."""
    return {"marker": "o", "markersize": 2.5, "clip_on": False} if len(days) <= MOST_DOTS else {}


def end_labels(ax: "Axes", lines: Sequence[tuple[float, str, str]], x: Any) -> None:
    """Write names at the right end of lines, moved apart where they would lie on each other.

    Parameters
    ----------
    ax : Axes
    lines : sequence of (y, name, colour)
    x : date or number
        Where the axes end.
    """
    ax.set_xlim(right=x)
    low, high = ax.get_ylim()
    order = sorted(range(len(lines)), key=lambda k: lines[k][0])
    wanted = [(lines[k][0] - low) / (high - low) for k in order]
    for place, (_, name, colour) in zip(_apart(wanted), (lines[k] for k in order), strict=True):
        ax.annotate(
            name,
            (x, low + place * (high - low)),
            xytext=(5, 0),
            textcoords="offset points",
            color=colour,
            va="center",
            annotation_clip=False,
        )


def _apart(wanted: Sequence[float]) -> list[float]:
    """Return places in the same order, as near to the wanted ones as a gap allows: pushed up, then back down."""
    places: list[float] = []
    for one in wanted:
        places.append(max(one, places[-1] + GAP) if places else max(one, 0.0))
    ceiling = 1.0
    for k in range(len(places) - 1, -1, -1):
        places[k] = min(places[k], ceiling)
        ceiling = places[k] - GAP
    return places


def legend_above(ax: "Axes", handles: Sequence[Any] | None = None, *, columns: int = 4) -> None:
    """Say what colours mean in one line between title and picture."""
    options: dict[str, Any] = {} if handles is None else {"handles": handles}
    ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.01), ncols=columns, **options)
    ax.set_title(ax.get_title(loc="left"), pad=24)


def points(
    ax: "Axes", place: Sequence[float], rows: pl.DataFrame, colour: str, marker: str, label: str
) -> None:
    """Draw means with their intervals; one without an interval as a hollow point."""
    known = rows["low"].is_not_null() & rows["high"].is_not_null()
    for sure in (True, False):
        one = rows.filter(known if sure else ~known)
        if one.is_empty():
            continue
        x = [at for at, is_known in zip(place, known, strict=True) if is_known == sure]
        y = one["mean"].to_numpy()
        options: dict[str, Any] = {"color": colour, "markersize": 5, "label": label}
        # Named once.
        label = f"_{label}"
        if sure:
            errors = np.maximum([y - one["low"].to_numpy(), one["high"].to_numpy() - y], 0.0)
            ax.errorbar(x, y, errors, fmt=marker, capsize=0, elinewidth=1.6, **options)
        else:
            ax.plot(x, y, marker, markerfacecolor="none", **options)
