"""Time several ways to do one piece of work: answers first, then interleaved runs, medians and ratios."""

import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np


def compare(title: str, ways: dict[str, Callable[[], Any]], *, rtol: float, rounds: int = 5) -> None:
    """Check that every way gives the answer of the first, then time them in turn and print a table.

    Raises
    ------
    AssertionError
        An answer differs by more than `rtol` of the largest value, or knows other rows.
    """
    names = list(ways)
    answers = {name: np.asarray(ways[name](), np.float64) for name in names}
    first = answers[names[0]]
    scale = np.nanmax(np.abs(first))
    for name, answer in answers.items():
        np.testing.assert_array_equal(np.isnan(answer), np.isnan(first), err_msg=name)
        np.testing.assert_allclose(answer, first, rtol=0, atol=rtol * scale, err_msg=name)
    times: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            start = time.perf_counter()
            ways[name]()
            times[name].append(time.perf_counter() - start)
    print(f"\n{title} (answers equal to {rtol:g}, {rounds} rounds)")
    base = statistics.median(times[names[0]])
    for name in names:
        median, least = statistics.median(times[name]), min(times[name])
        print(
            f"  {name:24} median {median * 1e3:9.1f} ms  min {least * 1e3:9.1f} ms  ratio {median / base:6.1f}"
        )


def environment() -> str:
    """Name the versions a figure depends on."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("kifactors", "polars", "numpy", "scipy"))
    return f"Python {platform.python_version()}, {packages}, {platform.machine()}"
