"""The bytes of a filed document and the tree in them, from files that nobody vouches for."""

import gzip
import io
import re
import zlib
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from kifactors.errors import DataError, MissingExtraError

__all__ = ["accession_of", "lxml_etree", "parse_tree", "read_document"]

GZIP_MAGIC = b"\x1f\x8b"
# A declaration is ASCII in every encoding that a filing may have; the two-byte ones are looked at both ways.
ENTITY_DECLARATIONS = tuple("<!ENTITY".encode(encoding) for encoding in ("ascii", "utf-16-le", "utf-16-be"))
ACCESSION = re.compile(r"(?<!\d)(\d{10})-?(\d{2})-?(\d{6})(?!\d)")


def read_document(
    path_or_bytes: str | PathLike[str] | bytes, *, name: str, max_bytes: int
) -> tuple[str, bytes]:
    """Return the name and the uncompressed bytes of a document, refusing one larger than `max_bytes`."""
    if isinstance(path_or_bytes, bytes):
        name, stream = name or "document", io.BytesIO(path_or_bytes)
    else:
        path = Path(fspath(path_or_bytes))
        if not path.is_file():
            raise DataError(f"there is no file {path}. Check the path.")
        name, stream = name or path.name, path.open("rb")  # type: ignore[assignment]
    with stream:
        zipped = stream.read(2) == GZIP_MAGIC
        stream.seek(0)
        try:
            # One byte more than allowed tells too much from just enough, and a small file that unpacks
            # to a huge one is never held.
            data = _read(gzip.GzipFile(fileobj=stream) if zipped else stream, max_bytes + 1)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{name} is not a whole gzip file ({error}). Fetch it again.") from error
    if len(data) > max_bytes:
        raise DataError(
            f"{name} is larger than {max_bytes:,} bytes uncompressed. Raise max_bytes if that is expected."
        )
    return name, data


def _read(stream: Any, most: int) -> bytes:
    parts, left = [], most
    while left and (part := stream.read(min(left, 1 << 20))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def lxml_etree() -> Any:
    """Return lxml's etree."""
    try:
        from lxml import etree
    except ImportError as error:
        raise MissingExtraError("XBRL documents need lxml: pip install 'kifactors[sec]'.") from error
    return etree


def parse_tree(data: bytes, *, name: str) -> Any:
    """Return the root element; what is not well-formed or declares entities is refused."""
    etree = lxml_etree()
    if any(declaration in data for declaration in ENTITY_DECLARATIONS):
        raise DataError(_declares_entities(name))
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError, LookupError) as error:
        raise DataError(
            f"{name} is not well-formed XML ({str(error).splitlines()[0] if str(error) else 'no content'}). It may "
            "be cut off, of another kind, or in another encoding than it says: fetch it again."
        ) from error
    dtd = root.getroottree().docinfo.internalDTD
    if dtd is not None and any(True for _ in dtd.iterentities()):
        raise DataError(_declares_entities(name))
    return root


def _declares_entities(name: str) -> str:
    return (
        f"{name} declares entities of its own, which a filing has no need of and which can pull in other files "
        "or grow without bound. It is not read."
    )


def accession_of(name: str) -> str | None:
    """Return the accession number in a file name, if there is one.

    Examples
    --------
    >>> accession_of("0001045810-24-000264_nvda-20240728_htm.xml.gz")
    '0001045810-24-000264'
    >>> accession_of("intc-20231230.htm")
    """
    found = ACCESSION.search(name)
    return "-".join(found.groups()) if found else None
