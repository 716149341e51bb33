"""The look-ahead audit: factors that look ahead are found, ours is not, and what cannot be compared is refused."""

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

import kifactors as kf
from kifactors.errors import DataError, DateError, MissingColumnError
from kifactors.evaluation import audit_look_ahead
from kifactors.schema import INPUTS


def _tables():
    days = kf.month_ends("2024-01", "2024-06")
    rng = np.random.default_rng(9)
    return {
        "prices": pl.DataFrame(
            {
                "date": np.repeat(np.array(days, "datetime64[D]"), 4),
                "asset_id": list("abcd") * 6,
                "x": rng.random(24),
            }
        ).with_columns(pl.col("date").cast(pl.Date))
    }


@pytest.mark.parametrize(
    ("expression", "passes"),
    [
        (pl.col("x").rank().over("date"), True),
        (pl.col("x") - pl.col("x").shift(1).over("asset_id"), True),
        (pl.col("x").cum_sum().over("asset_id"), True),
        ((pl.col("x") - pl.col("x").mean()) / pl.col("x").std(), False),
        (pl.col("x").shift(-1).over("asset_id"), False),
        (pl.col("x").fill_null(strategy="backward").rank(), False),
        (pl.col("x") * (pl.col("date") == pl.col("date").max()), False),
        (pl.col("x") / pl.len(), False),
    ],
)
def test_audit_finds_what_looks_ahead(expression, passes):
    def factor(tables):
        return tables["prices"].sort("date", "asset_id").with_columns(score=expression)

    found = audit_look_ahead(
        factor, _tables(), {"prices": "date"}, ["2024-02-29", "2024-04-30", "2024-06-29"]
    )
    assert found.passed == passes
    assert found.runs == 2 + 3 * 4
    assert ("LOOK-AHEAD" in repr(found)) != passes
    assert found.found.is_empty() == passes


def test_audit_of_our_own_factor():
    bundled = kf.load_bundled()
    tables = {name: getattr(bundled, name) for name in INPUTS if getattr(bundled, name) is not None}
    known = {
        name: INPUTS[name].known for name, table in tables.items() if INPUTS[name].known in table.columns
    }
    dates = kf.month_ends("2025-01", "2025-03")

    def factor(changed):
        scores = kf.AIInfrastructureExposure().compute(kf.Tables(**changed), dates)
        return scores.to_polars()

    found = audit_look_ahead(factor, tables, known, ["2025-02-28"], never_added=["index_membership"])
    assert found.passed, found
    assert found.changed["rows"].sum() > 0


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        (lambda tables: tables["prices"].to_pandas(), "returns a DataFrame; expected a polars frame"),
        (lambda tables: tables["prices"].drop("date"), "no column 'date'"),
        (lambda tables: pl.concat([tables["prices"], tables["prices"]]), "twice"),
        (
            lambda tables: tables["prices"].with_columns(x=pl.Series(np.random.default_rng().random(24))),
            "two results",
        ),
    ],
)
def test_audit_refuses_what_it_cannot_compare(factor, said):
    with pytest.raises(DataError, match=said):
        audit_look_ahead(factor, _tables(), {"prices": "date"}, ["2024-02-29"])


def test_an_audit_that_tests_nothing_is_an_error():
    with pytest.raises(DataError, match="nothing was tested"):
        audit_look_ahead(lambda tables: tables["prices"], _tables(), {"prices": "date"}, ["2025-01-01"])
    with pytest.raises(MissingColumnError, match="'known_on'"):
        audit_look_ahead(lambda tables: tables["prices"], _tables(), {"prices": "known_on"}, ["2024-02-29"])


# Cuts and times of day.

FEB = date(2024, 2, 29)


def leaking(tables):
    """Look at the mean of everything."""
    return tables["prices"].with_columns(score=pl.col("x") - pl.col("x").mean())


def honest(tables):
    """Look at nothing but the row."""
    return tables["prices"].with_columns(score=2.0 * pl.col("x"))


def at(hour):
    return {
        "prices": _tables()["prices"].with_columns(pl.col("date").cast(pl.Datetime) + timedelta(hours=hour))
    }


def test_a_cut_before_the_first_score_is_an_error():
    """It would compare nothing and pass."""
    with pytest.raises(DataError, match="no scores up to any cut: the first is of 2024-01-31"):
        audit_look_ahead(leaking, _tables(), {"prices": "date"}, ["2023-12-31"])
    early = audit_look_ahead(leaking, _tables(), {"prices": "date"}, ["2023-12-31", FEB])
    assert not early.passed
    with pytest.raises(DataError, match="the first is of never"):
        audit_look_ahead(lambda tables: leaking(tables).clear(), _tables(), {"prices": "date"}, [FEB])


def test_scores_of_an_afternoon_of_the_cut_are_compared():
    """A leak into the day of the cut alone: its scores are of 15:00."""

    def factor(tables):
        last = pl.col("date").max()
        return tables["prices"].with_columns(
            score=pl.when(pl.col("date").dt.date() == FEB).then(last.cast(pl.String)).otherwise(pl.lit("-"))
        )

    found = audit_look_ahead(factor, at(15), {"prices": "date"}, [FEB])
    assert set(found.found["date"]) == {FEB}
    assert found.found["date"].dtype == pl.Date


def test_what_is_known_in_the_afternoon_of_the_cut_is_known():
    found = audit_look_ahead(honest, at(15), {"prices": "date"}, [FEB])
    assert found.passed
    # Four assets in each of March, April, May and June.
    assert found.changed["rows"].to_list() == [16]


def test_times_have_the_day_of_their_own_zone():
    """21:00 in New York is the next day in UTC."""
    tables = {
        "prices": at(21)["prices"].with_columns(pl.col("date").dt.replace_time_zone("America/New_York"))
    }
    found = audit_look_ahead(honest, tables, {"prices": "date"}, [FEB])
    assert found.passed
    assert found.changed["rows"].to_list() == [16]


@pytest.mark.parametrize("cuts", [["2024-02-29", "2024-01-31"], ["2024-01-31"]])
def test_a_random_factor_is_no_look_ahead_in_whatever_order(cuts):
    """Only the last date is random, and no cut reaches it."""
    rng = np.random.default_rng(1)

    def factor(tables):
        noise = pl.Series(rng.random(tables["prices"].height))
        last = pl.col("date") == date(2024, 6, 30)
        return tables["prices"].with_columns(score=pl.when(last).then(noise).otherwise(0.0))

    with pytest.raises(DataError, match="two results"):
        audit_look_ahead(factor, _tables(), {"prices": "date"}, cuts)


def test_a_column_that_comes_and_goes_is_found():
    def factor(tables):
        rows = tables["prices"]
        full = rows["date"].max() == date(2024, 6, 30)
        return rows if full else rows.with_columns(extra=pl.lit(1.0))

    found = audit_look_ahead(factor, _tables(), {"prices": "date"}, [FEB]).found
    assert set(found["column"]) == {"extra"}
    assert found.select("before", "after").unique().rows() == [("no row", "1.0")]


@pytest.mark.parametrize(
    "values",
    [
        pl.Series([[1.5, None]] * 24),
        pl.Series([b"\x00\xff"] * 24),
        pl.Series([timedelta(seconds=1)] * 24),
        pl.Series([{"a": 1, "b": [2.0]}] * 24),
        pl.Series([[1.0, 2.0]] * 24, dtype=pl.Array(pl.Float64, 2)),
        pl.Series([None] * 24),
        pl.Series(["a"] * 24, dtype=pl.Categorical),
    ],
)
def test_columns_of_any_kind_are_compared(values):
    cut = {"prices": "date"}

    def same(tables):
        return tables["prices"].with_columns(
            score=pl.Series([values[0]] * tables["prices"].height, dtype=values.dtype)
        )

    assert audit_look_ahead(same, _tables(), cut, [FEB]).passed

    def looks(tables):
        rows = same(tables)
        return rows if rows.height == 24 else rows.with_columns(score=pl.lit(None, values.dtype))

    assert audit_look_ahead(looks, _tables(), cut, [FEB]).passed == (values.dtype == pl.Null)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"cuts": "2024-01-31"}, DateError, "cuts is '2024-01-31'; expected a list of dates"),
        ({"cuts": FEB}, DateError, r"cuts is datetime.date\(2024, 2, 29\); expected a list"),
        ({"cuts": 5}, DateError, "cuts is 5; expected a list of dates"),
        ({"cuts": [datetime(2024, 2, 29, 12)]}, DateError, "is a time; expected a date"),
        ({"key": "date"}, DataError, "key is 'date'; expected a list of columns"),
        ({"key": ()}, DataError, r"key is \(\); expected a list of columns"),
        ({"never_added": "prices"}, DataError, "never_added is 'prices'; expected a list of tables"),
        ({"never_added": ["price"]}, DataError, "never_added has 'price'; the tables are prices"),
        ({"seed": -1}, DataError, "seed is -1"),
        ({"seed": 1.5}, DataError, "seed is 1.5"),
        ({"known": {"price": "date"}}, MissingColumnError, "'price'"),
        (
            {"tables": {"prices": _tables()["prices"].to_pandas()}},
            DataError,
            "'prices' is a pandas DataFrame; expected",
        ),
        (
            {"tables": {"prices": _tables()["prices"].lazy()}},
            DataError,
            "'prices' is a polars LazyFrame; expected",
        ),
        (
            {"tables": {"prices": _tables()["prices"].with_columns(pl.col("date").cast(pl.String))}},
            DataError,
            "'date' of table 'prices' holds String; expected Date or Datetime. Cast it",
        ),
        (
            {"factor": lambda tables: tables["prices"].with_columns(pl.col("date").cast(pl.String))},
            DataError,
            "'date' of the factor's result holds String; expected Date or Datetime",
        ),
        (
            {"factor": lambda tables: tables["prices"].with_columns(date=pl.lit(None, pl.Date)).head(1)},
            DataError,
            "'date' of the factor's result is null in row 0",
        ),
        (
            {
                "factor": lambda tables: tables["prices"].with_columns(
                    o=pl.Series([object()] * 24, dtype=pl.Object)
                )
            },
            DataError,
            "'o' of the factor's result holds Object, which cannot be compared",
        ),
    ],
)
def test_what_cannot_be_audited_is_named_before_anything_is_computed(options, error, said):
    def never(tables):
        raise AssertionError("computed")

    given = {"factor": never, "tables": _tables(), "known": {"prices": "date"}, "cuts": [FEB], **options}
    with pytest.raises(error, match=said):
        audit_look_ahead(**given)


def test_dates_of_two_kinds_are_named():
    kinds = iter([pl.Date, pl.Datetime])

    def factor(tables):
        return tables["prices"].with_columns(pl.col("date").cast(next(kinds)))

    with pytest.raises(DataError, match="holds Date in one run and Datetime"):
        audit_look_ahead(factor, _tables(), {"prices": "date"}, [FEB])
