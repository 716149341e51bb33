"""The look-ahead audit: factors that look ahead are found, ours is not, and what cannot be compared is refused."""

import numpy as np
import polars as pl
import pytest

import kifactors as kf
from kifactors.errors import DataError, MissingColumnError
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
