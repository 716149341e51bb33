"""A store read in Spark's language without kifactors, through Sail: it serves Spark Connect and reads Delta Lake."""

from datetime import date

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import kifactors as kf
from kifactors.schema import SCORES

pytest.importorskip("deltalake", reason="the extra lake is not installed")
server = pytest.importorskip("pysail.spark", reason="needs pysail")
sql = pytest.importorskip("pyspark.sql", reason="needs pyspark-client")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def spark():
    with_sail = server.SparkConnectServer()
    with_sail.start(background=True)
    session = sql.SparkSession.builder.remote("sc://{}:{}".format(*with_sail.listening_address)).getOrCreate()
    yield session
    session.stop()
    with_sail.stop()


def test_spark_reads_what_the_store_holds(spark, tmp_path):
    dates = kf.month_ends("2026-07", "2026-10")
    scores = kf.AIInfrastructureExposure().compute(kf.load_bundled(), dates)
    store = kf.open_store(tmp_path / "scores")
    for day in dates:
        store.append(scores.at(day))
    store.compact()
    table = spark.read.format("delta").load(str(tmp_path / "scores"))
    found = pl.DataFrame(table.select(*SCORES.names).toArrow()).select(
        pl.col(name).cast(dtype) for name, dtype in SCORES.polars.items()
    )
    assert_frame_equal(found.sort("date", "asset_id"), scores.to_polars(), check_exact=True)
    some = table.where("month = '2026-09' and exposure > 0.3").select("date", "asset_id").collect()
    expected = scores.at(date(2026, 9, 30)).to_polars().filter(pl.col("exposure") > 0.3)
    assert sorted(row["asset_id"] for row in some) == expected["asset_id"].to_list()
    assert {row["date"] for row in some} == {date(2026, 9, 30)}
