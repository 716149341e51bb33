"""Which build of the kernels runs: compiled for the widest vectors of this processor, or the slow numpy twin.

A level is a build of the same source for a set of instructions. Floating point is compiled strictly (no
reassociation, no fused multiply-add), so every level gives the same bits. `KIFACTORS_SIMD` forces one;
`KIFACTORS_REFERENCE=1` chooses the twins.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from kifactors._kernels._cpu import supported
from kifactors.errors import DefinitionError

__all__ = ["LEVELS", "REFERENCE", "available", "kernel", "level", "require", "using"]

# Narrowest first. Only the kernels in WIDE are compiled for each: the others wait for memory.
LEVELS = ("baseline", "avx2", "avx512")
REFERENCE = "reference"
WIDE = ("_cross_section", "_evaluation", "_graph")


def available() -> tuple[str, ...]:
    """Return the levels that were built and that this processor can run, narrowest first."""
    wider = (
        name for name in LEVELS[1:] if name in supported() and find_spec(f"{__package__}.{name}.{WIDE[0]}")
    )
    return (LEVELS[0], *wider)


def level() -> str:
    """Return the level in use, or ``"reference"``."""
    return _chosen


def kernel(name: str) -> ModuleType:
    """Return the module of that name in the build in use."""
    found = _loaded.get(name)
    if found is None:
        found = _loaded[name] = import_module(_path(name))
    return found


def require(name: str) -> None:
    """Refuse to load a level that this processor cannot run: its first instruction would end the process."""
    if name not in supported():
        raise ImportError(f"this processor has no {name}; kernels for it cannot be loaded.")


@contextmanager
def using(name: str) -> Iterator[None]:
    """Run on another level for a while; for tests and comparisons, not thread-safe."""
    global _chosen
    before = _chosen
    _chosen = _checked(name)
    _loaded.clear()
    try:
        yield
    finally:
        _chosen = before
        _loaded.clear()


def _path(name: str) -> str:
    if _chosen == REFERENCE:
        return f"{__package__}._reference"
    if _chosen != LEVELS[0] and name in WIDE:
        return f"{__package__}.{_chosen}.{name}"
    return f"{__package__}.{name}"


def _checked(name: str) -> str:
    if name not in (*available(), REFERENCE):
        raise DefinitionError(
            f"KIFACTORS_SIMD is {name!r}; this build on this processor has {', '.join(available())}. Unset it to "
            "use the widest."
        )
    return name


def _from_environment() -> str:
    if os.environ.get("KIFACTORS_REFERENCE") == "1":
        return REFERENCE
    return _checked(os.environ.get("KIFACTORS_SIMD") or available()[-1])


_loaded: dict[str, ModuleType] = {}
_chosen = _from_environment()
