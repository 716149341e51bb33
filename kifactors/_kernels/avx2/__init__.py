"""The wide kernels, compiled for AVX2."""

from kifactors._kernels._backend import require

__all__: list[str] = []

require("avx2")
