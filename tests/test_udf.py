"""The factor over record batches: what comes out is what `compute` gives, in the engines that are installed."""

import os
import pickle
import shutil
import subprocess
import sys
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import kifactors as kf
from kifactors.errors import DataError, DateError, MissingColumnError
from tests.worlds import DATES, build, seeds

FACTOR = kf.AIInfrastructureExposure()
DAYS = [date.fromisoformat(day) for day in DATES]
EXAMPLES = Path(__file__).parent.parent / "examples"


def batch(days, **others):
    return pa.record_batch({"date": pa.array(days, pa.date32()), **others})


def scored(score, *batches):
    found = list(score(iter(batches)))
    assert all(part.schema.equals(score.schema) for part in found)
    return pl.DataFrame(pa.Table.from_batches(found, score.schema))


@pytest.fixture
def folder(tmp_path):
    for name, frame in build(3).items():
        frame.write_parquet(tmp_path / f"{name}.parquet")
    return tmp_path


@settings(max_examples=10, deadline=None)
@given(seed=seeds, days=st.lists(st.lists(st.sampled_from(DAYS), max_size=5), max_size=4))
def test_dates_of_all_batches_are_scored_once(seed, days):
    tables = kf.Tables(**build(seed))
    found = scored(kf.arrow_udf(None, tables), *map(batch, days))
    once = sorted({day for part in days for day in part})
    if not once:
        assert found.is_empty()
    else:
        assert_frame_equal(found, FACTOR.compute(tables, once).to_polars(), check_exact=True)


def test_a_partition_without_rows_has_no_scores():
    score = kf.arrow_udf(None, kf.Tables(**build(3)))
    assert scored(score).is_empty()
    assert scored(score, batch([])).is_empty()
    assert scored(score, pa.record_batch({"date": pa.nulls(0)})).is_empty()


@pytest.mark.parametrize("source", ["tables", "folder"])
def test_it_travels(source, folder):
    score = kf.arrow_udf(kf.FactorDefinition(), kf.Tables(**build(3)) if source == "tables" else folder)
    there = pickle.loads(pickle.dumps(score))
    expected = FACTOR.compute(kf.Tables(**build(3)), DAYS).to_polars()
    assert_frame_equal(scored(there, batch(DAYS)), expected, check_exact=True)


def test_rows_are_handed_on_some_dates_at_a_time(monkeypatch):
    monkeypatch.setattr("kifactors.udf.DATES_AT_A_TIME", 3)
    tables = kf.Tables(**build(3))
    score = kf.arrow_udf(None, tables)
    parts = [
        pl.DataFrame(pa.Table.from_batches([part]))["date"].unique().len() for part in score([batch(DAYS)])
    ]
    assert max(parts) <= 3
    assert_frame_equal(scored(score, batch(DAYS)), FACTOR.compute(tables, DAYS).to_polars(), check_exact=True)


def test_the_definition_counts():
    definition = kf.FactorDefinition(time=kf.definition.Time(lag_days=90))
    tables = kf.Tables(**build(3))
    expected = kf.AIInfrastructureExposure(definition).compute(tables, DAYS).to_polars()
    assert_frame_equal(scored(kf.arrow_udf(definition, tables), batch(DAYS)), expected, check_exact=True)


def test_other_columns_are_ignored():
    score = kf.arrow_udf(None, kf.Tables(**build(3)))
    assert scored(score, batch(DAYS[:1], x=pa.array([1]))).height == scored(score, batch(DAYS[:1])).height > 0


def test_the_schema_for_spark_has_every_column():
    score = kf.arrow_udf(None, kf.load_bundled())
    names = [column.split(" ")[0] for column in score.spark_schema.split(", ")]
    assert names == list(kf.schema.SCORES.names) == score.schema.names


@pytest.mark.parametrize("source", ["tables", "folder"])
def test_a_date_that_the_universe_lacks_is_refused(source, folder):
    score = kf.arrow_udf(None, kf.Tables(**build(3)) if source == "tables" else folder)
    with pytest.raises(DateError, match="universe has no rows on 2022-02-01"):
        list(score([batch([date(2022, 2, 1)])]))


@pytest.mark.parametrize(
    ("column", "error", "message"),
    [
        ({"day": pa.array([1])}, MissingColumnError, r"lack the column 'date'; they have \['day'\]"),
        ({"date": pa.array([None], pa.date32())}, DateError, "holds a null"),
        ({"date": pa.array(["2022-01-31"])}, DateError, "expected dates"),
    ],
)
def test_what_are_no_dates_is_refused(column, error, message):
    score = kf.arrow_udf(None, kf.Tables(**build(3)))
    with pytest.raises(error, match=message):
        list(score([pa.record_batch(column)]))


@pytest.mark.parametrize(("definition", "tables"), [("x", "."), (None, None)])
def test_what_is_no_definition_and_no_tables_is_refused(definition, tables):
    with pytest.raises(DataError, match="expected"):
        kf.arrow_udf(definition, tables)


# Engines --------------------------------------------------------------------------------------------------


def example(name, *arguments):
    environment = os.environ | {"PYTHONPATH": str(EXAMPLES.parent)}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return done.stdout


def installed(package):
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False


def needs(*packages):
    return pytest.mark.skipif(not all(map(installed, packages)), reason=f"needs {', '.join(packages)}")


@pytest.mark.slow
@needs("pyspark")
@pytest.mark.skipif(shutil.which("java") is None, reason="needs Java")
def test_spark_gives_the_same_bits():
    assert "scores, bit for bit those of a run here: True" in example("spark_scores.py")


@pytest.mark.slow
@needs("pysail", "pyspark-client")
def test_sail_gives_the_same_bits():
    assert "scores, bit for bit those of a run here: True" in example("spark_scores.py", "sail")


@pytest.mark.slow
@needs("datafusion")
def test_datafusion_gives_the_same_bits():
    assert "scores, bit for bit those of a run here: True" in example("datafusion_scores.py")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("spark_scores.py", ()), ("spark_scores.py", ("sail",)), ("datafusion_scores.py", ())],
)
def test_without_its_library_an_example_says_so(name, arguments):
    if any(map(installed, ("pyspark", "pyspark-client", "datafusion"))):
        pytest.skip("a library is installed")
    assert example(name, *arguments).startswith("not run: ")
