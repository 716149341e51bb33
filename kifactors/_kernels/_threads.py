"""Slices of a panel over threads: plain Python threads around kernels that release the GIL."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import pairwise

from kifactors.errors import DefinitionError

__all__ = ["over_slices", "thread_count", "together", "using_threads"]

# Below this many elements a thread costs more than it saves.
SMALL = 200_000

_asked_for: ContextVar[int | None] = ContextVar("_asked_for", default=None)


@contextmanager
def using_threads(n_threads: int | None) -> Iterator[None]:
    """Give calls inside that name no number of threads this one; None leaves it as it is.

    For computations of many steps, joins and digests among them, that all keep to the number their caller asked for.
    """
    before = _asked_for.set(_asked_for.get() if n_threads is None else thread_count(n_threads))
    try:
        yield
    finally:
        _asked_for.reset(before)


def thread_count(n_threads: int | None = None) -> int:
    """Return the number of threads: the argument, else KIFACTORS_NUM_THREADS, else the usable cores."""
    if n_threads is None:
        n_threads = _asked_for.get()
    if n_threads is None:
        text = os.environ.get("KIFACTORS_NUM_THREADS", "")
        if not text:
            return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        if not (text.isascii() and text.isdigit() and int(text) >= 1):
            raise DefinitionError(
                f"KIFACTORS_NUM_THREADS is {text!r}; expected a whole number of at least 1."
            )
        n_threads = int(text)
    if n_threads < 1:
        raise DefinitionError(f"the number of threads is {n_threads}; expected at least 1.")
    return n_threads


def over_slices(
    work: Callable[[int, int], None], n_slices: int, *, size: int, n_threads: int | None = None
) -> None:
    """Call ``work(first, last)`` on ranges that together cover all slices; each slice is worked on once.

    The pool lives only as long as the call, so nothing is left waiting and a fork finds no foreign threads.
    """
    threads = min(thread_count(n_threads), n_slices)
    if threads <= 1 or size < SMALL:
        work(0, n_slices)
        return
    cuts = [n_slices * k // threads for k in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work, a, b) for a, b in pairwise(cuts)]:
            done.result()


def together(work: Callable[[], None], *, size: int, n_threads: int | None = None) -> None:
    """Call the same work on every thread; it shares itself out, and what there is of it is done once."""
    threads = thread_count(n_threads)
    if threads <= 1 or size < SMALL:
        work()
        return
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work) for _ in range(threads)]:
            done.result()
