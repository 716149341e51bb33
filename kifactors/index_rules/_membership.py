"""Membership on one date: hysteresis, counts with their buffer, and the reason of everybody in words."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors.cross_section import percentile
from kifactors.errors import InfeasibleError
from kifactors.index_rules._rules import IndexRules

__all__ = ["Day", "Membership", "choose"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Day:
    """The assets that could be held on a date, sorted by id.

    frame : asset_id, the ranked column under the name ``value``, and what of market_cap, free_float and industry
        the rules look at; one row each.
    by : what the ranked column is called.
    """

    frame: pl.DataFrame
    by: str


@dataclass(frozen=True, slots=True, eq=False)
class Membership:
    """Who is in on a date.

    chosen : (n,) mask of the rows of the day.
    why : (n,) the reason of each, for the chosen why they are in, for the others why not.
    enter_line, stay_line : the values at the two percentiles; NaN if nothing is known.
    """

    chosen: Mask
    why: tuple[str, ...]
    enter_line: float
    stay_line: float


def choose(day: Day, members: Mask, rules: IndexRules) -> Membership:
    """Choose the members of a date.

    Parameters
    ----------
    day : Day
    members : (n,) mask
        Who was in before.
    rules : IndexRules

    Raises
    ------
    InfeasibleError
        Fewer assets than `min_count` are eligible.

    Notes
    -----
    Percentiles are interpolated linearly (definition 7 of Hyndman and Fan, 1996, as numpy's default and as
    `screen.Factor.percentile_between`) over all known values of the day, eligible or not. Equal values are on the
    same side of a line; where a count must tell them apart, asset_id does.

    Examples
    --------
    Values 0.1 to 0.5: the 80th percentile is 0.42 and the 65th 0.36. E enters, D stays if it is in.

    >>> day = Day(pl.DataFrame({"asset_id": list("ABCDE"), "value": [0.1, 0.2, 0.3, 0.4, 0.5]}), "exposure")
    >>> found = choose(day, np.array([False, False, True, True, False]), kf.index_rules.IndexRules())
    >>> found.chosen.tolist(), found.why[2]
    ([False, False, False, True, True], 'exposure 0.3 < 0.36, percentile 65')
    """
    x = day.frame["value"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    obstacles = _obstacles(day, rules)
    eligible = np.array([not text for text in obstacles], bool)
    known = x[~np.isnan(x)]
    enter, stay = (percentile(known, q) for q in (rules.enter_percentile, rules.stay_percentile))
    qualified = eligible & ((x >= enter) | (members & (x >= stay)))
    ranks = _ranks(x, eligible)
    chosen = _within_counts(qualified, eligible, members, ranks, rules)
    if chosen.sum() < rules.min_count:
        raise InfeasibleError(_too_few(day, eligible, obstacles, rules))
    return Membership(
        chosen,
        tuple(
            obstacles[i] or _reason(i, x, (enter, stay), members, qualified, chosen, ranks, day.by, rules)
            for i in range(x.size)
        ),
        enter,
        stay,
    )


def _too_few(day: Day, eligible: Mask, obstacles: list[str], rules: IndexRules) -> str:
    if eligible.any():
        return f"{eligible.sum()} assets are eligible and min_count is {rules.min_count}. Lower it, or begin later."
    if not obstacles:
        return "nobody is scored. Compute the scores without this date."
    unknown = day.frame["value"].null_count()
    return (
        f"nobody is eligible: of {len(obstacles)} assets {unknown} have no known {day.by}; the others fail floor, "
        f"min_free_float, or a column the rules need: {max(obstacles, key=obstacles.count)}, say. Compute the scores "
        "without this date, or change the rules."
    )


def _obstacles(day: Day, rules: IndexRules) -> list[str]:
    """Return why each cannot be a member at all; empty if it can."""
    needed = [name for name in ("market_cap", "free_float", "industry") if name in day.frame.columns]
    floor, least = rules.floor, rules.min_free_float
    found = []
    for row in day.frame.iter_rows(named=True):
        unknown = [name for name in needed if row[name] is None]
        if row["value"] is None:
            found.append(f"{day.by} unknown")
        elif floor is not None and row["value"] <= floor:
            value, least_text = _apart(row["value"], floor)
            found.append(f"{day.by} {value} is not above the floor {least_text}")
        elif unknown:
            found.append(f"{unknown[0]} unknown")
        elif least is not None and row["free_float"] < least:
            found.append("free_float {} < {}".format(*_apart(row["free_float"], least)))
        else:
            found.append("")
    return found


def _ranks(x: Floats, eligible: Mask) -> NDArray[np.intp]:
    """Return the rank of the eligible, 1 for the largest; equal ones in the order of their rows."""
    ranks = np.zeros(x.size, np.intp)
    rows = np.flatnonzero(eligible)
    ranks[rows[np.argsort(-x[rows], kind="stable")]] = np.arange(1, rows.size + 1)
    return ranks


def _within_counts(
    qualified: Mask, eligible: Mask, members: Mask, ranks: NDArray[np.intp], rules: IndexRules
) -> Mask:
    count = int(qualified.sum())
    if rules.max_count is not None and count > rules.max_count:
        # Ranked among those who qualify.
        places = np.zeros(ranks.size, np.intp)
        rows = np.flatnonzero(qualified)
        places[rows[np.argsort(ranks[rows])]] = np.arange(1, count + 1)
        none = np.zeros(qualified.size, bool)
        return _fill(none, qualified, places, members, rules.max_count, rules.rank_buffer)
    if count < rules.min_count:
        return _fill(qualified, eligible, ranks, members, rules.min_count, rules.rank_buffer)
    return qualified


def _fill(
    taken: Mask, candidates: Mask, ranks: NDArray[np.intp], members: Mask, n: int, buffer: float
) -> Mask:
    """Take candidates up to n: the inner ranks, then members within the outer ones, then by rank."""
    inner, outer = (np.floor(n * (1.0 + sign * buffer) + 1e-9) for sign in (-1.0, 1.0))
    turn = np.where(ranks <= inner, 0, np.where(members & (ranks <= outer), 1, 2))
    rows = np.flatnonzero(candidates & ~taken)
    order = rows[np.lexsort((ranks[rows], turn[rows]))]
    chosen = taken.copy()
    chosen[order[: n - int(taken.sum())]] = True
    return chosen


def _reason(
    i: int,
    x: Floats,
    lines: tuple[float, float],
    members: Mask,
    qualified: Mask,
    chosen: Mask,
    ranks: NDArray[np.intp],
    by: str,
    rules: IndexRules,
) -> str:
    enter, stay = lines
    rank = f"rank {ranks[i]} of {ranks.max()}"
    line, q = (stay, rules.stay_percentile) if members[i] else (enter, rules.enter_percentile)
    if qualified[i] and chosen[i] and x[i] >= enter:
        line, q = enter, rules.enter_percentile
    x_text, line_text = _apart(x[i], line)
    if qualified[i] and chosen[i]:
        return f"{by} {x_text} >= {line_text}, percentile {q:g}"
    if qualified[i]:
        return f"{by} {x_text}, {rank}: outside the maximum of {rules.max_count}"
    if chosen[i]:
        return f"{by} {x_text}, {rank}: fills the minimum of {rules.min_count}"
    below = f"{by} {x_text} < {line_text}, percentile {q:g}"
    # Where the minimum binds, being below the line is not enough to be out.
    return (
        f"{below}; {rank}: outside the minimum of {rules.min_count}" if (chosen & ~qualified).any() else below
    )


def _apart(x: float, line: float) -> tuple[str, str]:
    """Write two numbers with as many digits as it takes to tell them apart, but four at least."""
    for digits in (4, 6, 9, 12):
        texts = f"{x:.{digits}g}", f"{line:.{digits}g}"
        if x == line or texts[0] != texts[1]:
            return texts
    return repr(float(x)), repr(float(line))
