"""Readers of official files: they end in the declared tables, and see the schema and nothing else of the package."""

from kifactors.sources._archive import Documents
from kifactors.sources._clock import available_on
from kifactors.sources._companyfacts import Filer, companyfacts, companyfacts_frame
from kifactors.sources._concentration import XbrlTies, revenue_ties_from_xbrl
from kifactors.sources._customers import is_anonymous
from kifactors.sources._facts import RAW, TAGGED, tagged
from kifactors.sources._fsds import StatementDataSet, read_fsds
from kifactors.sources._membership import IndexMembership, read_index_membership
from kifactors.sources._merge import Merged, merge
from kifactors.sources._names import read_aliases, read_confirmed, write_suggestions
from kifactors.sources._segments import (
    RevenueMembers,
    XbrlRevenueShare,
    ai_revenue_share_from_xbrl,
    read_members,
)
from kifactors.sources._skips import SKIPPED, Skips
from kifactors.sources._submissions import FILINGS, Submissions, submissions
from kifactors.sources._tag_map import FilerRule, Metric, TagMap
from kifactors.sources._universe import UniverseFromPrices, universe_from_prices
from kifactors.sources._xbrl import XbrlFacts, read_xbrl

__all__ = [
    "FILINGS",
    "RAW",
    "SKIPPED",
    "TAGGED",
    "Documents",
    "Filer",
    "FilerRule",
    "IndexMembership",
    "Merged",
    "Metric",
    "RevenueMembers",
    "Skips",
    "StatementDataSet",
    "Submissions",
    "TagMap",
    "UniverseFromPrices",
    "XbrlFacts",
    "XbrlRevenueShare",
    "XbrlTies",
    "ai_revenue_share_from_xbrl",
    "available_on",
    "companyfacts",
    "companyfacts_frame",
    "is_anonymous",
    "merge",
    "read_aliases",
    "read_confirmed",
    "read_fsds",
    "read_index_membership",
    "read_members",
    "read_xbrl",
    "revenue_ties_from_xbrl",
    "submissions",
    "tagged",
    "universe_from_prices",
    "write_suggestions",
]
