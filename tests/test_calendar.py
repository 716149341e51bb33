"""Dates: ends of months, Fridays, days, sessions; and what is refused where score dates belong."""

import sys
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest

import kifactors as kf
from kifactors.calendar import days, month_ends, parse_date, score_dates, sessions, week_ends
from kifactors.errors import DateError, MissingExtraError

JAN, FEB = date(2024, 1, 31), date(2024, 2, 29)
# exchange-calendars trips over announcements of newer pandas releases; they are not ours.
sessions_quietly = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def refusal(call, *arguments):
    with pytest.raises(DateError) as caught:
        call(*arguments)
    return str(caught.value)


# Ranges ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2023-12", "2024-02", ["2023-12-31", "2024-01-31", "2024-02-29"]),
        ("2023-02", "2023-02", ["2023-02-28"]),
        ("2024-01-31", "2024-02-01", ["2024-01-31", "2024-02-29"]),
        (date(2024, 1, 15), "2024-01", ["2024-01-31"]),
    ],
)
def test_month_ends(start, end, expected):
    assert month_ends(start, end) == [date.fromisoformat(day) for day in expected]


def test_month_ends_over_a_century_all_end_a_month():
    ends = month_ends("1950-01", "2049-12")
    assert len(ends) == 1_200
    assert all(date.fromordinal(day.toordinal() + 1).day == 1 for day in ends)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2024-01-05", "2024-01-12", ["2024-01-05", "2024-01-12"]),
        ("2024-01-06", "2024-01-11", []),
        ("2024-02-28", date(2024, 3, 1), ["2024-03-01"]),
    ],
)
def test_week_ends_are_fridays(start, end, expected):
    assert [str(day) for day in week_ends(start, end)] == expected


def test_days_include_both_ends_and_leap_days():
    assert [str(day) for day in days("2024-02-28", "2024-03-01")] == [
        "2024-02-28",
        "2024-02-29",
        "2024-03-01",
    ]
    assert days(JAN, JAN) == [JAN]


@pytest.mark.parametrize("call", [month_ends, week_ends, days, sessions])
def test_a_range_that_runs_backwards_is_refused(call):
    if call is sessions:
        pytest.importorskip("exchange_calendars")
    message = refusal(call, "2024-02-29", "2024-01-31")
    assert "before it starts on 2024-02" in message
    assert "Swap the two" in message


@pytest.mark.parametrize("call", [month_ends, week_ends, days])
@pytest.mark.parametrize(
    "bad", ["2024-13", "24-1", "31.01.2024", "", None, 202401, datetime(2024, 1, 31)], ids=repr
)
def test_a_range_of_something_else_is_refused(call, bad):
    refusal(call, bad, "2024-02-29")


# Sessions -------------------------------------------------------------------------------------------------


@sessions_quietly
@pytest.mark.parametrize(
    ("start", "end", "exchange", "expected"),
    [
        # Martin Luther King Day falls on the 15th.
        ("2024-01-12", "2024-01-17", "XNYS", [12, 16, 17]),
        # Tokyo rests on the first three days of the year and on Coming of Age Day, the 8th.
        ("2024-01-01", "2024-01-09", "XTKS", [4, 5, 9]),
        ("2024-01-05", "2024-01-06", "XNYS", [5]),
        ("2024-01-05", "2024-01-05", "XNYS", [5]),
    ],
    ids=["new-york", "tokyo", "into-a-weekend", "one-day"],
)
def test_sessions(start, end, exchange, expected):
    pytest.importorskip("exchange_calendars")
    assert sessions(start, end, exchange=exchange) == [date(2024, 1, day) for day in expected]


@sessions_quietly
def test_sessions_of_an_unknown_exchange_are_refused():
    pytest.importorskip("exchange_calendars")
    with pytest.raises(DateError, match="NOPE"):
        sessions("2024-01-01", "2024-01-31", exchange="NOPE")


@sessions_quietly
def test_sessions_before_a_calendar_begins_are_refused():
    pytest.importorskip("exchange_calendars")
    with pytest.raises(DateError, match="XKRX from 1950-01-02 to 1950-01-31"):
        sessions("1950-01-02", "1950-01-31", exchange="XKRX")


def test_sessions_without_the_library_name_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "exchange_calendars", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'kifactors\[calendar\]'") as caught:
        sessions("2024-01-02", "2024-01-05")
    assert isinstance(caught.value, ImportError)


# One date -------------------------------------------------------------------------------------------------


def test_a_date_is_text_or_a_date():
    assert parse_date("2024-01-31") == parse_date(JAN) == JAN


@pytest.mark.parametrize(
    "bad", ["2024-02-30", "31/01/2024", "2024-01-31T00:00", "", None, 20240131, np.datetime64(JAN)]
)
def test_what_is_not_a_date_is_named(bad):
    assert f"{bad!r} is not a date; expected one like 2024-01-31" in refusal(parse_date, bad)


@pytest.mark.parametrize("bad", [datetime(2024, 1, 31), datetime(2024, 1, 31, tzinfo=UTC)])
def test_a_time_is_not_a_date(bad):
    assert "is a time; expected a date. Use .date()" in refusal(parse_date, bad)


# Score dates ----------------------------------------------------------------------------------------------


def _pandas(make):
    def form():
        return make(pytest.importorskip("pandas"))

    return form


FORMS = {
    "texts": lambda: ["2024-01-31", "2024-02-29"],
    "dates": lambda: [JAN, FEB],
    "mixed": lambda: (JAN, "2024-02-29"),
    "generator": lambda: (day for day in (JAN, FEB)),
    "polars": lambda: pl.Series("when", [JAN, FEB]),
    "numpy-days": lambda: np.array(["2024-01-31", "2024-02-29"], dtype="datetime64[D]"),
    "numpy-seconds": lambda: np.array(["2024-01-31", "2024-02-29"], dtype="datetime64[s]"),
    "numpy-nanoseconds": lambda: np.array(["2024-01-31", "2024-02-29"], dtype="datetime64[ns]"),
    "numpy-objects": lambda: np.array([JAN, FEB], dtype=object),
    "numpy-texts": lambda: np.array(["2024-01-31", "2024-02-29"]),
    "pandas-index": _pandas(lambda pd: pd.DatetimeIndex([JAN, FEB])),
    "pandas-month-ends": _pandas(lambda pd: pd.date_range("2024-01-01", periods=2, freq="ME")),
    "pandas-seconds": _pandas(lambda pd: pd.DatetimeIndex([JAN, FEB]).as_unit("s")),
    "pandas-series": _pandas(lambda pd: pd.Series(pd.to_datetime([JAN, FEB]), index=[7, 8])),
    "pandas-dates": _pandas(lambda pd: pd.Series([JAN, FEB])),
}


@pytest.mark.parametrize("form", FORMS)
def test_score_dates_come_in_many_forms(form):
    got = score_dates(FORMS[form]())
    assert (got.name, got.dtype, got.to_list()) == ("date", pl.Date, [JAN, FEB])


def test_score_dates_of_the_library_itself():
    assert score_dates(kf.month_ends("2024-01", "2024-02")).to_list() == [JAN, FEB]


@pytest.mark.parametrize(
    ("dates", "parts"),
    [
        ([], ["dates is empty", "at least one"]),
        (pl.Series([], dtype=pl.Date), ["dates is empty"]),
        (np.array([], dtype="datetime64[D]"), ["dates is empty"]),
        ([FEB, JAN], ["2024-01-31 follows 2024-02-29", "Sort them and drop repeats"]),
        ([JAN, JAN], ["2024-01-31 follows 2024-01-31", "drop repeats"]),
        (["2023-12-31", JAN, FEB, "2024-02-28"], ["2024-02-28 follows 2024-02-29"]),
        (pl.Series([FEB, JAN]), ["2024-01-31 follows 2024-02-29"]),
        (pl.Series([JAN, None]), ["holds a null", "Drop it"]),
        ([JAN, None], ["None is not a date"]),
        (np.array(["2024-01-31", "NaT"], dtype="datetime64[ns]"), ["holds a null"]),
        ([datetime(2024, 1, 31)], ["is a time", ".date()"]),
        (pl.Series([datetime(2024, 1, 31)]), ["Datetime", "time of day", ".dt.date()"]),
        (pl.Series([datetime(2024, 1, 31, tzinfo=UTC)]), ["Datetime", "time zone"]),
        (np.array(["2024-01-31T16:00"], dtype="datetime64[ns]"), ["Datetime", "time of day"]),
        (np.array([20240131]), ["20240131", "is not a date"]),
        ([20240131], ["20240131 is not a date"]),
        ("2024-01-31", ["the single value '2024-01-31'", "into a list"]),
        (JAN, ["the single value", "into a list"]),
        (["2024-01"], ["'2024-01' is not a date"]),
    ],
    ids=[
        "empty", "empty-polars", "empty-numpy", "unsorted", "repeated", "unsorted-late", "unsorted-polars", "null-polars",
        "none", "not-a-time", "datetime", "datetime-polars", "zone-polars", "afternoon-numpy", "numbers-numpy", "number",
        "one-text", "one-date", "month",
    ],
)  # fmt: skip
def test_score_dates_that_are_refused(dates, parts):
    message = refusal(score_dates, dates)
    for part in parts:
        assert part in message


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_pandas_dates_in_a_zone_are_refused(zone):
    pd = pytest.importorskip("pandas")
    assert "time zone" in refusal(score_dates, pd.DatetimeIndex(["2024-01-31"], tz=zone))


def test_pandas_times_of_day_are_refused():
    pd = pytest.importorskip("pandas")
    assert "time of day" in refusal(score_dates, pd.DatetimeIndex(["2024-01-31", "2024-02-29 16:00"]))
