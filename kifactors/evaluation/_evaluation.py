"""`Evaluation`: the frozen result, every part a polars frame."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import polars as pl

__all__ = ["FRAMES", "Evaluation"]

if TYPE_CHECKING:
    from os import PathLike
    from pathlib import Path

    from kifactors.evaluation.tearsheet import Plots

_D, _N, _I, _T = pl.Date, pl.Float64, pl.Int64, pl.String
FRAMES: Mapping[str, Mapping[str, Any]] = {
    "ic": {"date": _D, "horizon": _I, "names": _T, "group": _T, "n": _I, "pearson": _N, "spearman": _N, "reason": _T},
    "ic_summary": {
        "horizon": _I, "names": _T, "method": _T, "dates": _I, "mean": _N, "std": _N, "icir": _N, "t_hac": _N,
        "p_hac": _N, "lag": _I, "t_plain": _N, "low": _N, "high": _N, "dates_apart": _I, "mean_apart": _N,
        "t_apart": _N, "share_positive": _N,
    },
    "ic_by_group": {
        "horizon": _I, "group": _T, "names": _T, "method": _T, "dates": _I, "names_median": _N, "mean": _N, "t_hac": _N,
        "p_hac": _N, "lag": _I,
    },
    "decay": {"month": _I, "names": _T, "method": _T, "dates": _I, "mean": _N, "low": _N, "high": _N},
    "portfolios": {
        "date": _D, "horizon": _I, "weighting": _T, "portfolio": _T, "n": _I, "mean": _N, "reason": _T,
    },
    "portfolio_summary": {
        "horizon": _I, "weighting": _T, "portfolio": _T, "dates": _I, "rows": _I, "mean_of_means": _N, "pooled_mean": _N,
    },
    "spreads": {"date": _D, "horizon": _I, "weighting": _T, "spread": _T, "value": _N},
    "spread_summary": {
        "horizon": _I, "weighting": _T, "spread": _T, "dates": _I, "mean": _N, "t_hac": _N, "p_hac": _N, "lag": _I,
        "low": _N, "high": _N,
    },
    "strategies": {
        "date": _D, "exit": _D, "weighting": _T, "portfolio": _T, "n": _I, "value": _N, "cumulative": _N,
        "drawdown": _N, "turnover": _N, "reason": _T,
    },
    "strategy_summary": {
        "weighting": _T, "portfolio": _T, "periods": _I, "mean": _N, "annualized": _N, "volatility": _N, "sharpe": _N,
        "max_drawdown": _N, "turnover": _N, "break_even_cost": _N, "t_hac": _N,
    },
    "factor_returns": {"date": _D, "exit": _D, "factor": _T, "value": _N, "t": _N, "n": _I, "r2": _N, "reason": _T},
    "factor_summary": {
        "factor": _T, "periods": _I, "mean": _N, "annualized": _N, "t_fm": _N, "t_shanken": _N, "lag": _I,
        "share_above_2": _N, "correlation_market": _N, "beta_market": _N,
    },
    "stability": {
        "date": _D, "n": _I, "exposed": _I, "coverage": _N, "rank_autocorrelation": _N, "top_turnover": _N,
    },
    "stability_summary": {"rank_autocorrelation": _N, "top_turnover": _N, "days_between": _N, "half_life_days": _N},
    "periods": {
        "from": _D, "to": _D, "names": _T, "dates": _I, "ic_mean": _N, "ic_t": _N, "spread_mean": _N, "spread_t": _N,
    },
    "members": {"asset_id": _T, "ticker": _T, "role": _T, "value": _N, "coverage": _N},
    "dropped_counts": {"horizon": _I, "reason": _T, "rows": _I},
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Evaluation:
    """What scores were followed by, with everything that is needed to doubt it.

    Each attribute is a polars frame with the columns of ``kifactors.evaluation.FRAMES``; unknown numbers are null.
    Returns are fractions, horizons sessions from the entry, which is strictly after the score date.

    Parameters
    ----------
    ic : polars.DataFrame
        Information coefficients per date, horizon and set of names: "universe" is everybody whose value is known,
        "exposed" those whose exposure is above `exposed_above`. group is null for all of them together.
    ic_summary : polars.DataFrame
        Their means through time: plain t, Newey-West t and a p that allows for days that dates share, the interval of
        a stationary bootstrap, and the same on dates so far apart that no returns overlap.
    ic_by_group : polars.DataFrame
        Mean, Newey-West t and p of the coefficients within each group, and how many names they are of at the median of
        all dates; empty without `by`.
    decay : polars.DataFrame
        Mean IC with the return of each month after the entry alone, of 21 sessions.
    portfolios, portfolio_summary, spreads, spread_summary : polars.DataFrame
        Mean forward returns of quantile portfolios ("1" is the lowest) and of exposed and unexposed names; who has no
        known exposure is neither. Through time mean_of_means counts every date alike and pooled_mean every row.
    strategies, strategy_summary : polars.DataFrame
        The same portfolios held from the entry of one score date to that of the next, with drawdown, one-way turnover
        (drift included) and the break-even cost. A portfolio of nobody is cash: value is null, it grows by nothing,
        and selling or buying all of it again is a turnover of 0.5, that of a spread both sides. periods, mean and
        t_hac are of the periods that are not cash; annualized, volatility, sharpe and break_even_cost of all from the
        first one held. After a loss of everything cumulative stays at -1. reason says why a value is null.
    factor_returns, factor_summary : polars.DataFrame
        Cross-sectional regressions of those period returns on what was known at their beginning.
    stability, stability_summary, periods : polars.DataFrame
        How the ranking persists; the main figures by calendar year: the spread is that of quantiles, and of exposed
        less unexposed names where the column is the exposure.
    members : polars.DataFrame
        Who is exposed on the last score date.
    dropped : polars.LazyFrame
        (date, asset_id, horizon, reason) of every scored row that has no return; horizon is null for the period to
        the next score date. Made when it is collected, or the evaluation is pickled: it may be as long as the scores.
    dropped_counts : polars.DataFrame
        How many, by horizon and reason.
    limits : tuple of str
        What could be wrong, the gravest first.
    settings : mapping
        What was asked for, and what came of it: overlap says how many later dates at most are entered before the
        shortest horizon of one ends.
    """

    ic: pl.DataFrame
    ic_summary: pl.DataFrame
    ic_by_group: pl.DataFrame
    decay: pl.DataFrame
    portfolios: pl.DataFrame
    portfolio_summary: pl.DataFrame
    spreads: pl.DataFrame
    spread_summary: pl.DataFrame
    strategies: pl.DataFrame
    strategy_summary: pl.DataFrame
    factor_returns: pl.DataFrame
    factor_summary: pl.DataFrame
    stability: pl.DataFrame
    stability_summary: pl.DataFrame
    periods: pl.DataFrame
    members: pl.DataFrame
    dropped: pl.LazyFrame
    dropped_counts: pl.DataFrame
    limits: tuple[str, ...]
    settings: Mapping[str, Any]

    def summary(self) -> pl.DataFrame:
        """Return the main figures, one a row: metric, value, low, high, t, note."""
        from kifactors.evaluation._summary import summary_of

        return summary_of(self)

    @property
    def plot(self) -> "Plots":
        """Pictures, one method each: ``evaluation.plot.ic()`` returns matplotlib axes (extra ``report``)."""
        from kifactors.evaluation.tearsheet import Plots

        return Plots(self)

    def to_html(self, path: "str | PathLike[str]", *, title: str | None = None) -> "Path":
        """Write the tear sheet: one HTML file that needs nothing else (extra ``report``)."""
        from kifactors.evaluation.tearsheet import write_html

        return write_html(self, path, title=title)

    def __reduce__(self) -> tuple[object, ...]:
        # Neither a query with a function of ours nor a read-only view can be pickled.
        parts = {one.name: getattr(self, one.name) for one in fields(self)}
        parts |= {"dropped": self.dropped.collect(), "settings": dict(self.settings)}
        return _rebuilt, (parts,)

    def __repr__(self) -> str:
        return f"Evaluation of {self.settings['column']!r}\n{self.summary()}"


def _rebuilt(parts: dict[str, Any]) -> Evaluation:
    parts |= {"dropped": parts["dropped"].lazy(), "settings": MappingProxyType(parts["settings"])}
    return Evaluation(**parts)
