"""`graph`: the ties of one date with their sources, as tables, for networkx, scipy, GraphML and the eye."""

import datetime as dt
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from kifactors import asof
from kifactors.atomic import written
from kifactors.calendar import score_dates
from kifactors.definition import FactorDefinition
from kifactors.errors import DataError, MissingExtraError
from kifactors.labels import Names
from kifactors.network._draw import draw, write
from kifactors.network._graphml import graphml
from kifactors.network._neighbours import steps
from kifactors.schema import Tables
from kifactors.snapshot import snapshot

if TYPE_CHECKING:
    import networkx as nx
    import scipy.sparse
    from matplotlib.axes import Axes

__all__ = ["SupplyGraph", "graph"]


def graph(
    tables: Tables, date: dt.date | str | None = None, definition: FactorDefinition | None = None
) -> "SupplyGraph":
    """Return the supplier network of one date.

    Parameters
    ----------
    tables : Tables
    date : date or ISO text, optional
        Absent: the last date of the universe, or without one the last day on which a company reported.
    definition : FactorDefinition, optional
        Absent: the default one.

    Returns
    -------
    SupplyGraph

    Raises
    ------
    DateError
        Nothing is known on the date.

    Examples
    --------
    >>> network = kf.network.graph(kf.load_bundled(), "2026-10-31")
    >>> network.edges.filter(supplier="ANET").select("customer", "revenue_share", "flow", "published").rows()
    [('MSFT', 0.26, 0.26, datetime.date(2026, 7, 2)), ('META', 0.16, 0.16, datetime.date(2026, 7, 2))]
    """
    base = snapshot(tables, definition, date)
    system, spec = base.system, base.definition.supplier_ties
    ids, label = base.ids, base.names.label
    rows = asof.sourced_ties(
        tables.revenue_ties, tables.tie_disclosures, score_dates([base.day]), time=base.definition.time
    ).rename({"known_at": "published"})
    named = pl.col("customer_id").is_not_null()
    total = pl.col("revenue_share").filter(named).sum().over("supplier_id")
    passed = system.theta + spec.delta * (1.0 - system.theta) * base.revenue
    text = {"asset_id": pl.String, "ticker": pl.String}
    nodes = pl.DataFrame({"asset_id": ids, "ticker": [label(one) for one in ids]}, schema=text).with_columns(
        covered=pl.Series(system.covered.fill_null(value=False)),
        theta=pl.Series(system.theta),
        disclosed=pl.Series(system.disclosed),
        ai_revenue=pl.Series(base.revenue),
        passes_on=pl.Series(passed),
        undisclosed=pl.Series(system.graph.undisclosed),
        suppliers=pl.Series(np.bincount(system.graph.customers, minlength=len(ids)).astype(np.int64)),
        customers=pl.Series(np.diff(system.graph.rows)),
    )
    names = nodes.select(customer_id="asset_id", customer="ticker", passes_on="passes_on")
    edges = (
        rows.with_columns(
            ai_share=pl.col("ai_share").fill_null(spec.default_flow_share),
            scaled=pl.col("revenue_share") / pl.max_horizontal(total, 1.0),
        )
        .filter(named)
        .join(nodes.select(supplier_id="asset_id", supplier="ticker"), on="supplier_id", how="left",
              maintain_order="left")
        .join(names, on="customer_id", how="left", maintain_order="left")
        .with_columns(flow=pl.col("scaled") * pl.col("ai_share"))
        .with_columns(ai_revenue=pl.col("flow") * pl.col("passes_on"))
        .select("supplier_id", "supplier", "customer_id", "customer", "customer_label", "revenue_share", "ai_share",
                "flow", "ai_revenue", "period_end", "published", "source")
        .sort("supplier_id", "flow", "customer_id", "customer_label", descending=[False, True, False, False])
    )  # fmt: skip
    return SupplyGraph(base.day, nodes, edges, base.names)


@dataclass(frozen=True, slots=True, repr=False)
class SupplyGraph:
    """Nodes and ties of one date; result of `kf.network.graph`.

    date : the day.
    nodes : asset_id, ticker, covered, theta (AI share of capex), disclosed (s), ai_revenue (r), passes_on (theta + delta
        (1 - theta) r, what a tie to it carries), undisclosed (share of revenue no named customer has), suppliers, customers
        (numbers of ties).
    edges : supplier_id, supplier, customer_id, customer, customer_label, revenue_share, ai_share (the default one filled
        in), flow (W), ai_revenue (W times what the customer passes on), period_end, published, source.

    The frames are polars; ``nodes.to_arrow()`` gives Arrow.
    """

    date: dt.date
    nodes: pl.DataFrame
    edges: pl.DataFrame
    names: Names

    def __repr__(self) -> str:
        return f"SupplyGraph({self.date}, {self.nodes.height:,} companies, {self.edges.height:,} ties)"

    def to_networkx(self) -> "nx.MultiDiGraph":
        """Return a directed multigraph from supplier to customer; nodes and ties carry their columns (extra ``network``).

        Raises
        ------
        MissingExtraError
            networkx is not installed.
        """
        try:
            import networkx as nx
        except ImportError as error:
            raise MissingExtraError("this needs networkx: pip install 'kifactors[network]'.") from error
        found: Any = nx.MultiDiGraph(date=str(self.date))
        for row in self.nodes.iter_rows(named=True):
            found.add_node(row.pop("asset_id"), **row)
        for row in self.edges.iter_rows(named=True):
            found.add_edge(row.pop("supplier_id"), row.pop("customer_id"), **row)
        return found

    def to_scipy(self) -> "scipy.sparse.csr_array":
        """Return W, suppliers in rows and customers in columns, both in the order of `nodes` (extra ``scipy``).

        Parallel ties of one pair are added.

        Raises
        ------
        MissingExtraError
            scipy is not installed.
        """
        try:
            import scipy.sparse
        except ImportError as error:
            raise MissingExtraError("this needs scipy: pip install 'kifactors[scipy]'.") from error
        place = {asset: number for number, asset in enumerate(self.nodes["asset_id"])}
        i, j = ([place[one] for one in self.edges[name]] for name in ("supplier_id", "customer_id"))
        size = self.nodes.height
        return scipy.sparse.coo_array((self.edges["flow"].to_numpy(), (i, j)), shape=(size, size)).tocsr()

    def to_graphml(self, path: str | PathLike[str]) -> None:
        """Write GraphML, with all columns as data of nodes and edges; unknown values are left out."""
        text = graphml(self.date, self.nodes, self.edges)
        written(path, lambda file: file.write(text.encode()), what="the network")

    def around(self, asset: str, *, depth: int = 2) -> "SupplyGraph":
        """Return the part within some ties of a company, in whichever direction they lead.

        Parameters
        ----------
        asset : str
            Ticker or asset_id.
        depth : int
            Most ties between; with 2 the other suppliers of its customers are part of it.

        Raises
        ------
        DataError
            Nobody has the name, the company has no tie on this date, or depth is below 1.
        """
        if depth < 1:
            raise DataError(f"depth is {depth}; expected at least 1.")
        centre = self.names.asset_id(asset)
        kept = list(steps(self.edges, centre, depth))
        if len(kept) == 1:
            raise DataError(
                f"{asset!r} has no tie on {self.date}: it names no customer, and nobody names it."
            )
        inside = self.edges.filter(pl.col("supplier_id").is_in(kept) & pl.col("customer_id").is_in(kept))
        return SupplyGraph(self.date, self.nodes.filter(pl.col("asset_id").is_in(kept)), inside, self.names)

    def plot(self, asset: str, *, depth: int = 2, ax: "Axes | None" = None) -> "Axes":
        """Draw the network around a company: suppliers left, customers right (extra ``report``).

        The same graph gives the same picture. A tie is as wide as the AI share of revenue it carries.

        Parameters
        ----------
        asset, depth
            As for `around`.
        ax : matplotlib.axes.Axes, optional
            Where to draw; absent: a new figure large enough for its labels.

        Raises
        ------
        MissingExtraError
            matplotlib is not installed.
        DataError
            As for `around`.
        """
        part = self.around(asset, depth=depth)
        return draw(part.date, part.nodes, part.edges, self.names.asset_id(asset), ax)

    def to_svg(self, path: str | PathLike[str], asset: str, *, depth: int = 2) -> None:
        """Write the picture of `plot` as SVG."""
        self._write(path, "svg", asset, depth)

    def to_png(self, path: str | PathLike[str], asset: str, *, depth: int = 2) -> None:
        """Write the picture of `plot` as PNG, 150 dots an inch."""
        self._write(path, "png", asset, depth)

    def _write(self, path: str | PathLike[str], form: str, asset: str, depth: int) -> None:
        write(self.plot(asset, depth=depth), path, form)
