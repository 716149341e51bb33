"""The answers of the first screen, in words with numbers: what, who, does it pay, how sure."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from kifactors.evaluation._evaluation import Evaluation
from kifactors.evaluation._multiple import HARVEY_LIU_ZHU
from kifactors.evaluation._summary import spread_for
from kifactors.evaluation.tearsheet._ask import label_of, main_horizon, names_of, row_of
from kifactors.evaluation.tearsheet._text import (
    NO_BREAK,
    count,
    cut,
    day,
    number,
    p_value,
    sessions,
    share,
    share_range,
)

__all__ = ["Answer", "answers"]

SHOWN = 8
LONGEST = 24
UNKNOWN = "It cannot be said"
MEANINGS = {
    "exposure": (
        "The share of a company's business that is AI infrastructure, from 0 to 1: what it spends on it of its revenue "
        "(pioneers), what it earns from those who spend (tool suppliers), or both."
    ),
    "score": "Capital spending, supplier ties and index membership in one number; the market's own is 0.",
    "neutral_score": "The score less what industry and size explain of it.",
    "score_capex_intensity": "The pillar of those who spend on AI infrastructure.",
    "score_supplier_ties": "The pillar of those who earn from that spending.",
    "score_index_membership": "The pillar of those whom indices of the theme hold.",
    "tools_minus_pioneers": "Those who earn from AI infrastructure less those who spend on it.",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A question, the answer at a glance, and in a sentence or two."""

    question: str
    glance: str
    text: str


def answers(evaluation: Evaluation) -> tuple[Answer, ...]:
    """Return the answers in the order in which they are asked."""
    return (_what(evaluation), _who(evaluation), _pays(evaluation), _how_sure(evaluation))


def _what(evaluation: Evaluation) -> Answer:
    settings = evaluation.settings
    label = label_of(settings["column"])
    meaning = MEANINGS.get(settings["column"], f"The column {settings['column']} of the scores.")
    definition = f" Definition {settings['definition'][:8]}." if settings["definition"] else ""
    return Answer(
        "What is the factor?",
        label[:1].upper() + label[1:] if label != settings["column"] else label,
        f"{meaning} Here of {count(settings['assets'], 'company', 'companies')} on "
        f"{count(len(settings['dates']), 'date')}, {day(settings['first'])} to {day(settings['last'])}.{definition}",
    )


def _who(evaluation: Evaluation) -> Answer:
    members, last = evaluation.members, evaluation.settings["last"]
    if members.is_empty():
        return Answer("Who is in it now?", "Nobody", f"Nobody is exposed on {day(last)}.")
    shown = [
        cut(name, LONGEST) if value is None else f"{cut(name, LONGEST)}{NO_BREAK}{number(value, digits=2)}"
        for name, value in zip(names_of(members)[:SHOWN], members["value"], strict=False)
    ]
    more = f" and {members.height - SHOWN:,} more" if members.height > SHOWN else ""
    return Answer(
        "Who is in it now?", count(members.height, "name"), f"On {day(last)}: {', '.join(shown)}{more}."
    )


def _pays(evaluation: Evaluation) -> Answer:
    h = main_horizon(evaluation)
    spread = _spread(evaluation)
    if spread is None:
        return Answer("Does it pay?", UNKNOWN, f"No date has {_sides(evaluation)} with a return.")
    more = "more" if spread["mean"] >= 0.0 else "less"
    rank = row_of(evaluation.ic_summary, horizon=h, names="universe", method="spearman")
    return Answer(
        "Does it pay?",
        f"{share(spread['mean'], sign=True)} in {sessions(h)}",
        f"{_earned(evaluation, share(abs(spread['mean'])), more)} over {sessions(h)}, on the mean of "
        f"{count(spread['dates'], 'date')}, before costs.{_rank(rank)}",
    )


def _earned(evaluation: Evaluation, difference: str, more: str) -> str:
    if spread_for(evaluation.settings["column"]) == "exposed":
        return f"Exposed names earned {difference} {more} than unexposed ones"
    column, quantiles = evaluation.settings["column"], evaluation.settings["quantiles"]
    return f"The highest of {quantiles} quantiles by {column} earned {difference} {more} than the lowest"


def _sides(evaluation: Evaluation) -> str:
    if spread_for(evaluation.settings["column"]) == "exposed":
        return "exposed and unexposed names"
    return "names of the highest and the lowest quantile"


def _rank(row: dict[str, Any] | None) -> str:
    if row is None or row["mean"] is None:
        return ""
    text = f" The rank correlation of value and return was {number(row['mean'], sign=True)}"
    if row["low"] is None:
        return f"{text}."
    return f"{text} ({number(row['low'], sign=True)} to {number(row['high'], sign=True)})."


def _how_sure(evaluation: Evaluation) -> Answer:
    rests = _rests(evaluation)
    spread = _spread(evaluation)
    if spread is None:
        return Answer("How sure?", "Not at all", rests)
    confidence = share(evaluation.settings["confidence"], digits=0)
    interval = (
        f"The {confidence} interval of that difference is {share_range(spread['low'], spread['high'])}"
        if spread["low"] is not None
        else "There are too few dates for an interval, or none was asked for"
    )
    test = (
        f"t{NO_BREAK}={NO_BREAK}{number(spread['t_hac'], digits=2)} (Newey-West), {p_value(spread['p_hac'])}"
        if spread["t_hac"] is not None
        else "t is unknown"
    )
    bar = ""
    if spread["t_hac"] is not None and abs(spread["t_hac"]) < HARVEY_LIU_ZHU:
        bar = f" A new factor is asked for a t of {HARVEY_LIU_ZHU:g}."
    return Answer(
        "How sure?", _verdict(spread, evaluation.settings["confidence"]), f"{interval}; {test}.{bar} {rests}"
    )


def _rests(evaluation: Evaluation) -> str:
    """Say on how many dates and names the spread rests."""
    column = evaluation.settings["column"]
    counted, are = (
        ("exposed", "exposed") if spread_for(column) == "exposed" else ("n", f"whose {column} is known")
    )
    there = evaluation.stability.filter(pl.col(counted) > 0)
    if there.is_empty():
        return (
            "Nobody is exposed on any date."
            if counted == "exposed"
            else f"Nobody's {column} is known on any date."
        )
    few, many = there.select(low=pl.col(counted).min(), high=pl.col(counted).max()).row(0)
    names = count(few, "name") if few == many else f"{few:,} to {many:,} names"
    return f"It rests on {count(there.height, 'date')} with {names} {are}."


def _verdict(row: dict[str, Any], confidence: float) -> str:
    """Say no more than interval and test say together."""
    if row["low"] is None or row["high"] is None:
        return "Cannot tell"
    if row["low"] <= 0.0 <= row["high"]:
        return "Cannot tell from zero"
    if row["p_hac"] is None or row["p_hac"] > 1.0 - confidence:
        return "Interval and t disagree"
    return "Above zero, in this sample" if row["mean"] > 0.0 else "Below zero, in this sample"


def _spread(evaluation: Evaluation) -> dict[str, Any] | None:
    """Return the row of the spread that the column is judged by, if its mean is known."""
    row = row_of(
        evaluation.spread_summary,
        horizon=main_horizon(evaluation),
        spread=spread_for(evaluation.settings["column"]),
        weighting="equal",
    )
    return None if row is None or row["mean"] is None else row
