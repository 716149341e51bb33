"""The only door to compiled code: checks dtype, contiguity, lengths and offsets; allocates; calls.

A file here without an underscore is the door of the compiled file of its name. `_backend` says which build runs; a
missing extension is an ImportError.
"""

from kifactors._kernels._backend import available as available_levels
from kifactors._kernels._backend import level
from kifactors._kernels._checks import Column, ShapeError
from kifactors._kernels._threads import thread_count, using_threads
from kifactors._kernels.asof import LastVisible, Sections, day_starts, last_visible, locate, sections
from kifactors._kernels.cross_section import (
    DATE_REASONS,
    DENSE,
    RAW,
    SPARSE,
    StyleScore,
    composite_standardize,
    leave_one_out_mean,
    style_score,
)
from kifactors._kernels.digest import DigestByDay, Numbers, Texts, digest_by_day
from kifactors._kernels.evaluation import (
    MOST_BUCKETS,
    Correlated,
    bucket_means,
    correlate,
    forward_returns,
    hold,
)
from kifactors._kernels.graph import Propagated, propagate
from kifactors._kernels.rank import RANK_METHODS, rank
from kifactors._kernels.ttm import NEVER, TrailingFacts, trailing_twelve_months

__all__ = [
    "DATE_REASONS",
    "DENSE",
    "MOST_BUCKETS",
    "NEVER",
    "RANK_METHODS",
    "RAW",
    "SPARSE",
    "Column",
    "Correlated",
    "DigestByDay",
    "LastVisible",
    "Numbers",
    "Propagated",
    "Sections",
    "ShapeError",
    "StyleScore",
    "Texts",
    "TrailingFacts",
    "available_levels",
    "bucket_means",
    "composite_standardize",
    "correlate",
    "day_starts",
    "digest_by_day",
    "forward_returns",
    "hold",
    "last_visible",
    "leave_one_out_mean",
    "level",
    "locate",
    "propagate",
    "rank",
    "sections",
    "style_score",
    "thread_count",
    "trailing_twelve_months",
    "using_threads",
]
