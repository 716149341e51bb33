"""The one place that knows time: visibility, vintages, expiry, trailing twelve months.

Every function answers with what each date could have known; nothing else reads `available_at`.
"""

from kifactors.asof._fundamentals import trailing_twelve_months
from kifactors.asof._inputs import (
    ai_capex_share,
    ai_revenue_share,
    capex_guidance,
    covered_suppliers,
    fx_rates,
    index_membership,
    last_known,
    live_assets,
    membership_known,
    revenue_ties,
)

__all__ = [
    "ai_capex_share",
    "ai_revenue_share",
    "capex_guidance",
    "covered_suppliers",
    "fx_rates",
    "index_membership",
    "last_known",
    "live_assets",
    "membership_known",
    "revenue_ties",
    "trailing_twelve_months",
]
