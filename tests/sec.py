"""Documents and facts as the SEC writes them, for tests."""

import gzip
import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from kifactors.sources import RAW

DATA = Path(__file__).parents[2] / "shared" / "data"
needs_files = pytest.mark.skipif(
    not (DATA / "sec").is_dir(), reason="needs the shared source files beside the checkout"
)


def raw(*rows, cik="0000000001"):
    """Facts: tag, start, end, value, filed, and what differs from a 10-Q in dollars."""
    cells = []
    for tag, start, end, value, filed, *rest in rows:
        more = rest[0] if rest else {}
        cells.append(
            {
                "cik": more.get("cik", cik),
                "tag": tag,
                "unit": more.get("unit", "USD"),
                "period_start": start and date.fromisoformat(start),
                "period_end": end and date.fromisoformat(end),
                "value": value,
                "form": more.get("form", "10-Q"),
                "filed": filed and date.fromisoformat(filed),
                "accession": more.get("accession", f"a-{filed}"),
            }
        )
    return pl.DataFrame(cells, schema=RAW)


def document(facts, cik=1, name="One", **more):
    """Return a companyfacts document; facts: (tag, unit, start, end, value, filed)."""
    tree: dict = {}
    for tag, unit, start, end, value, filed in facts:
        taxonomy, local = tag.split(":")
        units = tree.setdefault(taxonomy, {}).setdefault(local, {"label": local, "units": {}})["units"]
        row = {"end": end, "val": value, "accn": f"a-{filed}", "fy": 2020, "form": "10-K", "filed": filed}
        units.setdefault(unit, []).append(row if start is None else {"start": start, **row})
    return json.dumps({"cik": cik, "entityName": name, "facts": tree, **more}).encode()


def companyfacts_files():
    """Return the real documents by CIK."""
    files = sorted((DATA / "sec" / "companyfacts").glob("CIK*.json.gz"))
    return {path.name[3:13]: gzip.decompress(path.read_bytes()) for path in files}
