"""`build`: dated scores and rules make an index history."""

from collections.abc import Iterable
from datetime import date
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors.errors import DataError, DateError, InfeasibleError, MissingColumnError
from kifactors.index_rules._capping import capped
from kifactors.index_rules._history import CHANGES, RECONSTITUTIONS, WEIGHTS, IndexHistory
from kifactors.index_rules._membership import Day, Membership, choose
from kifactors.index_rules._rules import IndexRules
from kifactors.index_rules._turnover import Caps, Step, step_toward
from kifactors.panel import KEY
from kifactors.schema import TableLike, universe_columns
from kifactors.scores import Scores

__all__ = ["build"]

Floats = NDArray[np.float64]
NOT_THERE = {True: "no row in the universe", False: "not scored"}


def build(
    scores: Scores, rules: IndexRules, *, universe: TableLike | None = None, by: str = "exposure"
) -> IndexHistory:
    """Build an index from scores, reconstitution by reconstitution.

    Parameters
    ----------
    scores : Scores
        Monthly as a rule. Only the dates of reconstitution are looked at: the first date of all, then the first in
        each month of the rules. Which dates these are does not depend on later ones.
    rules : IndexRules
    universe : TableLike, optional
        date, asset_id and what the rules ask for: market_cap (USD, positive), free_float (in (0, 1]), industry. Who
        has no row on a date is not eligible; who lacks a number the rules need is not either. Absent: everybody who
        is scored.
    by : str
        Column of the scores that ranks; unknown values do not enter, and who becomes unknown leaves.

    Returns
    -------
    IndexHistory

    Raises
    ------
    InfeasibleError
        Fewer are eligible than `min_count`, the caps cannot hold, or a turnover limit cannot; the date and the
        smallest feasible number are named.
    MissingColumnError
        `by` is no column of the scores, or the universe lacks a column the rules ask for.
    DateError
        The universe has no row on a date of reconstitution.
    DataError
        A number of the universe is outside its range, or an asset stands in it twice on a date.

    Notes
    -----
    Only scores and universe of the date itself and the weights before it are used. Each reconstitution chooses the
    members, weights them, cuts at the caps (`redistribute`), and goes from the old weights toward these targets as
    far as `max_turnover` allows. Who left by the rules is then sold bit by bit, with the rest; who has no row any
    more, or no industry where industries are capped, is sold at once. The change log is about membership: it says
    "left" when the target becomes 0.

    Examples
    --------
    >>> scores = kf.AIInfrastructureExposure().compute(kf.load_bundled(), kf.month_ends("2026-06", "2026-09"))
    >>> index = kf.index_rules.build(scores, kf.index_rules.IndexRules(max_weight=0.2))
    >>> index.reconstitutions.select("date", "members", "joined", "left").rows()
    [(datetime.date(2026, 6, 30), 6, 6, 0), (datetime.date(2026, 9, 30), 7, 1, 0)]
    >>> index.changes[-1, "why"]
    'exposure 0.5955 >= 0.5955, percentile 80'
    """
    _check(scores, rules, by)
    dates = _reconstitution_dates(scores.dates, rules)
    days = _days(scores, rules, universe, by, dates)
    weights: dict[str, float] = {}
    members: frozenset[str] = frozenset()
    rows: dict[str, list[tuple[Any, ...]]] = {"weights": [], "reconstitutions": [], "changes": []}
    for when, day in zip(dates, days, strict=True):
        ids = day.frame["asset_id"].to_list()
        try:
            chosen = choose(day, np.array([name in members for name in ids], bool), rules)
        except InfeasibleError as error:
            raise InfeasibleError(f"{when}: {error}") from error
        now = {name for name, is_in in zip(ids, chosen.chosen, strict=True) if is_in}
        changes = _changes(members, now, ids, chosen, gone=NOT_THERE[universe is not None])
        target, step, held = _weigh(day, chosen, weights, rules, when)
        rows["changes"] += [(when, *change) for change in changes]
        rows["weights"] += [
            (when, name, w, t)
            for name, w, t in zip(held, step.weights.tolist(), target.tolist(), strict=True)
            if w > 0.0 or t > 0.0
        ]
        is_first = not weights
        rows["reconstitutions"].append(
            (
                when,
                len(now),
                len(now - members),
                len(members - now),
                None if is_first else step.turnover,
                None if is_first else step.forced,
                step.share,
                chosen.enter_line,
                chosen.stay_line,
                _mean_value(day, held, target),
            )
        )
        weights = {name: w for name, w in zip(held, step.weights.tolist(), strict=True) if w > 0.0}
        members = frozenset(now)
    frames = {
        name: pl.DataFrame(rows[name], schema=schema, orient="row")
        for name, schema in (("weights", WEIGHTS), ("reconstitutions", RECONSTITUTIONS), ("changes", CHANGES))
    }
    return IndexHistory(**frames, rules=rules)


def _check(scores: Scores, rules: IndexRules, by: str) -> None:
    if not isinstance(scores, Scores):
        raise DataError(f"scores is a {type(scores).__name__}; expected Scores.")
    if not isinstance(rules, IndexRules):
        raise DataError(f"rules is a {type(rules).__name__}; expected IndexRules.")
    frame = scores.to_polars()
    if by not in frame.columns:
        raise MissingColumnError(f"scores have no column {by!r}; take 'exposure' or 'score', say.")
    if not frame[by].dtype.is_float():
        raise DataError(f"column {by!r} is of type {frame[by].dtype}; expected numbers that rank.")


def _reconstitution_dates(dates: Iterable[date], rules: IndexRules) -> list[date]:
    """Return the first date, then the first on or after the beginning of each month of the rules.

    Examples
    --------
    >>> dates = kf.month_ends("2024-01", "2024-07")
    >>> [str(day) for day in _reconstitution_dates(dates, kf.index_rules.IndexRules())]
    ['2024-01-31', '2024-03-31', '2024-06-30']
    """
    months = sorted(rules.reconstitution_months)
    chosen: list[date] = []
    last = -1
    for day in dates:
        begun = day.year * len(months) + sum(month <= day.month for month in months)
        if begun > last:
            chosen.append(day)
            last = begun
    return chosen


def _days(
    scores: Scores, rules: IndexRules, universe: TableLike | None, by: str, dates: list[date]
) -> list[Day]:
    """Return what could be held on each date."""
    values = scores.to_polars().select(*KEY, value=by).filter(pl.col("date").is_in(dates))
    needed, optional = _needed(rules)
    if universe is None:
        if needed:
            raise MissingColumnError(
                f"the rules ask for {needed[0]!r}, and no universe is given. Pass universe= with this column."
            )
    else:
        rows = universe_columns(universe, needed, optional=optional).filter(pl.col("date").is_in(dates))
        _check_universe(rows, dates)
        values = rows.join(values, on=KEY, how="left", maintain_order="left")
    values = values.sort(KEY)
    return [Day(values.filter(pl.col("date") == when).drop("date"), by) for when in dates]


def _needed(rules: IndexRules) -> tuple[list[str], list[str]]:
    """Return the columns of the universe that the rules look at, and those they look at if they are there."""
    by_cap = rules.weighting in {"cap", "exposure_cap"}
    needed = [
        *(["market_cap"] if by_cap else []),
        *(["free_float"] if rules.min_free_float is not None else []),
        *(["industry"] if rules.max_industry_weight is not None else []),
    ]
    return needed, ["free_float"] if by_cap and "free_float" not in needed else []


def _check_universe(rows: pl.DataFrame, dates: list[date]) -> None:
    missing = sorted(set(dates) - set(rows["date"].to_list()))
    if missing:
        raise DateError(
            f"the universe has no row on {missing[0]}, a date of reconstitution ({len(missing)} such date(s))."
        )
    twice = rows.filter(rows.select(KEY).is_duplicated())
    if twice.height:
        raise DataError(
            f"the universe has asset {twice['asset_id'][0]!r} twice on {twice['date'][0]}; expected one row per date "
            "and asset."
        )
    for name, most in (("market_cap", np.finfo(float).max), ("free_float", 1.0)):
        if name not in rows.columns:
            continue
        wrong = rows.filter(~((pl.col(name) > 0.0) & (pl.col(name) <= most)))
        if wrong.height:
            raise DataError(
                f"{name} of {wrong['asset_id'][0]!r} on {wrong['date'][0]} is {wrong[name][0]}; expected a finite "
                f"number above 0{' and at most 1' if most == 1.0 else ''}, null where unknown."
            )


def _changes(
    before: frozenset[str], now: set[str], ids: list[str], found: Membership, *, gone: str
) -> list[tuple[str, str, str]]:
    why = dict(zip(ids, found.why, strict=True))
    moves = [(name, "joined") for name in now - before] + [(name, "left") for name in before - now]
    return [(name, change, why.get(name, gone)) for name, change in sorted(moves)]


def _weigh(
    day: Day, chosen: Membership, old: dict[str, float], rules: IndexRules, when: date
) -> tuple[Floats, Step, list[str]]:
    """Return the targets, the step toward them, and whose they are."""
    there = day.frame["asset_id"].to_list()
    picked = day.frame.filter(pl.Series(chosen.chosen))
    codes = _industries(day, rules)
    targets = dict(
        zip(
            picked["asset_id"].to_list(),
            capped(
                _shares(picked, rules),
                max_weight=rules.max_weight,
                industries=None if codes is None else _dense(codes[chosen.chosen]),
                max_industry_weight=rules.max_industry_weight,
                where=f"{when}: ",
            ).tolist(),
            strict=True,
        )
    )
    held = sorted(targets.keys() | old.keys())
    code_of = dict.fromkeys(there, 0) if codes is None else dict(zip(there, codes.tolist(), strict=True))
    target = np.array([targets.get(name, 0.0) for name in held])
    industries = np.array([code_of.get(name, -1) for name in held], np.intp)
    # Whose industry is unknown cannot be held within a cap.
    must_leave = industries < 0
    industries[must_leave] = 0
    cap = np.inf if rules.max_industry_weight is None else rules.max_industry_weight
    caps = Caps(
        np.full(len(held), rules.max_weight), industries, np.full(int(industries.max(initial=0)) + 1, cap)
    )
    if not old:
        return target, Step(target, 1.0, 0.0, 0.0), held
    step = step_toward(
        np.array([old.get(name, 0.0) for name in held]),
        target,
        limit=rules.max_turnover,
        must_leave=must_leave,
        caps=caps,
        may_exceed=rules.forced_turnover == "exceed",
        where=f"{when}: ",
    )
    return target, step, held


def _shares(picked: pl.DataFrame, rules: IndexRules) -> Floats:
    """Return what weights before caps are in proportion to."""
    x = np.ones(picked.height)
    if rules.weighting in {"exposure_cap", "score"}:
        x = x * picked["value"].to_numpy()
    if rules.weighting in {"cap", "exposure_cap"}:
        x = x * picked["market_cap"].to_numpy()
        if "free_float" in picked.columns:
            x = x * picked["free_float"].to_numpy()
    return x


def _industries(day: Day, rules: IndexRules) -> NDArray[np.intp] | None:
    """Return the code of each asset's industry, -1 where unknown; None without a cap on it."""
    if rules.max_industry_weight is None:
        return None
    names = day.frame["industry"].cast(pl.String)
    code = {name: k for k, name in enumerate(sorted(names.drop_nulls().unique()))}
    return np.array([-1 if name is None else code[name] for name in names], np.intp)


def _dense(codes: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.unique(codes, return_inverse=True)[1].astype(np.intp)


def _mean_value(day: Day, held: list[str], target: Floats) -> float:
    value = dict(day.frame.select("asset_id", "value").iter_rows())
    return float(sum(w * value[name] for name, w in zip(held, target.tolist(), strict=True) if w > 0.0))
