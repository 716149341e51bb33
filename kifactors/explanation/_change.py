"""`Change`: what moved a company's exposure and score from one date to another."""

import json
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl

from kifactors.calendar import parse_date
from kifactors.errors import DateError
from kifactors.explanation._hybrid import EVERYTHING, hybrid
from kifactors.explanation._names import asset_of, check_inputs
from kifactors.explanation._news import News, news_between
from kifactors.explanation._node import Node, Source
from kifactors.explanation._state import panels_of, state_on
from kifactors.explanation._text import rich_tree, text_tree
from kifactors.schema import Tables
from kifactors.scores import Scores

if TYPE_CHECKING:
    from rich.tree import Tree

__all__ = ["Change", "Step", "explain_change"]

COLUMNS: dict[str, Any] = {
    "group": pl.String,
    "name": pl.String,
    "exposure": pl.Float64,
    "score": pl.Float64,
    "text": pl.String,
    "source": pl.String,
    "known_at": pl.Date,
}
RATES = "exchange rates"
REST = "everybody else"


@dataclass(frozen=True, slots=True)
class Step:
    """What one group of rows added.

    group : facts, theta, guidance, ties, disclosed share, membership, exchange rates or everybody else.
    name : whose rows they are.
    exposure, score : what they added to these.
    text : what changed.
    before, after : rows in force on the first date only, and on the second only.
    """

    group: str
    name: str
    exposure: float
    score: float
    text: str
    before: tuple[Source, ...] = ()
    after: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """What moved a company from one date to another; made by `explain_change`.

    ``print`` shows it as a tree of text, rich as a coloured one.

    asset_id, ticker, start, end : whose change it is, and between which dates.
    exposure, score : (before, after); None where unknown, which counts as 0 in the steps.
    steps : what each group of rows added, in the order in which they were applied; they add up to the change.
    """

    asset_id: str
    ticker: str | None
    start: date
    end: date
    exposure: tuple[float | None, float | None]
    score: tuple[float | None, float | None]
    steps: tuple[Step, ...]

    def to_polars(self) -> pl.DataFrame:
        """Return a row per step: group, name, exposure, score, text, source, known_at (of the latest new row)."""
        rows = [
            (
                step.group, step.name, step.exposure, step.score, step.text,
                "; ".join(dict.fromkeys(s.source for s in step.after if s.source)) or None,
                max((s.known_at for s in step.after if s.known_at), default=None),
            )
            for step in self.steps
        ]  # fmt: skip
        return pl.DataFrame(rows, schema=COLUMNS, orient="row")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "asset_id": self.asset_id,
            "ticker": self.ticker,
            "start": str(self.start),
            "end": str(self.end),
            "exposure": list(self.exposure),
            "score": list(self.score),
            "steps": [
                {
                    "group": step.group,
                    "name": step.name,
                    "exposure": step.exposure,
                    "score": step.score,
                    "text": step.text,
                    "before": [source.to_dict() for source in step.before],
                    "after": [source.to_dict() for source in step.after],
                }
                for step in self.steps
            ],
        }

    def to_json(self, *, indent: int | None = None) -> str:
        """Return `to_dict` as JSON."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False)

    def _tree(self) -> Node:
        title = f"{self.ticker or self.asset_id} from {self.start} to {self.end}"
        parts = [self._part(name) for name in ("exposure", "score")]
        return Node(title, text=self.asset_id, children=tuple(parts))

    def _part(self, name: str) -> Node:
        before, after = getattr(self, name)
        text = " -> ".join("unknown (counts as 0)" if x is None else f"{x:.4f}" for x in (before, after))
        children = tuple(
            Node(f"{step.group} {step.name}", None, getattr(step, name), step.text, step.after or step.before)
            for step in self.steps
            if getattr(step, name)
        )
        return Node(name, (after or 0.0) - (before or 0.0), text=text, children=children)

    def __str__(self) -> str:
        return text_tree(self._tree())

    def __rich__(self) -> "Tree":
        return rich_tree(self._tree())


def explain_change(
    scores: Scores, tables: Tables, asset: str, start: "str | date", end: "str | date"
) -> Change:
    """Tell which filings, ties, statements and memberships moved a company from one date to another.

    Parameters
    ----------
    scores : Scores
    tables : Tables
        What the scores were made from.
    asset : str
        An asset_id, or a ticker of either date.
    start, end : str or date
        Two computed dates, the earlier first.

    Returns
    -------
    Change

    Raises
    ------
    UnmatchedAssetError
        Nobody has that id or ticker on these dates; near names are given.
    DateError
        A date was not computed, or they are not in order.
    StaleScoresError
        The tables do not give these scores.

    Notes
    -----
    Starting from what was known on `start`, groups of rows are replaced one after the other by what is known on `end`,
    and the scores computed each time; a step is the difference. The order is fixed:

    1. exchange rates, where there are any: those of both dates together
    2. facts, theta and guidance of the company
    3. theta of customers, theirs included
    4. ties, by supplier: the company, its customers, theirs...
    5. disclosed shares: the company, then customers
    6. facts of customers that spend, which `demand_growth` looks at
    7. the company's own memberships
    8. everybody else: the rest of the cross-section, the universe

    A group is a step only if its rows in force differ; expiry and removal count as a difference. Where groups work
    together (theta of a customer times its share), what they do together goes to the later one. The steps add up to
    the change, to rounding.

    Examples
    --------
    A tie rises from 40 to 50 %, and the customer's AI share of capex from 0.5 to 0.6. Theta comes first: 0.4 * 0.1 =
    0.04; then the tie: 0.1 * 0.6 = 0.06.

    >>> from datetime import date
    >>> first, second = date(2024, 2, 1), date(2025, 2, 1)
    >>> tables = kf.Tables(
    ...     revenue_ties={"supplier_id": ["s", "s"], "customer_id": ["p", "p"], "customer_label": ["P", "P"],
    ...         "revenue_share": [0.4, 0.5], "period_end": [date(2023, 12, 31), date(2024, 12, 31)],
    ...         "available_at": [first, second]},
    ...     ai_capex_share={"asset_id": ["p", "p"], "share": [0.5, 0.6], "available_at": [first, second],
    ...         "provenance": ["disclosed"] * 2})
    >>> scores = kf.AIInfrastructureExposure().compute(tables, ["2024-02-29", "2025-02-28"])
    >>> change = kf.explain_change(scores, tables, "s", "2024-02-29", "2025-02-28")
    >>> [(step.group, step.name, round(step.exposure, 6), step.text) for step in change.steps[:2]]
    [('theta', 'p', 0.04, '0.5 -> 0.6'), ('ties', 's', 0.06, 'p 40.0% -> 50.0%')]
    """
    check_inputs(scores, tables)
    first, last = parse_date(start), parse_date(end)
    if not first < last:
        raise DateError(f"start must be before end; got {first} and {last}. Give the earlier date first.")
    frames = [scores.at(day).to_polars() for day in (last, first)]
    asset_id = asset_of(asset, *frames, when=f"{first} or {last}")
    then, now = (state_on(scores, tables, day) for day in (first, last))
    ends = [_numbers(state.panel, asset_id) for state in (then, now)]
    steps = _steps(list(news_between(then, now, asset_id)), tables, (first, last), scores, asset_id, ends)
    own = pl.concat(frames).filter(pl.col("asset_id") == asset_id)
    (e0, f0), (e1, f1) = ends
    return Change(asset_id, own["ticker"][0], first, last, (e0, e1), (f0, f1), tuple(steps))


def _numbers(panel: pl.DataFrame, asset_id: str) -> tuple[float | None, float | None]:
    row = panel.filter(pl.col("asset_id") == asset_id).select("exposure", "score")
    return (None, None) if row.is_empty() else row.row(0)


def _steps(
    news: list[News],
    tables: Tables,
    dates: tuple[date, date],
    scores: Scores,
    asset_id: str,
    ends: list[tuple[float | None, float | None]],
) -> list[Step]:
    known: dict[str, list[str]] = {}
    at = _as_zero(ends[0])
    steps = []

    def step(group: str, name: str, text: str, before: tuple[Source, ...], after: tuple[Source, ...]) -> None:
        nonlocal at
        found = (
            ends[1]
            if EVERYTHING in known
            else _numbers(panels_of(hybrid(tables, *dates, known), dates[1], scores.definition)[1], asset_id)
        )
        now = _as_zero(found)
        steps.append(Step(group, name, now[0] - at[0], now[1] - at[1], text, before, after))
        at = now

    if tables.fx is not None:
        known["fx"] = [RATES]
        step(RATES, "", "rates of both dates together", (), ())
    for one in news:
        for table in one.tables:
            known.setdefault(table, []).append(one.key)
        step(one.group, one.name, one.text, one.before, one.after)
    known[EVERYTHING] = [REST]
    step(REST, "", "the rest of the cross-section", (), ())
    return steps


def _as_zero(numbers: tuple[float | None, float | None]) -> tuple[float, float]:
    return numbers[0] or 0.0, numbers[1] or 0.0
