"""Names, contexts and units of an XBRL document: who, when, along which axes, in what."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from kifactors.sources._transforms import UnreadableError, iso_date

__all__ = ["XBRLI", "Context", "Names", "axes_of", "read_contexts", "read_units"]

XBRLI = "http://www.xbrl.org/2003/instance"
XBRLDI = "http://xbrl.org/2006/xbrldi"
CIK_SCHEME = "http://www.sec.gov/CIK"
NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"

# Yearly namespaces of the standard taxonomies; the document may call them what it likes.
STANDARD = tuple(
    (re.compile(pattern), prefix)
    for pattern, prefix in (
        (r"https?://(?:fasb\.org|xbrl\.us)/(us-gaap|srt)/[0-9-]+", ""),
        (r"https?://(?:xbrl\.sec\.gov|xbrl\.us)/([a-z][a-z-]*)/[0-9q-]+", ""),
        (r"https?://xbrl\.(?:ifrs|iasb)\.org/taxonomy/[0-9-]+/ifrs(?:-full)?", "ifrs-full"),
        (r"http://www\.xbrl\.org/2003/(iso4217)", ""),
        (re.escape(XBRLI), "xbrli"),
    )
)
RESERVED = ("us-gaap", "srt", "dei", "country", "currency", "ifrs-full", "iso4217", "xbrli")


class Names:
    """Write qualified names with the standard prefix of their namespace, whatever the document calls it.

    A filer's own namespace keeps the prefix of the root element; a name whose prefix would be mistaken for another
    namespace is written {namespace}name.
    """

    def __init__(self, root: Any) -> None:
        self._prefixes: dict[str, str] = {}
        for prefix, uri in sorted((p, u) for p, u in root.nsmap.items() if p):
            if uri not in self._prefixes:
                self._learn(uri, prefix)

    def write(self, uri: str | None, local: str, prefix: str | None) -> str:
        """Return prefix:local."""
        if not uri:
            return local
        known = self._prefixes[uri] if uri in self._prefixes else self._learn(uri, prefix)
        return f"{known}:{local}" if known else f"{{{uri}}}{local}"

    def resolve(self, text: str | None, element: Any) -> str:
        """Return a name in text, like the one of a member, seen from an element."""
        prefix, _, local = (text or "").strip().rpartition(":")
        uri = element.nsmap.get(prefix or None)
        if not local or (prefix and uri is None):
            raise UnreadableError("a name without a namespace")
        return self.write(uri, local, prefix)

    def _learn(self, uri: str, prefix: str | None) -> str:
        written = next(
            (name or found[1] for shape, name in STANDARD if (found := shape.fullmatch(uri))), None
        )
        if written is None:
            taken = prefix in RESERVED or prefix in self._prefixes.values()
            written = "" if taken or not prefix else prefix
        self._prefixes[uri] = written
        return written


@dataclass(frozen=True, slots=True)
class Context:
    """Entity, period and axes of facts; `start` is None for a value on a day, `wrong` says why it is of no use."""

    entity: str = ""
    start: date | None = None
    end: date | None = None
    dimensions: str = ""
    wrong: str = ""


def axes_of(dimensions: str) -> dict[str, str]:
    """Return members by axis from the text that holds them.

    Examples
    --------
    >>> axes_of("srt:MajorCustomersAxis=x:DellIncMember|us-gaap:StatementBusinessSegmentsAxis=x:PCMember")
    {'srt:MajorCustomersAxis': 'x:DellIncMember', 'us-gaap:StatementBusinessSegmentsAxis': 'x:PCMember'}
    """
    pairs = (pair.partition("=") for pair in dimensions.split("|") if pair)
    return {axis: member for axis, _, member in pairs}


def read_contexts(root: Any, names: Names) -> dict[str, Context]:
    """Return the contexts of a document by their id."""
    elements = list(root.iter(f"{{{XBRLI}}}context"))
    uses = Counter(element.get("id") for element in elements)
    found: dict[str, Context] = {}
    for element in elements:
        try:
            if uses[element.get("id")] > 1:
                raise UnreadableError("two contexts of one id")  # noqa: TRY301
            found[element.get("id")] = _context(element, names)
        except UnreadableError as error:
            found[element.get("id")] = Context(wrong=str(error))
    return found


def _context(element: Any, names: Names) -> Context:
    identifier = element.find(f"{{{XBRLI}}}entity/{{{XBRLI}}}identifier")
    period = element.find(f"{{{XBRLI}}}period")
    if identifier is None or period is None:
        raise UnreadableError("a context without entity or period")
    start, end = _period(period)
    dimensions = sorted(_dimensions(element, names))
    if len({axis for axis, _ in dimensions}) < len(dimensions):
        raise UnreadableError("an axis twice in one context")
    return Context(
        _entity(identifier), start, end, "|".join(f"{axis}={member}" for axis, member in dimensions)
    )


def _entity(identifier: Any) -> str:
    scheme, text = identifier.get("scheme", ""), (identifier.text or "").strip()
    if scheme == CIK_SCHEME and text.isascii() and text.isdigit() and len(text) <= 10:
        return f"cik:{int(text):010d}"
    return f"{scheme} {text}"


def _period(period: Any) -> tuple[date | None, date]:
    texts = {child.tag: (child.text or "").strip() for child in period}
    instant, start, end = (texts.get(f"{{{XBRLI}}}{name}") for name in ("instant", "startDate", "endDate"))
    if instant is not None:
        return None, _day(instant, ends=True)
    if start is None or end is None:
        raise UnreadableError("a period without start and end")
    first, last = _day(start, ends=False), _day(end, ends=True)
    if last < first:
        raise UnreadableError("a period that ends before it starts")
    return first, last


def _day(text: str, *, ends: bool) -> date:
    """Return the day of a date, which means all of it, or of a midnight, which at an end is still the day before."""
    day, _, time = text.partition("T")
    if time not in ("", "00:00:00"):
        raise UnreadableError("a period with a time within a day")
    try:
        return iso_date(day) - timedelta(days=1 if ends and time else 0)
    except OverflowError as error:
        raise UnreadableError("no day of the calendar") from error


def _dimensions(element: Any, names: Names) -> Iterator[tuple[str, str]]:
    for holder in ("entity/{x}segment", "scenario"):
        for child in element.iterfind(f"{{{XBRLI}}}{holder.format(x='{' + XBRLI + '}')}/*"):
            axis = child.get("dimension")
            if child.tag == f"{{{XBRLDI}}}explicitMember":
                yield names.resolve(axis, child), names.resolve(child.text, child)
            elif child.tag == f"{{{XBRLDI}}}typedMember":
                yield names.resolve(axis, child), _typed(child)
            else:
                raise UnreadableError("a segment that is no axis")


def _typed(member: Any) -> str:
    """Return a typed member in quotation marks, so that it is not taken for the name of one."""
    if len(member) != 1 or len(member[0]):
        raise UnreadableError("a typed member of several parts")
    if member[0].get(NIL) in ("true", "1"):
        return "nil"
    text = " ".join((member[0].text or "").split())
    return '"' + re.sub(r'[%|="]', lambda sign: f"%{ord(sign[0]):02X}", text) + '"'


def read_units(root: Any, names: Names) -> dict[str, str | None]:
    """Return units by their id, written the way companyfacts does: USD, shares, USD/shares; None: unreadable."""
    found: dict[str, str | None] = {}
    for element in root.iter(f"{{{XBRLI}}}unit"):
        try:
            text = _unit(element, names)
        except UnreadableError:
            text = None
        known = found.setdefault(element.get("id"), text)
        if known != text:
            found[element.get("id")] = None
    return found


def _unit(element: Any, names: Names) -> str:
    divide = element.find(f"{{{XBRLI}}}divide")
    if divide is None:
        return _product(element, names)
    parts = (divide.find(f"{{{XBRLI}}}{name}") for name in ("unitNumerator", "unitDenominator"))
    return "/".join(_product(part, names) for part in parts if part is not None)


def _product(element: Any, names: Names) -> str:
    measures = (names.resolve(m.text, m) for m in element.iterfind(f"{{{XBRLI}}}measure"))
    product = "*".join(
        sorted(measure.removeprefix("iso4217:").removeprefix("xbrli:") for measure in measures)
    )
    if not product:
        raise UnreadableError("a unit without a measure")
    return product
