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

# Fewer dates are all written out.
FEW_DATES = 3
# With more dates the dots of a line touch each other, and make a file large.
MOST_DOTS = 150
# Labels are no nearer than this share of the height.
GAP = 0.085


def zero_line(ax: "Axes") -> None:
    """Draw where nothing is."""
    ax.axhline(0.0, color=GREY, linewidth=0.9, zorder=1)


def time_axis(ax: "Axes", days: Sequence[date]) -> None:
    """Write a few dates, each with its year."""
    from matplotlib.dates import AutoDateFormatter, AutoDateLocator, DateFormatter, date2num

    seen = sorted(set(days))
    if len(seen) <= FEW_DATES:
        ax.set_xticks([float(date2num(day)) for day in seen])  # type: ignore[no-untyped-call]
        ax.xaxis.set_major_formatter(DateFormatter("%d %b %Y"))  # type: ignore[no-untyped-call]
        return
    locator = AutoDateLocator(minticks=3, maxticks=5)  # type: ignore[no-untyped-call]
    formatter = AutoDateFormatter(locator)  # type: ignore[no-untyped-call]
    formatter.scaled = {365.0: "%Y", 30.0: "%b %Y", 1.0: "%d %b %Y"}
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(formatter)


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
