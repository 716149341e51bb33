"""The sections of the page below its first screen: pictures, what they show, and tables."""

import html
from collections.abc import Iterator
from datetime import date

import polars as pl

from kifactors.evaluation._evaluation import Evaluation
from kifactors.evaluation._summary import spread_for
from kifactors.evaluation.tearsheet._ask import main_horizon
from kifactors.evaluation.tearsheet._canvas import svg_of
from kifactors.evaluation.tearsheet._captions import caption, reading_of_ic
from kifactors.evaluation.tearsheet._definitions import DEFINITIONS, SETTINGS
from kifactors.evaluation.tearsheet._plots import Plots
from kifactors.evaluation.tearsheet._tables import NUMBER, PERCENT, SHARE, table_html
from kifactors.evaluation.tearsheet._text import number, sessions, share

__all__ = ["SECTIONS", "sections"]

T = (2, False)
ONE = (1, True)
COUNT = (0, False)
MOST_ROWS = 25
NAMES = {"universe": "All known names", "exposed": "Exposed names"}
SPREADS = {"quantiles": "Highest less lowest quantile", "exposed": "Exposed less unexposed names"}
PORTFOLIOS = {
    "1": "1, lowest",
    "exposed spread": "exposed less unexposed",
    "quantile spread": "highest less lowest",
}
SECTIONS = {
    "who": "Who is in it",
    "ic": "Does the ranking know?",
    "portfolios": "What portfolios earned",
    "factor": "The factor beside the market",
    "stability": "Does it last?",
    "rows": "What is not in here",
    "how": "How it was done",
}


def sections(evaluation: Evaluation) -> Iterator[str]:
    """Give each section as HTML."""
    made = {
        "who": _who, "ic": _ic, "portfolios": _portfolios, "factor": _factor, "stability": _stability, "rows": _rows,
        "how": _how,
    }  # fmt: skip
    for name, head in SECTIONS.items():
        yield (
            f'<section id="{name}" aria-labelledby="{name}-head"><h2 id="{name}-head">{html.escape(head)}</h2>\n'
            + "\n".join(made[name](evaluation))
            + "\n</section>"
        )


def _pictures(evaluation: Evaluation, *names: str, more: str = "") -> str:
    made = "\n".join(_picture(evaluation, name) for name in names)
    return f'<div class="pictures">{made}{more}</div>'


def _picture(evaluation: Evaluation, name: str) -> str:
    axes = getattr(Plots(evaluation), name)()
    # The page has it as a heading.
    title = axes.get_title(loc="left")
    axes.set_title("", loc="left")
    if not axes.has_data():
        why = " ".join(text.get_text() for text in axes.texts)
        return f"<figure><h3>{html.escape(title)}</h3><p>{html.escape(why)}</p></figure>"
    below = caption(evaluation, name)
    # Who cannot see the picture hears what it says.
    alt = f"{title}. {below}".strip()
    words = f"<figcaption>{html.escape(below)}</figcaption>" if below else ""
    return f"<figure><h3>{html.escape(title)}</h3>{svg_of(axes, name.replace('_', '-'), alt)}{words}</figure>"


def _interval(evaluation: Evaluation) -> dict[str, list[str]]:
    return {f"{share(evaluation.settings['confidence'], digits=0)} interval": ["low", "high"]}


def _who(evaluation: Evaluation) -> Iterator[str]:
    yield '<div class="pair">'
    yield _picture(evaluation, "members")
    members = evaluation.members.with_columns(
        role=pl.col("role").str.replace_all("_", " "), name=pl.coalesce("ticker", "asset_id")
    )
    labels = {"name": "name", "role": "role", "value": evaluation.settings["column"], "coverage": "coverage"}
    shown = members.head(MOST_ROWS)
    title = (
        "Members"
        if shown.height == members.height
        else f"The first {MOST_ROWS} of {members.height:,} members"
    )
    yield f"<div>{table_html(shown, labels, {'value': NUMBER, 'coverage': PERCENT}, name='members', title=title)}</div></div>"


def _ic(evaluation: Evaluation) -> Iterator[str]:
    note = "".join(f"<p>{html.escape(text)}</p>" for text in reading_of_ic(evaluation))
    yield _pictures(
        evaluation,
        "ic",
        "ic_by_horizon",
        "ic_decay",
        more=f'<div class="note"><h3>How to read it</h3>{note}</div>',
    )
    frame = evaluation.ic_summary.filter(method="spearman").with_columns(names=pl.col("names").replace(NAMES))
    labels = {
        "horizon": "sessions", "dates": "dates", "mean": "mean", "low": "low", "high": "high", "t_hac": "t", "lag": "lag",
        "dates_apart": "dates apart", "t_apart": "t, dates apart", "icir": "ICIR", "share_positive": "above 0",
    }  # fmt: skip
    formats = dict.fromkeys(("mean", "low", "high"), NUMBER) | dict.fromkeys(("t_hac", "t_apart", "icir"), T)
    yield table_html(
        frame, labels, formats | {"share_positive": PERCENT}, name="ic", title="Rank IC through time", group="names",
        above=_interval(evaluation),
    )  # fmt: skip
    if evaluation.settings["by"] is not None:
        yield _ic_by_group(evaluation)


def _ic_by_group(evaluation: Evaluation) -> str:
    h, by = main_horizon(evaluation), evaluation.settings["by"]
    frame = evaluation.ic_by_group.filter(method="spearman", horizon=h)
    both = [frame.filter(names=names) for names in NAMES]
    exposed = both[1].select("group", n_exposed="names_median", ic="mean", t_exposed="t_hac")
    shown = (
        both[0]
        .join(exposed, on="group", maintain_order="left")
        .sort("names_median", descending=True, maintain_order=True)
    )
    labels = {"group": by, "dates": "dates", "names_median": "names", "mean": "mean", "t_hac": "t", "n_exposed": "names",
              "ic": "mean", "t_exposed": "t"}  # fmt: skip
    formats = {
        "names_median": COUNT,
        "n_exposed": COUNT,
        "mean": NUMBER,
        "ic": NUMBER,
        "t_hac": T,
        "t_exposed": T,
    }
    above = {
        NAMES["universe"]: ["names_median", "mean", "t_hac"],
        NAMES["exposed"]: ["n_exposed", "ic", "t_exposed"],
    }
    title = f"Rank IC within each {by}, {sessions(h)}"
    if shown.height > MOST_ROWS:
        title += f", the largest {MOST_ROWS} of {shown.height:,}"
    return table_html(shown.head(MOST_ROWS), labels, formats, name="groups", title=title, above=above)


def _portfolios(evaluation: Evaluation) -> Iterator[str]:
    yield _pictures(evaluation, "quantiles", "cumulative", "drawdown", "turnover")
    one = evaluation.settings["weightings"] == ("equal",)
    spreads = evaluation.spread_summary.with_columns(
        group=_with_weights(pl.col("spread").replace(SPREADS), one=one)
    )
    labels = {"horizon": "sessions", "dates": "dates", "mean": "mean", "low": "low", "high": "high", "t_hac": "t",
              "lag": "lag"}  # fmt: skip
    yield table_html(
        spreads, labels, dict.fromkeys(("mean", "low", "high"), SHARE) | {"t_hac": T}, name="spreads",
        title="Spreads of forward returns", group="group", above=_interval(evaluation),
    )  # fmt: skip
    held = evaluation.strategy_summary.with_columns(
        portfolio=pl.col("portfolio").replace(
            {**PORTFOLIOS, str(evaluation.settings["quantiles"]): _highest(evaluation)}
        ),
        group=_with_weights(pl.lit("Held from score date to score date"), one=one),
    )
    labels = {"portfolio": "portfolio", "periods": "periods", "annualized": "a year", "volatility": "volatility",
              "sharpe": "Sharpe", "max_drawdown": "drawdown", "turnover": "turnover", "break_even_cost": "break-even cost",
              "t_hac": "t"}  # fmt: skip
    formats = dict.fromkeys(("annualized", "volatility", "max_drawdown", "turnover"), ONE)
    formats |= {"sharpe": T, "t_hac": T, "break_even_cost": SHARE}
    title = "What is held from score date to score date"
    yield table_html(
        held, labels, formats, name="strategies", title=title if one else "What is held",
        group=None if one else "group",
    )  # fmt: skip


def _highest(evaluation: Evaluation) -> str:
    return f"{evaluation.settings['quantiles']}, highest"


def _with_weights(name: pl.Expr, *, one: bool) -> pl.Expr:
    return name if one else pl.concat_str(name, pl.lit(", "), pl.col("weighting"), pl.lit(" weights"))


def _factor(evaluation: Evaluation) -> Iterator[str]:
    yield '<div class="pair">'
    yield _picture(evaluation, "factor_returns")
    labels = {"factor": "factor", "periods": "periods", "mean": "a period", "annualized": "a year", "t_fm": "t",
              "share_above_2": "|t| above 2"}  # fmt: skip
    formats = {"mean": SHARE, "annualized": ONE, "t_fm": T, "share_above_2": PERCENT}
    yield f"<div>{table_html(evaluation.factor_summary, labels, formats, name='factors', title='Factor returns')}"
    market = evaluation.factor_summary.drop_nulls("beta_market")
    for row in market.filter(pl.col("factor") == evaluation.settings["column"]).iter_rows(named=True):
        yield (
            f"<p>Correlation with the market's return {number(row['correlation_market'], digits=2)}, beta "
            f"{number(row['beta_market'], digits=2)}.</p>"
        )
    yield "</div></div>"


def _stability(evaluation: Evaluation) -> Iterator[str]:
    yield _pictures(evaluation, "exposed_count", "autocorrelation")
    both = [evaluation.periods.filter(names=names) for names in NAMES]
    years = both[0].join(
        both[1].select("from", ic="ic_mean", ic_t_exposed="ic_t"), on="from", maintain_order="left"
    )
    years = years.filter(
        pl.any_horizontal(pl.col("ic_mean", "ic", "spread_mean").is_not_null())
    ).with_columns(year=pl.col("from").dt.year().cast(pl.String))
    labels = {"year": "year", "dates": "dates", "ic_mean": "mean", "ic_t": "t", "ic": "mean", "ic_t_exposed": "t",
              "spread_mean": "mean", "spread_t": "t"}  # fmt: skip
    formats = dict.fromkeys(("ic_mean", "ic"), NUMBER) | dict.fromkeys(
        ("ic_t", "ic_t_exposed", "spread_t"), T
    )
    above = {"rank IC, all known": ["ic_mean", "ic_t"], "rank IC, exposed": ["ic", "ic_t_exposed"],
             SPREADS[spread_for(evaluation.settings["column"])].lower(): ["spread_mean", "spread_t"]}  # fmt: skip
    title = f"Year by year, {sessions(main_horizon(evaluation))}"
    yield table_html(
        years, labels, formats | {"spread_mean": SHARE}, name="periods", title=title, above=above
    )


def _rows(evaluation: Evaluation) -> Iterator[str]:
    yield _pictures(evaluation, "dropped")
    horizons = [*evaluation.settings["horizons"], None]
    counts = evaluation.dropped_counts
    shown = counts.select(pl.col("reason").unique(maintain_order=True)).with_columns(
        pl.Series(
            str(h),
            [_rows_of(counts, reason, h) for reason in counts["reason"].unique(maintain_order=True)],
            pl.Int64,
        )
        for h in horizons
    )
    over = {str(h): "next score date" if h is None else str(h) for h in horizons}
    yield table_html(
        shown, {"reason": "reason", **over}, {}, name="dropped", title="Rows without a return, by reason",
        above={"return until session": list(over)},
    )  # fmt: skip


def _rows_of(counts: pl.DataFrame, reason: str, horizon: int | None) -> int:
    rows = counts.filter(pl.col("reason") == reason, pl.col("horizon").eq_missing(pl.lit(horizon, pl.Int64)))
    return int(rows["rows"].sum())


def _how(evaluation: Evaluation) -> Iterator[str]:
    settings = evaluation.settings
    words = {
        "entry": settings["entry"],
        "above": f"{settings['exposed_above']:g}",
        "draws": f"{settings['draws']:,}",
    }
    yield "<dl>"
    for term, text in DEFINITIONS.items():
        yield f"<dt>{html.escape(term)}</dt><dd>{html.escape(text.format(**words))}</dd>"
    yield "</dl>"
    yield '<h3>Settings</h3>\n<dl class="settings">'
    for name, value in settings.items():
        if name != "dates":
            term = SETTINGS.get(name, name.replace("_", " "))
            yield f"<div><dt>{html.escape(term)}</dt><dd>{html.escape(_setting(value))}</dd></div>"
    yield "</dl>"


def _setting(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value is None else str(value) or "not stated"
