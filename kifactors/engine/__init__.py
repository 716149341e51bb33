"""Running a pure function over date ranges: in this process, in processes of this machine, on a Dask cluster.

A runner knows nothing of factors. What tasks share is handed to each worker once; a task may run twice, and only its
result counts. Nothing here loads polars: a worker process decides on its threads before that.
"""

from kifactors.engine._ranges import month_ranges, tasks_for
from kifactors.engine._runner import Crew, Runner, progress_of, runner_of

__all__ = ["Crew", "Runner", "month_ranges", "progress_of", "runner_of", "tasks_for"]
