"""Index rules: who is in, at what weight, and why that changed, from dated scores."""

from kifactors.index_rules._build import build
from kifactors.index_rules._capping import redistribute, smallest_cap
from kifactors.index_rules._history import IndexHistory
from kifactors.index_rules._rules import IndexRules

__all__ = ["IndexHistory", "IndexRules", "build", "redistribute", "smallest_cap"]
