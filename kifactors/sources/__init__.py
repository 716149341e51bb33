"""Readers of official files: they end in the declared tables, and see the schema and nothing else of the package."""

from kifactors.sources._concentration import XbrlTies, revenue_ties_from_xbrl
from kifactors.sources._names import read_aliases, read_confirmed, write_suggestions
from kifactors.sources._segments import (
    RevenueMembers,
    XbrlRevenueShare,
    ai_revenue_share_from_xbrl,
    read_members,
)
from kifactors.sources._skips import SKIPPED, Skips
from kifactors.sources._xbrl import XbrlFacts, read_xbrl

__all__ = [
    "SKIPPED",
    "RevenueMembers",
    "Skips",
    "XbrlFacts",
    "XbrlRevenueShare",
    "XbrlTies",
    "ai_revenue_share_from_xbrl",
    "read_aliases",
    "read_confirmed",
    "read_members",
    "read_xbrl",
    "revenue_ties_from_xbrl",
    "write_suggestions",
]
