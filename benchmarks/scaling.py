"""How our own times grow with the size of the work: one thread, and the exponent b of time = a size^b.

The exponent is the slope of a least-squares line through the logarithms. A fixed cost pulls it below 1, a cache that
becomes too small pulls it above; the exponent of the larger half of the sizes shows what the fixed cost hides. What is
not varied is in the title.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import cross_section
import numpy as np
import polars as pl
import ranks
import synthetic

import kifactors as kf

__all__ = ["Sweep", "exponent", "markdown", "network", "results"]

HEAD = """## Scaling

Our own times, one thread, the least of at least three runs, and the exponent of time over size: of all sizes, and of
the larger half, where fixed costs no longer count.

| work | varied | size: ms | exponent | larger half | at most |
|---|---|---|---:|---:|---:|
"""
ASSETS = (500, 1000, 2000, 5000, 10_000, 20_000)
DATES = (60, 125, 250, 500, 1000, 2500, 5000)
TIES = (10_000, 50_000, 200_000, 1_000_000, 5_000_000)
# How many assets while dates vary, and dates while assets vary.
FEW_ASSETS, FEW_DATES = 1000, 250
MOST = 1.05
CUSTOMERS = 10
DELTA, TOLERANCE = 0.5, 1e-10
# Every size has the same years to look back on: dates are spread evenly over these days.
SPAN = kf.calendar.days("2014-07-01", "2028-06-30")

Work = Callable[[], Any]


@dataclass(frozen=True)
class Sweep:
    """Seconds for each size, and the fitted exponent: of all, and of the larger half."""

    case: str
    varied: str
    sizes: tuple[int, ...]
    seconds: tuple[float, ...]
    exponent: float
    exponent_larger: float
    most: float | None


def results(*, quick: bool) -> list[Sweep]:
    """Measure every sweep."""
    assets, dates, ties = (sizes[:3] if quick else sizes for sizes in (ASSETS, DATES, TIES))
    few_assets, few_dates = (100, 50) if quick else (FEW_ASSETS, FEW_DATES)
    found = []
    for name, make in (("style_score", style_score), ("rank", rank)):
        found += [
            sweep(f"{name}, {few_dates:,} dates", "assets", assets, lambda n, f=make: f(few_dates, n)),
            sweep(f"{name}, {few_assets:,} assets", "dates", dates, lambda n, f=make: f(n, few_assets)),
        ]
    few_assets, few_dates = (100, 6) if quick else (500, 24)
    found += [
        sweep(f"compute, {few_dates:,} dates", "assets", assets, lambda n: compute(few_dates, n)),
        sweep(f"compute, {few_assets:,} assets", "dates", dates, lambda n: compute(n, few_assets)),
        sweep(f"propagation, {CUSTOMERS} ties a firm", "ties", ties, propagation, most=None),
    ]
    return found


def sweep(
    case: str, varied: str, sizes: Sequence[int], make: Callable[[int], Work], *, most: float | None = MOST
) -> Sweep:
    """Time the work of each size, made outside the clock."""
    seconds = tuple(least(make(size)) for size in sizes)
    half = (len(sizes) - 1) // 2
    larger = exponent(sizes[half:], seconds[half:])
    found = Sweep(case, varied, tuple(sizes), seconds, exponent(sizes, seconds), larger, most)
    print(
        f"\nscaling of {case}, with {varied}: exponent {found.exponent:.2f}, {larger:.2f} of the larger half\n  {_times(found)} ms"
    )
    return found


def least(work: Work, *, enough: float = 0.2) -> float:
    """Return the least seconds of three runs, or of as many as `enough` seconds hold."""
    work()
    times: list[float] = []
    while len(times) < 3 or sum(times) < enough:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """Return the slope of log(seconds) over log(sizes)."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def markdown(found: list[Sweep]) -> str:
    """Return the results as a table."""
    lines = []
    for s in found:
        most = "" if s.most is None else f"{s.most:g}{'' if s.exponent <= s.most else ' (exceeded)'}"
        lines.append(
            f"| {s.case} | {s.varied} | {_times(s)} | {s.exponent:.2f} | {s.exponent_larger:.2f} | {most} |"
        )
    return HEAD + "\n".join(lines) + "\n"


def style_score(dates: int, assets: int) -> Work:
    """Return a run on the panel of the cross-section benchmark."""
    frame = cross_section.panel(dates, assets)
    return lambda: cross_section.with_kernel(frame, None, 1)


def rank(dates: int, assets: int) -> Work:
    """Return a run on the panel of the ranks benchmark."""
    frame = ranks.panel(dates, assets)
    return lambda: kf.cross_section.rank(frame, "x", n_threads=1)


def compute(dates: int, assets: int) -> Work:
    """Return a run of the whole factor; the facts of an asset do not become more with the dates."""
    days = pl.Series("date", SPAN)
    days = days.gather(np.linspace(0, len(days) - 1, dates).astype(int))
    tables = synthetic.tables(assets, days, ties=4 * assets, facts=120 * assets)
    tables.fingerprints()
    return lambda: kf.AIInfrastructureExposure().compute(tables, days, n_threads=1)


def propagation(ties: int) -> Work:
    """Return a run on a random network."""
    graph, theta, disclosed = network(ties // CUSTOMERS)
    spec = kf.definition.SupplierTies(delta=DELTA, tolerance=TOLERANCE)
    return lambda: kf.graph.propagate(graph, theta=theta, disclosed=disclosed, ties=spec, n_threads=1)


def network(firms: int) -> tuple[kf.graph.TieGraph, np.ndarray, np.ndarray]:
    """Return a network in which every firm has ten customers, AI shares of capex, and disclosed shares."""
    rng = np.random.default_rng(0)
    flow = rng.uniform(0, 0.09, firms * CUSTOMERS)
    graph = kf.graph.TieGraph(
        nodes=pl.DataFrame({"date": np.full(firms, date(2024, 1, 31)), "asset_id": np.arange(firms)}),
        offsets=np.array([0, firms]),
        rows=np.arange(0, flow.size + 1, CUSTOMERS),
        customers=rng.integers(0, firms, flow.size),
        flow=flow,
        undisclosed=1 - flow.reshape(firms, CUSTOMERS).sum(axis=1),
    )
    theta, disclosed = (np.where(rng.random(firms) < share, rng.random(firms), 0.0) for share in (0.01, 0.02))
    return graph, theta, disclosed


def _times(found: Sweep) -> str:
    ms = (1e3 * seconds for seconds in found.seconds)
    return ", ".join(f"{n:,}: {t:,.{2 if t < 10 else 0}f}" for n, t in zip(found.sizes, ms, strict=True))
