"""The wide kernels, compiled for AVX2 (x86-64-v3 processors)."""

__all__: list[str] = []
