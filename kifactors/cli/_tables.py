"""Tables for people: the ranking of one date, and exposures through the years."""

from collections.abc import Iterable
from datetime import date

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from kifactors.scores import Scores

__all__ = ["history", "ranking"]

UNKNOWN = "unknown"
# Columns and the widths they keep where the terminal is narrow; only a long ticker gives way.
COLUMNS = {
    "": 2,
    "ticker": 6,
    "exposure": 8,
    "low-high": 9,
    "role": 13,
    "capex": 5,
    "ties": 5,
    "index": 5,
    "coverage": 8,
}
ROLE_STYLES = {"pioneer": "cyan", "tool_supplier": "green", "both": "magenta"}


def ranking(scores: Scores, *, top: int) -> Table:
    """Return the ranking by exposure at the one date of `scores`."""
    table = _table(f"AI infrastructure exposure, {scores.dates[-1]}")
    for name, width in COLUMNS.items():
        left = name in {"ticker", "role"}
        table.add_column(name, justify="left" if left else "right", no_wrap=True, min_width=width)
    for place, row in enumerate(scores.top(top).iter_rows(named=True), start=1):
        style = ROLE_STYLES.get(row["role"], "")
        table.add_row(
            str(place),
            escape(row["ticker"] or row["asset_id"]),
            f"{row['exposure']:.3f}",
            f"{row['exposure_low']:.2f}-{row['exposure_high']:.2f}",
            f"[{style}]{row['role']}[/]" if style else row["role"],
            _units(row["score_capex_intensity"]),
            _units(row["score_supplier_ties"]),
            _units(row["score_index_membership"]),
            f"{row['coverage']:.2f}",
        )
    return table


def history(scores: Scores, names: dict[str, str], dates: Iterable[date]) -> Table:
    """Return the exposure of some assets (asset_id to label) on some dates."""
    dates = list(dates)
    table = _table("Exposure of the article's companies")
    table.add_column("company", no_wrap=True)
    for day in dates:
        table.add_column(f"{day:%Y-%m}", justify="right", no_wrap=True)
    frame = scores.to_polars().filter(pl.col("asset_id").is_in(list(names)) & pl.col("date").is_in(dates))
    known = {(row["asset_id"], row["date"]): row["exposure"] for row in frame.iter_rows(named=True)}
    for asset_id, label in names.items():
        values = [known.get((asset_id, day)) for day in dates]
        table.add_row(escape(label), *(UNKNOWN if value is None else f"{value:.3f}" for value in values))
    return table


def _table(title: str) -> Table:
    """Return an empty table slim enough for 80 columns."""
    return Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)


def _units(value: float | None) -> str:
    return "-" if value is None else f"{value:+.2f}"
