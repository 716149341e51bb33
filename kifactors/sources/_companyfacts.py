"""SEC companyfacts: one JSON document a filer, or the official archive of all of them."""

import json
from collections import Counter
from functools import lru_cache
from typing import Any

import polars as pl

from kifactors.errors import DataError, MissingExtraError
from kifactors.sources._facts import RAW
from kifactors.sources._tag_map import TagMap

__all__ = ["Filer", "companyfacts", "companyfacts_frame"]


class Filer:
    """One filer's document: cik, name and facts, columns of `RAW`."""

    __slots__ = ("cik", "columns", "name")

    def __init__(self, cik: str, name: str, columns: dict[str, list[Any]]) -> None:
        self.cik, self.name, self.columns = cik, name, columns


def companyfacts(data: bytes, tags: TagMap) -> Filer:
    """Decode one document; of its thousands of facts only those a tag map names are ever made.

    Raises
    ------
    DataError
        It is no such document: not UTF-8 or JSON, a key stands twice, or a field has another type.
    """
    document_of, tag_of, places = _decoders(tags.wanted)
    columns: dict[str, list[Any]] = {name: [] for name in RAW}
    try:
        document = document_of.decode(data)
        keys = ["facts", "cik"]
        for taxonomy, field, name in places:
            raw = getattr(getattr(document.facts, taxonomy), field, None)
            if raw:
                keys.append(name.partition(":")[2])
                _append(columns, name, tag_of.decode(raw), bytes(raw))
        if any(data.count(b'"%b":' % key.encode()) != 1 for key in keys):
            _refuse_repeats(data)
    except (ValueError, RecursionError) as error:
        raise DataError(f"it is no companyfacts document: {error}. Download it again.") from error
    cik = f"{document.cik:010d}"
    columns["cik"] = [cik] * len(columns["tag"])
    return Filer(cik, document.name, columns)


def companyfacts_frame(filers: list[Filer]) -> pl.DataFrame:
    """Return the facts of filers as one frame, columns of `RAW`; a text that is no date becomes null."""
    dates = {"period_start", "period_end", "filed"}
    columns = {name: [cell for filer in filers for cell in filer.columns[name]] for name in RAW}
    frame = pl.DataFrame(columns, schema={n: pl.String if n in dates else t for n, t in RAW.items()})
    return frame.with_columns(pl.col(*dates).str.to_date("%Y-%m-%d", strict=False))


def _append(columns: dict[str, list[Any]], tag: str, said: Any, raw: bytes) -> None:
    """Add the facts of one tag, unless a key stands twice in them: the last one would win without a word."""
    rows = [row for unit in said.units.values() for row in unit]
    keys = ["units", *said.units]
    if any(raw.count(b'"%b":' % key.encode()) != 1 for key in keys) or any(
        raw.count(b'"%b":' % key) != len(rows) for key in (b"val", b"end", b"filed", b"accn")
    ):
        _refuse_repeats(raw)
    columns["tag"] += [tag] * len(rows)
    columns["unit"] += [name for name, unit in said.units.items() for _ in unit]
    for name, field in (
        ("period_start", "start"), ("period_end", "end"), ("value", "val"),
        ("form", "form"), ("filed", "filed"), ("accession", "accn"),
    ):  # fmt: skip
        columns[name] += [getattr(row, field) for row in rows]


def _refuse_repeats(data: bytes) -> None:
    """Read all of it slowly; what looked like a repeated key may be a text or another way to write JSON."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        twice = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
        if twice:
            raise DataError(f"the key {twice[0]!r} stands twice in one object")
        return dict(pairs)

    json.loads(data, object_pairs_hook=unique)


@lru_cache(maxsize=8)
def _decoders(wanted: frozenset[str]) -> tuple[Any, Any, list[tuple[str, str, str]]]:
    """Build decoders whose structures have the wanted tags as fields, so that all others are only skipped over.

    Returns
    -------
    document, tag : decoders
        Of a document, whose tags stay undecoded, and of one tag.
    places : list
        Field of the taxonomy, field of the tag, full name of the tag.
    """
    try:
        import msgspec
    except ImportError as error:
        raise MissingExtraError("companyfacts need msgspec: pip install 'kifactors[sec]'.") from error

    fact = msgspec.defstruct(
        "Fact",
        [
            ("end", str), ("accn", str), ("filed", str), ("val", float | None), ("form", str | None, None),
            ("start", str | None, None),
        ],
        gc=False,
    )  # fmt: skip
    tag = msgspec.defstruct("Tag", [("units", dict[str, list[fact]])])  # type: ignore[valid-type]
    by_taxonomy: dict[str, list[str]] = {}
    for name in sorted(wanted):
        taxonomy, _, local = name.partition(":")
        by_taxonomy.setdefault(taxonomy, []).append(local)
    taxonomies: list[tuple[str, Any, Any]] = []
    places = []
    for number, (taxonomy, names) in enumerate(by_taxonomy.items()):
        fields = {f"tag_{k}": name for k, name in enumerate(names)}
        kind = msgspec.defstruct(
            f"Taxonomy{number}", [(field, msgspec.Raw, msgspec.Raw()) for field in fields], rename=fields
        )
        taxonomies.append((f"taxonomy_{number}", kind | None, None))
        places += [(f"taxonomy_{number}", field, f"{taxonomy}:{name}") for field, name in fields.items()]
    renamed = {f"taxonomy_{number}": taxonomy for number, taxonomy in enumerate(by_taxonomy)}
    facts = msgspec.defstruct("Facts", taxonomies, rename=renamed)
    document = msgspec.defstruct(
        "Document", [("cik", int), ("name", str), ("facts", facts)], rename={"name": "entityName"}
    )
    return msgspec.json.Decoder(document), msgspec.json.Decoder(tag), places
