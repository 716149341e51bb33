"""The tables, as data: what comes in, what goes out, and the checks at the door."""

from kifactors.schema._coerce import ArrowStream, TableLike, coerce, read_file
from kifactors.schema._declared import Column, Rule, TableSchema
from kifactors.schema._inputs import FLOW_METRICS, INPUTS, SCOPES
from kifactors.schema._outputs import DESCRIPTORS, ROLES, SCORES
from kifactors.schema._tables import Tables, fingerprint
from kifactors.schema._validate import check, validate

__all__ = [
    "DESCRIPTORS",
    "FLOW_METRICS",
    "INPUTS",
    "ROLES",
    "SCOPES",
    "SCORES",
    "ArrowStream",
    "Column",
    "Rule",
    "TableLike",
    "TableSchema",
    "Tables",
    "check",
    "coerce",
    "fingerprint",
    "read_file",
    "validate",
]
