"""Runners: every item once, in any order; workers that are lost; what cannot be run says so."""

import asyncio
import os
import subprocess
import sys
from contextlib import contextmanager
from datetime import date

import dask
import distributed
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kifactors as kf
from kifactors.engine import month_ranges, progress_of, runner_of
from kifactors.errors import EngineError, MissingExtraError
from tests import tasks

pytestmark = [
    # Of Dask's own: sockets and processes that a killed worker leaves to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@contextmanager
def cluster(workers, **options):
    """Yield a client of a cluster of worker processes with one thread each."""
    with (
        distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=":0", **options
        ) as here,
        distributed.Client(here, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def client():
    with cluster(2) as client:
        yield client


# Ranges ---------------------------------------------------------------------------------------------------


@given(st.sets(st.dates(date(2019, 11, 1), date(2021, 3, 31)), min_size=1), st.integers(1, 30))
def test_ranges_are_whole_months_and_all_dates(days, most):
    days = sorted(days)
    ranges = month_ranges(days, most)
    assert [day for days in ranges for day in days] == days
    assert 1 <= len(ranges) <= most
    months = [{(day.year, day.month) for day in days} for days in ranges]
    assert sum(map(len, months)) == len(set().union(*months)), "a month is in one range"


def test_ranges_are_about_equal():
    days = kf.calendar.days("2020-01-01", "2029-12-31")
    lengths = [len(days) for days in month_ranges(days, 16)]
    assert len(lengths) == 16
    assert max(lengths) - min(lengths) <= 2 * 31


def test_progress_never_passes_the_total():
    seen = []
    done = progress_of(lambda *both: seen.append(both), 3)
    for _ in range(4):
        done(1)
    assert seen == [(1, 3), (2, 3), (3, 3), (3, 3)]


# Runners --------------------------------------------------------------------------------------------------


@pytest.fixture(params=["threads", "processes", "dask"])
def runner(request):
    return runner_of(request.getfixturevalue("client") if request.param == "dask" else request.param)


@pytest.mark.slow
def test_every_item_gets_its_result(runner):
    with runner.sharing(3) as crew:
        assert sorted(crew.run(tasks.power, range(40))) == [(n, 3**n) for n in range(40)]
        assert sorted(crew.run(tasks.power, [2])) == [(0, 9)], "and again"
        assert list(crew.run(tasks.power, [])) == []


@pytest.mark.slow
def test_an_error_of_a_task_is_the_error_of_the_run(runner):
    with runner.sharing(3) as crew, pytest.raises(ValueError, match="not 1"):
        list(crew.run(tasks.refuses, [1]))


@pytest.mark.slow
def test_a_run_that_is_left_can_be_followed_by_another(runner):
    with runner.sharing(2) as crew:
        running = crew.run(tasks.slow_power, range(30))
        next(running)
        running.close()
        assert sorted(crew.run(tasks.power, [1, 2])) == [(0, 2), (1, 4)]


@pytest.mark.slow
def test_processes_are_others_and_keep_to_their_threads(monkeypatch):
    monkeypatch.setenv("KIFACTORS_NUM_THREADS", "2")
    monkeypatch.delenv("POLARS_MAX_THREADS", raising=False)
    runner = runner_of("processes")
    assert runner.workers == 2
    with runner.sharing(None) as crew:
        found = [result for _, result in crew.run(tasks.pid_and_threads, range(8))]
    assert os.getpid() not in {pid for pid, _ in found}
    assert {threads for _, threads in found} == {1}
    assert runner_of("processes", n_threads=2).workers == 1


@pytest.mark.slow
def test_a_process_that_is_lost_is_said(tmp_path):
    (tmp_path / "life-1").touch()
    with runner_of("processes").sharing(str(tmp_path)) as crew, pytest.raises(EngineError, match="__main__"):
        list(crew.run(tasks.dies, range(8)))


def test_nothing_heavy_is_loaded_with_the_engine():
    code = "import sys, kifactors.engine._worker; print([m for m in ('polars', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Lost workers ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_task_whose_worker_dies_five_times_is_run_again(tmp_path):
    """What the tasks share dies with the last worker that held it."""
    for life in range(5):
        (tmp_path / f"life-{life}").touch()
    with cluster(2) as client, runner_of(client).sharing(str(tmp_path)) as crew:
        assert sorted(crew.run(tasks.dies, range(8))) == [(n, n * n) for n in range(8)]
    assert not list(tmp_path.iterdir()), "it died five times"


@pytest.mark.slow
def test_a_task_that_always_kills_is_given_up(tmp_path, monkeypatch):
    # Fewer than by default: to start a worker again takes seconds.
    monkeypatch.setattr("kifactors.engine._dask.RETRIES", 1)
    monkeypatch.setattr("kifactors.engine._dask.LOSSES", 3)
    for life in range(100):
        (tmp_path / f"life-{life:03d}").touch()
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        cluster(2) as client,
        runner_of(client).sharing(str(tmp_path)) as crew,
        pytest.raises(EngineError, match=r"(task 4 of 5|the run) was given up: workers died under it"),
    ):
        list(crew.run(tasks.dies, range(5)))
    assert 1 < 100 - len(list(tmp_path.iterdir())) < 10


# What cannot be run ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["dask", 3, object()])
def test_another_engine_is_refused(engine):
    with pytest.raises(EngineError, match=r"expected None or 'threads', 'processes', a distributed\.Client"):
        kf.AIInfrastructureExposure().compute(kf.load_bundled(), ["2026-10-31"], engine=engine)


@pytest.mark.slow
def test_a_closed_client_is_refused():
    with cluster(1) as client:
        pass
    with pytest.raises(EngineError, match="the Dask client is closed"):
        runner_of(client)


@pytest.mark.slow
def test_a_cluster_without_workers_is_refused():
    with (
        cluster(0) as client,
        pytest.raises(EngineError, match="no workers yet"),
        runner_of(client).sharing(1),
    ):
        pass


@pytest.mark.slow
def test_workers_of_other_versions_are_refused(client, monkeypatch):
    monkeypatch.setattr("polars.__version__", "0.1")
    with (
        pytest.raises(EngineError, match=r"has polars .* and this process 0\.1"),
        runner_of(client).sharing(1),
    ):
        pass


def test_nobody_at_the_address():
    runner = runner_of("tcp://127.0.0.1:1")
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(EngineError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1"),
        runner.sharing(1),
    ):
        pass


@pytest.mark.slow
def test_an_address_is_connected_to(client):
    runner = runner_of(client.scheduler.address)
    with runner.sharing(2) as crew:
        assert runner.workers == 2
        assert sorted(crew.run(tasks.power, [3])) == [(0, 8)]


@pytest.mark.slow
def test_an_asynchronous_client_is_refused(client):
    async def refused():
        async with distributed.Client(
            client.scheduler.address, asynchronous=True, set_as_default=False
        ) as other:
            with pytest.raises(EngineError, match="without asynchronous=True"):
                runner_of(other)

    asyncio.run(refused())


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'kifactors\[cluster\]'"):
        runner_of("tcp://127.0.0.1:8786")
