"""Exposures of a list of assets on one date, in its order; what was unknown is marked or left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from kifactors.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Aligned", "HeldExposure", "MissingPolicy", "by_name", "checked_names", "numbers_of"]

Floats = NDArray[np.float64]
MissingPolicy = Literal["error", "neutral", "industry_mean", "exclude"]


@dataclass(frozen=True, slots=True, eq=False)
class Aligned:
    """Exposures of named assets to one or more factors, on one date.

    Parameters
    ----------
    matrix : (n, k) array
        A row per asset, a column per factor; never NaN.
    assets : tuple of str
        The n names, in the order asked for, less the excluded.
    factors : tuple of str
        The k factors.
    as_of : date
        The score date that was used.
    imputed : (n, k) bool array
        True where the exposure was unknown and the policy put a number.
    excluded : tuple of str
        Assets that the policy left out.
    """

    matrix: Floats
    assets: tuple[str, ...]
    factors: tuple[str, ...]
    as_of: date
    imputed: NDArray[np.bool_]
    excluded: tuple[str, ...] = ()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: FBT001
        return np.array(self.matrix, dtype=dtype, copy=copy)

    def __len__(self) -> int:
        return len(self.assets)

    def column(self, factor: str | None = None) -> Floats:
        """Return the exposures to one factor; without a name to the only one."""
        return self.matrix[:, self._place(factor)]

    def to_pandas(self) -> "pd.DataFrame":
        """Return a frame, assets in rows and factors in columns."""
        import pandas as pd

        return pd.DataFrame(self.matrix, index=list(self.assets), columns=list(self.factors))

    def to_series(self, factor: str | None = None) -> "pd.Series":
        """Return the exposures to one factor by asset; without a name to the only one."""
        import pandas as pd

        at = self._place(factor)
        return pd.Series(self.matrix[:, at], index=list(self.assets), name=self.factors[at])

    def _place(self, factor: str | None) -> int:
        if factor is None and len(self.factors) == 1:
            return 0
        if factor not in self.factors:
            raise DataError(f"factor is {factor!r}; there are {', '.join(self.factors)}. Name one of them.")
        return self.factors.index(factor)


@dataclass(frozen=True, slots=True, eq=False)
class HeldExposure:
    """Exposure of one portfolio to one or more factors; like an array of its values.

    Parameters
    ----------
    by_factor : (k,) array
        X'w, a number per factor.
    exposures : Aligned
        X, and what of it was imputed or left out.
    unknown_weight : float
        Sum of the sizes of the weights whose exposure was imputed, or left out and counted as 0.
    """

    by_factor: Floats
    exposures: Aligned
    unknown_weight: float

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: FBT001
        return np.array(self.by_factor, dtype=dtype, copy=copy)

    def __len__(self) -> int:
        return len(self.by_factor)

    def __getitem__(self, factor: int | str) -> float:
        """Return the exposure to a factor, by place or by name."""
        place = self.exposures.factors.index(factor) if isinstance(factor, str) else factor
        return float(self.by_factor[place])


def checked_names(assets: Sequence[str]) -> tuple[str, ...]:
    """Return asset names, each once."""
    if isinstance(assets, str):
        raise DataError(f"assets is the text {assets!r}; expected a list of names.")
    names = tuple(assets)
    wrong = [name for name in names if not isinstance(name, str)]
    if wrong:
        raise DataError(f"an asset is {wrong[0]!r}; expected names as text. Pass list(prices.columns), say.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"asset {twice!r} is named twice; expected every asset once.")
    return names


def numbers_of(what: str, values: "Mapping[str, float] | pd.Series") -> dict[str, float]:
    """Return numbers by asset name as a dict."""
    if not hasattr(values, "items"):
        raise DataError(
            f"{what} is a {type(values).__name__}; expected numbers by asset name: a dict or a pandas Series. "
            "Numbers by position are not taken."
        )
    pairs: Any = values.items()
    names, numbers = zip(*pairs, strict=True) if len(values) else ((), ())
    return dict(zip(checked_names(names), numbers, strict=True))


def by_name(what: str, values: "Mapping[str, float] | pd.Series", assets: Sequence[str]) -> Floats:
    """Return numbers in the order of assets; each must have one, and a finite one."""
    known = numbers_of(what, values)
    absent = [name for name in assets if name not in known]
    if absent:
        raise DataError(f"{what} has no number for {len(absent)} asset(s): {', '.join(absent[:5])}.")
    try:
        found = np.array([known[name] for name in assets], np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{what} are not all numbers: {error}.") from error
    if not np.isfinite(found).all():
        at = int(np.flatnonzero(~np.isfinite(found))[0])
        raise DataError(f"{what} of {assets[at]} is {found[at]}; expected a finite number.")
    return found
