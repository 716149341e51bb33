"""SEC Financial Statement Data Sets: one archive a quarter (or day) with sub.txt and num.txt."""

import zipfile
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import IO

import polars as pl

from kifactors.errors import DataError
from kifactors.sources._archive import opened, too_much
from kifactors.sources._facts import RAW
from kifactors.sources._skips import Skips
from kifactors.sources._tag_map import TagMap

__all__ = ["StatementDataSet", "read_fsds"]

CHUNK = 32 * 2**20
# num.txt of a quarter has some 500 MB; it is never in memory whole.
MOST_BYTES = 8 * 2**30
# The data sets call the international taxonomy by its short name.
TAXONOMIES = {"ifrs": "ifrs-full"}
SUB = ("adsh", "cik", "form", "filed")
NUM = ("adsh", "tag", "version", "ddate", "qtrs", "uom", "value")


class StatementDataSet:
    """Result of `read_fsds`.

    facts : columns of `RAW`.
    filings : cik (ten digits), name, form, filed, accepted (New York time as text, or null), accession.
    rows : how many rows num.txt has.
    """

    __slots__ = ("facts", "filings", "rows")

    def __init__(self, facts: pl.DataFrame, filings: pl.DataFrame, rows: int) -> None:
        self.facts, self.filings, self.rows = facts, filings, rows


def read_fsds(path: str | PathLike[str], tags: TagMap, *, skips: Skips | None = None) -> StatementDataSet:
    """Read the facts of whole companies out of one archive; columns are found by name, in any order.

    Parameters
    ----------
    path : path
        ``2009q3.zip`` or the like. num.txt is read piece by piece: memory does not grow with it.
    tags : TagMap
        Which tags are wanted.
    skips : Skips, optional
        Counts facts of segments and of co-registrants, which are not the whole company.

    Raises
    ------
    DataError
        It is no zip archive, sub.txt or num.txt is absent or lacks a column.

    Notes
    -----
    The data set rounds the last day of a period to the nearest month end (`ddate`) and its length to quarters
    (`qtrs`); the first day here is derived from both, so that 52/53-week years look like calendar months. Facts of a
    filer should come from one source: companyfacts has the true days.
    """
    path, skips = Path(path), skips or Skips()
    with opened(path) as archive:
        filings = _filings(archive, path)
        known = filings.select("accession", "cik", "form", "filed")
        facts, rows = [pl.DataFrame(schema=RAW)], 0
        for piece in _pieces(archive, path, "num.txt", NUM, ("segments", "coreg")):
            rows += piece.height
            facts.append(_facts(piece, known, tags, str(path), skips))
    return StatementDataSet(pl.concat(facts), filings, rows)


def _facts(piece: pl.DataFrame, filings: pl.DataFrame, tags: TagMap, file: str, skips: Skips) -> pl.DataFrame:
    taxonomy = pl.col("version").str.split("/").list.first().replace(TAXONOMIES)
    wanted = piece.with_columns(tag=taxonomy + ":" + pl.col("tag")).filter(
        pl.col("tag").is_in(sorted(tags.wanted))
    )
    whole = wanted.filter(pl.col("segments").is_null() & pl.col("coreg").is_null())
    skips.add("a part of the company: segment or co-registrant", file=file, rows=wanted.height - whole.height)
    joined = whole.join(filings, left_on="adsh", right_on="accession", how="left", maintain_order="left")
    skips.add("a filing that sub.txt lacks", file=file, rows=joined["cik"].null_count())
    end, quarters = (
        pl.col("ddate").str.to_date("%Y%m%d", strict=False),
        pl.col("qtrs").cast(pl.Int32, strict=False),
    )
    before = end.dt.offset_by(pl.format("-{}mo", 3 * quarters)).dt.month_end()
    return joined.filter(pl.col("cik").is_not_null()).select(
        "cik",
        "tag",
        unit="uom",
        period_start=pl.when(quarters > 0).then(before.dt.offset_by("1d")),
        # A length that is no number has no period.
        period_end=pl.when(quarters >= 0).then(end),
        value=pl.col("value").cast(pl.Float64, strict=False),
        form="form",
        filed="filed",
        accession="adsh",
    )


def _filings(archive: zipfile.ZipFile, path: Path) -> pl.DataFrame:
    sub = pl.concat(_pieces(archive, path, "sub.txt", SUB, ("accepted", "name")))
    return sub.select(
        pl.col("cik").str.zfill(10),
        "name",
        "form",
        pl.col("filed").str.to_date("%Y%m%d", strict=False),
        "accepted",
        accession="adsh",
    )


def _pieces(
    archive: zipfile.ZipFile, path: Path, name: str, needed: tuple[str, ...], also: tuple[str, ...]
) -> Iterator[pl.DataFrame]:
    """Yield the rows of one text file in pieces of whole lines; `also` are null where absent."""
    found = [info for info in archive.infolist() if info.filename.rpartition("/")[2] == name]
    if len(found) != 1:
        raise DataError(f"{path} holds {len(found)} files {name}; expected one. Download it again.")
    reason = too_much(found[0], MOST_BYTES)
    if reason:
        raise DataError(f"{path}, {name} is {reason}. Download it again.")
    with archive.open(found[0]) as file:
        header = file.readline()
        columns = header.decode("utf-8", "replace").rstrip("\r\n").split("\t")
        lacking = [column for column in needed if column not in columns]
        if lacking:
            raise DataError(
                f"{path}, {name} lacks {', '.join(lacking)}; it has {', '.join(columns)}. Download it again."
            )
        for lines in _lines(file):
            yield _frame(header + lines, path, name, columns, needed, also)


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """Yield whole lines, together about `CHUNK` bytes."""
    rest = b""
    while data := file.read(CHUNK):
        cut = data.rfind(b"\n") + 1
        if not cut and len(rest) > CHUNK:
            raise DataError("a line is longer than 32 MB. Download the file again.")
        if cut:
            yield rest + data[:cut]
        rest = (rest if not cut else b"") + data[cut:]
    if rest:
        yield rest


def _frame(
    text: bytes, path: Path, name: str, columns: list[str], needed: tuple[str, ...], also: tuple[str, ...]
) -> pl.DataFrame:
    present = [column for column in (*needed, *also) if column in columns]
    try:
        frame = pl.read_csv(
            text, separator="\t", quote_char=None, infer_schema=False, encoding="utf8-lossy", columns=present
        )
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path}, {name} is no table of tab-separated columns: {error}.") from error
    absent = [pl.lit(None, pl.String).alias(column) for column in also if column not in columns]
    return frame.select(*present, *absent)
