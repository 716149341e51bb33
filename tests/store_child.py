"""A process that changes a store of scores when it is told to, for the tests of faults: run as a script, not imported.

Commands are lines of JSON on standard input: the keyword ``uri``, the ``operation`` and what it takes. A fork runs each
one, for libraries are imported once. It says ``ready`` with its number, waits for a line, says ``begun``, works, and says ``done`` with
its result or the name and the message of an error of ours. When it has ended, by itself or not, ``ended`` is said.
"""

import json
import os
import warnings

import deltalake.transaction
import pandas as pd
import polars as pl
import pyarrow.compute
import pyarrow.fs
import pyarrow.parquet

import kifactors as kf
from kifactors import store as _store

# Loaded here so that an operation is all that a fork does: pyarrow looks for pandas by itself.
LOADED = (deltalake.transaction, pd, pl, pyarrow.compute, pyarrow.fs, pyarrow.parquet, _store)


def say(**words):
    os.write(1, (json.dumps(words) + "\n").encode())


def line():
    """Read a line without reading beyond it: the rest is for the process that forked."""
    read = bytearray()
    while not read.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            break
        read += byte
    return read.decode()


def prepared(uri, operation, *, scores=None, options=None, **arguments):
    """Return what is to be called, with everything read that it needs."""
    store = kf.open_store(uri, storage_options=options)
    parts = [kf.read_scores(path) for path in scores or ()]
    # What the first look at any store loads is no part of the operation.
    store.exists()

    def call():
        if operation == "append":
            return [store.append(part, **arguments) for part in parts]
        if operation == "replace":
            return store.replace(parts[0] if parts else None, **arguments)
        return getattr(store, operation)(**arguments)

    return call


def run(command):
    try:
        call = prepared(**command)
        say(ready=os.getpid())
        line()
        say(begun=True)
        say(done=call())
    except kf.KifactorsError as error:
        say(error=type(error).__name__, message=str(error))


def main():
    say(started=os.getpid())
    while command := line():
        child = os.fork()
        if not child:
            try:
                run(json.loads(command))
            finally:
                # Also when it is interrupted: the loop is not for the fork.
                os._exit(0)
        _, status = os.waitpid(child, 0)
        say(ended=os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    # Nothing has used a thread before it forks.
    warnings.filterwarnings("ignore", message=".*fork", category=RuntimeWarning)
    main()
