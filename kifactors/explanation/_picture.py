"""The contributions to a number as a waterfall."""

from typing import TYPE_CHECKING, Any

from kifactors.errors import DefinitionError, MissingExtraError
from kifactors.explanation._node import Node

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from kifactors.explanation._explanation import Explanation

__all__ = ["waterfall"]

MOST = 9
LEAST = 5e-4
UP, DOWN, TOTAL, INK, LINE = "#0067a8", "#bd4b00", "#616b77", "#1b2430", "#d3dae2"
WIDTH, ROW, MARGIN = 7.2, 0.36, 1.1
TITLES = {
    "exposure": "AI infrastructure exposure",
    "score": "Score",
    "bounds": "Width of the bounds of the exposure",
}
LABELS = {
    "ai_revenue": "AI revenue",
    "capex_to_revenue": "AI capex over revenue",
    "disclosed share": "disclosed share of AI revenue",
    "score_capex_intensity": "capex intensity",
    "score_index_membership": "index membership",
    "score_supplier_ties": "supplier ties",
}


def waterfall(explanation: "Explanation", what: str, ax: "Axes | None") -> "Axes":
    """Draw the exposure, the score or the bounds of an explanation; a bar per contribution, the sum below.

    Raises
    ------
    DefinitionError
        `what` is none of these.
    MissingExtraError
        matplotlib is not installed.
    """
    if what not in TITLES:
        raise DefinitionError(f"what must be one of {', '.join(TITLES)}; got {what!r}.")
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("pictures need matplotlib: pip install 'kifactors[report]'.") from error
    node: Node = getattr(explanation, what)
    bars = _bars(node, what)
    # A name of an asset may hold a dollar sign, and is no formula.
    style: Any = {"text.parse_math": False, "font.size": 9.0}
    with mpl.rc_context(style):
        if ax is None:
            height = MARGIN + ROW * (len(bars) + 1)
            ax = Figure(figsize=(WIDTH, height), layout="constrained").add_subplot()
        ax.set_title(
            f"{TITLES[what]} of {explanation.ticker or explanation.asset_id}, {explanation.date}", loc="left"
        )
        if node.value is None:
            ax.set_axis_off()
            ax.text(0.0, 0.9, node.text, ha="left", va="top", transform=ax.transAxes, wrap=True)
            return ax
        _draw(ax, bars, node.value)
    return ax


def _bars(node: Node, what: str) -> list[tuple[str, float]]:
    """Return label and contribution of what is drawn: the largest, and the others as one."""
    found: list[tuple[str, float]] = []
    for child in node.children:
        parts = (
            _parts_of_revenue(child)
            if what == "exposure" and child.name == "ai_revenue"
            else [(child.name, child.contribution or 0.0)]
        )
        found += [(LABELS.get(name, name), x) for name, x in parts]
    found = [bar for bar in found if abs(bar[1]) >= LEAST]
    if len(found) <= MOST:
        return found
    largest = sorted(found, key=lambda bar: -abs(bar[1]))[: MOST - 1]
    kept = [bar for bar in found if bar in largest]
    return [*kept, ("others", sum(x for _, x in found) - sum(x for _, x in kept))]


def _parts_of_revenue(node: Node) -> list[tuple[str, float]]:
    """Return the disclosed share or the paths, whichever counts, in units of the exposure."""
    if not node.value or not node.contribution:
        return []
    scale = node.contribution / node.value
    parts = []
    for child in node.children:
        if not child.contribution:
            continue
        below = [path for path in child.children if path.contribution] if child.name == "ties" else [child]
        parts += [(path.name, (path.contribution or 0.0) * scale) for path in below]
    return parts


def _draw(ax: "Axes", bars: list[tuple[str, float]], total: float) -> None:
    at, edges = 0.0, [0.0, total]
    rows = len(bars)
    for row, (_, x) in enumerate(bars):
        ax.barh(row, x, left=at, color=UP if x >= 0 else DOWN, height=0.62)
        ax.plot([at + x, at + x], [row + 0.31, row + 0.69], color=TOTAL, linewidth=0.8)
        at += x
        edges += [at]
    ax.barh(rows, total, color=TOTAL, height=0.62)
    low, high = min(edges), max(edges)
    span = (high - low) or 1.0
    begin = 0.0
    for row, x in enumerate([*(x for _, x in bars), total]):
        right = max(begin, begin + x) if row < rows else max(0.0, total)
        text = f"{x:+.3f}" if row < rows else f"{x:.3f}"
        ax.text(right + 0.012 * span, row, text, ha="left", va="center", color=INK)
        begin += x
    ax.set_yticks(range(rows + 1), [*(name for name, _ in bars), "sum"])
    ax.invert_yaxis()
    ax.set_xlim(low - 0.02 * span, high + 0.14 * span)
    ax.axvline(0.0, color=INK, linewidth=0.8)
    ax.grid(axis="x", color=LINE, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(length=0)
    for side in ("top", "right", "left", "bottom"):
        ax.spines[side].set_visible(False)
