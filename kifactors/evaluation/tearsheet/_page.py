"""The tear sheet: one HTML file that needs nothing else."""

import html
from os import PathLike
from pathlib import Path

from kifactors import __version__
from kifactors.atomic import written
from kifactors.evaluation._evaluation import Evaluation
from kifactors.evaluation.tearsheet._ask import label_of
from kifactors.evaluation.tearsheet._sections import SECTIONS, sections
from kifactors.evaluation.tearsheet._style import CSS
from kifactors.evaluation.tearsheet._words import answers

__all__ = ["write_html"]

# A reader's browser refuses whatever the page itself does not hold, and any script.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
LONGEST_NAME = 28


def write_html(evaluation: Evaluation, path: str | PathLike[str], *, title: str | None = None) -> Path:
    """Write the tear sheet of an evaluation.

    Its first screen says what the factor is, who is in it, whether it pays, how sure that is and what could be wrong;
    below are information coefficients, portfolios, factor returns, stability, what was left out, definitions and
    settings. Light or dark as the reader's screen is; made for desks, phones and A4.

    Parameters
    ----------
    evaluation : Evaluation
    path : path
        File to write; it needs no network, no script and no other file. It is written whole or not at all, and the
        same evaluation gives the same bytes.
    title : str, optional
        By default the question whether the evaluated column pays.

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
    text = page(evaluation, title or f"Does {label_of(evaluation.settings['column'])} pay?")
    return written(path, lambda file: file.write(text.encode()), what="the tear sheet")


def page(evaluation: Evaluation, title: str) -> str:
    """Return the whole page."""
    body = "\n".join([_first_screen(evaluation, title), *sections(evaluation)])
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{html.escape(title)}</title>\n<style>\n{CSS}\n</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n"
        f"<footer>kifactors {html.escape(__version__)}. An exposure, not a promise: nothing here is advice.</footer>\n"
        "</body>\n</html>\n"
    )


def _first_screen(evaluation: Evaluation, title: str) -> str:
    cards = "".join(
        f'<div class="answer"><h2>{html.escape(one.question)}</h2><p class="glance">{html.escape(one.glance)}</p>'
        f"<p>{html.escape(one.text)}</p></div>\n"
        for one in answers(evaluation)
    )
    limits = "".join(f"<li>{_limit(text)}</li>" for text in evaluation.limits)
    limits = (
        f"<ol>{limits}</ol>"
        if limits
        else "<p>No limit was looked for. That does not mean that there is none.</p>"
    )
    links = "".join(f'<li><a href="#{name}">{html.escape(head)}</a></li>' for name, head in SECTIONS.items())
    return (
        f'<header><h1>{html.escape(title)}</h1></header>\n<div class="answers">\n{cards}</div>\n'
        '<section class="warning" aria-labelledby="wrong"><h2 id="wrong">What could be wrong</h2>'
        f'{limits}</section>\n<nav aria-label="sections"><ul>{links}</ul></nav>'
    )


def _limit(text: str) -> str:
    """Set the name of a limit apart from what it means, if it has one."""
    name, colon, rest = text.partition(": ")
    if colon and len(name) <= LONGEST_NAME and "." not in name:
        return f"<strong>{html.escape(name)}.</strong> {html.escape(rest[:1].upper() + rest[1:])}"
    return html.escape(text)
