"""Bring a store up to date: the dates it lacks, in one commit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from kifactors.calendar import DatesLike, score_dates
from kifactors.continuation import known_past
from kifactors.definition import FactorDefinition
from kifactors.errors import DataError
from kifactors.factor import AIInfrastructureExposure
from kifactors.parts import of_dates, together
from kifactors.schema import Tables
from kifactors.scores import Scores
from kifactors.store._store import ScoreStore

__all__ = ["Updated", "update_store"]


@dataclass(frozen=True, slots=True)
class Updated:
    """What `update_store` did.

    version : the latest version of the store.
    dates : what was computed, ascending; empty if nothing was missing.
    """

    version: int
    dates: tuple[date, ...]


def update_store(
    store: ScoreStore,
    tables: Tables,
    dates: DatesLike,
    *,
    definition: FactorDefinition | None = None,
    restate: str | None = None,
    n_threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Updated:
    """Compute the dates that a store lacks and append them in one commit; the same call again does nothing.

    Parameters
    ----------
    store : ScoreStore
        Made if it is not there.
    tables : Tables
        The inputs as they are now.
    dates : iterable of date or ISO text, or polars.Series
        Dates that the store should have, strictly ascending; those it has are left alone.
    definition : FactorDefinition, optional
        Absent: that of the store, or the default one for a new store.
    restate : str, optional
        A reason: compute all of `dates` anew and write those that differ; earlier versions keep the earlier rows.
        Needed when the tables tell another past than the one the scores were made from.
    n_threads, progress
        As for `AIInfrastructureExposure.compute`.

    Returns
    -------
    Updated

    Raises
    ------
    StaleScoresError
        The definition is not that of the store; or, when later dates are to be added, the release or the past that
        the tables tell is another one than that of its last date.
    ConflictError
        Another job wrote other scores for one of the dates meanwhile.
    DateError, DataError
        As for `compute` and `ScoreStore.append`.

    Examples
    --------
    >>> import tempfile
    >>> store, tables = kf.open_store(tempfile.mkdtemp() + "/scores"), kf.load_bundled()
    >>> kf.update_store(store, tables, ["2026-08-31", "2026-09-30"]).version
    1
    >>> kf.update_store(store, tables, ["2026-08-31", "2026-09-30", "2026-10-31"])
    Updated(version=2, dates=(datetime.date(2026, 10, 31),))
    >>> kf.update_store(store, tables, ["2026-08-31", "2026-09-30", "2026-10-31"]).dates
    ()
    """
    wanted = score_dates(dates).to_list()
    if restate is not None and not restate:
        raise DataError("restate is an empty text. Give the reason, like 'filing of 2 May corrected'.")
    if not store.exists():
        scores = AIInfrastructureExposure(definition).compute(
            tables, wanted, n_threads=n_threads, progress=progress
        )
        return Updated(store.append(scores), tuple(wanted))
    factor = AIInfrastructureExposure(store.definition if definition is None else definition)
    held = store.dates()
    missing = wanted if restate is not None else [day for day in wanted if day not in set(held)]
    if not missing:
        return Updated(store.version, ())
    if restate is not None or not held:
        scores = factor.compute(tables, missing, n_threads=n_threads, progress=progress)
    else:
        scores = _continued(store.scores(held[-1]), factor, tables, missing, n_threads, progress)
    before = store.version
    version = store.append(scores, restate=restate is not None, reason=restate)
    changed = set(store.diff(before, version)["date"]) | (set(missing) - set(held))
    return Updated(version, tuple(day for day in missing if day in changed))


def _continued(
    last: Scores,
    factor: AIInfrastructureExposure,
    tables: Tables,
    missing: Sequence[date],
    n_threads: int | None,
    progress: Callable[[int, int], None] | None,
) -> Scores:
    """Compute dates before and after the last one of a store, from the past it was made from."""
    known_past(last, factor.definition, tables)
    between = [day for day in missing if day < last.dates[-1]]
    later = missing[len(between) :]
    done = [0]

    def report(dates: int, _: int) -> None:
        if progress is not None:
            progress(done[0] + dates, len(missing))

    parts = []
    if between:
        parts.append(factor.compute(tables, between, n_threads=n_threads, progress=report))
        done[0] = len(between)
    if later:
        scores = factor.update(last, tables, later, n_threads=n_threads, progress=report)
        parts.append(of_dates(scores, set(later)))
    return together(parts)
