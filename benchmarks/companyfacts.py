"""Facts out of an archive like the official companyfacts.zip, made of the real documents under other CIKs.

Compared: the facts of the wanted tags as one frame, by ours, by `json` and pandas, by orjson and polars. Then
`ingest_sec` from the archive to a folder of tables, which nobody else does; its limit is 60 MB of JSON a second.
"""

import gzip
import json
import tempfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import polars as pl
from measure import Case

from kifactors.ingest import ingest_sec
from kifactors.sources import Documents, TagMap, companyfacts, companyfacts_frame

SOURCE = Path(__file__).parents[2] / "shared" / "data" / "sec" / "companyfacts"
LEAST_MB_A_SECOND = 60.0
TAGS = TagMap.default()
KEYS = ("start", "end", "val", "form", "filed", "accn")


def cases(*, quick: bool) -> list[Case]:
    """Return the cases; none without the real documents."""
    if not SOURCE.is_dir():
        print(f"companyfacts is left out: no {SOURCE.name} beside the checkout")
        return []
    members = 14 if quick else 70
    folder = Path(tempfile.mkdtemp())
    path = folder / "companyfacts.zip"
    size = archive(path, members) / 1e6
    return [
        Case(
            f"facts of {members} filers, {size:,.0f} MB of JSON",
            {
                "companyfacts": lambda: answer(ours(path)),
                "json, pandas": lambda: answer(theirs(path, json.loads, pd.DataFrame)),
                "orjson, polars": lambda: answer(
                    theirs(path, orjson.loads, partial(pl.DataFrame, infer_schema_length=None))
                ),
            },
            targets={"json, pandas": 2.0},
            rounds=3,
        ),
        Case(
            f"tables of {members} filers, {size:,.0f} MB of JSON",
            {"ingest_sec": lambda: whole(path, folder / "out")},
            rounds=3,
            limit=size / LEAST_MB_A_SECOND,
        ),
    ]


def archive(path: Path, members: int) -> int:
    """Write the archive and return how many bytes its documents have."""
    documents = [gzip.decompress(one.read_bytes()) for one in sorted(SOURCE.glob("CIK*[0-9].json.gz"))]
    size = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for cik in range(1, members + 1):
            data = documents[cik % len(documents)]
            start, stop = data.index(b":") + 1, data.index(b",")
            document = data[:start] + str(cik).encode() + data[stop:]
            file.writestr(f"CIK{cik:010d}.json", document)
            size += len(document)
    return size


def ours(path: Path) -> pl.DataFrame:
    """Read as `ingest_sec` does."""
    with Documents(path, lambda name: name.endswith(".json")) as documents:
        return companyfacts_frame([companyfacts(documents.read(name), TAGS) for name in documents.names])


def theirs(path: Path, loads: Callable[[bytes], Any], frame: Callable[[list[Any]], Any]) -> Any:
    """Decode whole documents and pick the wanted tags."""
    wanted = [tag.split(":") for tag in sorted(TAGS.wanted)]
    rows = []
    with zipfile.ZipFile(path) as file:
        for name in sorted(file.namelist()):
            document = loads(file.read(name))
            cik = f"{document['cik']:010d}"
            for taxonomy, tag in wanted:
                for unit, facts in (
                    document["facts"].get(taxonomy, {}).get(tag, {"units": {}})["units"].items()
                ):
                    head = {"cik": cik, "tag": f"{taxonomy}:{tag}", "unit": unit}
                    rows += [
                        {**head, "start": None, **{key: fact[key] for key in KEYS if key in fact}}
                        for fact in facts
                    ]
    found = frame(rows)
    days = ("start", "end", "filed")
    if isinstance(found, pl.DataFrame):
        return found.with_columns(pl.col(*days).str.to_date("%Y-%m-%d"))
    return found.assign(**{day: pd.to_datetime(found[day], format="%Y-%m-%d") for day in days})


def answer(facts: Any) -> Any:
    """Return values and days of filing, in the order of documents and tags."""
    table = facts if isinstance(facts, pl.DataFrame) else pl.from_pandas(facts)
    table = table.rename({"val": "value"}, strict=False)
    return np.r_[table["value"].to_numpy(), table["filed"].cast(pl.Date).cast(pl.Int32).to_numpy()]


def whole(path: Path, out: Path) -> Any:
    """Make the tables and return the values of one."""
    ingest_sec(out, companyfacts=path)
    return pl.read_parquet(out / "fundamentals.parquet")["value"].to_numpy()
