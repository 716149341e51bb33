"""A covariance of returns in the order of some assets."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kifactors.errors import DataError

__all__ = ["covariance_of"]

# A matrix that differs from its transpose by more, as a share of its largest entry, was not meant to be symmetric.
SYMMETRIC = 1e-8


def covariance_of(given: Any, assets: Sequence[str], *, by_position: bool = True) -> NDArray[np.float64]:
    """Return V in the order of assets: of a frame by name, of an array as it stands, unless that is not allowed.

    Raises
    ------
    DataError
        An asset is absent or stands twice, the shape is another, or it is not symmetric, finite and of variances
        of at least 0.
    """
    n = len(assets)
    if hasattr(given, "reindex"):
        absent = [name for name in assets if name not in given.index or name not in given.columns]
        if absent:
            raise DataError(f"covariance lacks {len(absent)} asset(s): {', '.join(absent[:5])}.")
        given = given.loc[list(assets), list(assets)]
        if given.shape != (n, n):
            raise DataError("covariance names an asset twice; expected every name once.")
    elif not by_position:
        raise DataError(
            f"covariance is a {type(given).__name__}; expected a pandas DataFrame with asset names in rows and columns."
        )
    try:
        V = np.asarray(given, np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"covariance is not all numbers: {error}.") from error
    if V.shape != (n, n):
        raise DataError(f"covariance is {V.shape}; expected {(n, n)}, in the order of the assets.")
    if not np.isfinite(V).all() or np.abs(V - V.T).max(initial=0.0) > SYMMETRIC * np.abs(V).max(initial=0.0):
        raise DataError("covariance is not a symmetric matrix of finite numbers.")
    if (np.diag(V) < 0.0).any():
        raise DataError(f"the variance of {assets[int(np.argmin(np.diag(V)))]} is negative.")
    return np.asarray((V + V.T) / 2.0, np.float64)
