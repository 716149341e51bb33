"""An XBRL document as a table of facts, from the instance or from inline XBRL."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from os import PathLike
from typing import Any

import polars as pl

from kifactors.errors import DataError
from kifactors.sources import _items
from kifactors.sources._contexts import XBRLI, Context, Names, read_contexts, read_units
from kifactors.sources._cover import Cover
from kifactors.sources._document import accession_of, parse_tree, read_document
from kifactors.sources._items import Item, Text
from kifactors.sources._repeated import settle
from kifactors.sources._skips import Skips

__all__ = ["FACTS", "XbrlFacts", "read_xbrl"]

FACTS = {
    "concept": pl.String,
    "value": pl.Float64,
    "unit": pl.String,
    "decimals": pl.String,
    "period_start": pl.Date,
    "period_end": pl.Date,
    "dimensions": pl.String,
}
MAX_BYTES = 512_000_000

Key = tuple[str, str, date | None, date, str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class XbrlFacts:
    """The numbers of one filed document.

    Parameters
    ----------
    facts : polars.DataFrame
        concept (``us-gaap:Revenues``, with the standard prefix of its namespace), value, unit (``USD``, ``pure``,
        ``USD/shares``), decimals as printed (``-6``, ``INF``; null: not said), period_start (null: a value on a
        day), period_end, dimensions (``axis=member|axis=member``, sorted, a typed member in quotation marks; empty:
        the whole company). One row a concept, period, unit and set of dimensions; sorted.
    name : str
        Name of the file.
    cik : str, optional
        The filer, ten digits.
    document_type : str, optional
        ``10-K``, ``10-Q``.
    period_end : date, optional
        Last day of the period that the document reports.
    amendment : bool, optional
        Whether it amends an earlier one.
    accession : str, optional
        Accession number, if the file name has one.
    skipped : polars.DataFrame
        What was left out: file, filer, reason, detail, rows.
    """

    facts: pl.DataFrame
    name: str
    cik: str | None
    document_type: str | None
    period_end: date | None
    amendment: bool | None
    accession: str | None
    skipped: pl.DataFrame = field(repr=False)

    @property
    def source(self) -> str:
        """What to name as the source of a row: the accession number, or the file."""
        return self.accession or self.name


def read_xbrl(
    path_or_bytes: str | PathLike[str] | bytes, *, name: str = "", max_bytes: int = MAX_BYTES
) -> XbrlFacts:
    """Read the numeric facts of an XBRL 2.1 instance or an inline XBRL document (extra ``sec``).

    Of the texts only type, period, filer and amendment flag of the cover page are read. What cannot be read exactly is
    left out and counted: unknown formats, values that are no finite numbers, nil, contexts and units that are absent
    or make no sense, facts of another entity. The same fact again counts once; of values that differ the more precise
    one stands if the others are it, rounded, and otherwise none.

    Parameters
    ----------
    path_or_bytes : str, path or bytes
        ``.xml``, ``.htm`` or ``.xhtml``, also compressed by gzip.
    name : str
        Name of the file in errors and counts; by default that of the path. The accession number is taken from it.
    max_bytes : int
        Largest document, uncompressed.

    Returns
    -------
    XbrlFacts
        Facts, cover page, and what was left out.

    Raises
    ------
    MissingExtraError
        lxml is not installed.
    DataError
        No such file, too large, cut off, not well-formed, declares entities, is no XBRL, or several entities report in
        it and none is named the filer.

    Notes
    -----
    A date without a time means the whole day; an end at midnight is the end of the day before (XBRL 2.1, 4.7.2).

    References
    ----------
    XBRL International: Extensible Business Reporting Language 2.1; Inline XBRL 1.1; Transformation Registries 1 to 5.

    Examples
    --------
    >>> from kifactors.sources import read_xbrl
    >>> document = b'''<xbrl xmlns="http://www.xbrl.org/2003/instance" xmlns:gaap="http://fasb.org/us-gaap/2024"
    ...     xmlns:iso4217="http://www.xbrl.org/2003/iso4217">
    ...   <context id="c"><entity><identifier scheme="http://www.sec.gov/CIK">0001045810</identifier></entity>
    ...     <period><startDate>2024-01-29</startDate><endDate>2024-07-28</endDate></period></context>
    ...   <unit id="u"><measure>iso4217:USD</measure></unit>
    ...   <gaap:Revenues contextRef="c" unitRef="u" decimals="-6">56084000000</gaap:Revenues>
    ... </xbrl>'''
    >>> facts = read_xbrl(document)
    >>> facts.cik, facts.facts.select("concept", "value", "unit").row(0)
    ('0001045810', ('us-gaap:Revenues', 56084000000.0, 'USD'))
    """
    name, data = read_document(path_or_bytes, name=name, max_bytes=max_bytes)
    root = parse_tree(data, name=name)
    names = Names(root)
    contexts = read_contexts(root, names)
    items, texts = _said(root, names, name=name)
    skips = Skips()
    cover = Cover(texts, contexts, skips, name)
    cik = cover.filer(contexts)
    filer = f"cik:{cik}" if cik else ""
    facts = _facts(items, contexts, read_units(root, names), skips, name, filer)
    return XbrlFacts(
        facts=facts,
        name=name,
        cik=cik,
        document_type=cover.one("DocumentType"),
        period_end=cover.one("DocumentPeriodEndDate"),
        amendment=cover.one("AmendmentFlag"),
        accession=accession_of(name),
        skipped=skips.to_polars().with_columns(filer=pl.lit(filer)),
    )


def _said(root: Any, names: Names, *, name: str) -> tuple[list[Item], list[Text]]:
    if root.tag == f"{{{XBRLI}}}xbrl":
        return list(_items.instance_items(root, names)), list(_items.instance_texts(root, names))
    if _items.is_inline(root):
        return list(_items.inline_items(root, names)), list(_items.inline_texts(root, names))
    raise DataError(
        f"{name} is neither an XBRL instance nor inline XBRL. Read the document that holds the facts."
    )


def _facts(
    items: Iterable[Item],
    contexts: dict[str, Context],
    units: dict[str, str | None],
    skips: Skips,
    name: str,
    filer: str,
) -> pl.DataFrame:
    groups: dict[Key, list[tuple[float, str | None]]] = defaultdict(list)
    for item in items:
        context = contexts.get(item.context, Context(wrong="no such context"))
        unit = units.get(item.unit)
        wrong = item.wrong or context.wrong or ("" if unit else "no such unit")
        if not wrong and filer and context.entity != filer:
            wrong = "of another entity"
        if wrong or item.value is None or unit is None or context.end is None:
            skips.add(wrong, file=name, detail=item.detail or ("" if wrong == "nil" else item.concept))
            continue
        key = (item.concept, unit, context.start, context.end, context.dimensions)
        groups[key].append((item.value, item.decimals))
    rows = []
    for (concept, unit, start, end, dimensions), said in groups.items():
        fact = settle(said)
        if fact is None:
            skips.add("values that disagree", file=name, detail=concept, rows=len(said))
            continue
        skips.add("the same fact again", file=name, rows=len(said) - 1)
        rows.append((concept, fact[0], unit, fact[1], start, end, dimensions))
    frame = pl.DataFrame(rows, schema=FACTS, orient="row")
    return frame.sort("concept", "period_end", "period_start", "dimensions", "unit")
