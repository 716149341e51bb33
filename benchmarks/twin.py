"""A kernel is compared with its slow twin before it is timed."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kifactors._kernels import _backend

__all__ = ["assert_equals_twin"]


def assert_equals_twin(work: Callable[[], Any], *, tolerance: float = 0.0) -> None:
    """Do a small piece of work with both; numbers differ by at most `tolerance`, and know the same rows."""
    fast = np.asarray(work())
    with _backend.using(_backend.REFERENCE):
        slow = np.asarray(work())
    assert fast.size
    np.testing.assert_allclose(fast, slow, rtol=0, atol=tolerance)
