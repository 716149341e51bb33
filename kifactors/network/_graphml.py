"""GraphML of a network, as Gephi, yEd and networkx read it."""

import datetime as dt
from xml.etree import ElementTree

import polars as pl

__all__ = ["graphml"]

TYPES: dict[type[pl.DataType] | pl.DataType, str] = {
    pl.String: "string",
    pl.Float64: "double",
    pl.Int64: "long",
    pl.Boolean: "boolean",
    pl.Date: "string",
}
NAMESPACE = "http://graphml.graphdrawing.org/xmlns"


def graphml(day: dt.date, nodes: pl.DataFrame, edges: pl.DataFrame) -> str:
    """Return the text of a GraphML file.

    Examples
    --------
    >>> from datetime import date
    >>> nodes = pl.DataFrame({"asset_id": ["a", "b"], "theta": [None, 0.5]})
    >>> edges = pl.DataFrame({"supplier_id": ["a"], "customer_id": ["b"], "flow": [0.4]})
    >>> text = graphml(date(2024, 1, 31), nodes, edges)
    >>> [line.strip() for line in text.splitlines() if "<edge" in line or "data" in line]
    ['<data key="node_theta">0.5</data>', '<edge id="e0" source="a" target="b">', '<data key="edge_flow">0.4</data>']
    """
    root = ElementTree.Element("graphml", xmlns=NAMESPACE)
    keys = {"node": ("asset_id",), "edge": ("supplier_id", "customer_id")}
    for kind, frame in (("node", nodes), ("edge", edges)):
        for name in frame.columns:
            if name not in keys[kind]:
                about = {"id": f"{kind}_{name}", "for": kind, "attr.name": name}
                ElementTree.SubElement(root, "key", {**about, "attr.type": TYPES[frame.schema[name]]})
    # An id of a graph is a name in XML, and does not begin with a digit.
    body = ElementTree.SubElement(root, "graph", id=f"ties_{day}", edgedefault="directed")
    for row in nodes.iter_rows(named=True):
        item = ElementTree.SubElement(body, "node", id=row.pop("asset_id"))
        _data(item, "node", row)
    for number, row in enumerate(edges.iter_rows(named=True)):
        ends = {"source": row.pop("supplier_id"), "target": row.pop("customer_id")}
        _data(ElementTree.SubElement(body, "edge", id=f"e{number}", **ends), "edge", row)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _data(item: ElementTree.Element, kind: str, row: dict[str, object]) -> None:
    for name, value in row.items():
        if value is not None:
            text = str(value).lower() if isinstance(value, bool) else str(value)
            ElementTree.SubElement(item, "data", key=f"{kind}_{name}").text = text
