"""Exposures in the frames and files of other tools: alphalens, zipline, qlib, a Barra-style exposure file.

A score dated t was made from what was available ``lag_days`` before t, one day unless the definition says otherwise,
and so can be used on t from the open. Each function says where it puts that score. Prices are the caller's.
"""

from kifactors.portfolio.handover._alphalens import to_alphalens
from kifactors.portfolio.handover._barra import read_barra, write_barra
from kifactors.portfolio.handover._qlib import to_qlib
from kifactors.portfolio.handover._zipline import ZiplineFrame, to_zipline

__all__ = ["ZiplineFrame", "read_barra", "to_alphalens", "to_qlib", "to_zipline", "write_barra"]
