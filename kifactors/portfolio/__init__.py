"""Scores as portfolio tools want them: by asset name, with units, bounds and every gap said aloud.

The modules named after a library hand over to it and import it inside; each is an extra of the same name.
"""

from kifactors.portfolio._aligned import Aligned, HeldExposure, MissingPolicy
from kifactors.portfolio._bounds import LinearBounds, achievable_range
from kifactors.portfolio._exposures import FactorExposures
from kifactors.portfolio._risk import FactorRisk, PortfolioExposure, factor_risk, portfolio_exposure
from kifactors.portfolio._tables import weights_table
from kifactors.portfolio._views import View

__all__ = [
    "Aligned",
    "FactorExposures",
    "FactorRisk",
    "HeldExposure",
    "LinearBounds",
    "MissingPolicy",
    "PortfolioExposure",
    "View",
    "achievable_range",
    "factor_risk",
    "portfolio_exposure",
    "weights_table",
]
