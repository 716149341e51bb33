"""What a runner is, which one an argument `engine` means, and how far it has come."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from kifactors.errors import EngineError

if TYPE_CHECKING:
    import distributed

__all__ = ["Crew", "Runner", "progress_of", "runner_of"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class Crew(Protocol):
    """Workers that hold what the tasks share."""

    def run(self, work: Callable[[Any, Item], Result], items: Sequence[Item]) -> Iterator[tuple[int, Result]]:
        """Call ``work(shared, item)`` for every item; yield place and result of each as it gets done.

        `work` is a function of a module, without side effects that a second call would spoil.
        """


class Runner(Protocol):
    """Where tasks run."""

    @property
    def workers(self) -> int:
        """How many tasks run at a time."""

    @property
    def is_local(self) -> bool:
        """Whether tasks run in this process, one after the other, each on all threads."""

    def sharing(self, shared: object) -> AbstractContextManager[Crew]:
        """Hand something to every worker, for as long as the context is open."""


def runner_of(engine: "distributed.Client | str | None", *, n_threads: int | None = None) -> Runner:
    """Return the runner that an argument `engine` means.

    Parameters
    ----------
    engine : None, "threads", "processes", distributed.Client or the address of a Dask scheduler
        None is "threads".
    n_threads : int, optional
        Threads of a task. Processes are as many as cores for that; absent: 1 in a process of its own.

    Raises
    ------
    EngineError
        It is nothing of that, or a client that is closed or asynchronous.
    MissingExtraError
        It is an address, and distributed is not installed.

    Examples
    --------
    >>> with runner_of(None).sharing(10) as crew:
    ...     sorted(crew.run(pow, [1, 2]))
    [(0, 10), (1, 100)]
    >>> runner_of("spark")
    Traceback (most recent call last):
        ...
    kifactors.errors.EngineError: engine is 'spark'; expected None or 'threads', 'processes', a distributed.Client, or
    the address of a Dask scheduler like 'tcp://host:8786'. For Spark see kf.arrow_udf.
    """
    if engine is None or engine == "threads":
        from kifactors.engine._local import LocalRunner

        return LocalRunner()
    if engine == "processes":
        from kifactors.engine._processes import ProcessRunner

        return ProcessRunner(n_threads=n_threads)
    if isinstance(engine, str) and "://" in engine:
        from kifactors.engine._dask import AddressRunner

        return AddressRunner(engine)
    if _is_client(engine):
        from kifactors.engine._dask import DaskRunner

        return DaskRunner(engine)
    shown = repr(engine) if isinstance(engine, str) else f"a {type(engine).__name__}"
    raise EngineError(
        f"engine is {shown}; expected None or 'threads', 'processes', a distributed.Client, or the address of a Dask "
        "scheduler like 'tcp://host:8786'. For Spark see kf.arrow_udf."
    )


def progress_of(progress: Callable[[int, int], None] | None, total: int) -> Callable[[int], None]:
    """Return what counts dates that get done and tells how many there are in all.

    Examples
    --------
    >>> done = progress_of(lambda done, total: print(done, "of", total), 5)
    >>> done(2), done(3)
    2 of 5
    5 of 5
    (None, None)
    """
    so_far = 0

    def done(dates: int) -> None:
        nonlocal so_far
        so_far = min(so_far + dates, total)
        if progress is not None:
            progress(so_far, total)

    return done


def _is_client(engine: object) -> bool:
    # distributed is never imported here; an object of its type exists only if the caller did.
    distributed = sys.modules.get("distributed")
    return distributed is not None and isinstance(engine, distributed.Client)
