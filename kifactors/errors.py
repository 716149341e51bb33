"""What can go wrong, by the name of what was wrong: one root, leaves that are also the expected builtin."""

__all__ = [
    "ConflictError",
    "DataError",
    "DateError",
    "DefinitionError",
    "EngineError",
    "InfeasibleError",
    "KifactorsError",
    "MissingColumnError",
    "MissingExtraError",
    "MissingRateError",
    "StaleScoresError",
    "UnmatchedAssetError",
]


class KifactorsError(Exception):
    """Root of every error this library raises on purpose."""


class DataError(KifactorsError, ValueError):
    """A table breaks a rule of the schema; the message names table, column, rows and remedy."""


class ConflictError(KifactorsError, ValueError):
    """A store has other values for the same date and asset, or another writer was first; nothing was written."""


class MissingColumnError(DataError, KeyError):
    """A table lacks a required column."""

    # KeyError quotes its message; a paragraph should stay readable.
    __str__ = Exception.__str__


class MissingRateError(DataError):
    """Money must be converted and the `fx` table has no usable rate."""


class DateError(KifactorsError, ValueError):
    """Dates are empty, unsorted, repeated, not dates, or not covered by the universe."""


class DefinitionError(KifactorsError, ValueError):
    """A factor definition has an unknown key or a value outside its range."""


class EngineError(KifactorsError, RuntimeError):
    """Tasks cannot run where they were sent: no such engine, workers that are gone or of other versions."""


class MissingExtraError(KifactorsError, ImportError):
    """An optional library is needed; the message names the extra that installs it."""


class StaleScoresError(KifactorsError, ValueError):
    """Scores cannot be continued: another definition, release or history made them. Compute all dates again."""


class UnmatchedAssetError(KifactorsError, LookupError):
    """A portfolio names an asset whose exposure is unknown, and nothing says what it counts as."""


class InfeasibleError(KifactorsError, ValueError):
    """No weights within their limits keep a bound; the message names what can be reached."""
