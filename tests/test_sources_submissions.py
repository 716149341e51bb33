"""When filings were known: New York time, the close, weekends, and days without a time."""

import gzip
import json
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from kifactors.errors import DataError
from kifactors.sources import available_on, submissions
from tests.sec import DATA, needs_files

RECENT = {
    "accessionNumber": ["a-1"], "filingDate": ["2024-08-28"], "acceptanceDateTime": ["2024-08-28T19:59:59.000Z"],
    "form": ["10-Q"], "size": [5],
}  # fmt: skip


def document(**recent):
    tree = {"cik": "320193", "name": "One", "tickers": ["ONE", "ONE-P"], "lei": None}
    return json.dumps({**tree, "filings": {"recent": {**RECENT, **recent}, "files": []}}).encode()


@pytest.mark.parametrize(
    ("accepted", "filed", "known"),
    [
        # Summer: New York is four hours behind, winter: five.
        ("2024-08-28T20:00:00.000Z", "2024-08-28", date(2024, 8, 28)),
        ("2024-08-28T20:00:01.000Z", "2024-08-28", date(2024, 8, 29)),
        ("2024-01-10T21:00:00.000Z", "2024-01-10", date(2024, 1, 10)),
        ("2024-01-10T21:00:01.000Z", "2024-01-10", date(2024, 1, 11)),
        # The days on which the clocks change.
        ("2024-03-08T21:00:01.000Z", "2024-03-08", date(2024, 3, 9)),
        ("2024-03-11T20:00:01.000Z", "2024-03-11", date(2024, 3, 12)),
        ("2024-11-01T20:00:00.000Z", "2024-11-01", date(2024, 11, 1)),
        ("2024-11-04T21:00:00.000Z", "2024-11-04", date(2024, 11, 4)),
        # A Friday's evening is filed on Monday; an ownership form of ten at night is filed the same day.
        ("2023-08-25T23:36:34.000Z", "2023-08-28", date(2023, 8, 28)),
        ("2024-08-29T01:30:00.000Z", "2024-08-28", date(2024, 8, 29)),
        # The morning: the day itself.
        ("2024-09-10T10:05:11.000Z", "2024-09-10", date(2024, 9, 10)),
        # No time.
        ("", "2024-08-28", date(2024, 8, 28)),
        (None, "2024-08-28", date(2024, 8, 28)),
    ],
)
def test_the_day_a_filing_was_known(accepted, filed, known):
    found = submissions(document(acceptanceDateTime=[accepted], filingDate=[filed]))
    assert found.filings.rows() == [("a-1", "10-Q", date.fromisoformat(filed), known)]


@pytest.mark.parametrize(
    ("accepted", "known"),
    [
        (datetime(2001, 5, 4, 0, 0), date(2001, 5, 7)),
        (datetime(2001, 5, 9, 0, 0), date(2001, 5, 7)),
        (datetime(2002, 5, 9, 0, 0), date(2002, 5, 9)),
        (datetime(2001, 5, 4, 16, 0), date(2001, 5, 7)),
    ],
)
def test_midnight_before_2002_is_no_time(accepted, known):
    filed = date(accepted.year, 5, 7)
    assert pl.select(available_on(pl.lit(accepted), pl.lit(filed))).item() == known


def test_a_filer_and_a_continuation():
    found = submissions(document())
    assert (found.cik, found.name, found.ticker, found.lei) == ("0000320193", "One", "ONE", None)
    more = submissions(json.dumps(RECENT).encode())
    assert more.cik is None
    assert more.filings.equals(found.filings)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "truncated"),
        (b"{}", "missing required field"),
        (document(form=[]), "differ in length: accession 1, form 0"),
        (document(filingDate=[5]), "Expected"),
        (b"[" * 100_000, "no submissions document"),
        (document().replace(b"One", b"\xff"), "no submissions document"),
    ],
)
def test_what_is_no_document_is_refused(data, message):
    with pytest.raises(DataError, match=message):
        submissions(data)


@needs_files
@pytest.mark.parametrize(
    "path", sorted((DATA / "sec" / "submissions").glob("*.gz")), ids=lambda p: p.name[3:13]
)
def test_real_filings_equal_plain_python(path):
    data = gzip.decompress(path.read_bytes())
    recent = json.loads(data)["filings"]["recent"]
    known = []
    for filed, accepted in zip(recent["filingDate"], recent["acceptanceDateTime"], strict=True):
        moment = datetime.strptime(accepted, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
        there = moment.astimezone(ZoneInfo("America/New_York"))
        day = there.date() + timedelta(days=there.time() > time(16))
        known.append(max(day, date.fromisoformat(filed)))
    found = submissions(data)
    assert found.filings["available_at"].to_list() == known
    assert found.cik == path.name[3:13]
    later = sum(
        day > date.fromisoformat(filed) for day, filed in zip(known, recent["filingDate"], strict=True)
    )
    # Most filings come after the close.
    assert later > len(known) / 2
