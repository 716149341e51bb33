"""How much memory a run takes at its peak, as a share of its inputs and outputs.

Each run has a process of its own, so that nothing freed by another run is there to be used again. What the process
holds before it has inputs (interpreter, libraries, a small run to warm up) is subtracted; the peak is that of the run,
with the inputs resident. Whatever making the inputs left behind counts as well: the ratio errs on the high side.

``python memory.py WORK DATES ASSETS`` measures one run and prints it as JSON.
"""

import contextlib
import gc
import json
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

import kifactors as kf

__all__ = ["Peak", "markdown", "results"]

HEAD = """## Peak memory

Of one run, one thread, in a process of its own: its inputs, its outputs and all that it needs in between, without what
the process held before it had inputs. *Ratio* to inputs and outputs; of a screen, without its inputs, to outputs.

| work | inputs MB | outputs MB | peak MB | ratio | at most |
|---|---:|---:|---:|---:|---:|
"""
MOST = {"style_score": 1.3, "screen": 1.2, "evaluate": 2.5}
# A screen shares its keys with the scores: what counts is what it needs beside its inputs, as a share of its output.
BESIDE_INPUTS = {"screen"}
MB = 1e6

Frames = dict[str, pl.DataFrame]


@dataclass(frozen=True)
class Peak:
    """Bytes of the inputs, of the outputs, and at the peak above what the process held before."""

    case: str
    inputs: int
    outputs: int
    peak: int
    ratio: float
    most: float | None


def results(*, quick: bool) -> list[Peak]:
    """Measure every run."""
    runs = (
        [("style_score", 100, 1000), ("screen", 100, 1000), ("compute", 12, 500), ("evaluate", 100, 1000)]
        if quick
        else [
            ("style_score", 2500, 3000),
            ("screen", 2500, 3000),
            ("compute", 120, 5000),
            ("evaluate", 2500, 3000),
        ]
    )
    found = []
    for work, dates, assets in runs:
        child = subprocess.run(
            [sys.executable, __file__, work, str(dates), str(assets)],
            check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        peak = Peak(**json.loads(child.stdout))
        print(f"\npeak memory, {peak.case}: {peak.peak / MB:.0f} MB, ratio {peak.ratio:.2f}")
        found.append(peak)
    return found


def markdown(found: list[Peak]) -> str:
    """Return the results as a table."""
    lines = []
    for p in found:
        most = "" if p.most is None else f"{p.most:g}{'' if p.ratio <= p.most else ' (exceeded)'}"
        sizes = " | ".join(f"{size / MB:.0f}" for size in (p.inputs, p.outputs, p.peak))
        lines.append(f"| {p.case} | {sizes} | {p.ratio:.2f} | {most} |")
    return HEAD + "\n".join(lines) + "\n"


def measured(work: str, dates: int, assets: int) -> Peak:
    """Measure one run in this process."""
    made = {"style_score": style_score, "screen": screen, "compute": compute, "evaluate": evaluate}[work]
    _, warm = made(40, 100)
    warm()
    gc.collect()
    before = resident()
    inputs, run = made(dates, assets)
    gc.collect()
    if work in BESIDE_INPUTS:
        before = resident()
    forget_peak()
    outputs = run()
    above = peak() - before
    sizes = [0 if work in BESIDE_INPUTS else size(inputs), size(outputs)]
    return Peak(
        case=f"{work}, {dates:,} dates x {assets:,} assets",
        inputs=sizes[0],
        outputs=sizes[1],
        peak=above,
        ratio=above / sum(sizes),
        most=MOST.get(work),
    )


def style_score(dates: int, assets: int) -> tuple[Frames, Callable[[], Frames]]:
    """Return the panel of the cross-section benchmark, and what scores it."""
    import cross_section

    frame = cross_section.panel(dates, assets)
    return {"panel": frame}, lambda: {"scores": cross_section.with_kernel(frame, None, 1).to_frame()}


def screen(dates: int, assets: int) -> tuple[Frames, Callable[[], Frames]]:
    """Return scores and a universe, and what screens them by five conditions."""
    import screens

    scores, universe = screens.made(dates, assets)
    inputs = {"scores": scores.to_polars(), "universe": universe}
    return inputs, lambda: {"selected": screens.selected(scores, universe, 1)}


def compute(dates: int, assets: int) -> tuple[Frames, Callable[[], Frames]]:
    """Return tables, and what computes the whole factor on the last months."""
    import synthetic

    months = pl.Series(kf.month_ends("2010-01", "2024-12")).tail(dates)
    tables = synthetic.tables(assets, months, ties=4 * assets, facts=80 * assets)

    def run() -> Frames:
        scores = kf.AIInfrastructureExposure().compute(tables, months, n_threads=1)
        return {"scores": scores.to_polars(), "diagnostics": scores.diagnostics}

    return dict(tables), run


def evaluate(dates: int, assets: int) -> tuple[Frames, Callable[[], Frames]]:
    """Return scores and closes, and what holds one against the other."""
    import evaluation

    scores, prices = evaluation.whole(dates, assets)

    def run() -> Frames:
        found = kf.evaluate(scores, prices=prices, n_threads=1)
        return {name: getattr(found, name) for name in kf.evaluation.FRAMES}

    return {"scores": scores.to_polars(), "prices": prices}, run


def size(frames: Frames) -> int:
    """Return the bytes of the Arrow buffers, one that several columns share once; polars estimates texts otherwise."""
    tables = [frame.to_arrow(compat_level=pl.CompatLevel.newest()) for frame in frames.values()]
    chunks = [chunk for table in tables for column in table.columns for chunk in column.chunks]
    return sum({b.address: b.size for chunk in chunks for b in chunk.buffers() if b is not None}.values())


def resident() -> int:
    """Return the bytes this process holds now, or held at most where the system does not tell."""
    return _status("VmRSS") or peak()


def peak() -> int:
    """Return the most bytes this process held, since `forget_peak` where the system can forget."""
    unit = 1 if sys.platform == "darwin" else 1024
    return _status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def forget_peak() -> None:
    """Begin a new peak. Where that cannot be done the peak of making the inputs counts as well."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _status(name: str) -> int:
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


if __name__ == "__main__":
    print(json.dumps(asdict(measured(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))))
