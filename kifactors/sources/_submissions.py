"""SEC submissions: when each filing was accepted, and what its filer is called."""

from functools import cache
from typing import Any

import polars as pl

from kifactors.errors import DataError, MissingExtraError
from kifactors.sources._clock import available_by_clock

__all__ = ["FILINGS", "Submissions", "submissions"]

FILINGS = {"accession": pl.String, "form": pl.String, "filed": pl.Date, "available_at": pl.Date}


class Submissions:
    """One document: its filings, columns of `FILINGS`, and its filer.

    clock : what the times of acceptance were written in ("UTC", "New York", "UTC twice"); None: open.
    cik, name, ticker, lei : None of a continuation file, which does not say; ticker and lei also where there is none.
    """

    __slots__ = ("cik", "clock", "filings", "lei", "name", "ticker")

    def __init__(self, filings: pl.DataFrame, clock: str | None, document: Any) -> None:
        self.filings, self.clock = filings, clock
        known = document is not None
        self.cik: str | None = str(document.cik).zfill(10) if known else None
        self.name: str | None = document.name if known else None
        self.lei: str | None = document.lei if known else None
        # The first ticker is that of the common shares.
        self.ticker: str | None = next(iter(document.tickers or []), None) if known else None


def submissions(data: bytes) -> Submissions:
    """Decode one document, of a filer or a continuation.

    Raises
    ------
    DataError
        It is no such document, or its columns differ in length.

    Notes
    -----
    ``acceptanceDateTime`` ends in Z for every filer, and for some it is not UTC: the filing dates tell (`_clock`).
    """
    main, more = _decoders()
    try:
        document = main.decode(data) if b'"filings"' in data else None
        columns = more.decode(data) if document is None else document.filings.recent
    except (ValueError, RecursionError) as error:
        raise DataError(f"it is no submissions document: {error}. Download it again.") from error
    lists = {
        "accession": columns.accessionNumber, "form": columns.form, "filed": columns.filingDate,
        "accepted": columns.acceptanceDateTime,
    }  # fmt: skip
    if len({len(cells) for cells in lists.values()}) > 1:
        raise DataError(
            f"the columns of its filings differ in length: {', '.join(f'{k} {len(v)}' for k, v in lists.items())}. "
            "Download it again."
        )
    filings = pl.DataFrame(lists, schema=dict.fromkeys(lists, pl.String)).with_columns(
        pl.col("filed").str.to_date("%Y-%m-%d", strict=False),
        pl.col("accepted").str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", strict=False),
    )
    days, clock = available_by_clock(filings)
    return Submissions(filings.with_columns(available_at=days).select(list(FILINGS)), clock, document)


@cache
def _decoders() -> tuple[Any, Any]:
    """Return the decoder of a filer's document and that of a continuation."""
    try:
        import msgspec
    except ImportError as error:
        raise MissingExtraError("submissions need msgspec: pip install 'kifactors[sec]'.") from error

    texts: Any = list[str | None]
    columns = msgspec.defstruct(
        "Columns",
        [(name, texts) for name in ("accessionNumber", "filingDate", "acceptanceDateTime", "form")],
    )
    filings = msgspec.defstruct("Filings", [("recent", columns)])
    document = msgspec.defstruct(
        "Submissions",
        [
            ("cik", str | int), ("filings", filings), ("name", str | None, None),
            ("tickers", list[str | None] | None, None), ("lei", str | None, None),
        ],
    )  # fmt: skip
    return msgspec.json.Decoder(document), msgspec.json.Decoder(columns)
