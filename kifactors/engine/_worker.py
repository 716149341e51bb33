"""What runs in a worker process: it loads what is shared once, and calls a function on each item."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["call", "start"]

# The one thing a worker process keeps between tasks.
_shared: list[Any] = []


def start(path: str, n_threads: int) -> None:
    """Load what the tasks share; polars keeps to so many threads, unless the user has set another number."""
    # Before the next line loads polars, which reads it once.
    os.environ.setdefault("POLARS_MAX_THREADS", str(n_threads))
    _shared[:] = [pickle.loads(Path(path).read_bytes())]  # noqa: S301  (our own, in a folder of this user)


def call(work: Callable[[Any, Any], Any], item: object) -> Any:
    """Call a function on what is shared and an item."""
    return work(_shared[0], item)
