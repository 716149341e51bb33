"""A Black-Litterman view on a factor: long what is exposed, short what is not."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kifactors.errors import DataError
from kifactors.portfolio._aligned import Aligned
from kifactors.portfolio._covariance import covariance_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["View"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """P r = Q with some confidence, on the returns r of ``exposures.assets``.

    Parameters
    ----------
    P : (1, n) array
        The portfolio of the view: its long side adds to 1, its short side to -1.
    Q : (1,) array
        The return expected of it, per period, as a fraction.
    confidence : float
        In (0, 1): 1 is certainty.
    exposures : Aligned
        What P was made from.
    """

    P: Floats
    Q: Floats
    confidence: float
    exposures: Aligned

    def omega(self, covariance: "ArrayLike | pd.DataFrame", *, tau: float = 0.05) -> Floats:
        """Return the variance of the view that its confidence implies.

        Parameters
        ----------
        covariance : pandas.DataFrame, or (n, n) array
            Covariance of returns per period, by asset name; an array is in the order of ``exposures.assets``.
        tau : float
            Weight of the uncertainty of the prior.

        Returns
        -------
        (1, 1) array
            (1 - c) / c * tau P S P'.

        Raises
        ------
        DataError
            covariance lacks an asset, or is not a symmetric matrix of finite numbers; tau is not positive.

        References
        ----------
        Idzorek (2005), A step-by-step guide to the Black-Litterman model; in closed form Walters (2014), The
        Black-Litterman Model in Detail, section "Idzorek's method".
        """
        if not 0.0 < tau < np.inf:
            raise DataError(f"tau is {tau}; expected more than 0.")
        S = covariance_of(covariance, self.exposures.assets)
        return np.asarray((1.0 - self.confidence) / self.confidence * tau * (self.P @ S @ self.P.T))

    def to_pandas(self) -> "pd.DataFrame":
        """Return P as a frame with the assets in columns."""
        import pandas as pd

        return pd.DataFrame(self.P, columns=list(self.exposures.assets))
