"""`Explanation`: a score of one company and date, from the composite down to rows of input."""

import json
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl

from kifactors.calendar import parse_date
from kifactors.errors import DefinitionError
from kifactors.explanation._earning import demand_node
from kifactors.explanation._exposure import bounds_node, exposure_node
from kifactors.explanation._missing import missing_node
from kifactors.explanation._names import asset_of, check_inputs
from kifactors.explanation._node import Node
from kifactors.explanation._paths import paths_of
from kifactors.explanation._relevance import relevance_node
from kifactors.explanation._score import score_node
from kifactors.explanation._spending import capex_nodes
from kifactors.explanation._state import State, state_on
from kifactors.explanation._text import rich_tree, text_tree
from kifactors.schema import Tables
from kifactors.scores import Scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.tree import Tree

__all__ = ["Explanation", "explain"]

THRESHOLD = 1e-4


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a company has its exposure and score on a date; made by `explain`.

    ``print`` shows it as a tree of text, rich as a coloured one.

    asset_id, ticker, date : whose numbers they are.
    tree : what they are made of; see `Node`.
    paths : frame of the tie paths that carry most of `ai_revenue`: path, tier, ends_in, contribution, the shares and
        the sources of its ties, and the day on which the last of them was known.
    """

    asset_id: str
    ticker: str | None
    date: date
    tree: Node
    paths: pl.DataFrame

    @property
    def exposure(self) -> Node:
        """The exposure, split between spending and earning."""
        return self.tree.children[0]

    @property
    def score(self) -> Node:
        """The composite score, split by pillar and descriptor."""
        return self.tree.children[1]

    @property
    def bounds(self) -> Node:
        """The width of the bounds of the exposure, split by what is not disclosed."""
        return self.tree.children[2]

    def find(self, name: str) -> Node | None:
        """Return the first node of this name, top down; None without one."""
        return self.tree.find(name)

    def to_polars(self) -> pl.DataFrame:
        """Return a row per node: path, depth, name, value, contribution, text, source, known_at."""
        return self.tree.to_polars()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values: asset_id, ticker, date and the tree."""
        return {
            "asset_id": self.asset_id,
            "ticker": self.ticker,
            "date": str(self.date),
            "tree": self.tree.to_dict(),
        }

    def to_json(self, *, indent: int | None = None) -> str:
        """Return `to_dict` as JSON."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False)

    def __str__(self) -> str:
        return text_tree(self.tree)

    def __rich__(self) -> "Tree":
        return rich_tree(self.tree)

    def plot(self, *, what: str = "exposure", ax: "Axes | None" = None) -> "Axes":
        """Draw the contributions to the exposure, the score or the bounds as a waterfall (extra ``report``).

        Parameters
        ----------
        what : {"exposure", "score", "bounds"}
            Which number.
        ax : matplotlib.axes.Axes, optional
            Where to draw; absent: a figure of its own.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        MissingExtraError
            matplotlib is not installed.
        """
        from kifactors.explanation._picture import waterfall

        return waterfall(self, what, ax)


def explain(
    scores: Scores,
    tables: Tables,
    asset: str,
    date: "str | date | None" = None,
    *,
    threshold: float = THRESHOLD,
) -> Explanation:
    """Explain exposure and score of one company on one date, down to the filings.

    The date is computed again from the tables, by the definition of the scores, and refused if it comes out
    differently: scores alone do not hold what they were made from.

    Parameters
    ----------
    scores : Scores
    tables : Tables
        What the scores were made from; rows that came later do no harm.
    asset : str
        An asset_id, or a ticker of that date.
    date : str or date, optional
        A computed date; absent: the last one.
    threshold : float
        Share of revenue, above 0: tie paths that carry less are told as one sum.

    Returns
    -------
    Explanation

    Raises
    ------
    UnmatchedAssetError
        Nobody has that id or ticker on that date; near names are given.
    DateError
        The date was not computed; the nearest computed one is named.
    StaleScoresError
        The tables do not give these scores; the column that differs is named.

    Notes
    -----
    The contributions below a node add up to its value, to rounding:

    - exposure e = 1 - (1 - p)(1 - r) is split by Shapley values, p - p r / 2 and r - p r / 2
    - ai_revenue r = max(s, x): the larger counts, the other contributes 0; x is the sum over paths of the product of
      their shares, each customer on the way passing on delta (1 - theta), and of theta or the disclosed share at the
      end
    - the score is the sum of the weighted pillars and of less the market mean, all divided by the root mean square;
      a pillar is the weighted mean of its scaled descriptors
    - index relevance is split among the indices by Shapley values
    - the width of the bounds is split by letting in one kind of missing disclosure after the other, see
      `coverage_report`

    Factors of a product (theta, capex, revenue) have a value and no contribution.

    Examples
    --------
    A supplier earns 40 % from a pioneer whose capex is 60 % AI, and 30 % from a customer that earns half its revenue
    from the same pioneer: 0.4 * 0.6 + 0.3 * 0.5 * (0.5 * 0.6) = 0.24 + 0.045.

    >>> from datetime import date
    >>> day = date(2024, 2, 1)
    >>> tables = kf.Tables(
    ...     revenue_ties={"supplier_id": ["s", "s", "c"], "customer_id": ["p", "c", "p"], "customer_label": ["P", "C", "P"],
    ...         "revenue_share": [0.4, 0.3, 0.5], "period_end": [date(2023, 12, 31)] * 3, "available_at": [day] * 3},
    ...     ai_capex_share={"asset_id": ["p"], "share": [0.6], "available_at": [day], "provenance": ["disclosed"]})
    >>> scores = kf.AIInfrastructureExposure().compute(tables, ["2024-02-29"])
    >>> why = kf.explain(scores, tables, "s")
    >>> why.paths.select("path", "tier", pl.col("contribution").round(6)).rows()
    [('s -> p', 1, 0.24), ('s -> c -> p', 2, 0.045)]
    >>> round(why.exposure.value, 6)
    0.285
    """
    check_inputs(scores, tables)
    if not threshold > 0:
        raise DefinitionError(
            f"threshold must be above 0, as a cycle of ties has paths without end; got {threshold}."
        )
    day = scores.dates[-1] if date is None else parse_date(date)
    frame = scores.at(day).to_polars()
    asset_id = asset_of(asset, frame, when=str(day))
    state = state_on(scores, tables, day)
    ticker = frame.filter(pl.col("asset_id") == asset_id)["ticker"][0]
    return Explanation(
        asset_id, ticker, day, _tree(state, asset_id, threshold), paths_of(state, asset_id, threshold)
    )


def _tree(state: State, asset_id: str, threshold: float) -> Node:
    raw = capex_nodes(state, asset_id)
    # Its two ingredients are told below the exposure.
    del raw["capex_to_revenue"]
    raw["demand_growth"] = demand_node(state, asset_id)
    raw["index_relevance"] = relevance_node(state, asset_id)
    parts = [
        exposure_node(state, asset_id, threshold),
        score_node(state, asset_id, raw),
        bounds_node(state, asset_id),
        missing_node(state, asset_id),
    ]
    role = state.row(asset_id)["role"]
    title = f"{state.names[asset_id]} on {state.day}"
    return Node(title, text=f"{asset_id}, {role}", children=tuple(part for part in parts if part is not None))
