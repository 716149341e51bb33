"""What was last known of each asset on each row of a panel: an as-of join that knows vintages and expiry."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors import _kernels
from kifactors.asof._spells import expires, visible_from
from kifactors.errors import DataError, MissingColumnError
from kifactors.panel import KEY, code_numbers, unknown_as_null

__all__ = ["latest"]


def latest(
    facts: pl.DataFrame,
    panel: pl.DataFrame,
    columns: str | Sequence[str],
    *,
    lag_days: int = 1,
    max_age_days: int | None = None,
    n_threads: int | None = None,
) -> pl.DataFrame:
    """Return the columns of the fact that counts for each (date, asset_id) of a panel.

    Parameters
    ----------
    facts : polars.DataFrame
        ``asset_id``, ``available_at``, `columns` and, where facts describe periods, ``period_end``. In any order: of
        two vintages of one day the last given counts.
    panel : polars.DataFrame
        ``date`` (sorted) and ``asset_id``.
    columns : str or sequence of str
        What is wanted of the facts.
    lag_days : int
        Days from `available_at` to the first date that may use a fact.
    max_age_days : int, optional
        Days after its `period_end` on which a fact still counts. Absent: for ever.
    n_threads : int, optional
        Threads; the result does not depend on it.

    Returns
    -------
    polars.DataFrame
        (panel rows, columns), in the order of the panel; null where nothing was known, or has expired.

    Raises
    ------
    MissingColumnError
        A column is not there.
    DataError
        The panel is not sorted by date, a date is not a date, or `max_age_days` comes without `period_end`.

    Notes
    -----
    Of the facts with ``available_at + lag_days <= date`` the one of the latest period counts, and of its vintages
    the one with the latest `available_at` (METHODOLOGY section 2): a late vintage of an older period changes
    nothing. An expired fact is not replaced by an older one.

    Examples
    --------
    Year 2023 is reported on 1 February and restated on 1 May; in between, 2022 is restated, which is not news.

    >>> facts = pl.DataFrame({"asset_id": ["a", "a", "a"], "capex": [10.0, 7.0, 11.0],
    ...     "period_end": ["2023-12-31", "2022-12-31", "2023-12-31"],
    ...     "available_at": ["2024-02-01", "2024-03-01", "2024-05-01"],
    ... }).with_columns(pl.col("period_end", "available_at").str.to_date())
    >>> panel = pl.DataFrame({"date": ["2024-02-01", "2024-02-02", "2024-04-01", "2024-05-02"], "asset_id": ["a"] * 4})
    >>> kf.asof.latest(facts, panel.with_columns(pl.col("date").str.to_date()), "capex")["capex"].to_list()
    [None, 10.0, 10.0, 11.0]
    """
    wanted = [columns] if isinstance(columns, str) else list(columns)
    _check(facts, ("asset_id", "available_at", *wanted), "facts")
    _check(panel, KEY, "panel")
    if max_age_days is not None and "period_end" not in facts.columns:
        raise DataError("facts have no 'period_end', from which max_age_days counts. Leave max_age_days out.")
    fact_codes, codes = _coded(facts["asset_id"], panel["asset_id"])
    offsets, days = _sections(panel["date"])
    dated = facts.select(
        first=visible_from(lag_days).to_physical(),
        **({"period": pl.col("period_end").to_physical()} if "period_end" in facts.columns else {}),
        **({} if max_age_days is None else {"expires": expires(max_age_days).to_physical()}),
    )
    numeric = [name for name in wanted if facts.schema[name] == pl.Float64 and not facts[name].null_count()]
    found = _kernels.last_visible(
        offsets,
        days,
        codes,
        fact_codes,
        dated["first"].to_numpy(),
        np.array([facts[name].to_numpy() for name in numeric]).reshape(len(numeric), facts.height),
        with_facts=len(numeric) < len(wanted),
        n_threads=n_threads,
        **{f"fact_{name}": dated[name].to_numpy() for name in dated.columns[1:]},
    )
    filled = {name: unknown_as_null(name, x) for name, x in zip(numeric, found.values, strict=True)}
    return pl.DataFrame([filled.get(name, _gathered(facts[name], found.facts)) for name in wanted])


def _check(frame: pl.DataFrame, needed: Sequence[str], what: str) -> None:
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise MissingColumnError(f"{what} lacks column {missing[0]!r}; it has {frame.columns}.")
    for name in ("date", "available_at", "period_end"):
        if name in frame.columns and (frame.schema[name] != pl.Date or frame[name].null_count()):
            raise DataError(
                f"{what}: column {name!r} is {frame.schema[name]} with {frame[name].null_count()} null(s); expected "
                "dates. Cast it with .cast(pl.Date) and drop the nulls."
            )


def _coded(ids: pl.Series, others: pl.Series) -> list[NDArray[Any]]:
    """Return one number for each id, of the facts and of the panel; -1 for null or an id without facts."""
    if ids.dtype != others.dtype or not isinstance(ids.dtype, pl.Enum):
        names = pl.Enum(ids.cast(pl.String).drop_nulls().unique().sort())
        ids, others = ids.cast(pl.String).cast(names), others.cast(pl.String).cast(names, strict=False)
    return [code_numbers(one.to_physical()) for one in (ids, others)]


def _sections(dates: pl.Series) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return where each date of a panel begins, and the dates."""
    rows = dates.to_physical().to_numpy()
    starts = _kernels.day_starts(rows)
    days = rows[starts]
    if (np.diff(days) < 0).any():
        raise DataError("panel is not sorted by date. Sort it with .sort('date').")
    return np.append(starts, rows.size), days


def _gathered(column: pl.Series, facts: NDArray[np.int32]) -> pl.Series:
    """Return the values of these facts, null for those below 0."""
    places = pl.Series(facts)
    return column.gather(pl.select(pl.when(places >= 0).then(places)).to_series().cast(pl.UInt32))
