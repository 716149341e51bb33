"""Functions that tests send to other processes, where only what a module has at its top can be found."""

import os
import signal
import time
from pathlib import Path


def power(shared, item):
    return shared**item


def slow_power(shared, item):
    time.sleep(0.2)
    return shared**item


def refuses(shared, item):
    raise ValueError(f"not {item}")


def dies(shared, item):
    """Kill the process in the middle of item 3, as often as there are lives in a folder that all tasks see."""
    if item == 3:
        for life in sorted(Path(shared).glob("life-*")):
            life.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
    return item * item


def pid_and_threads(shared, item):
    import polars

    return os.getpid(), polars.thread_pool_size()
