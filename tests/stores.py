"""Scores of a small made-up world, the whole content of a store, and processes that change one."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import date
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

import kifactors as kf

CHILD = Path(__file__).with_name("store_child.py")
# Nothing here takes so long; a test that hangs should say so.
PATIENCE_S = 120.0


def world(*, capex=20e9, assets=40):
    """Return tables of buyers; with another capex every score is another one."""
    rows = [
        (
            f"a{n:03}",
            metric,
            date(year, 1, 1),
            date(year, 12, 31),
            value * (1 + n),
            "USD",
            date(year + 1, 2, 1),
        )
        for n in range(assets)
        for year in (2020, 2021, 2022, 2023)
        for metric, value in (("capex", capex), ("revenue", 100e9))
    ]
    names = ["asset_id", "metric", "period_start", "period_end", "value", "currency", "available_at"]
    ids = [f"a{n:03}" for n in range(assets)]
    return kf.Tables(
        fundamentals=pl.DataFrame(rows, schema=names, orient="row"),
        ai_capex_share={
            "asset_id": ids,
            "share": [(1 + n) / (2 + assets) for n in range(assets)],
            "available_at": [date(2023, 1, 1)] * assets,
            "provenance": ["assumed"] * assets,
        },
    )


def made(dates, *, capex=20e9, assets=40):
    """Return scores of the world on dates."""
    return kf.AIInfrastructureExposure().compute(
        world(capex=capex, assets=assets), [str(day) for day in dates]
    )


def content(store, *, version=None):
    """Return all a version holds: its rows, and what the metadata of each file say the scores were made from."""
    files = store._log.open(version).files
    # Definition, inputs, history, release, dates and diagnostics.
    read = (pq.read_schema(pa.BufferReader(store._folder._checked(file))) for file in files)
    made_from = [schema.metadata[b"kifactors"] for schema in read]
    return store.read(version=version).rows(), sorted(made_from)


def data_files(folder):
    """Return every file in the folder of a store that could be data."""
    return {
        str(path.relative_to(folder))
        for path in Path(folder).rglob("*")
        if path.is_file() and "_delta_log" not in path.parts
    }


class Child:
    """A process of `store_child`; a context that leaves nothing running."""

    def __init__(self, *, environment=None):
        self._process = subprocess.Popen(
            [sys.executable, str(CHILD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(CHILD.parent.parent), **(environment or {})},
        )
        self._read = b""
        self._fork = None
        self._hear("started")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._fork is not None:
            os.kill(self._fork, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def prepare(self, uri, operation, **arguments):
        """Let a fork read what it needs; return when it stands before the operation."""
        self._tell(json.dumps({"uri": str(uri), "operation": operation, **arguments}))
        word = self._hear("ready", "error")
        self._fork = word.get("ready")
        assert self._fork, word

    def go(self):
        self._tell("go")
        self._hear("begun")

    def has_said(self):
        """Return whether there is something to hear, without waiting for it."""
        return self._buffered(0.0)

    def finished(self):
        """Wait for the fork; return what it said."""
        words = self._hear("done", "error", "ended")
        if "ended" not in words:
            self._hear("ended")
        self._fork = None
        return words

    def run(self, uri, operation, **arguments):
        self.prepare(uri, operation, **arguments)
        self.go()
        return self.finished()

    def stopped(self, after_s, how=signal.SIGKILL):
        """Start the operation and end it after a time; return whether it had finished by itself."""
        self.go()
        start = time.perf_counter()
        if not self._buffered(max(start + after_s - time.perf_counter(), 0.0)):
            # It can end in this moment by itself.
            with suppress(ProcessLookupError):
                os.kill(self._fork, how)
        return "done" in self.finished()

    def _tell(self, text):
        self._process.stdin.write(text.encode() + b"\n")
        self._process.stdin.flush()

    def _buffered(self, seconds):
        return b"\n" in self._read or bool(select.select([self._process.stdout], [], [], seconds)[0])

    def _hear(self, *words):
        """Return the next thing said, which must be one of these."""
        deadline = time.monotonic() + PATIENCE_S
        while b"\n" not in self._read:
            assert self._buffered(deadline - time.monotonic()), f"nothing but silence; expected {words}"
            piece = os.read(self._process.stdout.fileno(), 65_536)
            assert piece, f"the process ended; expected {words}"
            self._read += piece
        line, _, self._read = self._read.partition(b"\n")
        said = json.loads(line)
        assert set(said) & set(words), said
        return said
