"""Where a document says its facts: elements of an instance, or tags around printed text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kifactors.sources._contexts import NIL, XBRLI, Names
from kifactors.sources._transforms import LONGEST_NUMBER, UnreadableError, number_of

__all__ = ["Item", "Text", "inline_items", "inline_texts", "instance_items", "instance_texts", "is_inline"]

INLINE = ("http://www.xbrl.org/2013/inlineXBRL", "http://www.xbrl.org/2008/inlineXBRL")
# Of the texts only the cover page is read; the rest is prose.
COVER = "dei:"
FRAMEWORK = (XBRLI, "http://www.xbrl.org/2003/linkbase")
DECIMAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,9})?", re.ASCII)
DECIMALS = re.compile(r"INF|-?\d{1,3}", re.ASCII)
# What a printed number and one nested around it must agree on.
SHOWN_AS = ("format", "scale", "unitRef")


@dataclass(frozen=True, slots=True)
class Item:
    """A numeric fact as it stands; `wrong` and `detail` say why it has no value."""

    concept: str
    context: str
    unit: str
    decimals: str | None
    value: float | None
    wrong: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """A fact of the cover page, with the format its text is printed in."""

    concept: str
    context: str
    text: str
    form: str = ""
    uri: str = ""
    wrong: str = ""
    detail: str = ""


def is_inline(root: Any) -> bool:
    """Whether facts are tagged in a printed document."""
    return any(next(root.iter(f"{{{ix}}}*"), None) is not None for ix in INLINE)


def instance_items(root: Any, names: Names) -> Iterator[Item]:
    """Yield the numeric facts of an instance."""
    for element, concept in _instance_facts(root, names):
        if element.get("contextRef") is None:
            yield _wrong(element, concept, "facts in a tuple")
        elif element.get("unitRef") is not None:
            yield _item(element, concept, _instance_value)


def instance_texts(root: Any, names: Names) -> Iterator[Text]:
    """Yield the cover page of an instance."""
    for element, concept in _instance_facts(root, names):
        if concept.startswith(COVER) and element.get("unitRef") is None and not _nil(element):
            yield Text(concept, element.get("contextRef", ""), element.text or "")


def _instance_facts(root: Any, names: Names) -> Iterator[tuple[Any, str]]:
    for element in root:
        if not isinstance(element.tag, str):
            continue
        uri, local = _split(element.tag)
        if uri not in FRAMEWORK:
            yield element, names.write(uri, local, element.prefix)


def inline_items(root: Any, names: Names) -> Iterator[Item]:
    """Yield the numeric facts tagged in a printed document."""
    for ix in INLINE:
        for element in root.iter(f"{{{ix}}}nonFraction"):
            yield _inline_item(element, names, _inline_value)
        for element in root.iter(f"{{{ix}}}fraction"):
            yield _inline_item(element, names, _no_fraction)


def _inline_item(element: Any, names: Names, read: Any) -> Item:
    try:
        concept = names.resolve(element.get("name"), element)
    except UnreadableError as error:
        return _wrong(element, element.get("name", ""), error.reason)
    if element.get("target") is not None:
        return _wrong(element, concept, "meant for another document")
    if element.get("tupleRef") is not None:
        return _wrong(element, concept, "facts in a tuple")
    return _item(element, concept, read)


def inline_texts(root: Any, names: Names) -> Iterator[Text]:
    """Yield the cover page of a printed document."""
    for ix in INLINE:
        pieces = {e.get("id"): e for e in root.iter(f"{{{ix}}}continuation")}
        for element in root.iter(f"{{{ix}}}nonNumeric"):
            try:
                concept = names.resolve(element.get("name"), element)
            except UnreadableError:
                continue
            if concept.startswith(COVER) and element.get("target") is None and not _nil(element):
                yield _inline_text(element, concept, pieces)


def _inline_text(element: Any, concept: str, pieces: dict[str, Any]) -> Text:
    context = element.get("contextRef", "")
    try:
        form, uri = _format(element)
        return Text(concept, context, _continued(element, pieces), form, uri)
    except UnreadableError as error:
        return Text(concept, context, "", wrong=error.reason, detail=error.detail)


def _continued(element: Any, pieces: dict[str, Any]) -> str:
    """Return the text of an element and of what continues it."""
    text, seen = _printed(element), set[str]()
    while (following := element.get("continuedAt")) is not None:
        if following in seen or following not in pieces:
            raise UnreadableError("a text that is continued nowhere")
        seen.add(following)
        element = pieces[following]
        text += _printed(element)
    return text


def _item(element: Any, concept: str, read: Any) -> Item:
    if _nil(element):
        return _wrong(element, concept, "nil")
    try:
        # Zero has no sign: -0.0 and 0.0 are one value.
        value = read(element) + 0.0
    except UnreadableError as error:
        return _wrong(element, concept, error.reason, error.detail)
    return Item(
        concept,
        element.get("contextRef", ""),
        element.get("unitRef", ""),
        _decimals(element.get("decimals", "").strip()),
        value,
    )


def _decimals(text: str) -> str | None:
    if not DECIMALS.fullmatch(text):
        return None
    return text if text == "INF" else str(int(text))


def _wrong(element: Any, concept: str, reason: str, detail: str = "") -> Item:
    return Item(
        concept, element.get("contextRef", ""), element.get("unitRef", ""), None, None, reason, detail
    )


def _instance_value(element: Any) -> float:
    if len(element):
        raise UnreadableError("a fraction")
    text = (element.text or "").strip()
    if text in ("INF", "-INF", "NaN") or len(text) > LONGEST_NUMBER:
        raise UnreadableError("not a finite number")
    if not DECIMAL.fullmatch(text):
        raise UnreadableError("not a number")
    value = float(text)
    if abs(value) == float("inf"):
        raise UnreadableError("not a finite number")
    return value


def _inline_value(element: Any) -> float:
    if not all(_shown_alike(element, other) for other in (element.getparent(), *element)):
        raise UnreadableError("nested numbers that differ in scale, format or unit")
    sign = element.get("sign", "")
    if sign not in ("", "-"):
        raise UnreadableError("a sign that is not a minus")
    form, uri = _format(element)
    value = number_of(_printed(element), form, uri=uri, scale=element.get("scale", "0").strip())
    return -value if sign else value


def _no_fraction(element: Any) -> float:  # noqa: ARG001
    raise UnreadableError("a fraction")


def _shown_alike(element: Any, other: Any) -> bool:
    if other is None or other.tag != element.tag:
        return True
    return all(element.get(name) == other.get(name) for name in SHOWN_AS)


def _format(element: Any) -> tuple[str, str]:
    """Return the local name and the namespace of a format, both empty without one."""
    prefix, _, local = element.get("format", "").strip().rpartition(":")
    return local, (element.nsmap.get(prefix or None) or "") if local else ""


def _printed(element: Any) -> str:
    """Return the text of an element without what is excluded from it."""
    return "".join(_pieces(element))


def _pieces(element: Any) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        if not isinstance(child.tag, str):
            raise UnreadableError("an entity in a fact")
        if child.tag not in {f"{{{ix}}}exclude" for ix in INLINE}:
            yield from _pieces(child)
        yield child.tail or ""


def _nil(element: Any) -> bool:
    return element.get(NIL) in ("true", "1")


def _split(tag: str) -> tuple[str, str]:
    uri, _, local = tag.rpartition("}")
    return uri.removeprefix("{"), local
