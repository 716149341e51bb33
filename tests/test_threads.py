"""Threads change no bit, stay out of each other's way, survive a fork, and leave nothing running behind."""

import functools
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

import kifactors as kf
from kifactors import _kernels
from kifactors._kernels import _backend, _threads
from kifactors.errors import DefinitionError

# More rows than work that stays in one thread.
DATES, ASSETS = 250, 900
ROWS = DATES * ASSETS


@functools.cache
def world():
    """A panel with numbers, facts, and tables of the same companies."""
    assert ROWS > _threads.SMALL
    rng = np.random.default_rng(11)
    ids = pl.DataFrame({"asset_id": [f"a{n:03d}" for n in range(ASSETS)]})
    days = pl.DataFrame({"date": [date(2019, 1, 1) + timedelta(7 * n) for n in range(DATES)]})
    panel = days.join(ids, how="cross").with_columns(
        x=pl.Series(rng.normal(size=ROWS)).round(2),
        market_cap=pl.Series(rng.lognormal(20, 1, ROWS)),
        industry=pl.Series(rng.choice(["chips", "clouds", "power"], ROWS)),
    )
    years = pl.DataFrame({"year": range(2016, 2024)}).select(
        period_start=pl.date("year", 1, 1), period_end=pl.date("year", 12, 31),
        available_at=pl.date(pl.col("year") + 1, 2, 1),
    )  # fmt: skip
    reported = ids.join(years, how="cross")
    facts = reported.with_columns(
        pl.lit("capex").alias("metric"), value=rng.lognormal(18, 1, reported.height)
    )
    sales = facts.with_columns(pl.lit("revenue").alias("metric"), value=10 * pl.col("value"))
    tables = kf.Tables(
        universe=panel.drop("x"),
        fundamentals=pl.concat([facts, sales]).with_columns(currency=pl.lit("USD")),
        ai_capex_share=ids.with_columns(share=0.5, available_at=date(2016, 1, 1), provenance=pl.lit("assumed")),
        revenue_ties=reported.select(
            "period_end", "available_at", supplier_id="asset_id", customer_id=pl.col("asset_id").reverse(),
            customer_label=pl.lit("it"), revenue_share=pl.Series(rng.uniform(0.1, 0.9, reported.height)),
        ).filter(pl.col("supplier_id") != pl.col("customer_id")),
        index_membership=ids.with_columns(
            index_id=pl.lit("m"), start=date(2016, 1, 1), end=pl.lit(None, pl.Date), available_at=date(2016, 1, 1)
        ),
    )  # fmt: skip
    return SimpleNamespace(panel=panel, facts=facts, tables=tables, days=days["date"])


@functools.cache
def network():
    """The arguments of the propagation, three ties to a node, in slices of one date."""
    rng = np.random.default_rng(12)
    customers = rng.integers(0, ASSETS, 3 * ROWS) + np.repeat(np.arange(DATES) * ASSETS, 3 * ASSETS)
    return (
        np.arange(0, 3 * ROWS + 1, 3),
        customers,
        rng.uniform(0.0, 0.3, 3 * ROWS),
        rng.random(ROWS),
        rng.random(ROWS) / 10,
        np.zeros(ROWS),
        np.arange(0, ROWS + 1, ASSETS),
    )


def compute(**options):
    # Without what tables keep, digests and codes, so that these are made again.
    tables = kf.Tables.unchecked(dict(world().tables))
    return kf.AIInfrastructureExposure().compute(tables, world().days, **options).to_polars()


def style_score(**options):
    found = kf.cross_section.style_score(
        world().panel, {"x": 1.0}, market_cap="market_cap", industry="industry", **options
    )
    return found.score.to_frame("score")


def rank(**options):
    ranks = kf.cross_section.rank(world().panel, "x", by="industry", method="normal", **options)
    return ranks.to_frame("rank")


def latest(**options):
    return kf.asof.latest(world().facts, world().panel, "value", **options)


def propagate(**options):
    found = _kernels.propagate(*network(), delta=0.5, tolerance=1e-10, **options)
    return pl.DataFrame({"revenue": found.revenue})


CALLS = [compute, style_score, rank, latest, propagate]


@functools.cache
def in_one_thread(call):
    return call(n_threads=1)


def same_bits(found, expected):
    """Compare floats by their bits: -0.0 is not 0.0."""
    bits = pl.col(pl.Float64).reinterpret(dtype=pl.Int64)
    return found.schema == expected.schema and found.select(pl.all(), bits.name.prefix("bits of ")).equals(
        expected.select(pl.all(), bits.name.prefix("bits of "))
    )


@pytest.fixture
def pools(monkeypatch):
    """Record how many threads each pool is made with."""
    made = []

    class Recorded(ThreadPoolExecutor):
        def __init__(self, threads):
            made.append(threads)
            super().__init__(threads)

    monkeypatch.setattr(_threads, "ThreadPoolExecutor", Recorded)
    return made


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("n_threads", [2, 5])
def test_threads_change_no_bit(call, n_threads, pools):
    assert same_bits(call(n_threads=n_threads), in_one_thread(call))
    assert set(pools) == {n_threads}


@pytest.mark.parametrize("call", CALLS)
def test_the_environment_sets_the_threads(call, pools, monkeypatch):
    monkeypatch.setenv("KIFACTORS_NUM_THREADS", "3")
    assert same_bits(call(), in_one_thread(call))
    assert set(pools) == {3}


@pytest.mark.parametrize("call", CALLS)
def test_one_thread_is_the_caller(call, pools):
    call(n_threads=1)
    assert not pools


def test_an_update_in_one_thread_is_the_caller(pools):
    factor, days = kf.AIInfrastructureExposure(), world().days
    made = factor.compute(world().tables, days[:1])
    pools.clear()
    factor.update(made, kf.Tables.unchecked(dict(world().tables)), days[1:2], n_threads=1)
    assert not pools


def test_calls_inside_keep_to_the_number_of_the_computation():
    with _threads.using_threads(2):
        with _threads.using_threads(None):
            assert _threads.thread_count() == 2
        with _threads.using_threads(3):
            assert [_threads.thread_count(), _threads.thread_count(5)] == [3, 5]
        assert _threads.thread_count() == 2
    with pytest.raises(DefinitionError, match="number of threads"), _threads.using_threads(0):
        pass


def test_concurrent_calls_get_the_same():
    calls = [style_score, rank, latest, propagate] * 4 + [compute] * 2
    for call in CALLS:
        in_one_thread(call)
    with ThreadPoolExecutor(6) as pool:
        found = [pool.submit(call, n_threads=2) for call in calls]
        for call, answer in zip(calls, found, strict=True):
            assert same_bits(answer.result(), in_one_thread(call))


PROCESSES = """
import multiprocessing, os, signal, sys, threading

import numpy as np

from kifactors import _kernels

ASSETS, DATES = 900, 250
ROWS = ASSETS * DATES
ANSWER, WRONG = 17, 18  # a crash says neither

def digest(arrays):
    return b"".join(array.tobytes() for array in arrays)

def kernels():
    rng = np.random.default_rng(3)
    x, offsets = rng.normal(size=ROWS), np.arange(0, ROWS + 1, ASSETS)
    customers = rng.integers(0, ASSETS, ROWS) + np.repeat(offsets[:-1], ASSETS)
    return digest([
        _kernels.style_score([x], offsets, methods=[_kernels.SPARSE], n_threads=4).score,
        _kernels.rank(x, offsets, n_threads=4),
        _kernels.propagate(
            np.arange(ROWS + 1), customers, np.abs(x) / 10, np.full(ROWS, 0.5), np.zeros(ROWS), np.zeros(ROWS),
            offsets, delta=0.5, tolerance=1e-10, n_threads=4,
        ).revenue,
    ])

def scores():
    import kifactors as kf
    from kifactors._kernels import _threads

    _threads.SMALL = 0  # the bundled companies are few
    made = kf.AIInfrastructureExposure().compute(kf.load_bundled(), kf.month_ends("2024-01", "2024-12"), n_threads=4)
    return digest(made.to_polars().select("exposure", "score").fill_null(-9.0).to_numpy().T.copy())

def both():
    return kernels() + scores()

def forked(expected):
    child = os.fork()
    if not child:
        signal.alarm(60)
        os._exit(ANSWER if kernels() == expected else WRONG)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def fork():
    expected = kernels()
    assert forked(expected) == ANSWER, "after threads"
    # Even beside a thread that is in the midst of a call.
    done = threading.Event()
    def work():
        while not done.is_set():
            kernels()
    thread = threading.Thread(target=work)
    thread.start()
    found = [forked(expected) for _ in range(4)]
    done.set()
    thread.join()
    assert found == [ANSWER] * 4, found
    assert kernels() == expected

if __name__ == "__main__":
    if sys.argv[1] == "fork":
        fork()
    else:
        expected = both()
        with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
            assert pool.apply_async(both).get(100) == expected
    print("equal")
"""


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_children_get_the_same(method, tmp_path):
    """polars has threads of its own that a fork loses: a forked child stays with the kernels."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"{method} is not for this system")
    script = tmp_path / "children.py"
    script.write_text(PROCESSES)
    done = subprocess.run(
        [sys.executable, str(script), method],
        env={**os.environ, "PYTHONPATH": str(Path(kf.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "equal"), done.stderr


def test_nothing_is_left_running():
    before = {*threading.enumerate()}
    for call in (style_score, rank, latest, propagate):
        call(n_threads=5)
    assert {*threading.enumerate()} <= before
    # Allocators still give pages back for a while; who waits busily never stops.
    assert any(cpu_time_of(0.2) < 0.05 for _ in range(10))


def cpu_time_of(seconds):
    """Return the processor time that all threads of this process use while it sleeps."""
    used = time.process_time()
    time.sleep(seconds)
    return time.process_time() - used


class Watched:
    """A kernel module that counts how often another thread ran while one of its functions did."""

    def __init__(self, module, ticks):
        self.module, self.ticks, self.seen = module, ticks, 0

    def __getattr__(self, name):
        return functools.partial(self.run, getattr(self.module, name))

    def run(self, function, *arguments):
        before = self.ticks[0]
        found = function(*arguments)
        self.seen += self.ticks[0] - before
        return found


@pytest.fixture
def ticks():
    """A thread that counts whenever it gets the interpreter, which none has to give up before it waits."""
    counted, done = [0], threading.Event()

    def count():
        while not done.wait(1e-4):
            counted[0] += 1

    thread = threading.Thread(target=count)
    interval = sys.getswitchinterval()
    thread.start()
    sys.setswitchinterval(1000)
    yield counted
    sys.setswitchinterval(interval)
    done.set()
    thread.join()


KERNELS = [
    ("_cross_section", style_score), ("_rank", rank), ("_asof", latest), ("_graph", propagate),
    ("_ttm", compute), ("_digest", compute),
]  # fmt: skip


@pytest.mark.skipif(_backend.level() == _backend.REFERENCE, reason="the twins are plain numpy")
@pytest.mark.parametrize(("name", "call"), KERNELS)
def test_kernels_let_others_run(name, call, ticks, monkeypatch):
    watched = Watched(_backend.kernel(name), ticks)
    monkeypatch.setitem(_backend._loaded, name, watched)
    for _ in range(100):
        call(n_threads=1)
        if watched.seen:
            return
    pytest.fail("no other thread ran during a hundred calls")


def test_python_that_does_not_wait_lets_nobody_run(ticks):
    """What the test above rests on."""
    watched = Watched(SimpleNamespace(work=lambda: sum(range(2_000_000))), ticks)
    watched.work()
    assert not watched.seen
