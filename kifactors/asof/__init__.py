"""The one place that knows time: visibility, vintages, expiry, trailing twelve months.

Every function answers with what each date could have known; nothing else reads `available_at`.
"""

from kifactors.asof._fundamentals import trailing_on, trailing_twelve_months
from kifactors.asof._history import History, history_of, known_history
from kifactors.asof._latest import latest
from kifactors.asof._provenance import (
    expired_ties,
    in_force_rows,
    moved,
    sourced_ties,
    tie_filings,
    trailing_facts,
)
from kifactors.asof._reach import within_reach
from kifactors.asof._relations import (
    covered_suppliers,
    index_membership,
    live_assets,
    membership_known,
    revenue_ties,
)
from kifactors.asof._statements import (
    ai_capex_share,
    ai_revenue_share,
    capex_guidance,
    fx_rates,
    last_known,
    stated_capex_share,
)

__all__ = [
    "History",
    "ai_capex_share",
    "ai_revenue_share",
    "capex_guidance",
    "covered_suppliers",
    "expired_ties",
    "fx_rates",
    "history_of",
    "in_force_rows",
    "index_membership",
    "known_history",
    "last_known",
    "latest",
    "live_assets",
    "membership_known",
    "moved",
    "revenue_ties",
    "sourced_ties",
    "stated_capex_share",
    "tie_filings",
    "trailing_facts",
    "trailing_on",
    "trailing_twelve_months",
    "within_reach",
]
