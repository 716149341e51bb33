"""SEC companyfacts: one JSON document a filer, or the official archive of all of them."""

import json
from collections import Counter
from functools import cache
from typing import Annotated, Any

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
    document_of, tag_of = _decoders()
    columns: dict[str, list[Any]] = {name: [] for name in RAW}
    try:
        document = document_of.decode(data)
        known = sum(map(len, document.facts.values()))
        if data.count(b'"units":') != known or any(data.count(key) != 1 for key in (b'"cik":', b'"facts":')):
            _refuse_repeats(data)
        for tag in sorted(tags.wanted):
            taxonomy, _, name = tag.partition(":")
            raw = document.facts.get(taxonomy, {}).get(name)
            if raw is not None:
                _append(columns, tag, tag_of.decode(raw), bytes(raw))
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


@cache
def _decoders() -> tuple[Any, Any]:
    """Return the decoder of a document, whose tags it leaves undecoded, and that of one tag."""
    try:
        import msgspec
    except ImportError as error:
        raise MissingExtraError("companyfacts need msgspec: pip install 'kifactors[sec]'.") from error

    key = Annotated[int, msgspec.Meta(ge=1, lt=10**10)]
    fields: list[Any] = [("end", str), ("accn", str), ("filed", str), ("val", float | None)]
    fact = msgspec.defstruct(
        "Fact", [*fields, ("form", str | None, None), ("start", str | None, None)], gc=False
    )
    tag = msgspec.defstruct("Tag", [("units", dict[str, list[fact]])])  # type: ignore[valid-type]
    document = msgspec.defstruct(
        "Document",
        [("cik", key), ("name", str), ("facts", dict[str, dict[str, msgspec.Raw]])],
        rename={"name": "entityName"},
    )
    return msgspec.json.Decoder(document), msgspec.json.Decoder(tag)
