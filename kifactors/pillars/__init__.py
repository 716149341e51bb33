"""The three pillars: tables in, descriptors per date and asset out."""

from kifactors.pillars._capex_intensity import capex_intensity, intensity
from kifactors.pillars._index_membership import economic_exposure, index_membership
from kifactors.pillars._supplier_ties import (
    SupplierSystem,
    SupplierTieDescriptors,
    supplier_system,
    supplier_ties,
)

__all__ = [
    "SupplierSystem",
    "SupplierTieDescriptors",
    "capex_intensity",
    "economic_exposure",
    "index_membership",
    "intensity",
    "supplier_system",
    "supplier_ties",
]
