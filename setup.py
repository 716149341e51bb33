"""Extensions only; everything declarative is in pyproject.toml."""

import os
import platform
import shutil
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

PACKAGE = "kifactors._kernels"
KERNELS = ("_asof", "_cpu", "_cross_section", "_digest", "_evaluation", "_graph", "_rank", "_ttm")
DEBUG = os.environ.get("KIFACTORS_CYTHON_DEBUG") == "1"
BUILD = Path("build", "cython-debug" if DEBUG else "cython")

# Kernels that gain from wide vectors are compiled once more for each of these; `_backend.py` chooses at run time.
WIDE = ("_cross_section", "_evaluation", "_graph")
LEVELS = {
    "avx2": ["-mavx2"],
    "avx512": ["-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mprefer-vector-width=512"],
}
# The debug build is for bounds, which are those of the same source.
HAS_LEVELS = platform.machine() in {"x86_64", "AMD64"} and sys.platform != "win32" and not DEBUG

DIRECTIVES = {
    "autotestdict": False,
    "language_level": 3,
    "binding": True,
    "boundscheck": DEBUG,
    "cdivision": not DEBUG,
    "freethreading_compatible": True,
    "initializedcheck": DEBUG,
    "wraparound": False,
}

# No fused multiply-add, no reassociation: a result must not depend on the machine that compiled it. The other two
# flags concern only errno and exception flags, which nobody reads, and let loops with comparisons become vectors.
LEVEL = "-O1" if DEBUG else "-O3"
# Short rounds over many numbers: fewer of them take 6 % off.
UNROLLED = ("_evaluation",)
COMPILE_ARGS = (
    [] if sys.platform == "win32" else [LEVEL, "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
)


def extension(name: str, source: str, flags: list[str]) -> Extension:
    if name.rpartition(".")[2] in UNROLLED and COMPILE_ARGS and not DEBUG:
        flags = ["-funroll-loops", *flags]
    return Extension(
        name, [source], include_dirs=["ext/kifactors/_kernels"], extra_compile_args=[*COMPILE_ARGS, *flags]
    )


def levelled(extensions: list[Extension]) -> list[Extension]:
    """Return the wide kernels once more per level, from copies of the same generated C."""
    found = []
    for level, flags in LEVELS.items() if HAS_LEVELS else ():
        for one in extensions:
            name = one.name.rpartition(".")[2]
            if name in WIDE:
                copy = BUILD / level / f"{name}.c"
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(one.sources[0], copy)
                found.append(extension(f"{PACKAGE}.{level}.{name}", str(copy), flags))
    return found


generic = cythonize(
    [extension(f"{PACKAGE}.{name}", f"ext/kifactors/_kernels/{name}.pyx", []) for name in KERNELS],
    include_path=["ext"],
    build_dir=str(BUILD),
    compiler_directives=DIRECTIVES,
    force=DEBUG,
)

setup(
    ext_modules=[*generic, *levelled(generic)],
    options={"build_ext": {"parallel": os.cpu_count() or 1}},
)
