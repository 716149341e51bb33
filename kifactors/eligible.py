"""Who is scored on a date: assets of the universe, or without one every asset that something is known of."""

import polars as pl

from kifactors import asof
from kifactors.definition import FactorDefinition
from kifactors.errors import DateError
from kifactors.panel import extended
from kifactors.schema import Tables

__all__ = ["check_covered", "live_panel"]


def live_panel(tables: Tables, dates: pl.Series, definition: FactorDefinition) -> pl.DataFrame:
    """Every asset with data, and every asset of the universe, on each date; `eligible` marks the scored."""
    seen = asof.live_assets(tables, dates, time=definition.time)
    if tables.universe is None:
        return seen.with_columns(eligible=pl.lit(value=True))
    universe = _on_dates(tables.universe, dates)
    panel = extended(universe.with_columns(eligible=pl.lit(value=True)), seen)
    return panel.with_columns(pl.col("eligible").fill_null(value=False))


def _on_dates(universe: pl.DataFrame, dates: pl.Series) -> pl.DataFrame:
    """Return the rows of a sorted universe on these dates."""
    known, wanted = (days.cast(pl.Int32).to_numpy() for days in (universe["date"], dates))
    low, high = known.searchsorted([wanted[0], wanted[-1] + 1])
    rows = universe.slice(low, high - low)
    return rows if len(dates) == 1 else rows.filter(pl.col("date").is_in(dates.implode()))


def check_covered(known: pl.Series, dates: pl.Series) -> None:
    """Refuse dates that the universe has no rows on, unless they are before all of its own.

    Parameters
    ----------
    known : polars.Series
        Dates of the universe, ascending; repeats do not matter.
    dates : polars.Series
        Ascending.

    Raises
    ------
    DateError
        There is such a date.
    """
    days, wanted = (series.cast(pl.Int32).to_numpy() for series in (known, dates))
    at = days.searchsorted(wanted)
    missing = ((wanted > days[0]) & (days.take(at, mode="clip") != wanted)).nonzero()[0]
    if missing.size:
        first = int(missing[0])
        raise DateError(
            f"universe has no rows on {dates[first]} ({missing.size} such date(s)); its last date before is "
            f"{known[int(at[first]) - 1]}. Ask for dates of the universe, or give it rows on the score dates."
        )
