"""`FactorExposures`: exposures of any number of factors by date and asset, and what optimisers ask of them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors.calendar import parse_date
from kifactors.errors import DataError, DateError, MissingColumnError, UnmatchedAssetError
from kifactors.portfolio._aligned import (
    Aligned,
    HeldExposure,
    MissingPolicy,
    by_name,
    checked_names,
    numbers_of,
)
from kifactors.portfolio._bounds import LinearBounds
from kifactors.portfolio._missing import industry_means, neutral
from kifactors.portfolio._named import Unit, called, unit_of
from kifactors.portfolio._tables import exposures_table
from kifactors.portfolio._views import View
from kifactors.schema import TableLike, validate
from kifactors.scores import Scores

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FactorExposures"]

POLICIES = ("error", "neutral", "industry_mean", "exclude")
# A volatility of more than 500 % a period is a percentage that was taken for a fraction.
LARGEST_VOLATILITY = 5.0
# No leverage makes more of shares in [0, 1]; a bound beyond is in per cent.
LARGEST_SHARE = 5.0


class FactorExposures:
    """Exposures of assets to factors through time, by asset name.

    Parameters
    ----------
    frame : table
        date, asset (the name a portfolio knows it by), a number per factor (null: unknown), and optionally industry,
        market_cap (USD) and coverage; unique on (date, asset). A polars or pandas frame, an Arrow table, a mapping of
        columns, or a file.
    units : mapping of str to {"share", "z"}
        The factors and their units: a share in [0, 1], additive in a portfolio; or a standardized score around 0.

    Examples
    --------
    >>> frame = pl.DataFrame({"date": ["2024-01-31"] * 3, "asset": ["A", "B", "C"],
    ...     "exposure": [0.2, 0.6, None]}).with_columns(pl.col("date").str.to_date())
    >>> exposures = kf.portfolio.FactorExposures(frame, {"exposure": "share"})
    >>> exposures.vector("2024-02-15", ["B", "A"]).matrix.ravel().tolist()
    [0.6, 0.2]

    C is unknown; neutral is the mean of the known, 0.4, and marked:

    >>> found = exposures.vector("2024-01-31", ["C", "A"], missing="neutral")
    >>> found.matrix.ravel().round(12).tolist(), found.imputed.ravel().tolist()
    ([0.4, 0.2], [True, False])
    """

    __slots__ = ("_days", "_frame", "units")

    def __init__(self, frame: TableLike, units: Mapping[str, Unit]) -> None:
        self.units: dict[str, Unit] = dict(units)
        for name, unit in self.units.items():
            if unit not in {"share", "z"}:
                raise DataError(f"the unit of factor {name!r} is {unit!r}; expected 'share' or 'z'.")
        if not self.units:
            raise DataError("units names no factor; expected at least one, {'exposure': 'share'} say.")
        frame = exposures_table(frame, self.units)
        self._frame = frame
        self._days = tuple(frame["date"].unique(maintain_order=True))

    @classmethod
    def from_scores(
        cls,
        scores: Scores,
        factors: str | Iterable[str] = ("exposure",),
        *,
        universe: TableLike | None = None,
        names: Literal["asset_id", "ticker"] = "asset_id",
    ) -> "FactorExposures":
        """Take factors out of scores.

        Parameters
        ----------
        scores : Scores
        factors : str or iterable of str
            Columns of the scores; their units are those of the schema.
        universe : table, optional
            date, asset_id and industry, market_cap: for ``missing="industry_mean"`` and cap-weighted means.
        names : {"asset_id", "ticker"}
            What portfolios call the assets. An asset without a ticker keeps its id.

        Raises
        ------
        MissingColumnError
            A factor is no column of the scores.
        DataError
            A factor is neither a share nor standardized, or one ticker stands for two assets on a date.
        """
        wanted = [factors] if isinstance(factors, str) else list(factors)
        units = {name: unit_of(name) for name in wanted}
        frame = scores.to_polars().with_columns(asset=called(scores, names))
        if universe is not None:
            known = validate("universe", universe)
            extra = [name for name in ("industry", "market_cap") if name in known.columns]
            frame = frame.join(
                known.select("date", "asset_id", *extra),
                on=["date", "asset_id"],
                how="left",
                maintain_order="left",
            )
        return cls(frame, units)

    def __repr__(self) -> str:
        named = ", ".join(f"{name} ({unit})" for name, unit in self.units.items())
        return f"FactorExposures({named}; {len(self._days)} date(s), {self._days[0]} to {self._days[-1]})"

    @property
    def dates(self) -> tuple[date, ...]:
        """Dates with at least one asset, ascending."""
        return self._days

    @property
    def factors(self) -> tuple[str, ...]:
        """Names of the factors."""
        return tuple(self.units)

    def to_polars(self) -> pl.DataFrame:
        """Return the long frame: date, asset, factors, and industry, market_cap, coverage where known."""
        return self._frame.clone()

    def wide(self, factor: str | None = None) -> pl.DataFrame:
        """Return one factor as date x asset; null where unknown."""
        name = self._factor(factor)
        return self._frame.pivot(on="asset", index="date", values=name, sort_columns=True)

    def vector(
        self,
        day: str | date,
        assets: Sequence[str],
        *,
        missing: MissingPolicy = "error",
        max_age_days: int = 45,
    ) -> Aligned:
        """Return the exposures of named assets, as they were known on a day.

        Parameters
        ----------
        day : str or date
            The newest scores of that day or before it count.
        assets : sequence of str
            Names in the order that is wanted, each once.
        missing : {"error", "neutral", "industry_mean", "exclude"}
            What to do with an asset without a known exposure. ``neutral``: 0 for a standardized factor, for a share
            the mean of the date (weighted by market cap where known); ``industry_mean``: the plain mean of its
            industry on that date; ``exclude``: leave it out. The result marks what was done.
        max_age_days : int
            Scores older than this are refused: monthly scores and two weeks by default.

        Raises
        ------
        UnmatchedAssetError
            An asset has no known exposure and the policy is "error", or its industry has none either.
        DateError
            There are no scores by that day, or they are too old.
        """
        if missing not in POLICIES:
            raise DataError(f"missing is {missing!r}; expected one of {', '.join(POLICIES)}.")
        names = checked_names(assets)
        known = self._known(parse_date(day), max_age_days)
        rows = pl.DataFrame({"asset": names}, schema={"asset": pl.String}).join(
            known, on="asset", how="left", maintain_order="left"
        )
        values = rows.select(self.factors).to_numpy().astype(np.float64, copy=True)
        absent = np.isnan(values)
        as_of = known["date"][0]
        if absent.any() and missing == "error":
            who = [name for name, gone in zip(names, absent.any(axis=1), strict=True) if gone]
            raise UnmatchedAssetError(
                f"{len(who)} of {len(names)} assets have no known {' or '.join(self.factors)} on {as_of}: "
                f"{', '.join(who[:8])}{' ...' if len(who) > 8 else ''}. Leave them out, or say what an unknown exposure "
                "counts as: missing='neutral', 'industry_mean' or 'exclude'."
            )
        kept = np.ones(len(names), bool)
        if missing == "neutral":
            values = np.where(absent, neutral(known, self.units), values)
        elif missing == "industry_mean" and absent.any():
            values = np.where(absent, industry_means(known, rows, self.factors, absent), values)
        elif missing == "exclude":
            kept = ~absent.any(axis=1)
        return Aligned(
            matrix=values[kept],
            assets=tuple(name for name, keep in zip(names, kept, strict=True) if keep),
            factors=self.factors,
            as_of=as_of,
            imputed=absent[kept],
            excluded=tuple(name for name, keep in zip(names, kept, strict=True) if not keep),
        )

    def bounds(
        self,
        day: str | date,
        assets: Sequence[str],
        *,
        lower: float | Mapping[str, float] | None = None,
        upper: float | Mapping[str, float] | None = None,
        benchmark: "Mapping[str, float] | pd.Series | None" = None,
        missing: MissingPolicy = "error",
        max_age_days: int = 45,
    ) -> LinearBounds:
        """Return A w <= b that keeps the exposure of weights w between bounds.

        Parameters
        ----------
        day, assets, missing, max_age_days
            As for `vector`; with ``missing="exclude"`` the bounds are on the remaining assets.
        lower, upper : float or mapping of factor to float, optional
            Bounds, in the unit of the factor; at least one.
        benchmark : mapping or Series of weights by asset name, optional
            Then the bounds are on the exposure less that of the benchmark. Its assets need not be among `assets`.

        Raises
        ------
        UnmatchedAssetError, DateError
            As for `vector`, for the assets and for those of the benchmark.
        """
        aligned = self.vector(day, assets, missing=missing, max_age_days=max_age_days)
        low = self._limits("lower", lower, -np.inf)
        high = self._limits("upper", upper, np.inf)
        if (low == np.inf).any() or (high == -np.inf).any():
            raise DataError("a lower bound is +inf, or an upper one -inf; leave out what is no bound.")
        for name, unit, limits in zip(
            self.factors, self.units.values(), zip(low, high, strict=True), strict=True
        ):
            far = [limit for limit in limits if np.isfinite(limit) and abs(limit) > LARGEST_SHARE]
            if unit == "share" and far:
                raise DataError(f"a bound on {name} is {far[0]:g}; it is a share in [0, 1]: 0.4 for 40 %.")
        if np.isinf(low).all() and np.isinf(high).all():
            raise DataError("neither lower nor upper is given; expected at least one bound.")
        if (low > high).any():
            raise DataError(f"a lower bound is above the upper one: {low.tolist()} > {high.tolist()}.")
        base = None
        if benchmark is not None:
            base = self.exposure(day, benchmark, missing=missing, max_age_days=max_age_days)
            low, high = low + base.by_factor, high + base.by_factor
        rows, b, labels = [], [], []
        for k, name in enumerate(self.factors):
            for sign, limit, relation in ((1.0, high[k], "<="), (-1.0, low[k], ">=")):
                if np.isfinite(limit):
                    rows.append(sign * aligned.matrix[:, k])
                    b.append(sign * limit)
                    labels.append(f"{name} {relation} {limit:g}")
        return LinearBounds(np.array(rows), np.array(b), tuple(labels), aligned, low, high, base)

    def exposure(
        self,
        day: str | date,
        weights: "Mapping[str, float] | pd.Series",
        *,
        missing: MissingPolicy = "error",
        max_age_days: int = 45,
    ) -> HeldExposure:
        """Return X'w, the exposure of a portfolio to each factor, and how much of its weight is unknown.

        Parameters
        ----------
        weights : mapping or Series by asset name
            They need not add to 1. With ``missing="exclude"`` the rest keeps its weights.

        Returns
        -------
        HeldExposure
            Like an array of one number a factor.
        """
        names = list(numbers_of("weights", weights))
        aligned = self.vector(day, names, missing=missing, max_age_days=max_age_days)
        w = np.abs(by_name("weights", weights, names))
        unknown = {
            *aligned.excluded,
            *(aligned.assets[k] for k in np.flatnonzero(aligned.imputed.any(axis=1))),
        }
        return HeldExposure(
            by_factor=aligned.matrix.T @ by_name("weights", weights, aligned.assets),
            exposures=aligned,
            unknown_weight=float(sum(size for name, size in zip(names, w, strict=True) if name in unknown)),
        )

    def alpha(
        self,
        day: str | date,
        volatility: "Mapping[str, float] | pd.Series",
        *,
        ic: float,
        factor: str | None = None,
        missing: MissingPolicy = "error",
        max_age_days: int = 45,
    ) -> "pd.Series":
        """Return expected active returns: information coefficient times volatility times score.

        Parameters
        ----------
        day, missing, max_age_days
            As for `vector`.
        volatility : mapping or Series by asset name
            Residual volatility per period, as a fraction (0.3 is 30 %). Its assets are those of the result.
        ic : float
            Correlation of score and the return it forecasts, in [-1, 1].
        factor : str, optional
            A standardized factor; a share in [0, 1] is refused, for its mean is not 0.

        Returns
        -------
        pandas.Series
            By asset, per period of the volatility.

        References
        ----------
        Grinold (1994), Alpha is volatility times IC times score, Journal of Portfolio Management 20(4).

        Examples
        --------
        0.05 * 0.3 * 2 and 0.05 * 0.2 * -1:

        >>> frame = pl.DataFrame({"date": ["2024-01-31"] * 2, "asset": ["A", "B"],
        ...     "score": [2.0, -1.0]}).with_columns(pl.col("date").str.to_date())
        >>> exposures = kf.portfolio.FactorExposures(frame, {"score": "z"})
        >>> exposures.alpha("2024-01-31", {"B": 0.2, "A": 0.3}, ic=0.05).round(12).to_dict()
        {'B': -0.01, 'A': 0.03}
        """
        import pandas as pd

        name = self._standardized("alpha", factor)
        if not -1.0 <= ic <= 1.0:
            raise DataError(f"ic is {ic}; expected a correlation in [-1, 1].")
        aligned = self.vector(
            day, list(numbers_of("volatility", volatility)), missing=missing, max_age_days=max_age_days
        )
        sigma = by_name("volatility", volatility, aligned.assets)
        if (sigma < 0.0).any() or (sigma > LARGEST_VOLATILITY).any():
            at = int(np.flatnonzero((sigma < 0.0) | (sigma > LARGEST_VOLATILITY))[0])
            raise DataError(
                f"volatility of {aligned.assets[at]} is {sigma[at]:g}; expected a fraction per period, 0.3 for 30 %."
            )
        return pd.Series(ic * sigma * aligned.column(name), index=list(aligned.assets), name="alpha")

    def view(
        self,
        day: str | date,
        assets: Sequence[str],
        *,
        expected_return: float,
        confidence: float,
        factor: str | None = None,
        missing: MissingPolicy = "error",
        max_age_days: int = 45,
    ) -> View:
        """Return a Black-Litterman view: what the factor's long-short portfolio of these assets will earn.

        Parameters
        ----------
        day, assets, missing, max_age_days
            As for `vector`.
        expected_return : float
            Of 1 long and 1 short, per period, as a fraction.
        confidence : float
            In (0, 1), as Idzorek means it: 0.5 moves the posterior half of the way.
        factor : str, optional
            The factor whose exposures, less their mean, are the portfolio's weights.

        References
        ----------
        Black, Litterman (1992), Financial Analysts Journal 48(5). Idzorek (2005).

        Examples
        --------
        Exposures 0.1, 0.2 and 0.6, less 0.3, over the long side of 0.3:

        >>> frame = pl.DataFrame({"date": ["2024-01-31"] * 3, "asset": ["A", "B", "C"],
        ...     "exposure": [0.1, 0.2, 0.6]}).with_columns(pl.col("date").str.to_date())
        >>> exposures = kf.portfolio.FactorExposures(frame, {"exposure": "share"})
        >>> view = exposures.view("2024-01-31", ["A", "B", "C"], expected_return=0.02, confidence=0.5)
        >>> view.P.round(6).tolist(), view.Q.tolist()
        ([[-0.666667, -0.333333, 1.0]], [0.02])
        """
        if not 0.0 < confidence < 1.0:
            raise DataError(f"confidence is {confidence}; expected more than 0 and less than 1.")
        if not -1.0 < expected_return < 1.0:
            raise DataError(
                f"expected_return is {expected_return}; expected a fraction per period, 0.02 for 2 %."
            )
        aligned = self.vector(day, assets, missing=missing, max_age_days=max_age_days)
        x = aligned.column(self._factor(factor))
        active = x - x.mean()
        long = active[active > 0].sum()
        if not long > 1e-12 * np.abs(x).max(initial=1e-300):
            raise DataError(f"all {len(x)} assets have the same exposure; a view needs two that differ.")
        return View((active / long)[None], np.array([expected_return]), confidence, aligned)

    def _factor(self, factor: str | None) -> str:
        if factor is None and len(self.units) == 1:
            return self.factors[0]
        if factor not in self.units:
            raise MissingColumnError(
                f"factor is {factor!r}; there are {', '.join(self.factors)}. Name one of them."
            )
        return factor

    def _standardized(self, what: str, factor: str | None) -> str:
        name = self._factor(factor)
        if self.units[name] != "z":
            raise DataError(
                f"{what} needs a standardized factor; {name} is a share in [0, 1]. Take 'score', say."
            )
        return name

    def _limits(
        self, what: str, given: float | Mapping[str, float] | None, absent: float
    ) -> NDArray[np.float64]:
        limits = dict.fromkeys(self.factors, absent)
        if given is not None and not isinstance(given, float | int):
            limits |= {self._factor(name): float(limit) for name, limit in given.items()}
        elif given is not None:
            limits[self._factor(None)] = float(given)
        found = np.array(list(limits.values()))
        if np.isnan(found).any():
            raise DataError(f"{what} is not a number.")
        return found

    def _known(self, day: date, max_age_days: int) -> pl.DataFrame:
        past = [known for known in self._days if known <= day]
        if not past:
            raise DateError(f"there are no exposures by {day}; the first are of {self._days[0]}.")
        if (day - past[-1]).days > max_age_days:
            raise DateError(
                f"the newest exposures by {day} are of {past[-1]}, {(day - past[-1]).days} days before; at most "
                f"{max_age_days} are allowed. Compute newer scores, or raise max_age_days."
            )
        return self._frame.filter(pl.col("date") == past[-1])
