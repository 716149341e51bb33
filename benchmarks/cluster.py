"""Scores computed into a store on Dask: two workers against one, what the driver needs, and how far it would go.

    python benchmarks/cluster.py              # 2,500 dates x 3,000 assets; one month x 50,000 assets
    python benchmarks/cluster.py --quick      # that it runs, and that the answers agree

Inputs lie in a folder that the workers read, as they would on a cluster; a worker is a process with one thread. Every
run is a process of its own, so that its peak memory is its own. Not part of run.py, which measures in one process.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import polars as pl

import kifactors as kf

if __package__:
    from benchmarks import synthetic
else:
    sys.path.insert(0, str(Path(__file__).parent))
    import synthetic

FACTOR = kf.AIInfrastructureExposure()
SPEEDUP, DRIVER_MB = 1.6, 700
YEARS, MONTHS_A_YEAR = 30, 12
CHECKED_DATES = 60


def business_days(first: str, count: int) -> pl.Series:
    days = pl.date_range(date.fromisoformat(first), date(2030, 1, 1), "1d", eager=True)
    return days.filter(days.dt.weekday() <= 5).head(count).alias("date")


def world(folder: Path, assets: int, dates: int, first: str, ties: int) -> None:
    """Write a synthetic world as a folder of tables."""
    folder.mkdir(parents=True)
    days = business_days(first, dates)
    for name, frame in synthetic.tables(assets, days, ties=ties, facts=assets * 96):
        # Row groups of about a month.
        frame.write_parquet(folder / f"{name}.parquet", row_group_size=21 * assets)


def run(folder: Path, store: Path, workers: int, dates: list[date]) -> dict[str, float]:
    """Compute into a store, on so many Dask workers or, for 0, on one thread here."""
    seen = kf.open_store(store)
    if not workers:
        start, used = time.perf_counter(), cpu_seconds()
        seen.compute(FACTOR, folder, dates, n_threads=1)
        return {
            "seconds": time.perf_counter() - start,
            "cpu": cpu_seconds() - used,
            "peak_mb": peak_mb(),
        }
    import distributed

    with (
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            memory_limit=0,
            dashboard_address=":0",
            env={"POLARS_MAX_THREADS": "1"},
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.run(warm)
        before, start = client.run(cpu_seconds), time.perf_counter()
        seen.compute(FACTOR, folder, dates, engine=client)
        seconds = time.perf_counter() - start
        used = [now - before[worker] for worker, now in client.run(cpu_seconds).items()]
        return {"seconds": seconds, "cpu": sum(used), "longest": max(used), "peak_mb": peak_mb()}


def warm() -> None:
    """Load what a worker of a standing cluster has loaded."""
    kf.AIInfrastructureExposure().compute(kf.load_bundled(), ["2026-10-31"], n_threads=1)
    import deltalake  # noqa: F401


def cpu_seconds() -> float:
    used = os.times()
    return used.user + used.system


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def apart(*arguments: object) -> dict[str, float]:
    """Call this file in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--apart", *map(str, arguments)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"POLARS_MAX_THREADS": "1"},
    )
    return json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}


def files(store: Path) -> list[str]:
    """Return dates and checksum of every file: its name less the random part."""
    return sorted(path.name.rpartition("-")[0] for path in store.rglob("*.parquet"))


def workers_against_one(work: Path, assets: int, dates: int, rounds: int) -> bool:
    tables = work / "tables"
    apart("world", tables, assets, dates, "2016-01-04", assets * 4)
    first = min(dates, CHECKED_DATES)
    for name, workers in (("checked-here", 0), ("checked-dask", 2)):
        apart("run", tables, work / name, workers, "2016-01-04", first)
    assert files(work / "checked-here") == files(work / "checked-dask"), "Dask gives other bits"
    found: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    for n in range(rounds):
        for workers, runs in found.items():
            runs.append(apart("run", tables, work / f"{workers}-{n}", workers, "2016-01-04", dates))
    assert files(work / "1-0") == files(work / "2-0"), "two workers give other bits than one"
    median = {workers: statistics.median(run["seconds"] for run in runs) for workers, runs in found.items()}
    memory = max(run["peak_mb"] for run in found[2])
    ratio = median[1] / median[2]
    print(f"\n{dates:,} dates x {assets:,} assets into a store, medians of {rounds}, runs in turn")
    for workers, runs in found.items():
        times = ", ".join(f"{run['seconds']:.1f}" for run in runs)
        print(f"  {workers} worker(s)  {median[workers]:7.1f} s  ({times})")
    cpu = {workers: [run["cpu"] for run in runs] for workers, runs in found.items()}
    longest = statistics.median(run["longest"] for run in found[2])
    print(
        f"  CPU seconds of all workers: {statistics.median(cpu[1]):.1f} of one, {statistics.median(cpu[2]):.1f} of two,"
    )
    print(
        f"    of the busier of two {longest:.1f}: a ratio of {statistics.median(cpu[1]) / longest:.2f}, had nobody waited"
    )
    print(f"  ratio {ratio:.2f}, wanted {SPEEDUP}{'' if ratio >= SPEEDUP else ' (not reached)'}")
    print(f"  peak memory of the driver {memory:.0f} MB, wanted below {DRIVER_MB}")
    return ratio >= SPEEDUP and memory < DRIVER_MB


def thirty_years(work: Path, assets: int, rounds: int) -> None:
    """Measure one month and three, each in a fresh process; the difference is what a month costs.

    In CPU seconds of one thread, which are those of the clock where a process has a core and the disk keeps up.
    """
    tables = work / "wide"
    apart("world", tables, assets, 66, "2025-07-01", assets * 10)
    days = {1: 23, 3: 66}
    found: dict[int, list[dict[str, float]]] = {1: [], 3: []}
    for n in range(rounds):
        for months, runs in found.items():
            runs.append(apart("run", tables, work / f"wide-{months}-{n}", 0, "2025-07-01", days[months]))
    seconds, used = (
        {months: statistics.median(run[what] for run in runs) for months, runs in found.items()}
        for what in ("seconds", "cpu")
    )
    month = (used[3] - used[1]) / 2
    fixed = max(used[1] - month, 0.0)
    months = YEARS * MONTHS_A_YEAR
    written = sum(path.stat().st_size for path in (work / "wide-3-0").rglob("*.parquet")) / 3
    universe = (tables / "universe.parquet").stat().st_size / 3
    print(
        f"\n{assets:,} assets, one month of {days[1]} dates, one process with one thread, medians of {rounds}"
    )
    print(f"  measured, CPU seconds: one month {used[1]:.1f}, three months {used[3]:.1f}, all of it included")
    print(
        f"  by the clock: {seconds[1]:.1f} and {seconds[3]:.1f} s; longer where others use the machine or the disk"
    )
    print(f"  so t_month = ({used[3]:.1f} - {used[1]:.1f}) / 2 = {month:.1f} s, t_fixed = {fixed:.1f} s")
    print(f"  peak memory {max(run['peak_mb'] for run in found[3]):,.0f} MB")
    print(f"  a month has {written / 1e6:.0f} MB of scores, and {universe / 1e6:.0f} MB of universe")
    print(f"  EXTRAPOLATED, not measured, to {YEARS} years = {months} months on W workers:")
    print(f"  T(W) = t_fixed + {months} * t_month / W")
    for workers in (1, 2, 16, 100):
        hours = (fixed + months * month / workers) / 3600
        print(f"    W = {workers:3}: {hours:8.2f} hours")
    print(f"    scores {written * months / 1e9:.0f} GB, universe {universe * months / 1e9:.0f} GB")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--assets", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("workers", "years"))
    parser.add_argument("--apart", nargs="*")
    given = parser.parse_args()
    if given.apart:
        what, *rest = given.apart
        if what == "world":
            world(Path(rest[0]), int(rest[1]), int(rest[2]), rest[3], int(rest[4]))
        else:
            folder, store, workers, first, dates = rest
            days = business_days(first, int(dates)).to_list()
            print(json.dumps(run(Path(folder), Path(store), int(workers), days)))
        return
    reached = True
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        if given.only != "years":
            assets, dates = (60, 120) if given.quick else (given.assets, 2500)
            reached = workers_against_one(work, assets, dates, 1 if given.quick else given.rounds)
        if given.only != "workers":
            thirty_years(work, 500 if given.quick else 50_000, 1 if given.quick else given.rounds)
    sys.exit(0 if reached or given.quick else 1)


if __name__ == "__main__":
    main()
