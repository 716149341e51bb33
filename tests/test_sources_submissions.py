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


# Reports of New York's mornings and evenings: twenty of them tell the clock.
DAYS = [date(2023, 1, 3) + timedelta(days=k) for k in range(0, 140, 7)]
EVIDENCE = [
    (f"e-{k}", "8-K", day + timedelta(days=k % 2), datetime.combine(day, time(20, 30) if k % 2 else time(9)))
    for k, day in enumerate(DAYS)
]


def written(shift, times=EVIDENCE):
    """Return filings whose times are New York's, shifted by a function of the time."""
    return {
        "accessionNumber": [accession for accession, *_ in times],
        "form": [form for _, form, *_ in times],
        "filingDate": [str(filed) for _, _, filed, _ in times],
        "acceptanceDateTime": [f"{shift(at).isoformat()}.000Z" for *_, at in times],
    }


def to_utc(moment):
    return moment.replace(tzinfo=ZoneInfo("America/New_York")).astimezone(UTC).replace(tzinfo=None)


def document(evidence=None, **recent):
    """Return a document: the filing asked for, then those that tell the clock."""
    told = written(to_utc) if evidence is None else evidence
    first = {**{name: RECENT[name] for name in told}, **recent}
    tree = {"cik": "320193", "name": "One", "tickers": ["ONE", "ONE-P"], "lei": None}
    columns = {name: first[name] + told[name] for name in told}
    return json.dumps({**tree, "filings": {"recent": columns, "files": []}}).encode()


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
    assert found.clock == "UTC"
    assert found.filings.row(0) == ("a-1", "10-Q", date.fromisoformat(filed), known)


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
    more = submissions(json.dumps(json.loads(document())["filings"]["recent"]).encode())
    assert (more.cik, more.clock) == (None, "UTC")
    assert more.filings.equals(found.filings)


@pytest.mark.parametrize(
    ("shift", "clock"),
    [(lambda t: t, "New York"), (to_utc, "UTC"), (lambda t: to_utc(to_utc(t)), "UTC twice")],
)
def test_filing_dates_tell_the_clock(shift, clock):
    """A report of 16:30 in New York is known the next day, whatever clock wrote it down."""
    at = shift(datetime(2024, 8, 28, 16, 30))
    found = submissions(document(written(shift), acceptanceDateTime=[f"{at.isoformat()}.000Z"]))
    assert found.clock == clock
    assert found.filings["available_at"][0] == date(2024, 8, 29)


def test_an_open_clock_costs_a_day_and_gives_none_away():
    noon = "2024-08-28T17:00:00.000Z"
    few = {name: cells[:5] for name, cells in written(to_utc).items()}
    mixed = written(lambda t: t if t.day % 2 else to_utc(to_utc(t)))
    for evidence in (few, mixed):
        found = submissions(document(evidence, acceptanceDateTime=[noon]))
        assert found.clock is None
        # 13:00 if it is UTC, 17:00 if it is New York's.
        assert found.filings["available_at"][0] == date(2024, 8, 29)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "truncated"),
        (b"{}", "missing required field"),
        (document(form=[]), "differ in length: accession 21, form 20"),
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
    new_york = ZoneInfo("America/New_York")

    def known(shifts):
        """Yield the day of each filing, its time shifted from UTC to New York so many times."""
        for filed, accepted in zip(recent["filingDate"], recent["acceptanceDateTime"], strict=True):
            moment = datetime.strptime(accepted, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
            for _ in range(shifts):
                moment = moment.astimezone(new_york).replace(tzinfo=UTC)
            yield max(moment.date() + timedelta(days=moment.time() > time(16)), date.fromisoformat(filed))

    found = submissions(data)
    # Amazon's hours were added twice.
    twice = path.name[3:13] == "0001018724"
    assert found.clock == ("UTC twice" if twice else "UTC")
    days = list(known(2 if twice else 1))
    assert found.filings["available_at"].to_list() == days
    assert found.cik == path.name[3:13]
    # Most filings come after the close.
    assert (
        sum(day > date.fromisoformat(filed) for day, filed in zip(days, recent["filingDate"], strict=True))
        > 400
    )
