"""Scores by DataFusion: dates by SQL, each partition of them scored by kifactors, the scores asked by SQL.

pip install 'kifactors[datafusion]'
python examples/datafusion_scores.py
"""

import importlib.util

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

import kifactors as kf

QUERY = """
    select date, asset_id, ticker, exposure, rank() over (partition by date order by exposure desc) place
    from scores where exposure is not null order by date, place
"""


def main() -> None:
    """Score the bundled companies at the ends of months, and show who leads."""
    if importlib.util.find_spec("datafusion") is None:
        print("not run: datafusion is not installed")
        return
    import datafusion

    tables = kf.load_bundled()
    score = kf.arrow_udf(kf.FactorDefinition(), tables)
    context = datafusion.SessionContext(datafusion.SessionConfig().with_target_partitions(2))
    dates = kf.month_ends("2025-01", "2026-10")
    context.register_record_batches("days", [[pa.record_batch({"date": pa.array(dates, pa.date32())})]])
    wanted = context.sql("select date from days where date >= date '2026-01-31'").repartition(2)
    streams = wanted.execute_stream_partitioned()
    batches = [list(score(batch.to_pyarrow() for batch in stream)) for stream in streams]
    context.register_record_batches("scores", [part for part in batches if part])
    found = pa.Table.from_batches(context.sql(QUERY).collect())
    for row in found.filter(pc.less_equal(found["place"], 2)).to_pylist()[-4:]:
        print(row["date"], row["place"], row["ticker"], round(row["exposure"], 3))

    here = kf.AIInfrastructureExposure().compute(tables, [day for day in dates if day.year == 2026])
    scores = pl.DataFrame(context.sql("select * from scores order by date, asset_id"))
    print(f"{scores.height:,} scores, bit for bit those of a run here: {scores.equals(here.to_polars())}")


if __name__ == "__main__":
    main()
