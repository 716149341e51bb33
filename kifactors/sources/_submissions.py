"""SEC submissions: when each filing was accepted, and what its filer is called."""

from functools import cache
from typing import Any

import polars as pl

from kifactors.errors import DataError, MissingExtraError

__all__ = ["FILINGS", "Submissions", "available_on", "submissions"]

FILINGS = {"accession": pl.String, "form": pl.String, "filed": pl.Date, "available_at": pl.Date}
NEW_YORK = "America/New_York"
# What is accepted later is read after the market has closed.
CLOSE_HOUR = 16
# Before this year the archive knows the day of some filings only, and says midnight.
TIMES_FROM = 2002


class Submissions:
    """One document: its filer (None of a continuation file, which does not say) and its filings, columns of `FILINGS`."""

    __slots__ = ("cik", "filings", "lei", "name", "ticker")

    def __init__(
        self, filings: pl.DataFrame, cik: str | None, name: str | None, ticker: str | None, lei: str | None
    ) -> None:
        self.filings, self.cik, self.name, self.ticker, self.lei = filings, cik, name, ticker, lei


def available_on(accepted: pl.Expr, filed: pl.Expr) -> pl.Expr:
    """Return the first day on which the market could act on a filing.

    Parameters
    ----------
    accepted : expression
        Datetime of New York, without a zone. Null, or midnight before 2002: only the day is known.
    filed : expression
        Date of filing.

    Returns
    -------
    expression
        The day of acceptance, the next one after 16:00:00, and never before the filing date: what is accepted after
        17:30 is filed, and published, on the next business day.

    Examples
    --------
    A Friday's evening, published on Monday:

    >>> from datetime import date, datetime
    >>> pl.select(kf.sources.available_on(pl.lit(datetime(2023, 8, 25, 19, 36)), pl.lit(date(2023, 8, 28)))).item()
    datetime.date(2023, 8, 28)
    >>> pl.select(kf.sources.available_on(pl.lit(datetime(2024, 8, 28, 17, 5)), pl.lit(date(2024, 8, 28)))).item()
    datetime.date(2024, 8, 29)
    """
    day, midnight = accepted.dt.date(), accepted.dt.time() == pl.time(0, 0, 0)
    late = accepted > day.cast(pl.Datetime) + pl.duration(hours=CLOSE_HOUR)
    next_day = pl.when(late).then(day.dt.offset_by("1d")).otherwise(day)
    known = pl.when(~(midnight & (accepted.dt.year() < TIMES_FROM))).then(next_day)
    return pl.max_horizontal(known, filed)


def submissions(data: bytes) -> Submissions:
    """Decode one document, of a filer or a continuation.

    Raises
    ------
    DataError
        It is no such document, or its columns differ in length.

    Notes
    -----
    ``acceptanceDateTime`` is UTC: the filing date moves to the next business day at 17:30 in New York, which is 21:30
    in summer and 22:30 in winter there.
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
    accepted = (
        pl.col("accepted").str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", strict=False, time_zone="UTC")
        .dt.convert_time_zone(NEW_YORK).dt.replace_time_zone(None)
    )  # fmt: skip
    filings = (
        pl.DataFrame(lists, schema=dict.fromkeys(lists, pl.String))
        .with_columns(filed=pl.col("filed").str.to_date("%Y-%m-%d", strict=False))
        .with_columns(available_at=available_on(accepted, pl.col("filed")))
        .select(list(FILINGS))
    )
    if document is None:
        return Submissions(filings, None, None, None, None)
    # The first ticker is that of the common shares.
    ticker = next(iter(document.tickers or []), None)
    return Submissions(filings, str(document.cik).zfill(10), document.name, ticker, document.lei)


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
