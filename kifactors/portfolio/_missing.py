"""What an unknown exposure counts as."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kifactors.errors import DataError, UnmatchedAssetError

__all__ = ["industry_means", "neutral"]


def neutral(known: pl.DataFrame, units: Mapping[str, str]) -> NDArray[np.float64]:
    """Return what an unknown exposure counts as: 0 if standardized, the mean of the known if a share."""
    means = []
    for name, unit in units.items():
        x = pl.col(name)
        if unit == "z":
            means.append(0.0)
            continue
        w = pl.col("market_cap").fill_null(0.0) if "market_cap" in known.columns else pl.lit(1.0)
        w = pl.when(x.is_not_null()).then(w)
        mean = known.select((x * w).sum() / w.sum()).item()
        if mean is None or np.isnan(mean):
            mean = known[name].mean()
        if mean is None:
            raise UnmatchedAssetError(f"no asset has a known {name} on {known['date'][0]}: there is no mean.")
        means.append(mean)
    return np.array(means)


def industry_means(
    known: pl.DataFrame, rows: pl.DataFrame, factors: Sequence[str], absent: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the mean of the industry of every row; each row that needs one must have one."""
    if "industry" not in known.columns:
        raise DataError(
            "missing='industry_mean' needs industries: pass universe= to FactorExposures.from_scores."
        )
    means = known.group_by("industry").agg(pl.col(factors).mean())
    found = rows.select("industry").join(means, on="industry", how="left", maintain_order="left")
    values = found.select(factors).to_numpy().astype(np.float64)
    gone = np.flatnonzero((absent & np.isnan(values)).any(axis=1))
    if gone.size:
        at = int(gone[0])
        raise UnmatchedAssetError(
            f"{rows['asset'][at]} has no known exposure on {known['date'][0]}, and its industry "
            f"({rows['industry'][at] or 'unknown'}) has no mean. Exclude it, or take missing='neutral'."
        )
    return values
