"""The wide kernels, compiled for AVX-512 (F, DQ, BW, VL)."""

from kifactors._kernels._backend import require

__all__: list[str] = []

require("avx512")
