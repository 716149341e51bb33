"""The wide kernels, compiled for AVX-512 (F, DQ, BW, VL)."""

__all__: list[str] = []
