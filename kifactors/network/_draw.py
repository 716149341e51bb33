"""The picture of a network: suppliers left of their customers, names in boxes, ties as wide as what they carry."""

import datetime as dt
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from kifactors.atomic import written
from kifactors.errors import MissingExtraError
from kifactors.network._neighbours import steps

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw", "write"]

# Okabe and Ito's hues, darkened until white letters can be read on them.
PIONEER, SUPPLIER, OTHER, CENTRE, TIE = "#0067a8", "#00785a", "#616b77", "#bd4b00", "#8b97a5"
INK = "#1b2430"
MOST = 30
LONGEST = 20
COLUMN, ROW, FONT, SMALL = 2.1, 0.36, 8.5, 7.0  # inches a column and a row, points
STYLE: Any = {
    "font.family": "sans-serif",
    "svg.fonttype": "none",
    "svg.hashsalt": "kifactors",
    "text.parse_math": False,
}
PLACES = (0.5, 0.38, 0.62, 0.28, 0.72, 0.2, 0.8)


def draw(day: dt.date, nodes: pl.DataFrame, edges: pl.DataFrame, centre: str, ax: "Axes | None") -> "Axes":
    """Draw the nodes and ties around a company; beyond 30 companies, the nearest and of those the largest."""
    mpl = _matplotlib()
    place = _positions(nodes, edges, centre)
    rows = {row["asset_id"]: row for row in nodes.iter_rows(named=True) if row["asset_id"] in place}
    edges = edges.filter(pl.col("supplier_id").is_in(list(place)) & pl.col("customer_id").is_in(list(place)))
    with mpl.rc_context(STYLE):
        if ax is None:
            from matplotlib.figure import Figure

            columns = np.unique([x for x, _ in place.values()]).size
            longest = max(np.unique([x for x, _ in place.values()], return_counts=True)[1])
            # Never so small that the title and the legend do not fit.
            size = (max(5.2, COLUMN * columns + 0.6), max(2.4, ROW * longest + 1.1))
            ax = Figure(figsize=size, layout="constrained").add_subplot()
        ax.set_axis_off()
        x, y = (np.array(values) for values in zip(*place.values(), strict=True))
        ax.set_xlim(x.min() - 0.5, x.max() + 0.5)
        ax.set_ylim(y.min() - 0.8, y.max() + 0.8)
        hidden = nodes.height - len(place)
        more = f", {len(place)} of {nodes.height} companies" if hidden else ""
        ax.set_title(
            f"{_label(rows[centre])} and its ties, {day}{more}", loc="left", color=INK, fontsize=10.5,
            fontweight="bold",
        )  # fmt: skip
        curves = _ties(ax, edges, place)
        boxes = [_box(ax, rows[one], place[one], is_centre=one == centre) for one in place]
        _shares(ax, edges, curves, boxes)
        _legend(ax)
    return ax


def write(ax: "Axes", path: str | PathLike[str], form: str) -> None:
    """Write the figure of some axes; the same axes give the same bytes."""
    mpl = _matplotlib()
    metadata = {"Date": None, "Creator": None} if form == "svg" else {"Software": None}
    figure: Any = ax.get_figure()
    with mpl.rc_context(STYLE):
        written(
            path,
            lambda file: figure.savefig(file, format=form, dpi=150, metadata=metadata, facecolor="white"),
            what="the picture",
        )


def _matplotlib() -> Any:
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise MissingExtraError("pictures need matplotlib: pip install 'kifactors[report]'.") from error
    return mpl


def _positions(nodes: pl.DataFrame, edges: pl.DataFrame, centre: str) -> dict[str, tuple[float, float]]:
    """Return a place for each company shown: a column per place in the chain, rows near those they trade with."""
    levels = steps(edges, centre, nodes.height)
    carried = dict.fromkeys(levels, 0.0)
    for end in ("supplier_id", "customer_id"):
        for one, value in edges.group_by(end).agg(pl.col("ai_revenue").sum()).rows():
            carried[one] = carried.get(one, 0.0) + value
    distance = _distances(edges, centre)
    kept = sorted(levels, key=lambda one: (distance[one], -carried[one], one))[:MOST]
    columns: dict[int, list[str]] = {}
    for one in sorted(kept, key=lambda one: (-carried[one], one)):
        columns.setdefault(levels[one], []).append(one)
    height = max(len(members) for members in columns.values())
    beside: dict[str, list[str]] = {one: [] for one in kept}
    for supplier, customer in edges.select("supplier_id", "customer_id").unique().sort(pl.all()).rows():
        if supplier in beside and customer in beside:
            beside[supplier].append(customer)
            beside[customer].append(supplier)
    y = {one: _spread(members, height)[one] for members in columns.values() for one in members}
    for _ in range(4):
        for level in sorted(columns, key=lambda level: (abs(level), level)):
            members = columns[level]
            mean = {
                one: np.mean([y[other] for other in beside[one]]) if beside[one] else y[one]
                for one in members
            }
            members.sort(key=lambda one: (-mean[one], one))
            y |= _spread(members, height)
    x = {level: number for number, level in enumerate(sorted(columns))}
    return {one: (float(x[levels[one]]), y[one]) for one in sorted(kept)}


def _spread(members: list[str], height: int) -> dict[str, float]:
    """Return rows from top to bottom, in the middle of the picture and as far apart as it allows."""
    gap = max(1.0, 0.6 * height / len(members))
    top = gap * (len(members) - 1) / 2
    return {one: top - gap * number for number, one in enumerate(members)}


def _distances(edges: pl.DataFrame, centre: str) -> dict[str, int]:
    found, depth = {centre: 0}, 0
    while True:
        depth += 1
        fresh = [one for one in steps(edges, centre, depth) if one not in found]
        if not fresh:
            return found
        found |= dict.fromkeys(fresh, depth)


def _label(row: dict[str, Any]) -> str:
    text = row["ticker"] or row["asset_id"]
    text = text.removeprefix("name:")
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _box(ax: "Axes", row: dict[str, Any], place: tuple[float, float], *, is_centre: bool) -> Any:
    kind = PIONEER if row["theta"] > 0 else SUPPLIER if row["ai_revenue"] > 0 else OTHER
    text = ax.text(
        *place, _label(row), ha="center", va="center", color="white", fontsize=FONT, zorder=3,
        fontweight="bold" if is_centre else "normal",
        bbox={"boxstyle": "round,pad=0.3", "facecolor": kind, "edgecolor": CENTRE if is_centre else "none",
              "linewidth": 2.2 if is_centre else 0.0},
    )  # fmt: skip
    text.set_gid(f"company {row['asset_id']}")
    return text


def _ties(ax: "Axes", edges: pl.DataFrame, place: dict[str, tuple[float, float]]) -> list[Any]:
    """Draw each tie as a curve; return points along them."""
    found = []
    t = np.linspace(0.0, 1.0, 61)[:, None]
    for row in edges.iter_rows(named=True):
        start, end = np.array(place[row["supplier_id"]]), np.array(place[row["customer_id"]])
        side = abs(end[0] - start[0])
        # Within a column a tie bows out to the right, and one back to an earlier column below.
        bow = np.array([0.45, 0.0]) if side == 0 else np.array([0.5 * (end[0] - start[0]), 0.0])
        first, second = start + bow, end - bow if side else end + bow
        curve = (1 - t) ** 3 * start + 3 * (1 - t) ** 2 * t * first + 3 * (1 - t) * t**2 * second + t**3 * end
        width = 0.7 + 9.0 * row["ai_revenue"]
        ax.plot(*curve.T, color=TIE, linewidth=width, alpha=0.75, zorder=1, solid_capstyle="butt")
        found.append(curve)
    return found


def _shares(ax: "Axes", edges: pl.DataFrame, curves: list[Any], boxes: list[Any]) -> None:
    """Write the share of revenue on each tie where there is room; what finds none is left out."""
    figure: Any = ax.get_figure()
    figure.draw_without_rendering()
    taken = [box.get_bbox_patch().get_window_extent().padded(2) for box in boxes]
    for row, curve in zip(edges.iter_rows(named=True), curves, strict=True):
        text = ax.text(
            0, 0, f"{round(100 * row['revenue_share'], 1):g} %", ha="center", va="center", color=INK, fontsize=SMALL, zorder=2,
            bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.85},
        )  # fmt: skip
        for at in PLACES:
            text.set_position(curve[round(at * 60)])
            extent = text.get_window_extent().padded(1)
            if not any(extent.overlaps(other) for other in taken):
                taken.append(extent)
                break
        else:
            text.remove()


def _legend(ax: "Axes") -> None:
    from matplotlib.patches import Patch

    kinds = {"spends on AI": PIONEER, "earns from it": SUPPLIER, "neither is known": OTHER}
    ax.legend(
        handles=[Patch(facecolor=color, label=name) for name, color in kinds.items()], loc="upper center",
        bbox_to_anchor=(0.5, 0.0), ncols=3, frameon=False, fontsize=SMALL + 0.5, labelcolor=INK, handlelength=1.0,
    )  # fmt: skip
