"""`AIInfrastructureExposure`: wires the rooms from dated tables to `Scores`; does no arithmetic of its own."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import TYPE_CHECKING

import polars as pl

from kifactors import _kernels, asof
from kifactors.calendar import DatesLike, score_dates
from kifactors.composite import Combined, combine
from kifactors.continuation import known_past, later_dates
from kifactors.definition import FactorDefinition
from kifactors.eligible import check_covered, live_panel
from kifactors.engine import Runner, month_ranges, progress_of, runner_of, tasks_for
from kifactors.errors import DataError
from kifactors.labels import with_tickers
from kifactors.panel import attach
from kifactors.pillars import (
    SupplierTieDescriptors,
    capex_intensity,
    economic_exposure,
    index_membership,
    supplier_ties,
)
from kifactors.schema import SCORES, Tables
from kifactors.scores import Scores

if TYPE_CHECKING:
    import distributed

__all__ = ["AIInfrastructureExposure", "pillars_and_composite"]

# Dates are worked on in blocks of about this many rows, which bounds the memory above inputs and output.
BLOCK_ROWS = 750_000
MIN_BLOCK_DATES = 12


class AIInfrastructureExposure:
    """The AI infrastructure exposure factor of one definition.

    Parameters
    ----------
    definition : FactorDefinition, optional
        Absent: the default definition of METHODOLOGY.

    Examples
    --------
    >>> tables = kf.load_bundled()
    >>> scores = kf.AIInfrastructureExposure().compute(tables, dates=["2026-10-31"])
    >>> scores.top(3).select("ticker", pl.col("exposure").round(3), "role").rows()
    [('ORCL', 0.8, 'pioneer'), ('NVDA', 0.738, 'tool_supplier'), ('WDC', 0.712, 'tool_supplier')]
    """

    __slots__ = ("definition",)

    def __init__(self, definition: FactorDefinition | None = None) -> None:
        if definition is not None and not isinstance(definition, FactorDefinition):
            raise DataError(
                f"definition is a {type(definition).__name__}; expected a FactorDefinition. "
                "Read a file with FactorDefinition.read(path)."
            )
        self.definition = FactorDefinition() if definition is None else definition

    def __repr__(self) -> str:
        return f"AIInfrastructureExposure({self.definition.fingerprint()[:8]})"

    def compute(
        self,
        tables: Tables,
        dates: DatesLike,
        *,
        engine: "distributed.Client | str | None" = None,
        n_threads: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Scores:
        """Score every eligible asset on every date, from what was known on that date.

        Parameters
        ----------
        tables : Tables
            The inputs. With a `universe`, its assets of a date are scored; else every asset with a visible,
            unexpired row in any table (as supplier, not as customer) or a live index membership.
        dates : iterable of date or ISO text, or polars.Series
            Strictly ascending. A date before any data gives no rows.
        engine : "threads", "processes", distributed.Client or the address of a Dask scheduler, optional
            Where ranges of dates are computed; default here, on threads. Results do not depend on it, bit for bit.
            ``"processes"`` starts one for each usable core, or as many as KIFACTORS_NUM_THREADS says; a Dask
            cluster (extra ``cluster``) runs what lost workers left again. Every worker holds `tables`, and all rows
            come back here: more than fit into memory belong in a store, see `kifactors.store.ScoreStore.compute`.
        n_threads : int, optional
            Threads of the kernels; default the usable cores, or KIFACTORS_NUM_THREADS; in other processes 1. Results
            do not depend on it.
        progress : callable, optional
            Called with (dates done, dates in all).

        Returns
        -------
        Scores

        Raises
        ------
        DateError
            Dates are empty, unsorted or not dates, or the universe has no rows on one of them.
        DataError
            `tables` is not a `Tables`; money in two currencies meets without a rate.
        EngineError
            There is no such engine, the client is closed, workers have other versions or died again and again.
        MissingExtraError
            `engine` is an address and distributed is not installed.

        Notes
        -----
        Memory: dates are worked on in blocks of 750,000 rows, a row for each date and each asset that any table
        names, and of 12 dates at least. However many dates there are, the peak above inputs and output is at most

        - 350 bytes for each row of a block, 260 MB,
        - 200 bytes for each reported fact,
        - 150 bytes for each row in force on the dates of a block, in the table that has most of them: ties,
          memberships, AI shares of revenue or guidance,
        - 64 MB, most of it code that is loaded once.

        Typically it is half of that. The output takes 200 bytes a row. Codes of ids and industries, 3 to 8 bytes for
        each row of the universe, stay with `tables`. Pages that are free again, which allocators keep for about a
        second, come on top.
        """
        _check_tables(tables)
        wanted = score_dates(dates)
        runner = runner_of(engine, n_threads=n_threads)
        if tables.universe is not None:
            check_covered(tables.universe["date"], wanted)
        with _kernels.using_threads(n_threads):
            if runner.is_local:
                frame, diagnostics = self.frames(tables, wanted, n_threads=n_threads, progress=progress)
            else:
                frame, diagnostics = self._frames_by(runner, tables, wanted, n_threads or 1, progress)
            return self._scores(frame, diagnostics, wanted, tables)

    def frames(
        self,
        tables: Tables,
        dates: pl.Series,
        *,
        n_threads: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Score dates without provenance: what tasks do with their part of the dates.

        Parameters
        ----------
        tables : Tables
            As for `compute`; of the universe, rows of other dates may be left out.
        dates : polars.Series
            What `kifactors.calendar.score_dates` returned.
        n_threads, progress
            As for `compute`.

        Returns
        -------
        scores, diagnostics : polars.DataFrame
            The same bits that `compute` has for these dates, whatever dates are computed with them.
        """
        encoded, total = tables.encoded(), progress_of(progress, len(dates))
        parts = []
        for block in _blocks(encoded, dates):
            parts.append(self._block(encoded, block, n_threads))
            total(len(block))
        return _stacked(parts)

    def update(
        self,
        scores: Scores,
        tables: Tables,
        new_dates: DatesLike,
        *,
        n_threads: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Scores:
        """Append later dates to scores: the same bits as `compute` on all dates, for the work of the new ones.

        Parameters
        ----------
        scores : Scores
            What `compute`, `update` or `read_scores` returned; they stay as they are.
        tables : Tables
            The inputs of the scores and whatever appeared since: rows that could not be used by the last
            computed date, restatements among them, dates of the universe, ends of memberships that were open.
        new_dates : iterable of date or ISO text, or polars.Series
            Strictly ascending, all after the last computed date.
        n_threads, progress
            As for `compute`; progress counts new dates.

        Returns
        -------
        Scores
            All dates. Labels are those of the names in `tables`, for the earlier dates as well.

        Raises
        ------
        StaleScoresError
            The definition, the release or the history differs from what made the scores (they carry digests of what
            was known by their last date); the message says in which parameter, or in which table and since when.
            Compute all dates again.
        DateError
            A new date is not after the last computed one, or what `compute` says.
        DataError
            As for `compute`.

        Notes
        -----
        Bits are those of a full run with the same versions of polars and numpy on the same kind of machine.

        The work does not grow with the number of computed dates, but for the digests of the tables, which a
        `Tables` finds once and keeps. Earlier rows are shared, not copied; they are labelled again only if names
        changed.

        Examples
        --------
        Capex is 30 of revenue 100 in 2023, restated to 40 on 1 March 2024; half is AI: 0.5 * 30 / 100 in January,
        0.5 * 40 / 100 in March.

        >>> from datetime import date
        >>> facts = pl.DataFrame({
        ...     "asset_id": "a", "metric": ["capex", "revenue", "capex"], "value": [30e6, 1e8, 40e6],
        ...     "period_start": date(2023, 1, 1), "period_end": date(2023, 12, 31), "currency": "USD",
        ...     "available_at": [date(2024, 1, 15), date(2024, 1, 15), date(2024, 3, 1)]})
        >>> theta = {"asset_id": ["a"], "share": [0.5], "available_at": [date(2023, 1, 1)], "provenance": ["assumed"]}
        >>> factor = kf.AIInfrastructureExposure()
        >>> january = factor.compute(kf.Tables(fundamentals=facts[:2], ai_capex_share=theta), ["2024-01-31"])
        >>> both = factor.update(january, kf.Tables(fundamentals=facts, ai_capex_share=theta), ["2024-03-31"])
        >>> both.to_polars()["exposure"].to_list()
        [0.15, 0.2]

        A restatement that claims to have been known all along would have changed January:

        >>> edited = facts.filter(pl.col("value") != 30e6).with_columns(available_at=date(2024, 1, 15))
        >>> factor.update(january, kf.Tables(fundamentals=edited, ai_capex_share=theta), ["2024-03-31"])
        Traceback (most recent call last):
            ...
        kifactors.errors.StaleScoresError: the tables tell another past than the one these scores were made
        from, as known on 2024-01-31: fundamentals differs in what could first be used in 2024 (2 rows, not the
        same ones). Compute all dates again; rows that came late or were corrected belong beside the old ones,
        dated by the day they arrived.
        """
        _check_tables(tables)
        if not isinstance(scores, Scores):
            raise DataError(
                f"scores is a {type(scores).__name__}; expected Scores. Read a file with kf.read_scores."
            )
        wanted = later_dates(scores, new_dates)
        with _kernels.using_threads(n_threads):
            past = known_past(scores, self.definition, tables)
            if tables.universe is not None:
                check_covered(tables.universe["date"], wanted)
            reached = asof.within_reach(tables, wanted, time=self.definition.time)
            frame, diagnostics = self.frames(reached, wanted, n_threads=n_threads, progress=progress)
            earlier = scores.to_polars()
            if scores.history is not None and not past.same_names(scores.history):
                earlier = _scores_columns(with_tickers(earlier.drop("ticker"), tables.assets))
            return self._scores(
                pl.concat([earlier, frame]),
                pl.concat([scores.diagnostics, diagnostics]),
                pl.concat([pl.Series(scores.dates, dtype=pl.Date), wanted]),
                tables,
            )

    def _frames_by(
        self,
        runner: Runner,
        tables: Tables,
        dates: pl.Series,
        n_threads: int,
        progress: Callable[[int, int], None] | None,
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        done = progress_of(progress, len(dates))
        parts = {}
        with runner.sharing(tables) as crew:
            ranges = month_ranges(dates.to_list(), tasks_for(runner.workers))
            for place, part in crew.run(_of_range, [(self, days, n_threads) for days in ranges]):
                parts[place] = part
                done(len(ranges[place]))
        return _stacked([parts[place] for place in range(len(ranges))])

    def _scores(
        self, frame: pl.DataFrame, diagnostics: pl.DataFrame, dates: pl.Series, tables: Tables
    ) -> Scores:
        return Scores(
            frame,
            self.definition,
            inputs=tables.fingerprints(),
            dates=dates.to_list(),
            diagnostics=diagnostics,
            history=asof.known_history(tables, dates[-1], time=self.definition.time),
        )

    def _block(
        self, tables: Tables, dates: pl.Series, n_threads: int | None
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        _, earned, combined = pillars_and_composite(tables, dates, self.definition, n_threads=n_threads)
        frame = _scores_columns(with_tickers(combined.frame, tables.assets))
        return frame, _diagnostics(dates, frame, earned.convergence, combined.reasons)


def _of_range(
    tables: Tables, task: tuple[AIInfrastructureExposure, list[date], int]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Score one range of dates, on a worker."""
    factor, days, n_threads = task
    with _kernels.using_threads(n_threads):
        return factor.frames(tables, score_dates(days), n_threads=n_threads)


def _stacked(parts: list[tuple[pl.DataFrame, pl.DataFrame]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    frames, diagnostics = zip(*parts, strict=True)
    return pl.concat(frames), pl.concat(diagnostics)


def pillars_and_composite(
    tables: Tables, dates: pl.Series, definition: FactorDefinition, *, n_threads: int | None = None
) -> tuple[pl.DataFrame, SupplierTieDescriptors, Combined]:
    """Return everybody live, pillar B and the composite on a few dates, with the columns that scores leave out.

    Parameters
    ----------
    tables : Tables
        Encoded or not.
    dates : polars.Series
        Ascending score dates.
    definition : FactorDefinition
    """
    live = live_panel(tables, dates, definition)
    capex = capex_intensity(tables, live, dates, definition, n_threads=n_threads)
    earned = supplier_ties(tables, live, capex, dates, definition, n_threads=n_threads)
    panel = attach(live, capex.drop("theta"), earned.descriptors)
    panel = panel.with_columns(exposure=economic_exposure(pl.col("capex_to_revenue"), pl.col("ai_revenue")))
    relevance = index_membership(tables, panel, dates, definition, n_threads=n_threads)
    panel = attach(panel, relevance)
    combined = combine(panel.filter("eligible"), definition, n_threads=n_threads)
    return panel, earned, combined


def _check_tables(tables: Tables) -> None:
    if not isinstance(tables, Tables):
        raise DataError(f"tables is a {type(tables).__name__}; expected kf.Tables(fundamentals=..., ...).")


def _scores_columns(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(pl.col(name).cast(dtype) for name, dtype in SCORES.polars.items())


def _blocks(encoded: Tables, dates: pl.Series) -> Iterator[pl.Series]:
    codes = encoded.fundamentals["asset_id"].dtype  # type: ignore[index]
    ids = len(codes.categories) if isinstance(codes, pl.Enum) else 0
    size = max(MIN_BLOCK_DATES, BLOCK_ROWS // max(1, ids))
    for start in range(0, len(dates), size):
        yield dates[start : start + size]


def _diagnostics(
    dates: pl.Series, frame: pl.DataFrame, convergence: pl.DataFrame, reasons: pl.DataFrame
) -> pl.DataFrame:
    counted = frame.group_by("date").agg(assets=pl.len(), known=pl.col("exposure").count())
    out = dates.to_frame("date")
    for part in (counted, convergence, reasons):
        out = out.join(part, on="date", how="left", maintain_order="left")
    return out.with_columns(
        pl.col("assets", "known", "tie_sweeps").fill_null(0).cast(pl.Int64),
        pl.col("tie_error_bound").fill_null(0.0),
        pl.col("neutral_score").fill_null("no assets"),
    )
