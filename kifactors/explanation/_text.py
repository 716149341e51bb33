"""The tree as lines of text, plain or coloured."""

from typing import TYPE_CHECKING

from kifactors.explanation._node import Node, Source

if TYPE_CHECKING:
    from rich.tree import Tree

__all__ = ["rich_tree", "text_tree"]

LARGE = 1e4
# What is printed as 0.0000.
SMALLEST = 5e-5


def text_tree(node: Node) -> str:
    """Return a tree of lines, a line per node and per row of input it stands on.

    Examples
    --------
    >>> print(text_tree(Node("sum", 3.0, children=(Node("one", 1.0, 1.0), Node("two", 2.0, 2.0, "twice one")))))
    sum 3.0000
    ├── one 1.0000 [+1.0000]
    └── two 2.0000 [+2.0000]: twice one
    """
    return "\n".join(_lines(node, "", ""))


def _lines(node: Node, first: str, rest: str) -> list[str]:
    lines = [first + _label(node)]
    below: list[Node | str] = [*_told_here(node), *_shown(node)]
    for place, item in enumerate(below):
        last = place == len(below) - 1
        branch, onwards = ("└── ", "    ") if last else ("├── ", "│   ")
        if isinstance(item, str):
            lines.append(f"{rest}{branch}{item}")
        else:
            lines += _lines(item, rest + branch, rest + onwards)
    return lines


def _label(node: Node) -> str:
    value = "" if node.value is None else f" {_number(node.value)}"
    return f"{node.name}{value}{_rest(node)}"


def _rest(node: Node) -> str:
    x = node.contribution
    part = "" if x is None else f" [{x:+.4f}]" if abs(x) < LARGE else f" [{x:+,.0f}]"
    return f"{part}: {node.text}" if node.text else part


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) < LARGE else f"{value:,.0f}"


def _shown(node: Node) -> list[Node]:
    """Return the nodes below, less those that are 0, add 0 and stand on no row of input."""
    return [
        child
        for child in node.children
        if child.contribution is None
        or child.value is None
        or any(deep.sources for _, _, deep in child.walk())
        or max(abs(child.value), abs(child.contribution)) >= SMALLEST
    ]


def _told_here(node: Node) -> list[str]:
    """Return what rows of input say, unless a node below says it."""
    below = {
        _said(source) for child in _shown(node) for _, _, deep in child.walk() for source in deep.sources
    }
    return [text for text in dict.fromkeys(map(_said, node.sources)) if text not in below]


def _said(source: Source) -> str:
    known = f", known {source.known_at}" if source.known_at else ""
    return f"({source.table}: {source.source or 'no source given'}{known})"


def rich_tree(node: Node) -> "Tree":
    """Return the same as a tree of rich."""
    from rich.text import Text
    from rich.tree import Tree

    label = Text(node.name, style="bold")
    if node.value is not None:
        label.append(f" {_number(node.value)}", style="not bold cyan")
    label.append(_rest(node), style="not bold")
    tree = Tree(label, guide_style="dim")
    for text in _told_here(node):
        tree.add(Text(text, style="dim"))
    tree.children.extend(rich_tree(child) for child in _shown(node))
    return tree
