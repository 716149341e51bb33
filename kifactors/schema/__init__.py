"""The tables, as data: what comes in, what goes out, and the checks at the door."""

from kifactors.schema._arrow import as_requested, from_stream, to_arrow
from kifactors.schema._coerce import coerce, declared
from kifactors.schema._content import Content, content, fingerprints, put_together
from kifactors.schema._declared import Column, Rule, TableSchema
from kifactors.schema._given import ArrowStream, Given, TableLike, read_file, read_given
from kifactors.schema._inputs import FLOW_METRICS, INPUTS, SCOPES, STOCK_METRICS
from kifactors.schema._outputs import DESCRIPTORS, ROLES, SCORES
from kifactors.schema._tables import Tables
from kifactors.schema._universe import universe_columns
from kifactors.schema._validate import check, validate

__all__ = [
    "DESCRIPTORS",
    "FLOW_METRICS",
    "INPUTS",
    "ROLES",
    "SCOPES",
    "SCORES",
    "STOCK_METRICS",
    "ArrowStream",
    "Column",
    "Content",
    "Given",
    "Rule",
    "TableLike",
    "TableSchema",
    "Tables",
    "as_requested",
    "check",
    "coerce",
    "content",
    "declared",
    "fingerprints",
    "from_stream",
    "put_together",
    "read_file",
    "read_given",
    "to_arrow",
    "universe_columns",
    "validate",
]
