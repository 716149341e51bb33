"""Axes in the colours of the page, and their SVG, in which light and dark are decided by whoever shows it."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kifactors.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["COLOURS", "WHOLE_LINE", "new_axes", "nothing", "styled", "svg_of"]

# Okabe and Ito's colours, which people who are blind to some still tell apart; all show on white and on black.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C8C8C")
# Stand-ins for what the page decides.
INK, GRID = "#0b1c2d", "#c0d0e0"
WIDTH, HEIGHT = 6.4, 2.9
# One that stands alone takes the whole line of a page.
WHOLE_LINE = 12.0

STYLE: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": GRID,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "figure.facecolor": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "savefig.facecolor": "none",
    # Letters stay letters: they can be read aloud, searched, and take the page's font.
    "svg.fonttype": "none",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


@contextmanager
def styled() -> Iterator[Any]:
    """Give matplotlib with our style for a while; nothing of the caller's settings changes."""
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise MissingExtraError("pictures need matplotlib: pip install 'kifactors[report]'.") from error
    with mpl.rc_context(STYLE):
        yield mpl


def new_axes(ax: "Axes | None", *, height: float = HEIGHT, width: float = WIDTH) -> "Axes":
    """Return the given axes, or new ones on a figure of their own that no window knows."""
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained").add_subplot()


def nothing(ax: "Axes", why: str) -> "Axes":
    """Say why there is nothing to see."""
    ax.set_axis_off()
    ax.text(0.5, 0.5, why, ha="center", va="center", transform=ax.transAxes, wrap=True)
    return ax


def svg_of(ax: "Axes", name: str, title: str) -> str:
    """Return the figure as inline SVG: ids are unique by name, the same axes give the same text."""
    with styled() as mpl, mpl.rc_context({"svg.hashsalt": name}):
        file = io.StringIO()
        ax.get_figure().savefig(file, format="svg", metadata={"Date": None, "Creator": None})  # type: ignore[union-attr]
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    for stand_in, meant in ((INK, "currentColor"), (GRID, "var(--grid)")):
        text = text.replace(stand_in, meant)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", text)
    text = re.sub(r"font: ([\d.]+)px[^;\"]*", r"font-size: \1px", text)
    head = re.match(r"<svg[^>]*>", text)
    assert head is not None  # noqa: S101
    box = re.search(r'viewBox="[^"]+"', head.group())
    assert box is not None  # noqa: S101
    label = title.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" {box.group()} role="img" aria-label="{label}">'
    return (opening + text[head.end() :]).replace('xmlns:xlink="http://www.w3.org/1999/xlink"', "").strip()
