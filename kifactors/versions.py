"""What a report of a bug or of a figure should say: versions, machine, and how the kernels were built."""

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from kifactors._kernels import available_levels, level, thread_count

__all__ = ["show_versions", "versions"]

PACKAGES = (
    "kifactors",
    "numpy",
    "pandas",
    "polars",
    "pyarrow",
    "deltalake",
    "rich",
    "typer",
    "exchange-calendars",
)


def versions() -> dict[str, str]:
    """Return versions, processor, the instruction level the kernels run at and the threads they use.

    Returns
    -------
    dict of str to str
        ``kernels`` is ``baseline``, ``avx2`` or ``avx512`` (``KIFACTORS_SIMD`` forces one), or ``reference`` for
        the numpy twins (``KIFACTORS_REFERENCE=1``). Results are the same bits at every level but the last.

    Examples
    --------
    >>> found = kf.versions.versions()
    >>> found["kernels"] in (*found["kernel levels"].split(", "), "reference")
    True
    """
    return {
        "python": f"{platform.python_version()} ({sys.implementation.name})",
        "system": f"{platform.system()} {platform.machine()}",
        **{name: _version(name) for name in PACKAGES},
        "kernels": level(),
        "kernel levels": ", ".join(available_levels()),
        "threads": str(thread_count()),
    }


def show_versions() -> None:
    """Print `versions`, a line each."""
    for name, value in versions().items():
        print(f"{name:20} {value}")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
