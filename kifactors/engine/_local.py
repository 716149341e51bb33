"""Tasks in this process, one after the other; inside each the kernels use threads."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

__all__ = ["LocalRunner"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class LocalRunner:
    """Runs every task here."""

    workers = 1
    is_local = True

    @contextmanager
    def sharing(self, shared: object) -> Iterator["_Crew"]:
        """Hand nothing over: it is here."""
        yield _Crew(shared)


class _Crew:
    def __init__(self, shared: object) -> None:
        self._shared = shared

    def run(self, work: Callable[[Any, Item], Result], items: Sequence[Item]) -> Iterator[tuple[int, Result]]:
        for place, item in enumerate(items):
            yield place, work(self._shared, item)
