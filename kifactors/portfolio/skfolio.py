"""Scores in skfolio: bounds by name, a panel of characteristics, a factor model of them, a prior of the factor.

    X = daily_returns                       # a frame, assets in columns by the names of the exposures
    rules = linear_constraints(exposures, X.index[-1].date(), list(X.columns), upper=0.4)
    MeanRisk(linear_constraints=rules).fit(X)

With the factor model the bound is on the factor itself, and skfolio routes the panel to it:

    rules = linear_constraints(exposures, X.index[-1].date(), list(X.columns), upper=0.4, terms="factors")
    model = MeanRisk(prior_estimator=characteristics_model(exposures), linear_constraints=rules)
    with sklearn.config_context(enable_metadata_routing=True):
        model.fit(X, characteristics=asset_panel(exposures, X))

skfolio drops an asset with an unknown characteristic without a word; here that is refused before.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors.errors import DataError, InfeasibleError, MissingExtraError, UnmatchedAssetError
from kifactors.portfolio._aligned import Aligned, MissingPolicy, checked_names
from kifactors.portfolio._bounds import WeightLimit, weight_limits
from kifactors.portfolio._exposures import FactorExposures
from kifactors.portfolio._through_time import runs
from kifactors.portfolio.scipy import check_together

if TYPE_CHECKING:
    import pandas as pd
    from skfolio.containers import AssetPanel
    from skfolio.prior import BlackLitterman, CharacteristicsFactorModel

__all__ = ["asset_panel", "characteristics_model", "factor_prior", "linear_constraints"]

# What skfolio calls a code of no category.
NO_CATEGORY = -1


def linear_constraints(
    exposures: FactorExposures,
    day: str | date,
    assets: Sequence[str],
    *,
    lower: float | Mapping[str, float] | None = None,
    upper: float | Mapping[str, float] | None = None,
    benchmark: "Mapping[str, float] | pd.Series | None" = None,
    terms: Literal["assets", "factors"] = "assets",
    missing: MissingPolicy = "error",
    max_age_days: int = 45,
    min_weight: WeightLimit = 0.0,
    max_weight: WeightLimit = 1.0,
    total: float = 1.0,
) -> list[str]:
    """Return bounds on exposures as ``linear_constraints`` of a skfolio optimiser.

    Parameters
    ----------
    exposures : FactorExposures
    day : str or date
        The newest scores of that day or before it count.
    assets : sequence of str
        ``list(X.columns)``; the order does not matter.
    lower, upper, benchmark, missing, max_age_days
        As for `FactorExposures.bounds`. With ``missing="exclude"`` an asset without a known exposure gets the
        constraint that its weight is 0.
    terms : {"assets", "factors"}
        What a constraint is written in: exposures times assets, for any prior; or factors, for a prior whose factor
        model has them by these names and in these units, as that of `characteristics_model`.
    min_weight, max_weight : float, or mapping by asset name
        The limits of the optimiser (its defaults are the same): bounds out of their reach are refused.
    total : float
        The budget of the optimiser.

    Returns
    -------
    list of str
        skfolio refuses them if a name is none of its assets or factors; one of its assets that they do not name has no
        exposure.

    Raises
    ------
    InfeasibleError
        No weights within limits keep the bounds, alone or together; the range they reach is named. Or an excluded
        asset must have a weight.
    DataError
        skfolio would read a name as something else: it has blanks around it, holds ``==``, or is the text of an exposure.
    UnmatchedAssetError, DateError
        As for `FactorExposures.vector`.

    Examples
    --------
    >>> frame = pl.DataFrame({"date": ["2024-01-31"] * 2, "asset": ["A", "B"],
    ...     "exposure": [0.25, 0.75]}).with_columns(pl.col("date").str.to_date())
    >>> exposures = kf.portfolio.FactorExposures(frame, {"exposure": "share"})
    >>> linear_constraints(exposures, "2024-02-01", ["B", "A"], upper=0.5)
    ['0.75 * B + 0.25 * A <= 0.5']
    >>> linear_constraints(exposures, "2024-02-01", ["B", "A"], lower=0.5, terms="factors")
    ['1.0 * exposure >= 0.5']
    >>> linear_constraints(exposures, "2024-02-01", ["B", "A"], upper=0.125)
    Traceback (most recent call last):
        ...
    kifactors.errors.InfeasibleError: exposure cannot be in [-inf, 0.125] on 2024-01-31: weights within their limits
    reach 0.25 to 0.75. Ask for an exposure in that range, or loosen the limits of the weights.
    """
    if terms not in {"assets", "factors"}:
        raise DataError(f"terms is {terms!r}; expected 'assets' or 'factors'.")
    bounds = exposures.bounds(
        day,
        assets,
        lower=lower,
        upper=upper,
        benchmark=benchmark,
        missing=missing,
        max_age_days=max_age_days,
    )
    kept, gone = bounds.exposures.assets, bounds.exposures.excluded
    low, high = (
        dict(zip((*kept, *gone), weight_limits(name, limit, (*kept, *gone)), strict=True))
        for name, limit in (("min_weight", min_weight), ("max_weight", max_weight))
    )
    forced = [name for name in gone if low[name] > 0.0 or high[name] < 0.0]
    if forced:
        raise InfeasibleError(
            f"{forced[0]} has no known exposure and is excluded, and its weight must be {low[forced[0]]:g} to "
            f"{high[forced[0]]:g}. Leave it out of the returns, or say what an unknown exposure counts as."
        )
    check_together(bounds, min_weight=low, max_weight=high, total=total)
    _check_names(
        [*kept, *gone] if terms == "assets" else [*exposures.factors, *gone],
        [1.0, 0.0, *np.abs(bounds.A).ravel().tolist(), *np.abs(bounds.b).tolist()],
    )
    zeros = [f"1.0 * {name} == 0.0" for name in gone]
    # Without a number in front of an unknown name skfolio only warns and drops the whole constraint.
    if terms == "factors":
        return [
            f"1.0 * {factor} {relation} {float(limit)!r}"
            for factor, least, most in zip(exposures.factors, bounds.lower, bounds.upper, strict=True)
            for relation, limit in (("<=", most), (">=", least))
            if np.isfinite(limit)
        ] + zeros
    rules = [
        " + ".join(f"{x!r} * {name}" for x, name in zip(row, bounds.exposures.assets, strict=True))
        + f" <= {limit!r}"
        for row, limit in zip(bounds.A.tolist(), bounds.b.tolist(), strict=True)
    ]
    return rules + zeros


def asset_panel(
    exposures: FactorExposures,
    returns: "pd.DataFrame",
    *,
    missing: MissingPolicy = "error",
    max_age_days: int = 45,
) -> "AssetPanel":
    """Return the characteristics of the assets of a frame of returns, as they were known at each of its times.

    Parameters
    ----------
    exposures : FactorExposures
        Every factor becomes a field, in its own unit; industry and market_cap too, where the exposures have them.
    returns : pandas.DataFrame
        Simple returns, a row per time (DatetimeIndex, the return of the period that ends then) and a column per
        asset: the X of skfolio.
    missing, max_age_days
        As for `FactorExposures.vector`, at each time. ``exclude``: the asset is inactive at the times at which its
        exposure is unknown. skfolio gives no weight to an asset that is inactive at the last time, nor to one whose
        active returns are too few or begin late: give it a window in which the asset is known throughout.

    Returns
    -------
    skfolio.containers.AssetPanel
        Fields ``returns``, the factors, ``industry`` and ``market_cap``.

    Raises
    ------
    MissingExtraError
        skfolio is not installed.
    UnmatchedAssetError
        An exposure is unknown and the policy is "error"; or an industry or market cap is, under any policy.
    DateError
        At some time there were no scores yet, or they were too old.
    """
    containers = _library("skfolio.containers")
    names = checked_names(list(returns.columns))
    known = exposures.to_polars()
    if "returns" in exposures.factors:
        raise DataError("a factor is named 'returns', as the returns of the panel are. Rename it.")
    columns = [*exposures.factors, *(name for name in ("industry", "market_cap") if name in known.columns)]
    place = {name: at for at, name in enumerate(names)}
    active = np.zeros(returns.shape, bool)
    found = {name: np.empty(returns.shape, object) for name in columns}
    for times, day in runs(exposures, returns.index):
        aligned = exposures.vector(day, names, missing=missing, max_age_days=max_age_days)
        at = np.ix_(times, np.array([place[name] for name in aligned.assets], np.intp))
        active[at] = True
        for name, values in _characteristics(known, aligned, columns).items():
            found[name][at] = values
    fields: dict[str, Any] = {"returns": np.where(active, returns.to_numpy(np.float64), np.nan)}
    for name, values in found.items():
        if name == "industry":
            codes, levels = _coded(values, active)
            fields[name] = containers.FieldCategorical(values=codes, levels=levels)
        else:
            fields[name] = np.where(active, values, np.nan).astype(np.float64)
    return containers.AssetPanel(
        fields=fields, observations=returns.index.to_numpy(), asset_names=np.array(names), active_mask=active
    )


def characteristics_model(
    exposures: FactorExposures, *, industries: bool = False, capitalized: bool = False, **options: Any
) -> "CharacteristicsFactorModel":
    """Return a factor model of returns on a market factor and the exposures, as they are.

    Exposures are neither winsorized nor standardized again, so that a bound on a factor is in the unit of its scores
    and the return of a share's factor is that of 1 over 0.

    Parameters
    ----------
    exposures : FactorExposures
        Its factors are those of the model, in the family "style".
    industries : bool
        A factor per industry too, whose returns add to 0 weighted by the benchmark; the panel must have industries.
    capitalized : bool
        Weight regressions by the root of market cap and the benchmark by market cap; equally otherwise.
    **options
        Further arguments of skfolio's CharacteristicsFactorModel: ``factor_prior_estimator=factor_prior(...)``, or
        ``min_regression_assets`` where the panel has fewer than 30 assets.

    Returns
    -------
    skfolio.prior.CharacteristicsFactorModel
        The ``prior_estimator`` of an optimiser whose ``fit`` is given ``characteristics=asset_panel(...)``.

    Raises
    ------
    MissingExtraError
        skfolio is not installed.
    """
    shapes, descriptors = _library("skfolio.factor_exposure"), _library("skfolio.descriptor")
    factors = [("market", shapes.GlobalFactor())]
    if industries:
        factors.append(("industry", shapes.OneHotCategoricalFactors(category="industry", family="industry")))
    for name in exposures.factors:
        as_it_is = shapes.FixedWeightedFactor(
            descriptors=[(name, descriptors.Passthrough(name))],
            outlier_transformer="passthrough",
            scoring_transformer="passthrough",
        )
        factors.append((name, as_it_is))
    chosen: dict[str, Any] = {"constrained_families": [("industry", None)]} if industries else {}
    if not capitalized:
        chosen |= {"benchmark_mcap_power": 0.0, "regression_mcap_power": 0.0}
    return _library("skfolio.prior").CharacteristicsFactorModel(factors=factors, **(chosen | options))


def factor_prior(
    exposures: FactorExposures, *, expected_return: float, confidence: float, factor: str | None = None
) -> "BlackLitterman":
    """Return a prior of factor returns with a view on one factor: the ``factor_prior_estimator`` of the model.

    Parameters
    ----------
    exposures : FactorExposures
    expected_return : float
        Of one unit of exposure, per period of the returns, as a fraction.
    confidence : float
        In (0, 1), as Idzorek means it: 0.5 moves the mean of the past half of the way.
    factor : str, optional
        The factor; the only one by default.

    Returns
    -------
    skfolio.prior.BlackLitterman
        Its own prior is the sample mean and covariance of the factor returns.

    Raises
    ------
    MissingExtraError
        skfolio is not installed.
    DataError
        The return is no fraction, the confidence not in (0, 1), or the factor unknown.
    """
    if factor is None and len(exposures.factors) == 1:
        factor = exposures.factors[0]
    if factor not in exposures.factors:
        raise DataError(f"factor is {factor!r}; there are {', '.join(exposures.factors)}. Name one of them.")
    if not 0.0 < confidence < 1.0:
        raise DataError(f"confidence is {confidence}; expected more than 0 and less than 1.")
    if not -1.0 < expected_return < 1.0:
        raise DataError(
            f"expected_return is {expected_return}; expected a fraction per period, 0.0002 for 0.02 %."
        )
    prior = _library("skfolio.prior")
    return prior.BlackLitterman(
        views=[f"{factor} == {float(expected_return)!r}"],
        view_confidences=[confidence],
        prior_estimator=prior.EmpiricalPrior(),
    )


def _check_names(names: Sequence[str], numbers: Iterable[float]) -> None:
    """Refuse names that skfolio's constraints, which are texts, would read as something else."""
    written = {repr(number) for number in numbers}
    for name in names:
        wrong = "has blanks around it, or is empty" if name != name.strip() or not name else ""
        wrong = "holds '=='" if "==" in name else wrong
        wrong = "is the text of a number of the constraints" if name in written else wrong
        if wrong:
            raise DataError(f"{name!r} {wrong}, so that skfolio would misread them. Rename it.")


def _characteristics(
    known: pl.DataFrame, aligned: Aligned, columns: Sequence[str]
) -> dict[str, NDArray[Any]]:
    rows = pl.DataFrame({"asset": aligned.assets}, schema={"asset": pl.String}).join(
        known.filter(pl.col("date") == aligned.as_of), on="asset", how="left", maintain_order="left"
    )
    fields: dict[str, NDArray[Any]] = {name: aligned.column(name) for name in aligned.factors}
    for name in columns[len(fields) :]:
        unknown = rows.filter(pl.col(name).is_null())["asset"].to_list()
        if unknown:
            raise UnmatchedAssetError(
                f"{len(unknown)} assets have no known {name} on {aligned.as_of}: {', '.join(unknown[:8])}. skfolio "
                "would drop them without a word: leave them out of the returns, or the column out of the universe."
            )
        fields[name] = rows[name].to_numpy()
    return fields


def _coded(labels: NDArray[Any], active: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.str_]]:
    levels, at = np.unique(labels[active].astype(str), return_inverse=True)
    codes = np.full(labels.shape, NO_CATEGORY, np.int64)
    codes[active] = at
    return codes, levels


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingExtraError("this needs skfolio: pip install 'kifactors[skfolio]'.") from error
