"""`AIInfrastructureExposure`: wires the rooms from dated tables to `Scores`; does no arithmetic of its own."""

from collections.abc import Callable, Iterator

import polars as pl

from kifactors import asof
from kifactors.calendar import DatesLike, score_dates
from kifactors.composite import combine
from kifactors.definition import FactorDefinition
from kifactors.errors import DataError, DateError
from kifactors.panel import KEY, attach, extended
from kifactors.pillars import capex_intensity, economic_exposure, index_membership, supplier_ties
from kifactors.schema import SCORES, Tables
from kifactors.scores import Scores

__all__ = ["AIInfrastructureExposure"]

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
        n_threads : int, optional
            Threads of the kernels; default the usable cores, or KIFACTORS_NUM_THREADS. Results do not depend
            on it.
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
        """
        if not isinstance(tables, Tables):
            raise DataError(
                f"tables is a {type(tables).__name__}; expected kf.Tables(fundamentals=..., ...)."
            )
        wanted = score_dates(dates)
        _check_universe(tables.universe, wanted)
        frames, diagnostics = [], []
        encoded = tables.encoded()
        for block in _blocks(encoded, wanted):
            frame, found = self._block(encoded, block, n_threads)
            frames.append(frame)
            diagnostics.append(found)
            if progress is not None:
                progress(sum(part.height for part in diagnostics), len(wanted))
        return Scores(
            pl.concat(frames),
            self.definition,
            inputs=tables.fingerprints(),
            dates=wanted.to_list(),
            diagnostics=pl.concat(diagnostics),
        )

    def _block(
        self, tables: Tables, dates: pl.Series, n_threads: int | None
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        definition = self.definition
        live = _live(tables, dates, definition)
        capex = capex_intensity(tables, live, dates, definition, n_threads=n_threads)
        earned = supplier_ties(tables, live, capex, dates, definition, n_threads=n_threads)
        panel = attach(live, capex.drop("theta"), earned.descriptors)
        panel = panel.with_columns(
            exposure=economic_exposure(pl.col("capex_to_revenue"), pl.col("ai_revenue"))
        )
        relevance = index_membership(tables, panel, dates, definition, n_threads=n_threads)
        eligible = attach(panel, relevance).filter("eligible")
        combined = combine(eligible, definition, n_threads=n_threads)
        frame = _with_tickers(combined.frame, tables.assets).select(
            pl.col(name).cast(dtype) for name, dtype in SCORES.polars.items()
        )
        return frame, _diagnostics(dates, frame, earned.convergence, combined.reasons)


def _live(tables: Tables, dates: pl.Series, definition: FactorDefinition) -> pl.DataFrame:
    """Every asset with data, and every asset of the universe, on each date; `eligible` marks the scored."""
    seen = asof.live_assets(tables, dates, time=definition.time)
    if tables.universe is None:
        return seen.with_columns(eligible=pl.lit(value=True))
    universe = tables.universe.filter(pl.col("date").is_in(dates.implode()))
    panel = extended(universe.with_columns(eligible=pl.lit(value=True)), seen)
    return panel.with_columns(pl.col("eligible").fill_null(value=False))


def _check_universe(universe: pl.DataFrame | None, dates: pl.Series) -> None:
    if universe is None:
        return
    known = universe["date"].unique()
    first = known.min()
    missing = dates.filter((dates > first) & ~dates.is_in(known.implode()))
    if len(missing):
        near = known.sort().search_sorted(missing[0]) - 1
        raise DateError(
            f"universe has no rows on {missing[0]} ({len(missing)} such date(s)); its last date before is "
            f"{known.sort()[near]}. Ask for dates of the universe, or give it rows on the score dates."
        )


def _blocks(encoded: Tables, dates: pl.Series) -> Iterator[pl.Series]:
    size = max(MIN_BLOCK_DATES, BLOCK_ROWS // max(1, _id_count(encoded)))
    for start in range(0, len(dates), size):
        yield dates[start : start + size]


def _id_count(encoded: Tables) -> int:
    dtypes = (frame.schema["asset_id"] for _, frame in encoded if "asset_id" in frame.columns)
    return max(len(dtype.categories) for dtype in dtypes if isinstance(dtype, pl.Enum))


def _with_tickers(frame: pl.DataFrame, assets: pl.DataFrame | None) -> pl.DataFrame:
    if assets is None or "ticker" not in assets.columns:
        return frame.with_columns(ticker=pl.lit(None, pl.String))
    names = assets.select(
        "asset_id",
        "ticker",
        **{
            name: pl.col(name) if name in assets.columns else pl.lit(None, pl.Date)
            for name in ("valid_from", "valid_to")
        },
    )
    holds = (pl.col("valid_from").is_null() | (pl.col("valid_from") <= pl.col("date"))) & (
        pl.col("valid_to").is_null() | (pl.col("date") < pl.col("valid_to"))
    )
    labels = (
        frame.select(KEY)
        .join(names, on="asset_id")
        .filter(holds)
        .sort(*KEY, "valid_from")
        .unique(KEY, keep="last", maintain_order=True)
        .select(*KEY, "ticker")
    )
    return attach(frame, labels)


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
