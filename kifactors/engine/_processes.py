"""Tasks in processes of this machine, which are started for a run and end with it."""

import multiprocessing
import pickle
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from kifactors._kernels import thread_count
from kifactors.engine._worker import call, start
from kifactors.errors import EngineError

__all__ = ["ProcessRunner"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class ProcessRunner:
    """Runs tasks in as many processes as there are cores for their threads.

    Parameters
    ----------
    n_threads : int, optional
        Threads of each process; absent: 1.
    """

    is_local = False

    def __init__(self, *, n_threads: int | None = None) -> None:
        self._threads = n_threads or 1
        self.workers = max(1, thread_count() // self._threads)

    @contextmanager
    def sharing(self, shared: object) -> Iterator["_Crew"]:
        """Start the processes; each reads what is shared from one file."""
        with TemporaryDirectory(prefix="kifactors-") as folder:
            path = Path(folder) / "shared"
            with path.open("xb") as file:
                pickle.dump(shared, file, protocol=pickle.HIGHEST_PROTOCOL)
            # Not forked: threads of polars in a forked process wait for ever.
            pool = ProcessPoolExecutor(
                self.workers,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=start,
                initargs=(str(path), self._threads),
            )
            try:
                yield _Crew(pool)
            finally:
                pool.shutdown(cancel_futures=True)


class _Crew:
    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def run(self, work: Callable[[Any, Item], Result], items: Sequence[Item]) -> Iterator[tuple[int, Result]]:
        places = {self._pool.submit(call, work, item): place for place, item in enumerate(items)}
        try:
            for future in as_completed(list(places)):
                # Forgotten here, or all results would stay until the last one is there.
                yield places.pop(future), future.result()
        except BrokenProcessPool as error:
            raise EngineError(
                "a worker process ended before its task. If it had too little memory, ask for fewer dates at a time or "
                "fewer processes (KIFACTORS_NUM_THREADS). In a script, the call must stand under "
                'if __name__ == "__main__":, because every worker reads the script.'
            ) from error
        finally:
            for future in places:
                future.cancel()
