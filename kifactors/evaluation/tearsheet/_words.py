"""The answers of the first screen, in words: what, who, does it pay, how sure."""

from typing import Any

import polars as pl

from kifactors.evaluation._evaluation import Evaluation

__all__ = ["does_it_pay", "how_sure", "number", "share", "who_is_in"]

SHOWN = 8


def number(value: float | None, *, digits: int = 3, sign: bool = False) -> str:
    """Write a number, or that it is unknown."""
    if value is None:
        return "unknown"
    return f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"


def share(value: float | None, *, digits: int = 1, sign: bool = False) -> str:
    """Write a fraction as per cent, or that it is unknown."""
    return "unknown" if value is None else f"{number(100.0 * value, digits=digits, sign=sign)} %"


def who_is_in(evaluation: Evaluation) -> str:
    """Name the most exposed of the last date."""
    members = evaluation.members
    last = evaluation.settings["last"]
    if members.is_empty():
        return f"Nobody is exposed on {last}."
    names = members.select(pl.coalesce("ticker", "asset_id")).to_series().to_list()
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{len(names)} names on {last}: {', '.join(names[:SHOWN])}{more}."


def does_it_pay(evaluation: Evaluation) -> str:
    """Say what exposed names earned beside the others, and how the ranking among all did."""
    h = _main(evaluation)
    spread = _one(evaluation.spread_summary, horizon=h, spread="exposed", weighting="equal")
    rank = _one(evaluation.ic_summary, horizon=h, names="universe", method="spearman")
    if spread is None or spread["mean"] is None:
        return "It cannot be said: no date has exposed and unexposed names with a return."
    more = "more" if spread["mean"] >= 0.0 else "less"
    text = (
        f"Exposed names earned {share(abs(spread['mean']))} {more} than unexposed ones over {h} sessions, on the mean of "
        f"{spread['dates']} dates ({_verdict(spread['low'], spread['high'])})."
    )
    if rank is not None and rank["mean"] is not None:
        text += (
            f" The rank correlation of value and return was {number(rank['mean'], sign=True)} "
            f"({_verdict(rank['low'], rank['high'])})."
        )
    return text


def how_sure(evaluation: Evaluation) -> str:
    """Say the interval and t of the spread, and on how much they rest."""
    h = _main(evaluation)
    spread = _one(evaluation.spread_summary, horizon=h, spread="exposed", weighting="equal")
    there = evaluation.stability.filter(pl.col("exposed") > 0)
    few, many = there.select(low=pl.col("exposed").min(), high=pl.col("exposed").max()).row(0)
    rests = (
        f"It rests on {there.height} dates with exposed names, {few} to {many} of them on a date."
        if there.height
        else "Nobody is exposed on any date."
    )
    if spread is None or spread["t_hac"] is None:
        return f"Not at all. {rests}"
    confidence = f"{100.0 * evaluation.settings['confidence']:g} %"
    interval = (
        f"the {confidence} interval of the spread goes from {share(spread['low'], sign=True)} to "
        f"{share(spread['high'], sign=True)}"
        if spread["low"] is not None
        else "there is no interval"
    )
    return (
        f"Over {h} sessions {interval}; t = {number(spread['t_hac'], digits=2)} with neighbouring dates' shared days "
        f"counted, p = {p_value(spread['p_hac'])}. {rests}"
    )


def p_value(p: float | None) -> str:
    """Write a p value without calling it nothing."""
    if p is None:
        return "unknown"
    return "under 0.001" if p < 0.001 else f"{p:.3f}"


def _verdict(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "without an interval"
    return "cannot be told from zero" if low <= 0.0 <= high else "the interval excludes zero"


def _main(evaluation: Evaluation) -> int:
    horizons = evaluation.settings["horizons"]
    return int(min(horizons, key=lambda h: abs(h - 21)))


def _one(frame: pl.DataFrame, **where: object) -> dict[str, Any] | None:
    found = frame.filter(*(pl.col(name) == value for name, value in where.items()))
    return found.row(0, named=True) if found.height else None
