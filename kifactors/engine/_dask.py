"""Tasks on a Dask cluster, by futures only; a worker that is lost costs its task another run (extra ``cluster``)."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from kifactors.errors import EngineError, MissingExtraError

if TYPE_CHECKING:
    import distributed

__all__ = ["AddressRunner", "DaskRunner"]

Item = TypeVar("Item")
Result = TypeVar("Result")

# The scheduler gives a task up when so many workers died under it as its `allowed-failures` says, 3 if nobody changed
# that; we hand it in again so often. A task that itself kills workers must come to an end.
RETRIES = 3
# What the tasks share is lost with the last worker that held it, however many tasks waited for it. So often in a row,
# without a task done in between, it is sent again.
LOSSES = 8
# Seconds until a worker that was lost is started again.
WORKER_WAIT = 120
# Bits depend on these.
PACKAGES = ("kifactors", "numpy", "polars")


class DaskRunner:
    """Runs tasks on the workers of a client.

    Parameters
    ----------
    client : distributed.Client
        Open, and not asynchronous.

    Raises
    ------
    EngineError
        It is closed or asynchronous.
    """

    is_local = False

    def __init__(self, client: "distributed.Client") -> None:
        if client.asynchronous:
            raise EngineError(
                "engine is an asynchronous client; expected Client(...) without asynchronous=True."
            )
        self._client = client
        _check_open(client)

    @property
    def workers(self) -> int:
        """Threads of all workers now."""
        threads: list[int] = list(self._client.nthreads().values())
        return max(1, sum(threads))

    @contextmanager
    def sharing(self, shared: object) -> Iterator["_Crew"]:
        """Send what is shared to every worker, once."""
        _check_workers(self._client)
        crew = _Crew(self._client, shared)
        try:
            yield crew
        finally:
            crew.release()


class AddressRunner:
    """Runs tasks on the cluster of a scheduler, through a client that is open while something is shared.

    Parameters
    ----------
    address : str
        Like ``tcp://host:8786``.

    Raises
    ------
    MissingExtraError
        distributed is not installed.
    """

    is_local = False

    def __init__(self, address: str) -> None:
        try:
            self._library = import_module("distributed")
        except ImportError as error:
            raise MissingExtraError(
                f"engine is {address!r}, a Dask scheduler, which needs distributed: pip install 'kifactors[cluster]'"
            ) from error
        self._address = address
        self._runner: DaskRunner | None = None

    @property
    def workers(self) -> int:
        """Threads of all workers now; 1 while nothing is shared."""
        return 1 if self._runner is None else self._runner.workers

    @contextmanager
    def sharing(self, shared: object) -> Iterator["_Crew"]:
        """Connect, send what is shared to every worker, and close the connection at the end."""
        try:
            client = self._library.Client(self._address, set_as_default=False)
        except (OSError, ValueError) as error:
            raise EngineError(
                f"no Dask scheduler answers at {self._address}: {error}. Check the address."
            ) from error
        with client:
            self._runner = DaskRunner(client)
            try:
                with self._runner.sharing(shared) as crew:
                    yield crew
            finally:
                self._runner = None


class _Crew:
    def __init__(self, client: "distributed.Client", shared: object) -> None:
        self._client = client
        self._here = shared
        self._there: distributed.Future | None = None
        self._name = f"kifactors-{secrets.token_hex(6)}"
        self._calls = 0

    def run(self, work: Callable[[Any, Item], Result], items: Sequence[Item]) -> Iterator[tuple[int, Result]]:
        from distributed import CancelledError, KilledWorker, as_completed

        deaths, losses = [0] * len(items), 0
        futures = dict(self._submitted(work, items, place) for place in range(len(items)))
        # Without its loop it would ask for the default client, which ours need not be.
        waiting = as_completed(list(futures), loop=self._client.loop)
        try:
            for future in waiting:
                place, shared = futures.pop(future)
                try:
                    result = future.result()
                except KilledWorker as error:
                    deaths[place] += 1
                    if deaths[place] > RETRIES:
                        raise _given_up(f"task {place + 1} of {len(items)}") from error
                except CancelledError as error:
                    _check_open(self._client)
                    # The other tasks that waited for the same come here as well.
                    if shared is self._there:
                        losses += 1
                        self._there = None
                    if losses > LOSSES:
                        # Whose fault it was, nobody knows: all that waited lost it.
                        raise _given_up("the run") from error
                else:
                    losses = 0
                    # Nothing of it stays here, or on the cluster, while the others go on.
                    del future, shared
                    yield place, result
                    continue
                again, what = self._submitted(work, items, place)
                futures[again] = what
                waiting.add(again)
        finally:
            if self._client.status == "running":
                self._client.cancel(list(futures))

    def release(self) -> None:
        """Let the workers forget what was shared."""
        self._there = None

    def _submitted(
        self, work: Callable[[Any, Item], Result], items: Sequence[Item], place: int
    ) -> tuple["distributed.Future", tuple[int, "distributed.Future"]]:
        """Hand a task in; return its future, and its place and what it shares."""
        if self._there is None:
            self._there = _sent(self._client, self._here)
        self._calls += 1
        key = f"{self._name}-{self._calls}"
        future = self._client.submit(_call, work, self._there, items[place], key=key, pure=False)
        return future, (place, self._there)


def _sent(client: "distributed.Client", shared: object) -> "distributed.Future":
    """Send something to every worker; those that die meanwhile make Dask fail in several ways."""
    failed: Exception | None = None
    for _ in range(LOSSES):
        _check_open(client)
        try:
            client.wait_for_workers(1, timeout=WORKER_WAIT)
        except TimeoutError as error:
            failed = error
            break
        try:
            return client.scatter(shared, broadcast=True, hash=False)
        except (KeyError, OSError, TimeoutError) as error:
            failed = error
    raise EngineError(
        "the inputs cannot be sent to the workers: they go away, or none comes back. Look at their logs, and give them "
        "more memory if they had too little."
    ) from failed


def _given_up(what: str) -> EngineError:
    return EngineError(
        f"{what} was given up: workers died under it, again and again. If they had too little memory, give them more, "
        "or ask for fewer dates at a time; the logs of the workers say more."
    )


def _call(work: Callable[[Any, Any], Any], shared: object, item: object) -> Any:
    return work(shared, item)


def _check_open(client: "distributed.Client") -> None:
    if client.status != "running":
        raise EngineError(
            f"the Dask client is {client.status}, not connected to a scheduler. Make a new one: Client(...)."
        )


def _check_workers(client: "distributed.Client") -> None:
    """Refuse a cluster without workers, or with workers of other versions."""
    here, found = _versions(), client.run(_versions)
    if not found:
        raise EngineError(
            "the Dask cluster has no workers yet. Start some, or wait: client.wait_for_workers(1)."
        )
    for worker, there in found.items():
        differing = [name for name in PACKAGES if there[name] != here[name]]
        if differing:
            name = differing[0]
            raise EngineError(
                f"the worker {worker} has {name} {there[name]}, and this process {here[name]}: results could differ "
                f"in their last bits. Install the same versions of {', '.join(PACKAGES)} everywhere."
            )


def _versions() -> dict[str, str]:
    return {name: import_module(name).__version__ for name in PACKAGES}
