"""Run all benchmarks: python benchmarks/run.py [--quick] [--only NAME].

One thread unless a way says otherwise; tables of their own for peak memory and scaling. Writes RESULTS.md and
results.json beside this file, unless it is a quick or a partial run.
"""

import argparse
import json
import os
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

# Before numpy and polars are imported.
for variable in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

from alternatives import optional  # noqa: E402
from measure import Timing, as_rows, bandwidth, environment, measure, show  # noqa: E402

HERE = Path(__file__).parent
MODULES = (
    "cross_section",
    "standardize",
    "ranks",
    "asof_join",
    "propagation",
    "scenario",
    "screens",
    "whole_factor",
    "update",
    "cvxpy_dates",
    "companyfacts",
    "evaluation",
    "store",
)
# Measured otherwise, and written as tables of their own.
TABLES = ("memory", "scaling")

HEAD = """# Benchmarks

`python benchmarks/run.py` made this file. Every way does the same work on the same data; the answers are compared
first. Then all run in turn in one process, one thread each unless it says otherwise, and medians are compared. *Ratio*
is the median of a way over ours, *floor* our distance from the bytes that must be read and written at the bandwidth
measured in the same process ({bandwidth:.1f} GB/s, one thread copying), *difference* the largest one between two
answers as a share of the largest value.

"""


def main() -> None:
    """Measure, print, write."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="small sizes, to see that everything runs")
    options.add_argument("--only", choices=(*MODULES, *TABLES), help="one kind of work")
    chosen = options.parse_args()
    speed = bandwidth()
    about = environment()
    print(", ".join(f"{name} {value}" for name, value in about.items()))
    found: list[list[Timing]] = []
    for name in _chosen(MODULES, chosen.only):
        module = optional(name)
        for case in module.cases(quick=chosen.quick) if module else ():
            found.append(measure(case, bandwidth=speed))
            show(found[-1])
    tables = {name: import_module(name) for name in _chosen(TABLES, chosen.only)}
    rows = {name: table.results(quick=chosen.quick) for name, table in tables.items()}
    if chosen.quick or chosen.only:
        return
    others = "".join(f"\n{table.markdown(rows[name])}" for name, table in tables.items())
    (HERE / "RESULTS.md").write_text(markdown(found, speed, about) + others)
    content = {
        "environment": about,
        "bandwidth": speed,
        "timings": [row for case in found for row in as_rows(case)],
        **{name: [asdict(row) for row in some] for name, some in rows.items()},
    }
    (HERE / "results.json").write_text(json.dumps(content, indent=1) + "\n")


def _chosen(names: tuple[str, ...], only: str | None) -> list[str]:
    return [name for name in names if only in (None, name)]


def markdown(found: list[list[Timing]], speed: float, about: dict[str, str]) -> str:
    """Return the timings as one table, and what they depend on."""
    lines = [
        HEAD.format(bandwidth=speed / 1e9)
        + "| work | way | median ms | least ms | ratio | wanted | floor | difference |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for case in found:
        for t in case:
            floor = "" if t.floor_distance is None else f"{t.floor_distance:.0f}x"
            lines.append(
                f"| {t.case} | {t.way} | {t.median * 1e3:.1f} | {t.least * 1e3:.1f} | {t.ratio:.1f} | {t.wanted()} | {floor} "
                f"| {t.difference:.0e} |"
            )
    return "\n".join(lines) + "\n\n" + ", ".join(f"{name} {value}" for name, value in about.items()) + ".\n"


if __name__ == "__main__":
    main()
