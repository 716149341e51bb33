"""`sensitivity`: which assumptions decide ranks and the largest names, and which do not."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from kifactors.calendar import DatesLike, score_dates
from kifactors.definition import FactorDefinition
from kifactors.errors import DataError, DefinitionError, MissingColumnError
from kifactors.factor import AIInfrastructureExposure
from kifactors.panel import KEY
from kifactors.schema import Tables

__all__ = ["GRID", "Sensitivity", "sensitivity"]

# What a judgement might as well have been. Numbers for "weights" are those of pillar A, B, C.
GRID: Mapping[str, Sequence[Any]] = {
    "supplier_ties.delta": (0.25, 0.75),
    "supplier_ties.default_flow_share": (0.5, 0.75),
    "supplier_ties.scope_weight_data_center": (0.6, 1.0),
    "supplier_ties.scope_weight_broad": (0.5,),
    "time.tie_expiry_days": (365, 730),
    "time.max_age_days": (400, 730),
    "weights": ((0.5, 0.35, 0.15), (0.3, 0.55, 0.15), (1 / 3, 1 / 3, 1 / 3), (0.45, 0.55, 0.0)),
    "theta assumed": (0.75, 1.25),
    "theta assumed or estimated": (0.75, 1.25),
}
THETA = {"theta assumed": ("assumed",), "theta assumed or estimated": ("assumed", "estimated")}
WEIGHTS = "weights"
# Below one of them an assumption decides.
STABLE_RANKS, STABLE_TOP = 0.95, 0.9
PLAN = ("assumption", "value", "base")


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """Result of `kf.sensitivity`.

    by_date : assumption, value, base, date, known (companies known in both), spearman, overlap, compared (how many the overlap
        looks at), mover, place, place_after: from which place the largest mover came, to which it went.
    column : what is ranked.
    top : how many of the largest are compared.
    """

    by_date: pl.DataFrame
    column: str
    top: int

    def __repr__(self) -> str:
        return f"Sensitivity({self.column}, top {self.top})\n{self.summary()}"

    def summary(self) -> pl.DataFrame:
        """Return a row per variant, the one that moves most first.

        Returns
        -------
        polars.DataFrame
            assumption, value, base; over dates the mean ``spearman``, the mean ``overlap`` of the largest (1: the same
            names), and the largest ``mover`` with its date and places; ``decides``: a rank correlation below 0.95 or an
            overlap below 0.9.
        """
        far = (pl.col("place_after") - pl.col("place")).abs().fill_null(-1)
        table = (
            self.by_date.sort(far, descending=True, maintain_order=True)
            .group_by(PLAN, maintain_order=True)
            .agg(
                pl.col("spearman", "overlap").mean(), pl.col("mover", "date", "place", "place_after").first()
            )
        )
        decides = (pl.col("spearman") < STABLE_RANKS) | (pl.col("overlap") < STABLE_TOP)
        return table.with_columns(decides=decides.fill_null(value=False)).sort(
            "overlap", "spearman", *PLAN[:2], nulls_last=True
        )

    def sentence(self) -> str:
        """Say in words which assumptions decide and which do not."""
        table = self.summary()
        if not self.by_date["compared"].max():
            return (
                f"Nobody is exposed, or {self.column} is unknown, on these dates: nothing could be compared."
            )
        worst = table.group_by("assumption", maintain_order=True).agg(
            pl.col("decides").any(), pl.col("overlap", "spearman").min()
        )
        groups = []
        for decides in (True, False):
            rows = worst.filter(pl.col("decides") == decides).iter_rows(named=True)
            groups.append(
                ", ".join(
                    f"{row['assumption']} (overlap {_percent(row['overlap'])}, rank correlation "
                    f"{'unknown' if row['spearman'] is None else format(row['spearman'], '.2f')})"
                    for row in rows
                )
            )
        compared = int(self.by_date.select(pl.col("compared").min().fill_null(0)).item())
        fewer = "" if compared == self.top else f" (no more than {compared} are exposed)"
        says = [f"Ranks by {self.column} and the top {self.top}{fewer}"]
        says.append(
            f"are decided by {groups[0]}" if groups[0] else "are decided by none of the assumptions tried"
        )
        if groups[1]:
            says.append(f"and hardly depend on {groups[1]}")
        return " ".join(says) + "."


def sensitivity(
    tables: Tables,
    dates: DatesLike,
    definition: FactorDefinition | None = None,
    *,
    grid: Mapping[str, Sequence[Any]] | None = None,
    column: str = "score",
    top: int = 30,
    n_threads: int | None = None,
) -> Sensitivity:
    """Vary one assumption at a time, and see how ranks and the largest names change.

    Parameters
    ----------
    tables : Tables
    dates : iterable of date or ISO text
        Score dates, as for `AIInfrastructureExposure.compute`.
    definition : FactorDefinition, optional
        What the variants are held against. Absent: the default one.
    grid : mapping of str to sequence, optional
        Values per assumption; absent: `kf.scenarios.GRID`. An assumption is

        - a parameter of the definition, ``"supplier_ties.delta"``
        - ``"weights"``, of the three pillars, ``(0.4, 0.45, 0.15)``
        - ``"theta assumed"`` or ``"theta assumed or estimated"``: the AI shares of capex of that provenance times the value,
          1 at most

        Values equal to those of the definition are left out.
    column : str
        What is ranked: ``score``, ``exposure``, or any number the scores have. Pillar weights do not touch `exposure`.
    top : int
        How many of the largest are compared.
    n_threads : int, optional
        Threads.

    Returns
    -------
    Sensitivity

    Raises
    ------
    DefinitionError
        There is no such assumption, or a value is outside its range.

    Notes
    -----
    Spearman's correlation is over companies known before and after, equal values sharing a rank. The overlap is the share
    of the ``top`` names, or of as many as are known and above 0 in exposure, that are still among as many.

    Examples
    --------
    b sells to a, which sells to p: without delta nothing reaches b, and the order stays.

    >>> from datetime import date
    >>> day = date(2024, 1, 1)
    >>> tables = kf.Tables(
    ...     revenue_ties={"supplier_id": ["a", "b"], "customer_id": ["p", "a"], "customer_label": ["P", "A"],
    ...         "revenue_share": [0.5, 0.4], "period_end": [day] * 2, "available_at": [day] * 2},
    ...     ai_capex_share={"asset_id": ["p"], "share": [0.6], "available_at": [day], "provenance": ["assumed"]})
    >>> found = kf.sensitivity(tables, ["2024-01-31"], column="exposure", grid={"supplier_ties.delta": [0.0, 0.5]})
    >>> found.summary().select("assumption", "value", "base", "spearman", "overlap").rows()
    [('supplier_ties.delta', '0', '0.5', 1.0, 0.5)]
    """
    days = score_dates(dates)
    base = FactorDefinition() if definition is None else definition
    if top < 1:
        raise DataError(f"top is {top}; expected at least 1.")
    variants = [
        variant
        for name, values in (GRID if grid is None else grid).items()
        for value in values
        if (variant := _variant(name, value, base)) is not None
    ]
    usual = _ranked(tables, days, base, column, n_threads)
    frames = []
    for name, text, before, changed_definition, changed_tables in variants:
        other = _ranked(changed_tables(tables), days, changed_definition, column, n_threads)
        held = _compared(usual, other, top)
        told = (pl.lit(text_of).alias(key) for key, text_of in zip(PLAN, (name, text, before), strict=True))
        frames.append(held.select(*told, pl.all()))
    if not frames:
        raise DataError("the grid has no value that differs from the definition. Give it other values.")
    return Sensitivity(pl.concat(frames), column, top)


def _variant(
    name: str, value: Any, base: FactorDefinition
) -> tuple[str, str, str, FactorDefinition, Callable[[Tables], Tables]] | None:
    """Return an assumption with its value and that of the base, the definition and what happens to the tables."""
    if name in THETA:
        if not isinstance(value, (int, float)) or not value >= 0:
            raise DataError(f"{name}: {value!r} is no factor; expected a number of at least 0, like 0.75.")
        return None if value == 1 else (name, f"x {value:g}", "x 1", base, lambda t: _theta(t, name, value))
    if name == WEIGHTS:
        c = base.composite
        usual = (c.capex_intensity, c.supplier_ties, c.index_membership)
        if len(tuple(value)) != len(usual):
            raise DataError(f"weights {value!r} are not three: those of capex, ties and index.")
        names = ("capex_intensity", "supplier_ties", "index_membership")
        composite = replace(c, **dict(zip(names, value, strict=True)))
        texts = (" / ".join(f"{100 * w:.0f}" for w in weights) for weights in (value, usual))
        text, before = texts
        return (
            None if tuple(value) == usual else (name, text, before, replace(base, composite=composite), _same)
        )
    part, _, parameter = name.partition(".")
    if not hasattr(base, part) or not hasattr(getattr(base, part), parameter or " "):
        raise DefinitionError(
            f"there is no assumption {name!r}; expected a parameter like supplier_ties.delta, {WEIGHTS}, or "
            f"{', '.join(THETA)}."
        )
    before = getattr(getattr(base, part), parameter)
    if value == before:
        return None
    changed = replace(base, **{part: replace(getattr(base, part), **{parameter: value})})
    return name, _text(value), _text(before), changed, _same


def _same(tables: Tables) -> Tables:
    return tables


def _theta(tables: Tables, name: str, factor: float) -> Tables:
    if tables.ai_capex_share is None:
        return tables
    share = pl.when(pl.col("provenance").is_in(THETA[name])).then(pl.col("share") * factor).otherwise("share")
    return tables.replace(ai_capex_share=tables.ai_capex_share.with_columns(share.clip(upper_bound=1.0)))


def _ranked(
    tables: Tables, days: pl.Series, definition: FactorDefinition, column: str, n_threads: int | None
) -> pl.DataFrame:
    frame = AIInfrastructureExposure(definition).compute(tables, days, n_threads=n_threads).to_polars()
    if column not in frame.columns or not frame.schema[column].is_numeric():
        numbers = ", ".join(name for name, dtype in frame.schema.items() if dtype.is_numeric())
        raise MissingColumnError(f"scores have no number {column!r}; they have {numbers}.")
    known = frame.filter(pl.col(column).is_not_null())
    order = known.select(*KEY, "ticker", "exposure", value=column).sort(
        "date", "value", "asset_id", descending=[False, True, False]
    )
    return order.with_columns(place=pl.int_range(1, pl.len() + 1).over("date"))


def _compared(usual: pl.DataFrame, other: pl.DataFrame, top: int) -> pl.DataFrame:
    """Return a row per date of the base: how ranks and the largest agree."""
    both = usual.join(other.select(*KEY, value_after="value", place_after="place"), on=KEY)
    moved = (pl.col("place_after") - pl.col("place")).abs()
    first = both.sort("date", moved, "place", descending=[False, True, False]).group_by("date").first()
    agree = both.group_by("date").agg(
        known=pl.len(), spearman=pl.corr("value", "value_after", method="spearman").fill_nan(None)
    )
    largest = usual.filter((pl.col("place") <= top) & (pl.col("exposure") > 0))
    size = pl.len().over("date")
    after = largest.with_columns(size=size).join(
        other.select(*KEY, place_after="place", exposed="exposure"), on=KEY, how="left", maintain_order="left"
    )
    stays = ((pl.col("place_after") <= pl.col("size")) & (pl.col("exposed") > 0)).fill_null(value=False)
    overlap = after.group_by("date").agg(overlap=stays.mean(), compared=pl.len())
    mover = first.select("date", "place", "place_after", mover=pl.coalesce("ticker", "asset_id"))
    rows = usual.select(pl.col("date").unique(maintain_order=True))
    for part in (agree, overlap, mover):
        rows = rows.join(part, on="date", how="left", maintain_order="left")
    return rows.select(
        "date", "known", "spearman", "overlap", "compared", "mover", "place", "place_after"
    ).with_columns(pl.col("known", "compared", "place", "place_after").cast(pl.Int64))


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{100 * value:.0f} %"


def _text(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
