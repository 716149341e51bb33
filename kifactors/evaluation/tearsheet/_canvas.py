"""Axes in the colours of the page, and their SVG, in which light and dark are decided by whoever shows it."""

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from kifactors.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["BLUE", "DARK", "GREEN", "GREY", "LIGHT", "ORANGE", "new_axes", "nothing", "styled", "svg_of"]

# Four hues of Okabe and Ito, which people who are blind to some colours still tell apart (more of them would not be, once
# they are dark), darkened until a label in any of them has a contrast of 4.5 on white; lighter ones for dark screens.
BLUE, ORANGE, GREEN, GREY = "#0067a8", "#bd4b00", "#00785a", "#616b77"
GRID = "#d3dae2"
INK = "#1b2430"
LIGHT: Mapping[str, str] = MappingProxyType(
    {"blue": BLUE, "orange": ORANGE, "green": GREEN, "grey": GREY, "grid": GRID}
)
DARK: Mapping[str, str] = MappingProxyType(
    {"blue": "#5cb3ee", "orange": "#f28f4a", "green": "#3cc79b", "grey": "#9aa6b3", "grid": "#333d48"}
)
# Small enough that letters can be read where a phone shrinks it to 328 pixels.
WIDTH, HEIGHT = 4.8, 2.9
SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"

STYLE: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": GRID,
    "axes.facecolor": "none",
    "axes.formatter.use_mathtext": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "figure.facecolor": "white",
    "font.family": "sans-serif",
    "font.size": 9,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "legend.borderaxespad": 0.0,
    "legend.borderpad": 0.0,
    "legend.columnspacing": 1.2,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "legend.handlelength": 0.8,
    "legend.handletextpad": 0.4,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.8,
    # Letters stay letters: they can be read aloud, searched, and take the page's font.
    "svg.fonttype": "none",
    "text.color": INK,
    # A name of an asset may hold a dollar sign, and is no formula.
    "text.parse_math": False,
    "xtick.color": GRID,
    # Away from the lowest label of the other axis.
    "xtick.major.pad": 6,
    "xtick.labelcolor": INK,
    "ytick.color": GRID,
    "ytick.labelcolor": INK,
    "ytick.left": False,
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


def new_axes(ax: "Axes | None", *, height: float = HEIGHT) -> "Axes":
    """Return the given axes, or new ones on a figure of their own that no window knows."""
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), layout="constrained").add_subplot()


def nothing(ax: "Axes", title: str, why: str) -> "Axes":
    """Say why there is nothing to see."""
    ax.set_axis_off()
    ax.set_title(title)
    ax.text(0.0, 0.9, why, ha="left", va="top", transform=ax.transAxes, wrap=True)
    return ax


def svg_of(ax: "Axes", name: str, title: str) -> str:
    """Return the figure as inline SVG.

    The same axes give the same text; ids begin with `name`, so that no other picture of the page has them; colours are
    the page's variables, letters its ink.
    """
    with styled() as mpl, mpl.rc_context({"svg.hashsalt": name}):
        file = io.BytesIO()
        figure: Any = ax.get_figure()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None}, facecolor="none")
    # What matplotlib has just written.
    root = ElementTree.fromstring(file.getvalue())  # noqa: S314
    for parent in list(root.iter()):
        for child in list(parent):
            # A style would be that of the whole page; the page has it itself.
            if child.tag.endswith(("metadata", "}style")):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(SVG)
        _adopt(element, name)
    box = root.get("viewBox", "")
    root.attrib.clear()
    root.attrib.update({"viewBox": box, "role": "img", "aria-label": title})
    _once(root)
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)


def _adopt(element: "ElementTree.Element", name: str) -> None:
    """Make one element the page's: ids of its own, the page's font and colours."""
    found = dict(element.attrib)
    element.attrib.clear()
    for key, value in found.items():
        if key == LINK:
            element.set("href", f"#{name}-{value.removeprefix('#')}")
        elif key == "id":
            element.set("id", f"{name}-{value}")
        elif key in {"style", "clip-path"}:
            element.set(key, _look(value.replace("url(#", f"url(#{name}-")))
        else:
            # A hundredth of a point is seen by nobody.
            element.set(key, re.sub(r"(\.\d\d)\d+", r"\1", value).strip())
    element.tail = None
    if element.tag not in {"text", "tspan"}:
        element.text = None


def _once(root: "ElementTree.Element") -> None:
    """Say how equal neighbours look once, around them: of the dots of a thousand dates this is half of the text."""
    for group in root.iter("g"):
        styles = {child.get("style") for child in group if child.tag == "use"}
        if (
            len(styles) == 1
            and len(group) > 1
            and all(child.tag == "use" for child in group)
            and not group.get("style")
        ):
            group.set("style", styles.pop() or "")
            for child in group:
                child.attrib.pop("style", None)


def _look(text: str) -> str:
    text = re.sub(r" *font-family: [^;]*;?", "", text)
    text = re.sub(r"font: (?:bold |\d+ )?([\d.]+)px[^;]*", _font, text)
    return re.sub(r"#[0-9a-f]{6}", lambda hit: COLOUR.get(hit.group(), hit.group()), text)


def _font(hit: re.Match[str]) -> str:
    weight = "; font-weight: 600" if re.match(r"font: (?:bold|700) ", hit.group()) else ""
    return f"font-size: {hit.group(1)}px{weight}"


COLOUR = {INK: "currentColor"} | {value: f"var(--{key})" for key, value in LIGHT.items()}
