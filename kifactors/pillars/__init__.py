"""The three pillars: tables in, descriptors per date and asset out."""

from kifactors.pillars._capex_intensity import capex_intensity
from kifactors.pillars._index_membership import economic_exposure, index_membership
from kifactors.pillars._supplier_ties import (
    SupplierTieDescriptors,
    TieSystem,
    supplier_ties,
    tie_system,
)

__all__ = [
    "SupplierTieDescriptors",
    "TieSystem",
    "capex_intensity",
    "economic_exposure",
    "index_membership",
    "supplier_ties",
    "tie_system",
]
