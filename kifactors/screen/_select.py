"""Evaluation of a condition: lazily, a few dates at a time, with a reason for everybody who fails."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from kifactors._kernels import thread_count
from kifactors.cross_section import date_offsets
from kifactors.errors import DataError, MissingColumnError
from kifactors.panel import KEY
from kifactors.schema import SCORES, TableLike, universe_columns
from kifactors.scores import Scores
from kifactors.screen._conditions import Condition, Day

__all__ = ["select"]

# Rows that are judged at a time; what is needed for them beside the output stays small.
BLOCK_ROWS = 250_000


def select(
    scores: Scores,
    condition: Condition,
    *,
    universe: TableLike | None = None,
    n_threads: int | None = None,
) -> pl.LazyFrame:
    """Return who passes a condition on every date, and why the others do not.

    Parameters
    ----------
    scores : Scores
    condition : Condition
        Made from `screen.factor`, `screen.classifier` and the ready ones: `exposure`, `score`, `coverage`, `role`,
        `industry`, `market_cap`.
    universe : TableLike, optional
        date, asset_id and the columns a condition names that scores do not have: industry, market_cap, a traded
        volume. One row per date and asset; what it does not have is unknown, and so is NaN.
    n_threads : int, optional
        Threads that judge; default the usable cores, or KIFACTORS_NUM_THREADS. Results do not depend on it.

    Returns
    -------
    polars.LazyFrame
        (date, asset_id, selected, reason), a row per scored asset and date; reason (an Enum) is null for the
        selected. A filter on it is applied block by block, so that what is not wanted is never held.

    Raises
    ------
    MissingColumnError
        A condition names a column that neither has.
    DataError
        The universe has two rows of one date and asset; a column is of another kind.

    Examples
    --------
    >>> scores = kf.AIInfrastructureExposure().compute(kf.load_bundled(), ["2026-10-31"])
    >>> screen = kf.screen
    >>> wanted = screen.exposure.top(3, mask=screen.role.element_of(["tool_supplier"])) & (screen.coverage >= 0.5)
    >>> found = screen.select(scores, wanted).collect()
    >>> found.filter("selected").join(scores.to_polars(), on=["date", "asset_id"])["ticker"].sort().to_list()
    ['LITE', 'NVDA', 'WDC']
    """
    if not isinstance(scores, Scores):
        raise DataError(f"scores is a {type(scores).__name__}; expected Scores.")
    if not isinstance(condition, Condition):
        raise DataError(
            f"condition is a {type(condition).__name__}; expected one of kifactors.screen, screen.exposure.top(30) say."
        )
    frame, others = scores.to_polars(), _others(condition, universe)
    reasons = [reason.text for reason in condition.reasons]
    if len(reasons) >= np.iinfo(np.uint16).max:
        raise DataError(
            f"the condition has {len(reasons)} different reasons to fail; take fewer alternatives."
        )
    kind = pl.Enum([*dict.fromkeys(reasons)])
    # By code; 0 is no reason. Reasons of two parts of a condition may read alike.
    reason = pl.Series([None, *reasons], dtype=kind)
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        "date": pl.Date,
        "asset_id": pl.String,
        "selected": pl.Boolean,
        "reason": kind,
    }

    def judged(rows: pl.DataFrame) -> pl.DataFrame:
        day = Day(rows if others is None else _with(rows, others, condition), date_offsets(rows))
        codes = condition.judge(day)
        return rows.select(KEY).with_columns(
            selected=pl.Series(codes == 0), reason=reason.gather(pl.Series(codes))
        )

    def source(
        columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        del batch_size
        for found in _ahead(judged, _blocks(frame), thread_count(n_threads)):
            if n_rows is not None:
                # Of the rows that are judged, before any is filtered out: as head(n).filter(...) says.
                found = found.head(n_rows)
                n_rows -= found.height
            if predicate is not None:
                found = found.filter(predicate)
            yield found if columns is None else found.select(columns)
            if n_rows == 0:
                return

    return register_io_source(source, schema=schema, is_pure=True)


def _others(condition: Condition, universe: TableLike | None) -> pl.DataFrame | None:
    """Return the columns that only the universe has, sorted by date."""
    wanted = sorted(condition.columns - set(SCORES.polars))
    if not wanted:
        return None
    if universe is None:
        raise MissingColumnError(
            f"a condition asks for {wanted[0]!r}; scores have no such column and no universe is given. Pass universe= "
            "with this column."
        )
    found = universe_columns(universe, wanted)
    return found if found["date"].is_sorted() else found.sort("date")


def _with(rows: pl.DataFrame, others: pl.DataFrame, condition: Condition) -> pl.DataFrame:
    """Add the universe's columns to rows of the scores."""
    rows = rows.select(
        *KEY, *(name for name in condition.columns if name in rows.columns and name not in KEY)
    )
    first, last = rows["date"][0], rows["date"][-1]
    there = others[others["date"].search_sorted(first, "left") : others["date"].search_sorted(last, "right")]
    if all(rows[name].equals(there[name]) for name in KEY):
        return rows.hstack(there.drop(KEY).get_columns())
    twice = there.filter(there.select(KEY).is_duplicated())
    if twice.height:
        raise DataError(
            f"the universe has asset {twice['asset_id'][0]!r} twice on {twice['date'][0]}; expected one row per date "
            "and asset."
        )
    return rows.join(there, on=KEY, how="left", maintain_order="left")


def _ahead(
    work: Callable[[pl.DataFrame], pl.DataFrame], blocks: Iterator[pl.DataFrame], threads: int
) -> Iterator[pl.DataFrame]:
    """Yield the results in order, while as many more as there are threads are being made."""
    if threads == 1:
        yield from map(work, blocks)
        return
    pool = ThreadPoolExecutor(threads)
    try:
        # One at once: whoever wants a few rows waits for no more.
        waiting = deque(pool.submit(work, block) for block in islice(blocks, 1))
        while waiting:
            found = waiting.popleft().result()
            waiting.extend(pool.submit(work, block) for block in islice(blocks, threads - len(waiting)))
            yield found
    finally:
        # Whoever has enough does not wait for the rest; it may even end in a thread of this pool.
        pool.shutdown(wait=False, cancel_futures=True)


def _blocks(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Cut a frame between dates."""
    offsets = date_offsets(frame)
    begin = 0
    for k in range(1, offsets.size):
        if offsets[k] - begin >= BLOCK_ROWS or k == offsets.size - 1:
            yield frame[int(begin) : int(offsets[k])]
            begin = offsets[k]
