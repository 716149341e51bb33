"""One date at a time: standardize (sparse, dense), neutralize, all of it in one pass, rank. Frames in, series out.

Frames are long and sorted by date. Statistics come from the estimation universe, every row is scored, null
stays null.
"""

from kifactors.cross_section._columns import date_offsets
from kifactors.cross_section._percentile import percentile
from kifactors.cross_section._rank import rank
from kifactors.cross_section._style import (
    Neutralized,
    StyleScore,
    composite_standardize,
    dense_standardize,
    neutralize,
    sparse_standardize,
    style_score,
)

__all__ = [
    "Neutralized",
    "StyleScore",
    "composite_standardize",
    "date_offsets",
    "dense_standardize",
    "neutralize",
    "percentile",
    "rank",
    "sparse_standardize",
    "style_score",
]
