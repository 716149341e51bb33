"""`evaluate`: scores and prices in, an `Evaluation` out."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors.errors import DataError
from kifactors.evaluation._bootstrap import Bootstrap
from kifactors.evaluation._evaluation import FRAMES, Evaluation
from kifactors.evaluation._factor_returns import factor_returns
from kifactors.evaluation._fama_macbeth import fama_macbeth
from kifactors.evaluation._forward import REASONS, check_horizons, dropped_rows, settled
from kifactors.evaluation._ic import decay_of, ic_by_group, ic_frame, ic_summary
from kifactors.evaluation._limits import PriceFacts, limits_of
from kifactors.evaluation._measure import measure
from kifactors.evaluation._options import different, number, whole
from kifactors.evaluation._panel import Panel, panel_of
from kifactors.evaluation._portfolios import portfolio_frame, portfolio_summary, spread_frame, spread_summary
from kifactors.evaluation._sessions import Entry, sessions_of
from kifactors.evaluation._stability import members_of, periods_by_year, stability_frame, stability_summary
from kifactors.evaluation._strategies import DAYS_A_YEAR, hold, periods_of, strategy_frame, strategy_summary
from kifactors.schema import TableLike
from kifactors.scores import Scores

__all__ = ["evaluate"]

Floats = NDArray[np.float64]
MOST_QUANTILES = 100


def evaluate(
    scores: Scores,
    *,
    prices: TableLike | None = None,
    returns: TableLike | None = None,
    horizons: Sequence[int] = (1, 5, 21, 63),
    column: str = "exposure",
    by: str | None = None,
    styles: Sequence[str] = (),
    universe: TableLike | None = None,
    entry: Entry = "close",
    delistings: TableLike | None = None,
    quantiles: int = 5,
    exposed_above: float = 0.0,
    confidence: float = 0.95,
    draws: int = 1_000,
    seed: int = 0,
    max_wait_days: int = 7,
    facts: PriceFacts | None = None,
    n_threads: int | None = None,
) -> Evaluation:
    """Hold scores against what was earned after them.

    Parameters
    ----------
    scores : Scores
    prices : table, optional
        date, asset_id (or ticker: then no two scored assets share one on a date), close, or open for `entry="open"`:
        one row per session and asset, adjusted for splits. The dates with a known price are the sessions. A polars or
        pandas frame, an Arrow table, a mapping, or a file.
    returns : table, optional
        date, asset_id (or ticker), return: a fraction, from the session before to this one. Exactly one of prices and
        returns is given: neither is guessed.
    horizons : sequence of int
        In sessions from the entry.
    column : str
        What is evaluated: any column of numbers of the scores.
    by : str, optional
        Column of names, of scores or universe, not of both: information coefficients within each of them as well.
    styles : sequence of str
        Columns of numbers of the universe, exposures to other styles, that the regressions hold constant. None may
        have the name of a column of the scores or of one that the evaluation makes: return, size, market, weight.
    universe : table, optional
        date, asset_id, market_cap and industry as known on that date: for cap weights, and for the regressions (size is
        the logarithm of market_cap).
    entry : {"close", "open"}
        Which price of the first session strictly after the score date is paid; horizons end at the same kind of price.
    delistings : table, optional
        date, asset_id (or ticker), return: what became of the last price of those that end; -1 for a total loss.
        Without it their last returns are unknown. It is known from the first session on or after its date, which lies
        after the last price; what ends in between is unknown, as nobody could sell, and so is a strategy's period. It
        is relative to the last close, so that `entry="open"` needs the column close as well.
    quantiles : int
        How many portfolios by value.
    exposed_above : float
        Who counts as exposed: an exposure above this. An unknown exposure is neither exposed nor unexposed, whatever
        the column.
    confidence, draws, seed : float, int, int
        Of the bootstrap intervals (extra ``evaluation``); `draws=0` for none, otherwise at least 2 / (1 - confidence).
    max_wait_days : int
        A score date that is followed by no session in so many days has no entry.
    facts : PriceFacts, optional
        What only the owner of the prices knows; what is not stated is reported as such.
    n_threads : int, optional
        Threads; results do not depend on it.

    Returns
    -------
    Evaluation

    Raises
    ------
    DataError
        Neither or both of prices and returns are given, a number of an input is outside its range, or a column has the
        name of another.
    MissingColumnError
        A column is absent.
    DateError
        Scores and prices do not meet in time.
    MissingExtraError
        arch is not installed and `draws` is not 0.

    Notes
    -----
    Where alphalens does otherwise: it enters at the close of the score date itself, drops a row when any of its
    forward returns is missing and only then makes quantiles (so who is in a quantile depends on the future), drops
    the rows whose return is far from the mean of the whole sample (a z-score above 20), and tests means as if neighbouring dates were independent.

    Examples
    --------
    Three companies, four months, and the most exposed earns most:

    >>> scores = kf.AIInfrastructureExposure().compute(kf.load_bundled(), kf.month_ends("2026-05", "2026-09"))
    >>> from datetime import date, timedelta
    >>> days = [date(2026, 5, 29) + timedelta(k) for k in range(150)]
    >>> assets = scores.at("2026-05-31").top(6)["asset_id"].to_list()
    >>> prices = pl.DataFrame([(day, asset, (1.002 - 0.0002 * place) ** k)
    ...     for k, day in enumerate(days) for place, asset in enumerate(assets)],
    ...     schema=["date", "asset_id", "close"], orient="row")
    >>> found = kf.evaluate(scores, prices=prices, horizons=(5,), draws=0)
    >>> found.ic.filter(names="exposed")["spearman"][0] > 0.9
    True
    """
    horizons = check_horizons(horizons)
    quantiles = whole("quantiles", quantiles, least=2)
    if quantiles > MOST_QUANTILES:
        raise DataError(f"quantiles is {quantiles}; expected a whole number from 2 to {MOST_QUANTILES}.")
    exposed_above = number("exposed_above", exposed_above)
    max_wait_days = whole("max_wait_days", max_wait_days, least=1)
    n_threads = None if n_threads is None else whole("n_threads", n_threads, least=1)
    bootstrap = Bootstrap(draws=draws, confidence=confidence, seed=seed)
    styles = different("styles", styles)
    for option, name in (("column", column), ("by", by)):
        if not isinstance(name, str) and not (option == "by" and name is None):
            raise DataError(f"{option} is {name!r}; expected the name of a column.")
    if facts is not None and not isinstance(facts, PriceFacts):
        raise DataError(
            f"facts is a {type(facts).__name__}; expected PriceFacts. Make one with PriceFacts(...)."
        )
    sessions = sessions_of(prices, returns, entry=entry, delistings=delistings)
    panel = panel_of(
        scores,
        sessions,
        column=column,
        exposed_above=exposed_above,
        universe=universe,
        by=by,
        styles=styles,
        max_wait_days=max_wait_days,
    )
    found = measure(panel, horizons, quantiles=quantiles, by=by, n_threads=n_threads)
    held = hold(panel, found.period, found.groupings)
    stability = stability_frame(panel, found.groupings[0])
    factors, summary = _factors(panel, found.period, column, styles)
    codes = settled(found.codes, panel.places, sessions.ended)
    dropped, counts = _dropped(panel, horizons, codes)
    main = min(range(len(horizons)), key=lambda j: abs(horizons[j] - 21))
    return Evaluation(
        ic=ic_frame(panel, horizons, found.ic, found.groups),
        ic_summary=ic_summary(panel, horizons, found.ic, bootstrap),
        ic_by_group=ic_by_group(panel, horizons, found.groups),
        decay=decay_of(panel, found.months, bootstrap),
        portfolios=portfolio_frame(panel, horizons, found.means),
        portfolio_summary=portfolio_summary(horizons, found.means),
        spreads=spread_frame(panel, horizons, found.means),
        spread_summary=spread_summary(panel, horizons, found.means, bootstrap),
        strategies=strategy_frame(panel, held),
        strategy_summary=strategy_summary(panel, held),
        factor_returns=factors,
        factor_summary=summary,
        stability=stability,
        stability_summary=stability_summary(panel, stability),
        periods=periods_by_year(panel, horizons, main, found.ic, found.means, column=column),
        members=members_of(panel),
        dropped=dropped,
        dropped_counts=counts,
        limits=limits_of(panel, facts or PriceFacts(), counts, held, column=column, by=by, styles=styles),
        settings=_settings(
            panel, scores, horizons, by, entry, quantiles, exposed_above, bootstrap, column, facts
        ),
    )


def _factors(
    panel: Panel, period: Floats, column: str, others: Sequence[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Regress period returns on the value, and on industry and size where the universe has them."""
    rows = panel.rows.with_columns(
        pl.Series(column, panel.values, nan_to_null=True).alias(column),
        pl.Series("return", period, nan_to_null=True),
    )
    styles = [column, *others]
    if panel.caps is not None:
        rows = rows.with_columns(size=pl.col("market_cap").log())
        styles.append("size")
    periods = periods_of(panel)
    ends = dict(
        zip(
            (panel.dates[k] for k in periods.places),
            panel.sessions.days[periods.end].tolist(),
            strict=True,
        )
    )
    found = factor_returns(
        rows.filter(pl.col("date").is_in(list(ends))),
        styles,
        industry="industry" if "industry" in rows.columns else None,
        cap="market_cap" if panel.caps is not None else None,
    )
    frame = found.with_columns(
        exit=pl.col("date").replace_strict(ends, return_dtype=pl.Date) if ends else pl.lit(None, pl.Date)
    ).select(list(FRAMES["factor_returns"]))
    tests = fama_macbeth(found).rename({"t": "t_fm"}).with_columns(annualized=pl.col("mean") * _a_year(panel))
    return frame, tests.select(list(FRAMES["factor_summary"]))


def _a_year(panel: Panel) -> float | None:
    periods = periods_of(panel)
    if not periods.places.size:
        return None
    span = (panel.sessions.days[periods.end[-1]] - panel.sessions.days[periods.begin[0]]).astype(float)
    return float(periods.places.size / (span / DAYS_A_YEAR))


def _dropped(
    panel: Panel, horizons: Sequence[int], codes: NDArray[np.uint8]
) -> tuple[pl.LazyFrame, pl.DataFrame]:
    """Return who has no return and why, made when it is asked for, and how many."""
    columns: list[int | None] = [*horizons, None]
    counts = [
        (horizon, REASONS[code], int(n))
        for horizon, each in zip(columns, codes, strict=True)
        for code, n in enumerate(np.bincount(each, minlength=len(REASONS)).tolist())
        if code and n
    ]
    keys = panel.rows.select("date", "asset_id")
    schema: dict[str, Any] = {
        "date": pl.Date,
        "asset_id": pl.String,
        "horizon": pl.Int64,
        "reason": pl.Enum(REASONS[1:]),
    }
    lazy = pl.LazyFrame(keys).map_batches(
        lambda frame: dropped_rows(frame, columns, list(codes)),
        schema=schema,
        # The rows are found by their places.
        predicate_pushdown=False,
        projection_pushdown=False,
        slice_pushdown=False,
    )
    return lazy, pl.DataFrame(counts, schema=dict(FRAMES["dropped_counts"]), orient="row")


def _assets(panel: Panel) -> int:
    """Return how many assets are scored; counting numbers is faster than comparing names."""
    return int(np.count_nonzero(np.bincount(panel.assets)))


def _settings(
    panel: Panel,
    scores: Scores,
    horizons: Sequence[int],
    by: str | None,
    entry: str,
    quantiles: int,
    exposed_above: float,
    bootstrap: Bootstrap,
    column: str,
    facts: PriceFacts | None,
) -> Mapping[str, Any]:
    return MappingProxyType(
        {
            "column": column,
            "horizons": tuple(horizons),
            "quantiles": quantiles,
            "exposed_above": exposed_above,
            "overlap": panel.overlap(horizons[0]),
            "entry": entry,
            "by": by,
            "confidence": bootstrap.confidence,
            "draws": bootstrap.draws,
            "seed": bootstrap.seed,
            "dates": panel.dates,
            "first": panel.dates[0],
            "last": panel.dates[-1],
            "assets": _assets(panel),
            "sessions_first": panel.sessions.days[0].item(),
            "sessions_last": panel.sessions.days[-1].item(),
            "definition": scores.definition.fingerprint(),
            "weightings": ("equal",) if panel.caps is None else ("equal", "cap"),
            "source": "" if facts is None else facts.source,
        }
    )
