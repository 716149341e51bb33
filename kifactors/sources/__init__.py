"""Readers of official files: they end in the declared tables, and see the schema and nothing else of the package."""

from kifactors.sources._skips import SKIPPED, Skips

__all__ = ["SKIPPED", "Skips"]
