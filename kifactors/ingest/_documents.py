"""Many documents into parts, some at a time; what is finished is passed over."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kifactors.errors import DataError
from kifactors.ingest._parts import Part, Parts, Report
from kifactors.sources import Documents, Skips

__all__ = ["Kind", "Read", "document_parts"]

# Reads documents of these names into one part; stops at the first that cannot be read if told to be strict.
Read = Callable[[Documents, list[str], bool], Part]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of document: what parts are called, which file names are wanted, how many make a part, an example."""

    name: str
    wanted: Callable[[str], bool]
    batch: int
    example: str


def document_parts(
    kind: Kind, path: Path, read: Read, parts: Parts, *, strict: bool, report: Report
) -> list[str]:
    """Read every document of a file, folder or archive into parts and return their names.

    Raises
    ------
    DataError
        There is no such document; or `strict`, and one cannot be read.
    """
    names, refused = [], Skips()
    with Documents(path, kind.wanted, skips=refused) as documents:
        if strict:
            refused.refuse()
        if not documents.names:
            raise DataError(f"{path} holds no {kind.name} document, like {kind.example}. Check the path.")
        total = len(documents.names)
        for number, start in enumerate(range(0, total, kind.batch)):
            some = documents.names[start : start + kind.batch]
            name = f"{kind.name}-{number:05d}"
            if parts.numbers(name) is None:
                parts.write(name, read(documents, some, strict))
            names.append(name)
            report(start + len(some), total)
    names.append(f"{kind.name}-refused")
    parts.write(names[-1], Part({}, refused.to_polars(), {}))
    return names
