"""Tables for people: the ranking of one date, and exposures through the years."""

from collections.abc import Iterable
from datetime import date

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from kifactors.evaluation import Evaluation
from kifactors.portfolio import PortfolioExposure
from kifactors.scores import Scores

__all__ = [
    "chosen",
    "contributions",
    "coverages",
    "figures",
    "groups",
    "history",
    "least_width",
    "losses",
    "ranking",
    "totals",
    "variants",
]

UNKNOWN = "unknown"
# Sessions.
MONTH = 21
ROLES = ("pioneer", "tool_supplier", "both", "index_only")
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


def chosen(weights: pl.DataFrame, day: date, by: str) -> Table:
    """Return the chosen of one date with their weights, and what they add up to."""
    table = _table(f"{weights.height} chosen on {day}")
    columns = ["", "ticker", "role", "weight %", *dict.fromkeys(("exposure", by))]
    for name in columns:
        left = name in {"ticker", "role"}
        table.add_column(name, justify="left" if left else "right", no_wrap=True)
    for place, row in enumerate(weights.iter_rows(named=True), start=1):
        table.add_row(
            str(place),
            escape(row["ticker"] or row["asset_id"]),
            row["role"],
            f"{100 * row['weight']:.2f}",
            *(UNKNOWN if row[name] is None else f"{row[name]:.3f}" for name in columns[4:]),
        )
    known = weights.filter(pl.col("exposure").is_not_null())
    total = (known["weight"] * known["exposure"]).sum()
    # An exposure is 0 at least.
    text = UNKNOWN if known.is_empty() else f"{'>= ' if known.height < weights.height else ''}{total:.3f}"
    table.add_section()
    table.add_row("", "portfolio", "", f"{100 * weights['weight'].sum():.2f}", text)
    return table


def totals(found: PortfolioExposure) -> Table:
    """Return the exposure of a portfolio by date and role."""
    active = "active" in found.total.columns
    table = _table("Exposure of the portfolio")
    roles = [role for role in ROLES if (found.by_role["role"] == role).any()]
    names = [
        "date",
        "scores of",
        "exposure",
        *(["benchmark", "active"] if active else []),
        *roles,
        "weight %",
    ]
    unknown = {"unknown_weight": "unknown %", "benchmark_unknown_weight": "of benchmark %"}
    unknown = {
        name: label
        for name, label in unknown.items()
        if name in found.total.columns and found.total[name].sum() > 0.0
    }
    for name in [*names, *unknown.values()]:
        table.add_column(name, justify="left" if name in {"date", "scores of"} else "right", no_wrap=True)
    parts = {
        (day, role): value for day, role, value in found.by_role.select("date", "role", "contribution").rows()
    }
    for row in found.total.iter_rows(named=True):
        numbers = [row["exposure"], *([row["benchmark"], row["active"]] if active else [])]
        table.add_row(
            str(row["date"]),
            str(row["as_of"]),
            *(f"{value:.3f}" for value in numbers),
            *(f"{parts.get((row['date'], role), 0.0):.3f}" for role in roles),
            f"{100 * row['weight']:.1f}",
            *(f"{100 * row[name]:.1f}" for name in unknown),
        )
    return table


def contributions(found: PortfolioExposure, *, top: int) -> Table:
    """Return the names that bring most of the exposure, or of the active one, on the last date."""
    last = found.total["date"].to_list()[-1]
    rows = found.by_name.filter(pl.col("date") == last)
    by = "active_contribution" if "active_contribution" in rows.columns else "contribution"
    rows = rows.sort(pl.col(by).abs(), "asset", descending=[True, False]).head(top)
    table = _table(f"Largest contributions, {last}")
    weights = {"weight": "weight %", "benchmark_weight": "benchmark %"}
    shown = {name: label for name, label in weights.items() if name in rows.columns}
    numbers = ["exposure", *dict.fromkeys(("contribution", by))]
    for name in ("asset", "role", *shown.values(), *(name.replace("_contribution", "") for name in numbers)):
        table.add_column(name, justify="left" if name in {"asset", "role"} else "right", no_wrap=True)
    for row in rows.iter_rows(named=True):
        table.add_row(
            escape(row["asset"]),
            row["role"],
            *(f"{100 * row[name]:.2f}" for name in shown),
            *(UNKNOWN if row[name] is None else f"{row[name]:.3f}" for name in numbers),
        )
    return table


def figures(found: Evaluation) -> Table:
    """Return the main figures of an evaluation."""
    settings = found.settings
    table = _table(
        f"{settings['column']} against returns, scores of {settings['first']} to {settings['last']}"
    )
    for name in ("", "value", "interval", "t"):
        table.add_column(name, justify="left" if not name else "right", no_wrap=True)
    table.add_column("of")
    for row in found.summary().iter_rows(named=True):
        interval = "" if row["low"] is None else f"{row['low']:+.3f} to {row['high']:+.3f}"
        t = "" if row["t"] is None else f"{row['t']:+.2f}"
        table.add_row(row["metric"], _figure(row["value"]), interval, t, row["note"])
    return table


def groups(found: Evaluation) -> Table:
    """Return the rank coefficients within each group, at the horizon nearest to a month."""
    horizon = min(found.settings["horizons"], key=lambda h: abs(h - MONTH))
    by = found.settings["by"]
    table = _table(f"rank IC within each {by}, {'1 session' if horizon == 1 else f'{horizon} sessions'}")
    for name in (by, "value", "t", "dates", "names"):
        table.add_column(escape(name), justify="left" if name == by else "right", no_wrap=True)
    frame = found.ic_by_group.filter(names="universe", method="spearman", horizon=horizon)
    for row in frame.iter_rows(named=True):
        t = "" if row["t_hac"] is None else f"{row['t_hac']:+.2f}"
        table.add_row(
            escape(row["group"]), _figure(row["mean"]), t, str(row["dates"]), f"{row['names_median']:,.0f}"
        )
    return table


def coverages(table: pl.DataFrame) -> Table:
    """Return what is disclosed by date, and how wide the bounds are for what is not."""
    shown = _table("What is disclosed, in % of market cap, and the width of the bounds of the exposure")
    caps = table["market_cap"].null_count() < table.height
    if not caps:
        shown.title = "What is disclosed, in % of assets, and the width of the bounds of the exposure"
    names = {
        "share_fundamentals": "facts",
        "share_ties": "ties",
        "share_segments": "segments",
        "width_mean": "width",
        "width_discounted_scopes": "scopes",
        "width_anonymous_customers": "anonymous",
        "width_expired_ties": "expired",
        "width_undisclosed_remainder": "remainder",
    }
    groups = ["group"] if "group" in table.columns else []
    shown.add_column("date", no_wrap=True)
    for name in groups:
        shown.add_column(name, no_wrap=True)
    for name in ("assets", "known", *names.values(), "left"):
        shown.add_column(name, justify="right", no_wrap=True)
    for row in table.iter_rows(named=True):
        shown.add_row(
            str(row["date"]),
            *(escape(row[name] or "-") for name in groups),
            f"{row['assets']:,}",
            f"{row['known']:,}",
            *(
                "-" if row[n] is None else f"{100 * row[n]:.1f}" if n.startswith("share") else f"{row[n]:.3f}"
                for n in names
            ),
            str(row["left"]),
        )
    return shown


def _figure(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if abs(value) >= 10.0 or value == round(value) else f"{value:+.3f}"


def losses(worst: pl.DataFrame, tiers: pl.DataFrame, day: str) -> Table:
    """Return who loses most AI revenue, and through how many companies."""
    table = _table(f"AI revenue lost, in % of the revenue of {day}")
    for name in ("", "ticker", "before", "after", "change", "direct", "second round", "exposure", "rank"):
        table.add_column(name, justify="left" if name == "ticker" else "right", no_wrap=True)
    rows = worst.join(tiers.select("asset_id", "tier_1"), on="asset_id", how="left", maintain_order="left")
    for place, row in enumerate(rows.iter_rows(named=True), start=1):
        change, direct = row["ai_revenue_change"], row["tier_1"] or 0.0
        numbers = (row["ai_revenue"], row["ai_revenue_after"], change, direct, change - direct)
        exposure = UNKNOWN if row["exposure_after"] is None else f"{row['exposure_after']:.3f}"
        moved = f"{row['rank']} > {row['rank_after']}" if row["rank_change"] else f"{row['rank']}"
        table.add_row(
            str(place),
            escape(row["ticker"]),
            *(f"{100 * number + 0.0:.1f}" for number in numbers),
            exposure,
            moved,
        )
    return table


def variants(summary: pl.DataFrame, column: str, top: int) -> Table:
    """Return what each assumption does to the ranks, the one that does most first."""
    table = _table(f"What assumptions do to {column} and its top {top}")
    for name in ("assumption", "value", "base", "overlap", "rank corr.", "largest mover", "decides"):
        table.add_column(name, justify="right" if name in {"overlap", "rank corr."} else "left")
    for row in summary.iter_rows(named=True):
        still = row["mover"] is None or row["place"] == row["place_after"]
        mover = "" if still else f"{row['mover']} {row['place']} > {row['place_after']}"
        numbers = (
            UNKNOWN if row["overlap"] is None else f"{100 * row['overlap']:.0f} %",
            UNKNOWN if row["spearman"] is None else f"{row['spearman']:.3f}",
        )
        decides = "yes" if row["decides"] else ""
        table.add_row(row["assumption"], row["value"], row["base"], *numbers, escape(mover), decides)
    return table


def least_width(table: Table) -> int:
    """Return how many characters a line needs so that no cell is cut."""
    return sum(max(len(str(cell)) for cell in (column.header, *column.cells)) + 2 for column in table.columns)


def _table(title: str) -> Table:
    """Return an empty table slim enough for 80 columns."""
    return Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)


def _units(value: float | None) -> str:
    return "-" if value is None else f"{value:+.2f}"
