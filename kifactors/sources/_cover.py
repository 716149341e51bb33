"""The cover page of a filing: what is said of the document as a whole."""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from kifactors.errors import DataError
from kifactors.sources._contexts import Context
from kifactors.sources._items import Text
from kifactors.sources._skips import Skips
from kifactors.sources._transforms import UnreadableError, boolean_of, date_of

__all__ = ["Cover"]


class Cover:
    """What the cover page says, each thing once."""

    def __init__(self, texts: Iterable[Text], contexts: dict[str, Context], skips: Skips, name: str) -> None:
        self._said: dict[str, set[Any]] = defaultdict(set)
        self._skips, self._name = skips, name
        for text in texts:
            concept = text.concept.partition(":")[2]
            if concept not in _READ:
                continue
            context = contexts.get(text.context, Context(wrong="no such context"))
            if context.dimensions:
                continue
            try:
                if text.wrong or context.wrong:
                    raise UnreadableError(text.wrong or context.wrong, text.detail)  # noqa: TRY301
                self._said[concept].add(_READ[concept](text))
            except UnreadableError as error:
                skips.add(error.reason, file=name, detail=error.detail or text.concept)

    def one(self, concept: str) -> Any:
        """Return what is said, or None if nothing or several things are."""
        said = self._said[concept]
        if len(said) > 1:
            self._skips.add(
                "a cover page that disagrees with itself",
                file=self._name,
                detail=f"dei:{concept}",
                rows=len(said),
            )
        return next(iter(said)) if len(said) == 1 else None

    def filer(self, contexts: dict[str, Context]) -> str | None:
        """Return the filer: the one of the cover page, or the only entity that reports."""
        if cik := self.one("EntityCentralIndexKey"):
            return str(cik)
        entities = {context.entity for context in contexts.values() if not context.wrong}
        if len(entities) > 1:
            raise DataError(
                f"{self._name}: {len(entities)} entities report in it and the cover page names no filer. "
                "Read the document that has the cover page."
            )
        only = next(iter(entities), "")
        return only.removeprefix("cik:") if only.startswith("cik:") else None


def _plain(text: Text) -> str:
    if text.form:
        raise UnreadableError("unknown format", text.form)
    return " ".join(text.text.split())


def _cik(text: Text) -> str:
    digits = _plain(text)
    if not re.fullmatch(r"[0-9]{1,10}", digits):
        raise UnreadableError("not a central index key")
    return digits.zfill(10)


_READ: dict[str, Any] = {
    "AmendmentFlag": lambda text: boolean_of(text.text, text.form, uri=text.uri),
    "DocumentPeriodEndDate": lambda text: date_of(text.text, text.form, uri=text.uri),
    "DocumentType": _plain,
    "EntityCentralIndexKey": _cik,
}
