"""Cases and how they are measured: answers first, then interleaved runs in one process, medians and ratios."""

import gc
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

PACKAGES = ("kifactors", "numpy", "polars", "pandas", "pyarrow", "scipy", "numba", "duckdb", "toraniko")


@dataclass(frozen=True)
class Case:
    """One piece of work, and several ways to do it, ours first.

    title : what is done, and how much of it.
    ways : name of a way to a function that does the work and returns its answer.
    rtol : largest difference of two answers, as a share of the largest value.
    targets : the ratio to reach against a way.
    traffic : bytes that must be read and written at least; 0 if nobody knows.
    rounds : how often each way runs.
    limit : the most seconds that our way may take.
    """

    title: str
    ways: dict[str, Callable[[], Any]]
    rtol: float = 1e-12
    targets: dict[str, float] = field(default_factory=dict)
    traffic: int = 0
    rounds: int = 5
    limit: float | None = None


@dataclass(frozen=True)
class Timing:
    """How long one way took: seconds, the ratio of its median to ours, and what was to be reached."""

    case: str
    way: str
    median: float
    least: float
    ratio: float
    target: float | None
    difference: float
    floor_distance: float | None
    limit: float | None

    def wanted(self) -> str:
        """Say what was to be reached, and whether it was; empty if nothing was."""
        goals = []
        if self.target is not None:
            goals.append(f"{self.target:g}" + ("" if self.ratio >= self.target else " (not reached)"))
        if self.limit is not None:
            goals.append(f"{self.limit:g} s" + ("" if self.median <= self.limit else " (not reached)"))
        return ", ".join(goals)


def measure(case: Case, *, bandwidth: float | None = None) -> list[Timing]:
    """Check that every way gives our answer, then time them in turn.

    Raises
    ------
    AssertionError
        An answer differs by more than `rtol`, or knows other rows.
    """
    names = list(case.ways)
    ours = np.asarray(case.ways[names[0]](), np.float64)
    differences = {name: _difference(ours, case.ways[name](), case, name) for name in names}
    times: dict[str, list[float]] = {name: [] for name in names}
    gc.collect()
    for _ in range(case.rounds):
        for name in names:
            start = time.perf_counter()
            case.ways[name]()
            times[name].append(time.perf_counter() - start)
    base = statistics.median(times[names[0]])
    floor = case.traffic / bandwidth if bandwidth and case.traffic else None
    return [
        Timing(
            case=case.title,
            way=name,
            median=statistics.median(times[name]),
            least=min(times[name]),
            ratio=statistics.median(times[name]) / base,
            target=case.targets.get(name),
            difference=differences[name],
            floor_distance=statistics.median(times[name]) / floor if floor else None,
            limit=case.limit if name == names[0] else None,
        )
        for name in names
    ]


def show(timings: list[Timing]) -> None:
    """Print one case."""
    print(f"\n{timings[0].case}")
    for t in timings:
        goal = f"  wanted {t.wanted()}" if t.wanted() else ""
        print(
            f"  {t.way:28} median {t.median * 1e3:9.1f} ms  min {t.least * 1e3:9.1f} ms  ratio {t.ratio:7.1f}{goal}"
        )


def bandwidth(size: int = 200_000_000) -> float:
    """Return the bytes a second that one thread reads and writes, copying more than any cache holds."""
    source, target = np.ones(size // 8), np.zeros(size // 8)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        np.copyto(target, source)
        times.append(time.perf_counter() - start)
    return 2 * size / min(times)


def environment() -> dict[str, str]:
    """Name what a figure depends on: machine, versions, kernels."""
    import kifactors as kf

    found = {"python": platform.python_version(), "machine": _processor(), "cores": str(os.cpu_count())}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found | {"kernels": kf.versions.versions()["kernels"]}


def as_rows(timings: list[Timing]) -> list[dict[str, Any]]:
    """Return timings as JSON takes them."""
    return [asdict(timing) for timing in timings]


def _difference(ours: np.ndarray, answer: Any, case: Case, name: str) -> float:
    theirs = np.asarray(answer, np.float64)
    np.testing.assert_array_equal(np.isnan(theirs), np.isnan(ours), err_msg=f"{case.title}: {name}")
    largest = np.nanmax(np.abs(ours))
    difference = float(np.nanmax(np.abs(theirs - ours)) / largest)
    assert difference <= case.rtol, f"{case.title}: {name} differs by {difference:g} of the largest value"
    return difference


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
