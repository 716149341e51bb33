"""Extensions only; everything declarative is in pyproject.toml."""

import os
import sys

from Cython.Build import cythonize
from setuptools import Extension, setup

KERNELS = ("_cross_section", "_graph", "_regression", "_ttm")
DEBUG = os.environ.get("KIFACTORS_CYTHON_DEBUG") == "1"

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

# No fused multiply-add: a result must not depend on the machine that compiled it.
COMPILE_ARGS = [] if sys.platform == "win32" else ["-O3", "-ffp-contract=off"]

extensions = [
    Extension(
        f"kifactors._kernels.{name}",
        [f"ext/kifactors/_kernels/{name}.pyx"],
        extra_compile_args=COMPILE_ARGS,
    )
    for name in KERNELS
]

setup(
    ext_modules=cythonize(
        extensions,
        include_path=["ext"],
        build_dir="build/cython-debug" if DEBUG else "build/cython",
        compiler_directives=DIRECTIVES,
        force=DEBUG,
    )
)
