"""Readers of official files: they end in the declared tables, and see the schema and nothing else of the package."""

from kifactors.sources._archive import Documents
from kifactors.sources._companyfacts import Filer, companyfacts, companyfacts_frame
from kifactors.sources._facts import RAW, TAGGED, tagged
from kifactors.sources._fsds import StatementDataSet, read_fsds
from kifactors.sources._merge import Merged, merge
from kifactors.sources._skips import SKIPPED, Skips
from kifactors.sources._submissions import FILINGS, Submissions, available_on, submissions
from kifactors.sources._tag_map import FilerRule, Metric, TagMap

__all__ = [
    "FILINGS",
    "RAW",
    "SKIPPED",
    "TAGGED",
    "Documents",
    "Filer",
    "FilerRule",
    "Merged",
    "Metric",
    "Skips",
    "StatementDataSet",
    "Submissions",
    "TagMap",
    "available_on",
    "companyfacts",
    "companyfacts_frame",
    "merge",
    "read_fsds",
    "submissions",
    "tagged",
]
