"""Who was in which index: intervals from a file, a frame or a package, under the keys of companies."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import groupby
from os import PathLike
from pathlib import Path

import polars as pl

from kifactors.errors import DataError, MissingColumnError
from kifactors.schema import INPUTS, Column, Rule, TableLike, TableSchema, check, coerce, validate
from kifactors.sources._index_packages import PACKAGES
from kifactors.sources._skips import Skips

__all__ = ["IndexMembership", "read_index_membership"]

_MEMBERSHIP, _ASSETS = INPUTS["index_membership"], INPUTS["assets"]


def _optional(name: str, dtype: type[pl.DataType], doc: str, *, pattern: str = "") -> Column:
    return Column(name=name, dtype=dtype, doc=doc, required=False, nullable=True, pattern=pattern)


_TRIMMED = _ASSETS["asset_id"].pattern
TICKER = _optional("ticker", pl.String, "ticker of the member", pattern=_TRIMMED)
INTERVALS = TableSchema(
    name="index_membership",
    doc="Intervals as a source has them: of a company or a ticker, overlapping perhaps.",
    key=("index_id", "asset_id", "ticker", "start", "end", "available_at", "weight"),
    columns=(
        _MEMBERSHIP["index_id"],
        _optional("asset_id", pl.String, "stable key of the company", pattern=_TRIMMED),
        TICKER,
        _MEMBERSHIP["start"],
        _MEMBERSHIP["end"],
        _optional("available_at", pl.Date, "day of the announcement; null: the start"),
        _MEMBERSHIP["weight"],
        _MEMBERSHIP["source"],
    ),
    rules=(
        _MEMBERSHIP.rules[0],
        Rule(
            column="ticker",
            broken=pl.col("asset_id").is_null() & pl.col("ticker").is_null(),
            says="neither asset_id nor ticker says who it is",
            remedy="fill in one of them or drop the row",
        ),
    ),
)
TICKERS = TableSchema(
    name="assets",
    doc="Which company a ticker is, and when.",
    key=("asset_id", "ticker", "valid_from"),
    columns=(_ASSETS["asset_id"], TICKER, _ASSETS["valid_from"], _ASSETS["valid_to"]),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IndexMembership:
    """Memberships under the keys of companies.

    Parameters
    ----------
    membership : polars.DataFrame
        Validated rows of the table `index_membership`.
    skipped : polars.DataFrame
        What was changed: file (or package), filer (the asset), reason, detail (an example), rows.
    """

    membership: pl.DataFrame
    skipped: pl.DataFrame = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Interval:
    index_id: str
    asset_id: str
    start: date
    end: date | None
    available_at: date
    weight: float | None
    source: str

    @property
    def seen(self) -> date:
        """The first day on which it could be known that the asset is in."""
        return max(self.start, self.available_at)

    @property
    def last(self) -> date:
        return self.end or date.max


def read_index_membership(source: TableLike, *, assets: TableLike) -> IndexMembership:
    """Return index memberships from intervals of companies or tickers.

    Parameters
    ----------
    source : table, path, "index-constitution" or "pitindex"
        Columns index_id, asset_id or ticker, start (first day in), end (first day out; null: still in), and optional
        available_at (day of the announcement), weight and source. Or the name of a package (extra ``membership``), of
        which all indices are read, from the files that were installed.
    assets : table
        asset_id, ticker, optional valid_from and valid_to (excluded): which company a ticker was. A row counts for the
        memberships that reach into its time. Not needed for rows with an asset_id.

    Returns
    -------
    IndexMembership
        A ticker that assets lacks, or has for several companies at that time, becomes ``ticker:XXX``; without
        available_at, the start counts. Both, and what follows, is counted in `skipped` but the last.

    Raises
    ------
    MissingColumnError, DataError
        A table breaks its rules, two overlapping intervals of one asset have different weights, or the file of a
        package holds more than a table.
    MissingExtraError
        The package is not installed.

    Notes
    -----
    Tickers match exactly, upper and lower case too. Overlapping and touching intervals of one asset and index, such as
    those of two classes of shares or of an old and a new ticker, are merged; touching ones of different weight are
    not. One that became known only after the earlier one had ended begins where that ended, so that nothing is known
    too early; one that became known only after its own end says nothing and is left out.

    The packages follow Wikipedia. They have no announcements, the S&P indices of pitindex begin with a list, and the
    S&P 500 and Nasdaq-100 of index-constitution date early members to one day: `source` says "start at or before" of
    these. index-constitution writes today's tickers for the past, pitindex those of the time.

    Examples
    --------
    The old and the new ticker of one company, and one that is no company of `assets`:

    >>> from datetime import date
    >>> source = {
    ...     "index_id": ["i", "i", "i"], "ticker": ["FB", "META", "OLD"],
    ...     "start": [date(2020, 1, 1), date(2022, 6, 9), date(2020, 1, 1)],
    ...     "end": [date(2022, 6, 9), None, date(2021, 1, 1)],
    ... }
    >>> assets = {"asset_id": ["m", "m"], "ticker": ["FB", "META"]}
    >>> read = kf.sources.read_index_membership(source, assets=assets)
    >>> for row in read.membership.select("asset_id", "start", "end").rows():
    ...     print(*row)
    m 2020-01-01 None
    ticker:OLD 2020-01-01 2021-01-01
    >>> read.skipped.select("filer", "reason", "rows").rows()
    [('m', 'merged with an interval it overlaps or touches', 1), ('ticker:OLD', 'no asset has that ticker', 1)]
    """
    skips = Skips()
    given, label = _given(source, skips)
    tickers = check(TICKERS, coerce(TICKERS, assets))
    intervals = _resolved(_checked(given, label, skips), tickers, label, skips)
    rows = [
        (r.index_id, r.asset_id, r.start, r.end, r.available_at, r.weight, r.source)
        for r in _separate(intervals, label, skips)
    ]
    names = ["index_id", "asset_id", "start", "end", "available_at", "weight", "source"]
    types = INPUTS["index_membership"].polars
    table = pl.DataFrame(rows, schema={name: types[name] for name in names}, orient="row")
    if "weight" not in given.columns:
        table = table.drop("weight")
    if not table.is_empty():
        table = validate("index_membership", table)
    return IndexMembership(membership=table, skipped=skips.to_polars())


def _given(source: TableLike, skips: Skips) -> tuple[pl.DataFrame, str]:
    """Return the coerced rows of a source, and what it is called."""
    if isinstance(source, str) and source in PACKAGES:
        frame, label = PACKAGES[source]()
        # The owner of a file can correct it; the user of a package cannot.
        empty = (pl.col("end") <= pl.col("start")).fill_null(value=False)
        for index_id, ticker, start in frame.filter(empty).select("index_id", "ticker", "start").rows():
            reason, who = "ends on or before the day it starts", f"ticker:{ticker}"
            skips.add(reason, file=label, filer=who, detail=f"{index_id} from {start}")
        return coerce(INTERVALS, frame.filter(~empty)), label
    frame = coerce(INTERVALS, source)
    if frame.is_empty():
        raise DataError("index_membership has no rows. Give at least one interval.")
    if not {"asset_id", "ticker"} & set(frame.columns):
        raise MissingColumnError(
            f"index_membership lacks column 'asset_id' and column 'ticker'; it has {frame.columns}. Add one of them."
        )
    return frame, Path(source).name if isinstance(source, (str, PathLike)) else "index_membership"


def _checked(given: pl.DataFrame, label: str, skips: Skips) -> pl.DataFrame:
    """Return the rows with every column, sorted, each once."""
    rows = check(INTERVALS, given)
    skips.add("the same row again", file=label, rows=given.height - rows.height)
    absent = [c for c in INTERVALS.columns if c.name not in rows.columns]
    rows = rows.with_columns(pl.lit(None, c.dtype).alias(c.name) for c in absent)
    return rows.with_columns(
        pl.col("available_at").fill_null(pl.col("start")), pl.col("source").fill_null(label)
    )


def _resolved(rows: pl.DataFrame, tickers: pl.DataFrame, label: str, skips: Skips) -> Iterator[_Interval]:
    """Yield the rows under the keys of companies."""
    if rows["asset_id"].null_count() and "ticker" not in tickers.columns:
        raise MissingColumnError(
            f"assets lacks column 'ticker', and index_membership has tickers; it has {tickers.columns}. Add it."
        )
    companies: dict[str | None, list[tuple[str, date, date]]] = {}
    for asset in tickers.iter_rows(named=True):
        valid = asset.get("valid_from") or date.min, asset.get("valid_to") or date.max
        companies.setdefault(asset.get("ticker"), []).append((asset["asset_id"], *valid))
    for row in rows.iter_rows(named=True):
        ticker, asset_id = row.pop("ticker"), row.pop("asset_id")
        if asset_id is None:
            ends = row["end"] or date.max
            meant = {
                who
                for who, first, until in companies.get(ticker, ())
                if first < ends and row["start"] < until
            }
            asset_id = min(meant) if len(meant) == 1 else f"ticker:{ticker}"
            if len(meant) > 1:
                reason, detail = "several assets have that ticker", ", ".join(sorted(meant))
                skips.add(reason, file=label, filer=asset_id, detail=detail)
            elif not meant:
                when = " at that time" if ticker in companies else ""
                skips.add(f"no asset has that ticker{when}", file=label, filer=asset_id)
        yield _Interval(asset_id=asset_id, **row)


def _separate(intervals: Iterable[_Interval], label: str, skips: Skips) -> Iterator[_Interval]:
    """Yield intervals of which no two of one asset and index overlap."""

    def of(row: _Interval) -> tuple[str, str]:
        return row.index_id, row.asset_id

    for _, group in groupby(sorted(intervals, key=of), key=of):
        rows = list(group)
        _refuse_two_weights(rows)
        yield from _merged(rows, label, skips)


def _refuse_two_weights(rows: list[_Interval]) -> None:
    longest: _Interval | None = None
    for row in sorted(rows, key=lambda r: (r.start, r.last)):
        if longest is not None and row.start < longest.last and row.weight != longest.weight:
            raise DataError(
                f"index_membership: column 'weight': two intervals of {row.asset_id!r} in {row.index_id!r} overlap, from "
                f"{longest.start} with weight {longest.weight} and from {row.start} with weight {row.weight}. Close the "
                "earlier one first; add the weights of two classes of shares."
            )
        if longest is None or row.last > longest.last:
            longest = row


def _merged(rows: list[_Interval], label: str, skips: Skips) -> Iterator[_Interval]:
    """Yield the intervals of one asset and index, merged as far as what was known on each day stays the same."""
    current: _Interval | None = None
    for row in sorted(rows, key=lambda r: (r.seen, r.start, r.available_at, r.last, r.source)):
        detail = f"{row.index_id} from {row.start}"
        if row.seen >= row.last:
            skips.add("known only after it had ended", file=label, filer=row.asset_id, detail=detail)
        elif current is not None and row.seen <= current.last and row.weight == current.weight:
            skips.add(
                "merged with an interval it overlaps or touches",
                file=label,
                filer=row.asset_id,
                detail=detail,
            )
            sources = dict.fromkeys([*current.source.split("; "), *row.source.split("; ")])
            end = None if None in (current.end, row.end) else max(current.last, row.last)
            current = replace(current, end=end, source="; ".join(sources))
        else:
            if current is not None:
                yield current
                if row.start < current.last:
                    skips.add(
                        "known only after an earlier one had ended: starts there",
                        file=label,
                        filer=row.asset_id,
                        detail=detail,
                    )
                    row = replace(row, start=current.last)
            current = row
    if current is not None:
        yield current
