"""What a portfolio holds of the theme: its exposure through time, by name and role, and its share of risk."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from kifactors.errors import DataError, DateError, UnmatchedAssetError
from kifactors.portfolio._aligned import by_name, numbers_of
from kifactors.portfolio._covariance import covariance_of
from kifactors.portfolio._named import called, unit_of
from kifactors.portfolio._tables import weights_table
from kifactors.schema import TableLike
from kifactors.scores import Scores

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FactorRisk", "PortfolioExposure", "factor_risk", "portfolio_exposure"]

UNMATCHED = "unmatched"


@dataclass(frozen=True, slots=True, eq=False)
class PortfolioExposure:
    """Exposure of a portfolio on each of its dates.

    Parameters
    ----------
    total : polars.DataFrame
        A row per date: date, as_of (the score date), exposure, weight (sum of weights), unknown_weight (sum of the
        sizes of weights whose exposure is unknown; it counts as 0); with a benchmark also benchmark, active and
        benchmark_unknown_weight.
    by_name : polars.DataFrame
        date, asset, role, weight, exposure (null: unknown), contribution = weight * exposure; with a benchmark also
        benchmark_weight and active_contribution. Marginal contribution of a name is its exposure.
    by_role : polars.DataFrame
        date, role (pioneer, tool_supplier, both, index_only, none, unknown, unmatched), weight, contribution; with a
        benchmark also benchmark_weight and active_contribution.
    """

    total: pl.DataFrame
    by_name: pl.DataFrame
    by_role: pl.DataFrame


def portfolio_exposure(
    scores: Scores,
    weights: TableLike,
    *,
    benchmark: TableLike | None = None,
    column: str = "exposure",
    names: Literal["asset_id", "ticker"] = "asset_id",
    missing: Literal["error", "exclude"] = "error",
    max_age_days: int = 45,
) -> PortfolioExposure:
    """Return the exposure of a portfolio through time, by name and by role.

    Parameters
    ----------
    scores : Scores
    weights : table
        date, asset and weight, one row per date and asset; weights need not add to 1, short ones are negative. A
        polars or pandas frame, an Arrow table, a mapping of columns, or a file. Dates are days: a time is refused.
    benchmark : table, optional
        The same; it must have every date of `weights`.
    column : str
        A share or a standardized column of the scores: what adds up in a portfolio.
    names : {"asset_id", "ticker"}
        What `asset` holds.
    missing : {"error", "exclude"}
        A name that the scores do not have, or whose exposure they do not know: an error, or left out and its weight
        shown as `unknown_weight`.
    max_age_days : int
        The newest scores by a date count; older ones are refused.

    Raises
    ------
    UnmatchedAssetError
        A name has no known exposure and ``missing`` is "error".
    DateError
        There are no scores by a date, they are too old, or the benchmark lacks a date.
    DataError
        A weight is not a finite number, or a name stands twice on a date.

    Examples
    --------
    Half in a company of exposure 0.8, a quarter in one of 0.2, the rest in cash: 0.45.

    >>> scores = kf.AIInfrastructureExposure().compute(kf.load_bundled(), ["2026-10-31"])
    >>> weights = pl.DataFrame({"date": ["2026-11-10"] * 2, "asset": ["ORCL", "META"], "weight": [0.5, 0.25]})
    >>> found = kf.portfolio.portfolio_exposure(scores, weights, names="ticker")
    >>> found.total.select("date", "as_of", pl.col("exposure").round(3), "weight").row(0)
    (datetime.date(2026, 11, 10), datetime.date(2026, 10, 31), 0.444, 0.75)
    >>> found.by_name.select("asset", "role", pl.col("contribution").round(3)).rows()
    [('META', 'pioneer', 0.044), ('ORCL', 'pioneer', 0.4)]
    """
    held = weights_table("weights", weights)
    known = _known(scores, column, names)
    rows = _matched(held, known, missing=missing, max_age_days=max_age_days, column=column)
    if benchmark is None:
        return _summed(rows)
    base = weights_table("benchmark", benchmark)
    dates = held["date"].unique()
    absent = sorted({*dates} - {*base["date"]})
    if absent:
        raise DateError(
            f"the benchmark has no weights on {absent[0]}; expected those of every date of weights."
        )
    base = base.filter(pl.col("date").is_in(dates.implode()))
    others = _matched(base, known, missing=missing, max_age_days=max_age_days, column=column)
    both = rows.join(
        others.rename({"weight": "benchmark_weight"}),
        on=["date", "asset", "as_of", "role", "exposure"],
        how="full",
        coalesce=True,
        nulls_equal=True,
    ).with_columns(pl.col("weight", "benchmark_weight").fill_null(0.0))
    return _summed(both.sort("date", "asset"))


@dataclass(frozen=True, slots=True, eq=False)
class FactorRisk:
    """Variance of a portfolio and what of it the factor explains.

    Parameters
    ----------
    exposure : float
        x'w.
    volatility : float
        sqrt(w'Vw), per period.
    factor_share : float
        Share of the variance from the factor, in [0, 1] where V is f xx' plus the rest.
    by_asset : pandas.DataFrame
        By asset: weight, exposure, marginal (d volatility / d w), contribution (weight * marginal, adding to the
        volatility), factor_contribution (the part of it from the factor).
    """

    exposure: float
    volatility: float
    factor_share: float
    by_asset: "pd.DataFrame"


def factor_risk(
    weights: "Mapping[str, float] | pd.Series",
    exposures: "Mapping[str, float] | pd.Series",
    *,
    factor_variance: float,
    covariance: "pd.DataFrame | None" = None,
    specific_variance: "Mapping[str, float] | pd.Series | None" = None,
) -> FactorRisk:
    """Return the share of a portfolio's variance that comes from the factor.

    Parameters
    ----------
    weights : mapping or Series by asset name
    exposures : mapping or Series by asset name
        x, for every asset of the weights: `FactorExposures.vector(...).to_series()`.
    factor_variance : float
        f, the variance of the factor's return per period.
    covariance : pandas.DataFrame, optional
        V, of all returns per period, by name on both axes.
    specific_variance : mapping or Series by asset name, optional
        In place of `covariance`: V = f xx' + diag of these.

    Raises
    ------
    DataError
        An asset has no number, a variance is negative, V is not symmetric, or both or neither of `covariance` and
        `specific_variance` are given.

    Notes
    -----
    Marginal contributions are Vw / sqrt(w'Vw); times the weights they add to the volatility (Euler). The factor's
    part is f x (x'w) in place of Vw, its share (x'w)^2 f / w'Vw.

    References
    ----------
    Litterman (1996), Hot spots and hedges, Journal of Portfolio Management, special issue. Grinold, Kahn (2000),
    Active Portfolio Management, 2nd ed., chapter 3.

    Examples
    --------
    Exposures 1 and 0, f = 0.04, specific variances 0.05 and 0.04, half and half: variance 0.25 * 0.04 + 0.25 *
    (0.05 + 0.04) = 0.0325, of which the factor 0.01.

    >>> found = kf.portfolio.factor_risk({"A": 0.5, "B": 0.5}, {"A": 1.0, "B": 0.0}, factor_variance=0.04,
    ...     specific_variance={"A": 0.05, "B": 0.04})
    >>> round(found.volatility ** 2, 6), round(found.factor_share, 6)
    (0.0325, 0.307692)
    >>> found.by_asset["contribution"].round(6).to_dict(), round(found.volatility, 6)
    ({'A': 0.124808, 'B': 0.05547}, 0.180278)
    """
    import pandas as pd

    assets = list(numbers_of("weights", weights))
    if not assets:
        raise DataError("weights name no asset. Give at least one.")
    w, x = by_name("weights", weights, assets), by_name("exposures", exposures, assets)
    if not (np.isfinite(factor_variance) and factor_variance >= 0.0):
        raise DataError(f"factor_variance is {factor_variance}; expected at least 0.")
    if (covariance is None) == (specific_variance is None):
        raise DataError("give either covariance or specific_variance.")
    if specific_variance is not None:
        rest = by_name("specific_variance", specific_variance, assets)
        if (rest < 0.0).any():
            raise DataError(f"specific_variance of {assets[int(np.argmin(rest))]} is negative.")
        V = factor_variance * np.outer(x, x) + np.diag(rest)
    else:
        V = covariance_of(covariance, assets, by_position=False)
    total = V @ w
    variance = float(w @ total)
    if not variance > 0.0:
        raise DataError(f"the variance of the portfolio is {variance:g}; expected more than 0.")
    volatility = float(np.sqrt(variance))
    from_factor = factor_variance * x * (x @ w)
    frame = pd.DataFrame(
        {
            "weight": w,
            "exposure": x,
            "marginal": total / volatility,
            "contribution": w * total / volatility,
            "factor_contribution": w * from_factor / volatility,
        },
        index=assets,
    )
    return FactorRisk(float(x @ w), volatility, float(w @ from_factor) / variance, frame)


def _known(scores: Scores, column: str, names: str) -> pl.DataFrame:
    frame = scores.to_polars()
    # A share or standardized: only these add up in a portfolio.
    unit_of(column)
    return frame.select(as_of="date", asset=called(scores, names), role="role", exposure=column)


def _matched(
    held: pl.DataFrame, known: pl.DataFrame, *, missing: str, max_age_days: int, column: str
) -> pl.DataFrame:
    """Add as_of, role and exposure to weights."""
    if missing not in {"error", "exclude"}:
        raise DataError(f"missing is {missing!r}; expected 'error' or 'exclude'.")
    days = known.select("as_of").unique().sort("as_of")
    dates = held.select("date").unique().sort("date").join_asof(days, left_on="date", right_on="as_of")
    for day, as_of in dates.rows():
        _check_age(day, as_of, max_age_days)
    rows = held.join(dates, on="date", how="left", maintain_order="left").join(
        known, on=["as_of", "asset"], how="left", maintain_order="left"
    )
    unknown = rows.filter(pl.col("exposure").is_null())
    if unknown.height and missing == "error":
        who = unknown["asset"].unique(maintain_order=True)
        raise UnmatchedAssetError(
            f"{len(who)} name(s) have no known {column}, the first on {unknown['date'][0]}: {', '.join(who[:8])}"
            f"{' ...' if len(who) > 8 else ''}. missing='exclude' leaves them out and shows their weight."
        )
    return rows.with_columns(pl.col("role").fill_null(UNMATCHED))


def _check_age(day: date, as_of: date | None, max_age_days: int) -> None:
    if as_of is None:
        raise DateError(f"there are no scores by {day}.")
    if (day - as_of).days > max_age_days:
        raise DateError(
            f"the newest scores by {day} are of {as_of}, {(day - as_of).days} days before; at most {max_age_days} are "
            "allowed. Compute newer scores, or raise max_age_days."
        )


def _summed(rows: pl.DataFrame) -> PortfolioExposure:
    """Return the three frames of rows that have weight, and benchmark_weight if there is a benchmark."""
    x, w = pl.col("exposure").fill_null(0.0), pl.col("weight")
    added = {"contribution": w * x}
    sums = [pl.col("weight").sum(), pl.col("contribution").sum()]
    unknown = pl.col("exposure").is_null()
    total = {
        "exposure": pl.col("contribution").sum(),
        "weight": pl.col("weight").sum(),
        "unknown_weight": w.abs().filter(unknown).sum(),
    }
    if "benchmark_weight" in rows.columns:
        b = pl.col("benchmark_weight")
        added["active_contribution"] = (w - b) * x
        sums += [b.sum(), pl.col("active_contribution").sum()]
        total |= {
            "benchmark": (b * x).sum(),
            "active": pl.col("active_contribution").sum(),
            "benchmark_unknown_weight": b.abs().filter(unknown).sum(),
        }
    rows = rows.with_columns(**added)
    shown = [
        "date",
        "asset",
        "role",
        *(name for name in ("weight", "benchmark_weight") if name in rows.columns),
    ]
    return PortfolioExposure(
        rows.group_by("date", "as_of", maintain_order=True).agg(**total),
        rows.select(*shown, "exposure", *added),
        rows.group_by("date", "role").agg(sums).sort("date", "role"),
    )
