"""The tear sheet: one HTML file that needs nothing else."""

import html
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

import polars as pl

from kifactors.atomic import written
from kifactors.evaluation._evaluation import Evaluation
from kifactors.evaluation.tearsheet import _words
from kifactors.evaluation.tearsheet._canvas import WHOLE_LINE, svg_of
from kifactors.evaluation.tearsheet._plots import Plots
from kifactors.evaluation.tearsheet._style import CSS
from kifactors.evaluation.tearsheet._tables import table_html

__all__ = ["write_html"]

SHARE, NUMBER, T, COUNT = (2, True), (3, False), (2, False), (0, False)
HOW = {
    "Entry": "the {entry} of the first session strictly after a score date; horizons are sessions from there",
    "Information coefficient": "correlation of values and forward returns on a date; rank IC is Spearman's",
    "t": (
        "of the mean through time, Newey and West (1987), Econometrica 55(3), so that dates that share days do not count "
        "as independent"
    ),
    "Intervals": "stationary bootstrap, Politis and Romano (1994), JASA 89(428)",
    "Quantiles": "edges are percentiles of the values known on a date; nobody is left out for a return that is missing",
    "Strategies": "held from the entry of one score date to that of the next; weights drift in between",
    "Break-even cost": "what each bought or sold part of the portfolio could cost until nothing is left of the mean",
    "Factor return": (
        "of a unit of the value, beside market, industries and size where known: regressions of each date, Fama and "
        "MacBeth (1973), JPE 81(3)"
    ),
    "Multiple testing": (
        "a new factor needs a t above 3 after all that were tried: Harvey, Liu, Zhu (2016), RFS 29(1); "
        "kifactors.evaluation.Trials counts what you tried"
    ),
}


def write_html(evaluation: Evaluation, path: str | PathLike[str], *, title: str | None = None) -> Path:
    """Write the tear sheet of an evaluation.

    Parameters
    ----------
    evaluation : Evaluation
    path : path
        File to write; it needs no network, no script and no other file. It is written whole or not at all.
    title : str, optional

    Returns
    -------
    pathlib.Path

    Raises
    ------
    MissingExtraError
        matplotlib or great-tables is not installed (extra ``report``).
    DataError
        The folder cannot be written.
    """
    text = page(evaluation, title or f"Does {evaluation.settings['column']} pay?")
    return written(path, lambda file: file.write(text.encode()), what="the tear sheet")


def page(evaluation: Evaluation, title: str) -> str:
    """Return the whole page."""
    body = "\n".join(
        [
            _first_screen(evaluation, title),
            _section("ic", "Does the ranking know?", _ic(evaluation)),
            _section("portfolios", "What portfolios earned", _portfolios(evaluation)),
            _section("factor", "The factor beside the market", _factor(evaluation)),
            _section("stability", "Does it last?", _stability(evaluation)),
            _section("rows", "What is not in here", _rows(evaluation)),
            _section("how", "How it was done", _how(evaluation)),
        ]
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{html.escape(title)}</title>\n<style>\n{CSS}\n</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n"
        "</html>\n"
    )


def _first_screen(evaluation: Evaluation, title: str) -> str:
    settings = evaluation.settings
    limits = "".join(f"<li>{html.escape(limit)}</li>" for limit in evaluation.limits)
    answers = {
        "What is it": (
            f"AI infrastructure exposure: the column {settings['column']} of {settings['assets']} companies on "
            f"{len(settings['dates'])} dates from {settings['first']} to {settings['last']}, held against what they earned "
            f"afterwards. Definition {settings['definition'][:8]}."
        ),
        "Who is in it": _words.who_is_in(evaluation),
        "Does it pay": _words.does_it_pay(evaluation),
        "How sure": _words.how_sure(evaluation),
    }
    cards = "".join(
        f"<div><h2>{html.escape(head)}</h2><p>{html.escape(text)}</p></div>" for head, text in answers.items()
    )
    return (
        f'<header><h1>{html.escape(title)}</h1></header>\n<section class="answers">{cards}</section>\n'
        f'<section class="warning" aria-label="limits"><h2>What could be wrong</h2><ol>{limits}</ol></section>'
    )


def _section(name: str, head: str, parts: Iterator[str]) -> str:
    return f'<section id="{name}"><h2>{html.escape(head)}</h2>\n' + "\n".join(parts) + "</section>"


def _picture(evaluation: Evaluation, name: str) -> str:
    axes = getattr(Plots(evaluation), name)()
    title = axes.get_title(loc="left") or axes.get_title() or name.replace("_", " ")
    # What takes a whole line is too small for a phone, and is moved sideways there.
    kind = ' class="wide"' if axes.get_figure().get_figwidth() >= WHOLE_LINE else ""
    return f"<figure{kind}>{svg_of(axes, name.replace('_', '-'), title)}</figure>"


def _ic(evaluation: Evaluation) -> Iterator[str]:
    yield '<div class="two">'
    yield _picture(evaluation, "ic_by_horizon")
    yield _picture(evaluation, "ic_decay")
    yield "</div>"
    yield _picture(evaluation, "ic")
    frame = evaluation.ic_summary.filter(method="spearman").with_columns(
        names=pl.col("names").replace({"universe": "all known", "exposed": "exposed"})
    )
    labels = {
        "names": "names", "horizon": "sessions", "dates": "dates", "mean": "mean rank IC", "low": "low", "high": "high",
        "t_hac": "t", "icir": "ICIR", "t_apart": "t, dates apart", "share_positive": "above 0",
    }  # fmt: skip
    formats = dict.fromkeys(("mean", "low", "high", "icir"), NUMBER) | {
        "t_hac": T, "t_apart": T, "share_positive": (0, True),
    }  # fmt: skip
    yield table_html(frame, labels, formats, name="ic")


def _portfolios(evaluation: Evaluation) -> Iterator[str]:
    yield '<div class="two">'
    yield _picture(evaluation, "quantiles")
    yield _picture(evaluation, "cumulative")
    yield _picture(evaluation, "drawdown")
    yield _picture(evaluation, "turnover")
    yield "</div>"
    spreads = evaluation.spread_summary.with_columns(
        spread=pl.col("spread").replace(
            {"quantiles": "highest less lowest quantile", "exposed": "exposed less unexposed"}
        )
    )
    labels = {"spread": "spread", "weighting": "weights", "horizon": "sessions", "dates": "dates", "mean": "mean",
              "low": "low", "high": "high", "t_hac": "t"}  # fmt: skip
    yield table_html(
        spreads, labels, {"mean": SHARE, "low": SHARE, "high": SHARE, "t_hac": T}, name="spreads"
    )
    labels = {"portfolio": "portfolio", "weighting": "weights", "periods": "periods", "annualized": "a year",
              "volatility": "volatility", "sharpe": "Sharpe", "max_drawdown": "drawdown", "turnover": "turnover",
              "break_even_cost": "break-even cost", "t_hac": "t"}  # fmt: skip
    formats = dict.fromkeys(("annualized", "volatility", "max_drawdown", "turnover"), (1, True))
    formats |= {"sharpe": T, "t_hac": T, "break_even_cost": SHARE}
    yield table_html(evaluation.strategy_summary, labels, formats, name="strategies")


def _factor(evaluation: Evaluation) -> Iterator[str]:
    yield _picture(evaluation, "factor_returns")
    labels = {"factor": "factor", "periods": "periods", "mean": "mean a period", "annualized": "a year", "t_fm": "t",
              "share_above_2": "|t| above 2", "correlation_market": "correlation with market",
              "beta_market": "beta"}  # fmt: skip
    formats = {"mean": SHARE, "annualized": (1, True), "t_fm": T, "share_above_2": (0, True), "correlation_market": T,
               "beta_market": T}  # fmt: skip
    yield table_html(evaluation.factor_summary, labels, formats, name="factors")


def _stability(evaluation: Evaluation) -> Iterator[str]:
    yield '<div class="two">'
    yield _picture(evaluation, "members")
    yield _picture(evaluation, "exposed_count")
    yield _picture(evaluation, "autocorrelation")
    yield "</div>"
    labels = {"from": "from", "to": "to", "names": "names", "dates": "dates", "ic_mean": "mean rank IC", "ic_t": "t",
              "spread_mean": "spread", "spread_t": "t "}  # fmt: skip
    frame = evaluation.periods.filter(pl.col("dates") > 0).with_columns(pl.col("from", "to").cast(pl.String))
    if frame.height:
        yield table_html(
            frame, labels, {"ic_mean": NUMBER, "ic_t": T, "spread_mean": SHARE, "spread_t": T}, name="periods"
        )


def _rows(evaluation: Evaluation) -> Iterator[str]:
    yield _picture(evaluation, "dropped")
    yield "<p>Every row that has no return is listed, with its reason, in <code>evaluation.dropped</code>.</p>"


def _how(evaluation: Evaluation) -> Iterator[str]:
    settings = evaluation.settings
    yield "<dl>"
    for term, text in HOW.items():
        yield f"<dt>{html.escape(term)}</dt><dd>{html.escape(text.format(entry=settings['entry']))}</dd>"
    yield "</dl>"
    shown = {name: value for name, value in settings.items() if name not in {"dates"}}
    rows = "".join(
        f"<dt>{html.escape(name.replace('_', ' '))}</dt><dd>{html.escape(_text(value))}</dd>"
        for name, value in shown.items()
    )
    yield f"<h3>Settings</h3><dl>{rows}</dl>"


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return "none" if value is None or value == "" else str(value)
