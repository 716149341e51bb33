"""From a folder of downloaded filings to a folder of input tables, in steps that can be taken up again."""

from kifactors.ingest._sec import Ingested, ingest_sec

__all__ = ["Ingested", "ingest_sec"]
