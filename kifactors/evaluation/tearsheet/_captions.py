"""What a picture shows, in a sentence with numbers: read below it, or instead of it."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import polars as pl

from kifactors.evaluation._evaluation import Evaluation
from kifactors.evaluation.tearsheet._ask import (
    begin_of_spread,
    grown,
    legs_of,
    main_horizon,
    names_of,
    row_of,
    window_of,
)
from kifactors.evaluation.tearsheet._text import count, day, number, sessions, share

__all__ = ["caption", "reading_of_ic"]


def caption(evaluation: Evaluation, picture: str) -> str:
    """Return the sentences of a picture; empty where there is nothing to see."""
    return CAPTIONS[picture](evaluation)


def reading_of_ic(evaluation: Evaluation) -> Iterator[str]:
    """Say what a coefficient means, and how far chance alone throws it with so few names."""
    yield "1 is a perfect ranking, 0 says nothing, below 0 it is upside down. For many stocks 0.05 is a lot."
    known = evaluation.ic.filter(pl.col("group").is_null(), horizon=main_horizon(evaluation)).drop_nulls(
        "spearman"
    )
    if known.is_empty():
        return
    for names, label in (("universe", "all known"), ("exposed", "exposed")):
        n = known.filter(names=names).select(pl.col("n").median()).item()
        if n is not None:
            yield (
                f"With {number(n, digits=0)} {label} names, the median, chance alone throws the rank IC of a date by about "
                f"{number((n - 1.0) ** -0.5, digits=2)} either way."
            )
    yield (
        "That is one over the root of their number less one. Means rest on many dates and are steadier: what counts is "
        "whether their interval leaves out 0."
    )


def _ic(evaluation: Evaluation) -> str:
    h = main_horizon(evaluation)
    means = []
    for names, label in (("universe", "all known"), ("exposed", "exposed")):
        row = row_of(evaluation.ic_summary, horizon=h, names=names, method="spearman")
        if row is not None and row["mean"] is not None:
            means.append(f"{label} names {number(row['mean'], sign=True)} on {count(row['dates'], 'date')}")
    if not means:
        return ""
    days = evaluation.ic.filter(pl.col("group").is_null(), pl.col("horizon") == h).drop_nulls("spearman")[
        "date"
    ]
    there = days.unique().sort().to_list()
    window = window_of(there)
    line = f", a line the mean of {window} of them" if len(there) >= window else ""
    return f"Mean over {sessions(h)}: {', '.join(means)}. A point is a date{line}."


def _by_horizon(evaluation: Evaluation) -> str:
    return _intervals(evaluation.ic_summary.filter(method="spearman"))


def _decay(evaluation: Evaluation) -> str:
    return _intervals(evaluation.decay.filter(method="spearman"))


def _intervals(frame: pl.DataFrame) -> str:
    known = frame.drop_nulls("mean")
    if known.is_empty():
        return ""
    sure = known.drop_nulls(["low", "high"])
    hollow = " Hollow: too few dates for an interval." if sure.height < known.height else ""
    if sure.is_empty():
        return f"No interval is known.{hollow}"
    away = sure.filter((pl.col("low") > 0.0) | (pl.col("high") < 0.0)).height
    many = (
        f"{away or 'None'} of {count(sure.height, 'interval')} {'excludes' if away < 2 else 'exclude'} zero."
    )
    return f"{many}{hollow}"


def _quantiles(evaluation: Evaluation) -> str:
    h, top = main_horizon(evaluation), str(evaluation.settings["quantiles"])
    found = evaluation.portfolio_summary.filter(horizon=h, weighting="equal")
    low, high = row_of(found, portfolio="1"), row_of(found, portfolio=top)
    if low is None or high is None or low["mean_of_means"] is None or high["mean_of_means"] is None:
        return ""
    return (
        f"Over {sessions(h)} the highest quantile earned {share(high['mean_of_means'], sign=True)}, the lowest "
        f"{share(low['mean_of_means'], sign=True)}. Each date counts alike; before costs."
    )


def _cumulative(evaluation: Evaluation) -> str:
    begin = begin_of_spread(evaluation, "equal")
    if begin is None:
        return ""
    legs = legs_of(evaluation)
    ends = [grown(evaluation, name, "equal", begin) for name in legs]
    long, short, spread = (
        f"{label} {share(one['growth'][-1], digits=0, sign=True)}"
        for label, one in zip(legs.values(), ends, strict=True)
    )
    return f"From {day(begin)} to {day(ends[0]['date'][-1])}: {long}, {short}, their {spread}. Before costs."


def _drawdown(evaluation: Evaluation) -> str:
    begin = begin_of_spread(evaluation, "equal")
    if begin is None:
        return ""
    deepest = [
        f"{label} {share(grown(evaluation, name, 'equal', begin).select(pl.col('drawdown').min()).item())}"
        for name, label in legs_of(evaluation).items()
    ]
    return f"Deepest, seen at score dates only: {', '.join(deepest)}."


def _turnover(evaluation: Evaluation) -> str:
    long, _, name = legs_of(evaluation)
    both = [row_of(evaluation.strategy_summary, weighting="equal", portfolio=each) for each in (long, name)]
    if any(row is None or row["turnover"] is None for row in both):
        return ""
    held, spread = (row for row in both if row is not None)
    return (
        f"Mean: {legs_of(evaluation)[long]} {share(held['turnover'])}, spread {share(spread['turnover'])} (both legs). The spread's mean is "
        f"gone at a cost of {share(spread['break_even_cost'], digits=2)} of what is bought or sold."
    )


def _factor(evaluation: Evaluation) -> str:
    column = evaluation.settings["column"]
    row = row_of(evaluation.factor_summary, factor=column)
    if row is None or row["mean"] is None:
        return ""
    r2 = (
        evaluation.factor_returns.filter(pl.col("factor") == column)
        .drop_nulls("value")
        .select(pl.col("r2").mean())
        .item()
    )
    return (
        f"A unit of {column} earned {share(row['mean'], digits=2, sign=True)} a period beside what it is regressed with; mean R² "
        f"{share(r2, digits=0)}; |t| above 2 in {share(row['share_above_2'], digits=0)} of periods."
    )


def _members(evaluation: Evaluation) -> str:
    frame = evaluation.members.drop_nulls("value")
    total = frame.select(pl.col("value").sum()).item()
    if frame.is_empty() or not total > 0.0 or frame["value"].to_numpy().min() < 0.0:
        return ""
    largest = names_of(frame)[0]
    return f"{largest} alone is {share(frame['value'][0] / total, digits=0)} of the sum of all {count(frame.height, 'name')}."


def _exposed(evaluation: Evaluation) -> str:
    there = evaluation.stability.filter(pl.col("exposed") > 0)
    if there.is_empty():
        return ""
    first, middle = there["date"].to_list()[0], there.select(pl.col("exposed").median()).item()
    share_of = evaluation.stability.select(pl.col("coverage").last()).item()
    return (
        f"Exposed on {count(there.height, 'date')} from {day(first)} on, {number(middle, digits=0)} names at the median. "
        f"Coverage is the weight of the pillars that are known, on the mean of scored names: {share(share_of, digits=0)} on the "
        "last date."
    )


def _autocorrelation(evaluation: Evaluation) -> str:
    if evaluation.stability_summary.is_empty():
        return ""
    row = evaluation.stability_summary.row(0, named=True)
    if row["rank_autocorrelation"] is None:
        return ""
    half = row["half_life_days"]
    lasts = (
        f"; half of a lead in rank is gone after {number(half, digits=0)} days" if half is not None else ""
    )
    return f"Mean {_never_whole(row['rank_autocorrelation'])}{lasts}. Of the top quantile {share(row['top_turnover'])} are new on a date."


def _never_whole(correlation: float) -> str:
    return "over 0.999" if 0.9995 <= correlation < 1.0 else number(correlation)


def _dropped(evaluation: Evaluation) -> str:
    frame = evaluation.dropped_counts.filter(horizon=main_horizon(evaluation))
    if frame.is_empty():
        return ""
    return f"{count(int(frame['rows'].sum()), 'row')} of assets and dates. Each is listed with its reason in evaluation.dropped."


CAPTIONS: Mapping[str, Callable[[Evaluation], str]] = MappingProxyType(
    {
        "ic": _ic, "ic_by_horizon": _by_horizon, "ic_decay": _decay, "quantiles": _quantiles, "cumulative": _cumulative,
        "drawdown": _drawdown, "turnover": _turnover, "factor_returns": _factor, "members": _members,
        "exposed_count": _exposed, "autocorrelation": _autocorrelation, "dropped": _dropped,
    }
)  # fmt: skip
