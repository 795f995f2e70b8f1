"""The points of a sweep on a Dask cluster."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pdesolve.runs.cluster import connected
from pdesolve.solution.solution import Solution
from pdesolve.sweeps.point import FAILED, Row, Task, row_of, run_point

LOST = "the cluster lost its workers, most likely for want of memory: try fewer workers or a looser tolerance"
# Loading a problem, warnings and the number of threads belong to a process, not to a thread of it.
_one_at_a_time = threading.Lock()


def run_on_cluster(
    task: Task,
    points: Sequence[Mapping[str, float]],
    places: Sequence[Path | None],
    left: Sequence[int],
    client: Any,
) -> Iterator[tuple[int, Row, Solution | None]]:
    """Points as they are solved, one at a time in each process of a worker.

    The workers need pdesolve, and see problem file and run directories under the same paths.

    Args:
        task: what is the same at all points.
        points: values of the constants.
        places: run directories, or None.
        left: numbers of the points to be solved.
        client: a `distributed.Client`, or the address of a scheduler.

    Raises:
        UsageError: dask.distributed is missing, or the scheduler does not answer; an option is wrong.
    """
    known = connected(client)
    from distributed import CancelledError, KilledWorker, as_completed

    if isinstance(task.problem, Path):
        task = replace(task, problem=task.problem.resolve())
    try:
        pending = {}
        for i in left:
            place = places[i]
            if place is not None:
                place = place.resolve()
            pending[known.submit(_on_worker, task, points[i], place, pure=False)] = i
        for future in as_completed(pending):
            i = pending[future]
            try:
                yield i, *future.result()
            except (KilledWorker, CancelledError):
                yield i, row_of(points[i], {"status": LOST, "error": LOST, "converged": False}), None
    finally:
        if known is not client:
            known.close()


def _on_worker(task: Task, point: Mapping[str, float], place: Path | None) -> tuple[Row, Solution | None]:
    with _one_at_a_time:
        row, solution = run_point(task, point, place)
    # What is in a file already need not be sent.
    if place is not None or row["verdict"] == FAILED:
        return row, None
    return row, solution
