"""`sweep`: a problem solved at all combinations of some values of its constants."""

from __future__ import annotations

import multiprocessing
import os
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pdesolve.errors import UsageError
from pdesolve.methods import METHODS
from pdesolve.runs.wording import named
from pdesolve.solution.solution import Solution
from pdesolve.statement.loading import load_problem
from pdesolve.statement.problem import Problem
from pdesolve.sweeps.cluster import run_on_cluster
from pdesolve.sweeps.point import FAILED, Row, Task, row_of, run_point, saved_row
from pdesolve.sweeps.stated import stated_in
from pdesolve.sweeps.table import SweepTable
from pdesolve.sweeps.values import checked_values, label, points_of

Show = Callable[[int, int, str, Row], None]  # points done, points in all, the point as text, its row
KILLED = "its process was killed, most likely for want of memory: try fewer jobs or a looser tolerance"


def sweep(
    problem: Problem | str | Path,
    params: Mapping[str, Iterable[float]] | None = None,
    *,
    method: str = "gmnm",
    tol: float = 1e-6,
    seed: int = 0,
    time_limit: float | None = None,
    dtype: str = "float64",
    device: str = "auto",
    settings: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    force: bool = False,
    jobs: int = 1,
    threads: int = 1,
    client: Any = None,
    show: Show | None = None,
    **values: Iterable[float],
) -> SweepTable:
    """Solve a problem at all combinations of some values of its constants.

    Every point is solved on its own, from the problem alone: the numbers are the same to the bit for any number of
    jobs and in any order. A point that fails is a row with its sentence, and the sweep goes on.

    Args:
        problem: the problem, or the path of its file.
        params: constant → values, as `**values`, for constants whose names are arguments of this function.
        method: one of `pdesolve.methods.METHODS`.
        tol: relative L2 error asked for at each point.
        seed: of everything random.
        time_limit: seconds for each point.
        dtype: "float64" or "float32".
        device: "auto", "cpu" or "cuda".
        settings: of the method, by name.
        out: a directory, which gets a run directory for each point, and `problem.py` where a notebook or a script
            stated the problem; None writes nothing.
        resume: keep the points that are there, failures included.
        force: solve again what is there.
        jobs: processes at a time.
        threads: of the linear algebra of each point.
        client: a `distributed.Client`, or the address of a Dask scheduler, on whose workers the points are solved; they
            see problem file and `out` under the same paths.
        show: called after each point.
        **values: constant → values.

    Returns:
        A table, a mapping of arrays with a row for each point.

    Raises:
        UsageError: an argument is not what it should be.
        ProblemError: the problem file fails, or has no such constant.
    """
    chosen = _chosen(params or {}, values)
    _require_places(out, resume, force)
    points = points_of(chosen)
    options = {
        "method": method,
        "tol": tol,
        "seed": seed,
        "time_limit": time_limit,
        "dtype": dtype,
        "device": device,
    }
    task = Task(_source(problem), options, _mapping("settings", settings), threads)
    # All that is wrong at every point is told before the first solve.
    _check(task, chosen, jobs, threads)
    _require_one_of(jobs, client)
    places = _places(out, points)
    task = _stated(task, out, jobs, force)
    found = _saved(task, points, places, resume, force)
    load: dict[int, Callable[[], Solution]] = {}
    left = [i for i in range(len(points)) if i not in found]
    for i, row, solution in _run_all(task, points, places, left, jobs, client):
        found[i] = row
        if solution is not None:
            load[i] = partial(_same, solution)
        if show is not None:
            show(len(found), len(points), label(points[i]), row)
    loaders = [load.get(i) or partial(_loaded, place) for i, place in enumerate(places)]
    return SweepTable(list(chosen), [found[i] for i in range(len(points))], places, loaders)


def _chosen(params: Any, values: Mapping[str, Iterable[float]]) -> dict[str, tuple[float, ...]]:
    both = _mapping("params", params)
    for name in values:
        if name in both:
            message = f"{name} is in params= and among the arguments; give its values once"
            raise UsageError(message)
    return {name: checked_values(name, given) for name, given in {**both, **values}.items()}


def _mapping(name: str, given: Any) -> dict[str, Any]:
    """A dict of what was given, which may be None."""
    if given is None or isinstance(given, Mapping):
        return dict(given or {})
    message = f"{name}={given!r}; expected a dict name → value"
    raise UsageError(message)


def _source(problem: Any) -> Problem | Path:
    if isinstance(problem, Problem):
        return problem
    if not isinstance(problem, (str, os.PathLike)):
        message = (
            f"received a value of type {type(problem).__name__}; expected a Problem, or the path of its file"
        )
        raise UsageError(message)
    return Path(problem)


def _require_places(out: Any, resume: bool, force: bool) -> None:
    """See that there can be run directories, and that it is clear what becomes of those that are there.

    Raises:
        UsageError: there cannot, or it is not.
    """
    if resume and force:
        message = (
            f"{named('resume')} keeps the points that are there, {named('force')} solves them again: give one"
        )
        raise UsageError(message)
    if out is None:
        if resume or force:
            message = f"{named('resume')} and {named('force')} speak of the points in {named('out')}: give that, too"
            raise UsageError(message)
        return
    if not isinstance(out, (str, os.PathLike)) or Path(out).is_file():
        message = f"{named('out')}={out!r}; expected a directory, which may be new"
        raise UsageError(message)


def _places(out: str | Path | None, points: Sequence[Mapping[str, float]]) -> list[Path | None]:
    """The run directories of the points; None where nothing is written."""
    if out is None:
        return [None] * len(points)
    return [Path(out) / label(point) for point in points]


def _same(solution: Solution) -> Solution:
    return solution


def _loaded(place: Path | None) -> Solution:
    assert place is not None
    return Solution.load(place)


def _stated(task: Task, out: str | Path | None, jobs: int, force: bool) -> Task:
    """The task as other processes load it, and runs copy its problem: what a notebook states gets a file in `out`."""
    problem = task.problem
    if out is not None and isinstance(problem, Problem) and problem.source_path is None:
        taken = not force and any(Path(out).glob("*/run.json"))
        task = replace(task, problem=stated_in(problem, Path(out), taken))
    if jobs > 1:
        _require_picklable(task)
    return task


def _check(task: Task, chosen: Mapping[str, Sequence[float]], jobs: int, threads: int) -> None:
    """Refuse what would make every point fail, before the first is solved."""
    _require_count("jobs", jobs)
    _require_count("threads", threads)
    if task.options["method"] in METHODS:
        METHODS[task.options["method"]].configured(task.settings)
    first = {name: values[0] for name, values in chosen.items()}
    if isinstance(task.problem, Path):
        # Its constants are looked at without those of a point: a bad value fails where it is used, as a row.
        load_problem(task.problem).with_constants(first)
        return
    task.problem.with_constants(first)


def _require_count(name: str, number: Any) -> None:
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        message = f"{named(name)}={number!r}; expected a whole number from 1 on"
        raise UsageError(message)


def _require_one_of(jobs: int, client: Any) -> None:
    if client is not None and jobs > 1:
        message = (
            f"{named('jobs')}={jobs} with {named('dask')}: the workers of the cluster are as many as they are; "
            "leave one of the two out"
        )
        raise UsageError(message)


def _require_picklable(task: Task) -> None:
    try:
        pickle.dumps(task)
    except Exception as error:
        message = (
            f"{named('jobs')} above 1 needs a problem that other processes can load ({error}): give the path of its "
            f"file, or {named('out')}, where its statement is kept, or take one job"
        )
        raise UsageError(message) from error


def _saved(
    task: Task,
    points: Sequence[Mapping[str, float]],
    places: Sequence[Path | None],
    resume: bool,
    force: bool,
) -> dict[int, Row]:
    """Rows of the points that are there already.

    Raises:
        UsageError: there are some, and neither `resume` nor `force` says what to do with them.
    """
    if force:
        return {}
    found = {}
    for i, (point, place) in enumerate(zip(points, places, strict=True)):
        if place is None or not place.exists():
            continue
        if not resume:
            message = (
                f"{place.parent} holds points of a sweep already, such as {place.name}: go on with {named('resume')}, "
                f"solve them again with {named('force')}, or choose another {named('out')}"
            )
            raise UsageError(message)
        row = saved_row(task, point, place)
        if row is not None:
            found[i] = row
    return found


Done = tuple[int, Row, Solution | None]


def _run_all(
    task: Task,
    points: Sequence[Mapping[str, float]],
    places: Sequence[Path | None],
    left: Sequence[int],
    jobs: int,
    client: Any,
) -> Iterator[Done]:
    """Points as they are solved, in this process, in several, or on a cluster."""
    if client is not None:
        yield from run_on_cluster(task, points, places, left, client)
        return
    # A fresh process imports torch again, which one point alone is not worth.
    if jobs == 1 or len(left) <= 1:
        for i in left:
            yield i, *run_point(task, points[i], places[i])
        return
    lost: list[int] = []
    with _pool(min(jobs, len(left))) as pool:
        futures = {_submit(pool, task, points[i], places[i]): i for i in left}
        for future in as_completed(futures):
            try:
                yield futures[future], *future.result()
            except BrokenProcessPool:
                lost.append(futures[future])
    # A process that is killed takes the others with it; alone, each shows whether it was the one.
    for i in sorted(lost):
        with _pool(1) as pool:
            yield i, *_alone(_submit(pool, task, points[i], places[i]), points[i])


def _alone(
    future: Future[tuple[Row, Solution | None]], point: Mapping[str, float]
) -> tuple[Row, Solution | None]:
    try:
        return future.result()
    except BrokenProcessPool:
        return row_of(point, {"status": KILLED, "error": KILLED, "converged": False}), None


def _submit(
    pool: ProcessPoolExecutor, task: Task, point: Mapping[str, float], place: Path | None
) -> Future[tuple[Row, Solution | None]]:
    return pool.submit(_in_process, task, point, place)


def _in_process(task: Task, point: Mapping[str, float], place: Path | None) -> tuple[Row, Solution | None]:
    """As `run_point`; a solution that is in a file already need not be sent."""
    row, solution = run_point(task, point, place)
    if place is not None or row["verdict"] == FAILED:
        return row, None
    return row, solution


@contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Fresh processes: torch's threads do not survive a fork."""
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield pool
    except BaseException:
        # After Ctrl-C nobody waits for the points that are under way.
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
