"""The only door to compiled code: checks dtype, contiguity, lengths and offsets; allocates; calls.

A file here without an underscore is the door of the compiled file of its name. `KIFACTORS_REFERENCE=1` chooses the
slow numpy twins on purpose; a missing extension is an ImportError.
"""

from kifactors._kernels._checks import ShapeError
from kifactors._kernels._threads import thread_count
from kifactors._kernels.cross_section import (
    composite_standardize,
    dense_standardize,
    leave_one_out_mean,
    sparse_standardize,
)
from kifactors._kernels.graph import Propagated, propagate
from kifactors._kernels.regression import FIT_REASONS, Neutralized, neutralize
from kifactors._kernels.ttm import NEVER, TrailingFacts, trailing_twelve_months

__all__ = [
    "FIT_REASONS",
    "NEVER",
    "Neutralized",
    "Propagated",
    "ShapeError",
    "TrailingFacts",
    "composite_standardize",
    "dense_standardize",
    "leave_one_out_mean",
    "neutralize",
    "propagate",
    "sparse_standardize",
    "thread_count",
    "trailing_twelve_months",
]
