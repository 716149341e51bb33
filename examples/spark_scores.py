"""Scores by Spark, or by Sail, which speaks Spark's language without Java: dates in a frame, scores out of it.

    pip install 'kifactors[spark]'            # and Java 17, for Spark
    python examples/spark_scores.py           # a local Spark
    python examples/spark_scores.py sail      # a local Sail server

On a cluster, give `arrow_udf` the path of a folder that all workers see instead of the tables, and write the frame to a
table instead of collecting it.
"""

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import polars as pl

import kifactors as kf

DATES = kf.month_ends("2025-01", "2026-10")
NEEDED = {"spark": ("pyspark",), "sail": ("pysail", "pyspark")}


def main(engine: str = "spark") -> None:
    """Score the bundled companies month by month, and compare with a run here."""
    absent = [name for name in NEEDED[engine] if importlib.util.find_spec(name) is None]
    if engine == "spark" and shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        absent.append("Java 17")
    if absent:
        print(f"not run: {', '.join(absent)} is not installed")
        return
    tables = kf.load_bundled()
    score = kf.arrow_udf(kf.FactorDefinition(), tables)
    with session(engine) as spark:
        dates = spark.createDataFrame([(day,) for day in DATES], "date date")
        # Each date in one partition; as many partitions as tasks shall run at a time.
        scored = dates.repartition(2, "date").mapInArrow(score, score.spark_schema)
        scored.createOrReplaceTempView("scores")
        best = spark.sql("select date, max(exposure) exposure from scores group by date order by date")
        for row in best.collect()[-3:]:
            print(row["date"], round(row["exposure"], 3))
        found = pl.DataFrame(scored.toArrow()).sort("date", "asset_id")
    expected = kf.AIInfrastructureExposure().compute(tables, DATES).to_polars()
    print(f"{found.height:,} scores, bit for bit those of a run here: {found.equals(expected)}")


@contextmanager
def session(engine: str) -> Iterator[Any]:
    """Yield a session of a local Spark or of a local Sail server."""
    from pyspark.sql import SparkSession

    # Workers must run what this process runs.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    if engine == "sail":
        from pysail.spark import SparkConnectServer

        server = SparkConnectServer()
        server.start(background=True)
        spark = SparkSession.builder.remote("sc://{}:{}".format(*server.listening_address)).getOrCreate()
    else:
        server = None
        spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        yield spark
    finally:
        spark.stop()
        if server is not None:
            server.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
