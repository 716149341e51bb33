"""Readers of official files: they end in the declared tables, and see the schema and nothing else of the package."""

from kifactors.sources._skips import SKIPPED, Skips
from kifactors.sources._xbrl import XbrlFacts, read_xbrl

__all__ = ["SKIPPED", "Skips", "XbrlFacts", "read_xbrl"]
