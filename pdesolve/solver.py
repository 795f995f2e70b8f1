"""`solve`: from a problem and a tolerance to a solution."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import torch

from pdesolve.checks.check import require_sound
from pdesolve.errors import UsageError, did_you_mean
from pdesolve.least_squares.sparse.hands import factored_by
from pdesolve.methods import METHODS, Method
from pdesolve.runs.answer import Answer
from pdesolve.runs.cluster import connected
from pdesolve.runs.deadline import check_deadline
from pdesolve.runs.goal import Goal, require_time_limit, require_tolerance
from pdesolve.runs.monitor import Monitor
from pdesolve.runs.random_numbers import drawing_from
from pdesolve.runs.ranks import number_of_processes
from pdesolve.runs.wording import named
from pdesolve.solution.norms import largest_error
from pdesolve.solution.reach import reach
from pdesolve.solution.solution import Solution
from pdesolve.solution.times import checked_times
from pdesolve.statement.borders import with_borders
from pdesolve.statement.evolving import cannot_march
from pdesolve.statement.initial_values import is_ordinary
from pdesolve.statement.problem import Problem

LOG = logging.getLogger(__name__)
# Order of a patch: in the plane one of order 60 has 3,721 unknowns and a dense block of 110 MB.
HIGHEST_SETTING = 60
MOST_CELLS = 250_000  # patches asked for: as many as the unknowns that are allowed by default
# Of a domain that method gmnm covers with patches: (q + 1)^d points to a patch are too many beyond.
MOST_DIMENSIONS = 3


@dataclass(frozen=True)
class Run:
    """Everything a method needs beside the problem."""

    method: str
    tol: float
    seed: int
    dtype: torch.dtype
    device: str
    monitor: Monitor
    settings: Any
    goal: Goal


def solve(
    problem: Problem,
    method: str = "gmnm",
    tol: float = 1e-6,
    seed: int = 0,
    time_limit: float | None = None,
    dtype: str = "float64",
    device: str = "auto",
    monitor: Monitor | None = None,
    times: Sequence[float] | None = None,
    on_record: Callable[[dict[str, Any]], None] | None = None,
    norm: str = "l2",
    absolute: Mapping[str, float] | None = None,
    client: Any = None,
    **settings: Any,
) -> Solution:
    """Solve a problem.

    Args:
        problem: what to solve.
        method: one of `pdesolve.methods.METHODS`.
        tol: relative error asked for, in (0, 1); of every unknown in the L2 norm, unless `norm` says otherwise.
        seed: of everything random.
        time_limit: seconds, or None.
        dtype: "float64" or "float32" (trained methods only).
        device: "auto", "cpu" or "cuda".
        monitor: progress, history, checkpoints.
        times: at which the files of an evolution are written; the steps of the solver do not depend on them.
        on_record: called with every row of the history as it comes: seconds, level or iteration, estimate or loss.
        norm: "l2", "range" (beside the deviation from the mean), "h1" (of gradients) or "max" (the largest error).
        absolute: errors asked for in the units of an unknown, by its name, in place of `tol`: {"T": 0.01}.
        client: a `distributed.Client`, or the address of a Dask scheduler, whose workers factor the large systems of
            method gmnm and keep their factors; the bits do not depend on how many they are.
        **settings: the method's own settings by name.

    Returns:
        The solution. `converged` is true only where the method's own estimate verifies `tol`, or, for a
        method without estimate, where the error against `exact` or `reference` does.

    Raises:
        UsageError: an argument is not what it should be.
        ProblemError: the problem cannot be solved as written, as `check` says, too.
        SolveError: the run failed.
        OutOfTimeError: the time limit passed before there was anything to return.
    """
    chosen = _method(method)
    configured = chosen.configured(settings)
    _check_numbers(tol, seed, time_limit)
    goal = Goal(tol, norm, absolute or {}).checked(problem.unknowns)
    _refuse_goal(problem, chosen, goal)
    _refuse_client(client, problem, chosen)
    moments = None if times is None else checked_times(problem.domain, times)
    monitor = monitor or Monitor(time_limit=time_limit)
    if time_limit is not None:
        monitor.time_limit = time_limit
    if on_record is not None:
        monitor.on_record = on_record
    # Also where there is none: a monitor may have served another problem before.
    monitor.true_error = None
    if problem.exact is not None:
        monitor.true_error = partial(largest_error, problem)
    run = Run(method, tol, seed, _dtype(dtype, chosen), _device(device, chosen), monitor, configured, goal)
    LOG.info("%s: method %s to %g", problem.name, method, tol)
    # What functions of the user read, such as a global, may have changed since they were compiled.
    problem.operators.clear()
    with drawing_from(seed, run.device), _factored_on(client, monitor):
        with monitor.enforce(ready=lambda: False):
            try:
                require_sound(problem, tol)
            finally:
                check_deadline()  # checks take every error for one of the problem
        if method == "gmnm":
            problem = with_borders(problem)
        answer: Answer = chosen.run(problem, run)
    LOG.info("%s: %s", problem.name, answer.status)
    solution = Solution(
        problem,
        answer.expansion,
        method,
        tol,
        answer.status,
        answer.converged,
        answer.estimates,
        monitor.history,
        monitor.seconds,
        seed,
        dtype,
        run.device,
        settings,
        times=moments,
        **vars(answer.findings),
        verification=answer.verification,
        norm=norm,
        absolute=dict(goal.absolute),
    )
    solution.residual_rms = solution.measure_residual()
    # A method without estimate is judged at the end; the error never decides when it stops.
    if not chosen.estimates:
        error = solution.relative_l2_error()
        solution.converged = error is not None and error <= tol
    return solution


@contextmanager
def _factored_on(client: Any, monitor: Monitor) -> Iterator[None]:
    """Let the workers of a Dask cluster, where there is one, factor what is large."""
    if client is None:
        yield
        return
    from pdesolve.least_squares.sparse.dask_hands import DaskWorkers

    known = connected(client)
    try:
        with factored_by(DaskWorkers(known, monitor.note)):
            yield
    finally:
        # Who gave an address has no other use for the connection.
        if known is not client:
            known.close()


def _refuse_client(client: Any, problem: Problem, method: Method) -> None:
    """A cluster is for what it would speed up."""
    if client is None:
        return
    if not method.estimates:
        message = f"method {method.name} is trained in one process; leave {named('dask')} out"
    elif is_ordinary(problem) or _evolves(problem):
        message = (
            "an evolution is followed step by step, and each step is small: it gains nothing from a cluster; leave "
            f"{named('dask')} out, or spread several evolutions over it with pdesolve sweep"
        )
    else:
        return
    raise UsageError(message)


def _evolves(problem: Problem) -> bool:
    """Whether the problem is followed in time."""
    from pdesolve.marching import march

    return problem.domain.space_dimension > 0 and (bool(problem.scalars) or march.can_march(problem))


def run_gmnm(problem: Problem, run: Run) -> Answer:
    """Partitioned Gaussian mixture by adaptive least squares, step by step where values evolve in time.

    Raises:
        UsageError: the problem states something that this method would have to ignore, or so does a setting.
    """
    if number_of_processes() > 1:
        message = (
            f"torchrun started {number_of_processes()} processes, which would all do the same: they share the training "
            f"of a network; start method gmnm in one, with threads or {named('dask')}"
        )
        raise UsageError(message)
    evolves = _evolves(problem)
    _refuse_what_gmnm_cannot(problem, evolves)
    settings: dict[str, Any] = {}
    if is_ordinary(problem):
        run.settings.require_none("the unknowns depend on time alone: there are no patches")
    else:
        run.settings.require_applicable(evolves, bool(problem.data))
        settings = run.settings.of_discretisation
        _refuse_too_many_cells(problem, settings)
    attempt = partial(_attempt, problem, run, evolves, settings)
    if run.goal.plain:
        return attempt(run.tol, None)
    return reach(problem, run.goal, attempt)


def _attempt(
    problem: Problem, run: Run, evolves: bool, settings: dict[str, Any], tol: float, before: Answer | None
) -> Answer:
    """Solve to a relative L2 error, of a steady problem from the patches of the attempt before, where there is one."""
    from pdesolve.adaptive.continuation import continued, guessed
    from pdesolve.adaptive.solve import solve_adaptively
    from pdesolve.marching import march
    from pdesolve.marching.ordinary.march import march_in_time

    if is_ordinary(problem):
        return march_in_time(problem, tol, run.monitor)
    if evolves:
        return march.march(problem, tol, run.monitor, run.device, **settings)
    if before is not None and before.verification is not None:
        near = before.verification.expansion
        return solve_adaptively(guessed(problem, near), tol, run.monitor, run.device, near, **settings)
    if run.settings.continuation is not None:
        easier, mixture = continued(problem, run.settings.continuation, run.monitor, run.device)
        return solve_adaptively(easier, tol, run.monitor, run.device, mixture, **settings)
    return _strategy(problem)(problem, tol, run.monitor, run.device, **settings)


def _strategy(problem: Problem) -> Any:
    """Which loop solves it. Only that one is imported: what is identified takes a third of a second for statistics."""
    if problem.eigenvalues is not None:
        return import_module("pdesolve.eigen.solve").solve_eigenvalues
    if problem.data:
        return import_module("pdesolve.inverse.solve").solve_inverse
    return import_module("pdesolve.adaptive.solve").solve_adaptively


def run_trained(problem: Problem, run: Run) -> Answer:
    """A trained approximator: gmnm-trained, pinn, kan or network.

    Raises:
        UsageError: eigenvalues are sought, which training for one function does not find.
    """
    if problem.eigenvalues is not None:
        message = (
            f"method {run.method} is trained for one function and finds no eigenvalues; leave {named('method')} out: "
            "method gmnm finds them"
        )
        raise UsageError(message)
    from pdesolve.trained.solve import solve_trained

    if problem.scalars:
        message = (
            f"method {run.method} knows fields only, and no Scalar ({problem.scalars[0].name}); use gmnm"
        )
        raise UsageError(message)
    return solve_trained(
        problem, run.method, run.settings.given, run.monitor, run.seed, run.dtype, run.device, run.tol
    )


def _refuse_too_many_cells(problem: Problem, settings: dict[str, Any]) -> None:
    """Patches are made before unknowns are counted: a number that no memory holds is refused here."""
    for key in ("degree", "max_degree"):
        if settings.get(key, 1) > HIGHEST_SETTING:
            message = (
                f"{key}={settings[key]}; expected at most {HIGHEST_SETTING}, as a patch has dense blocks"
            )
            raise UsageError(message)
    cells = settings.get("cells", 1)
    space = problem.domain.space_dimension
    lower, upper = problem.domain.bounds[:, :space]
    lengths = ((upper - lower) / (upper - lower).max()).tolist()
    number = math.prod(max(1.0, cells * length) for length in lengths)
    most = settings.get("max_unknowns", MOST_CELLS)
    if number > most:
        message = (
            f"cells={cells} makes about {number:.1e} patches, of which each has unknowns of its own; expected at most "
            f"{most:,} patches: leave cells out, or raise max_unknowns where there is memory for them"
        )
        raise UsageError(message)


def _refuse_what_gmnm_cannot(problem: Problem, evolves: bool) -> None:
    """What is stated is never ignored silently."""
    # The patches of a march cover space alone.
    d = problem.domain.space_dimension if evolves else problem.domain.dimension
    breaks = getattr(getattr(problem.domain, "time", None), "breaks", ())
    if problem.coordinates == ("t",) and not is_ordinary(problem):
        message = (
            "on a TimeInterval alone, method gmnm takes initial values only: no data, no Integral, nothing that "
            "holds at another time; state the axis as an Interval in x, and the conditions on its ends"
        )
    elif problem.parameters and not problem.data and problem.eigenvalues is None:
        names = ", ".join(problem.parameters)
        message = (
            f"the parameters {names} are to be identified, but there is no data; add data=[Observation(…)]"
        )
    elif d > MOST_DIMENSIONS:
        message = (
            f"method gmnm covers the domain with patches, in at most {MOST_DIMENSIONS} dimensions; this one "
            f"has {d}: use {named('method', 'pinn')}"
        )
    elif breaks and not evolves and not is_ordinary(problem):
        message = (
            "breaks= of the TimeInterval are where the steps of an evolution end, but this problem is solved on all "
            f"times at once: {_why_at_once(problem)}; leave them out"
        )
    else:
        return
    raise UsageError(message)


def _why_at_once(problem: Problem) -> str:
    return cannot_march(problem) or "it does not follow from its initial values step by step"


def _method(name: str) -> Method:
    if name not in METHODS:
        message = f"there is no method '{name}'; the methods are {', '.join(METHODS)}{did_you_mean(str(name), METHODS)}"
        raise UsageError(message)
    return METHODS[name]


def _check_numbers(tol: float, seed: int, time_limit: float | None) -> None:
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        message = f"seed={seed!r}; expected a whole number from 0 on"
        raise UsageError(message)
    require_time_limit(time_limit)
    require_tolerance(tol)


def _refuse_goal(problem: Problem, method: Method, goal: Goal) -> None:
    """No other norm where nothing would tell the error in it."""
    if goal.plain:
        return
    asked = named("absolute")
    if goal.norm != "l2":
        asked = named("norm", goal.norm)
    if not method.estimates:
        message = f"{asked}: method {method.name} does not estimate its error; use method gmnm"
    elif problem.eigenvalues is not None:
        message = f"{asked}: the tolerance of an eigenvalue problem is that of its eigenvalues; leave it out"
    elif problem.data:
        message = (
            f"{asked}: what is identified from data is judged by its relative L2 error only; leave it out"
        )
    else:
        return
    raise UsageError(message)


def _dtype(name: str, method: Method) -> torch.dtype:
    known = {"float64": torch.float64, "float32": torch.float32}
    if name not in known:
        message = f"dtype={name!r}; expected float64 or float32"
        raise UsageError(message)
    if method.estimates and name != "float64":
        message = f"method {method.name} works to tolerance in float64 only; leave {named('dtype')} out"
        raise UsageError(message)
    return known[name]


def _device(name: str, method: Method) -> str:
    if name == "auto":
        if torch.cuda.is_available() and not method.estimates:
            return "cuda"
        return "cpu"
    if name != "cpu" and not (name.startswith("cuda") and torch.cuda.is_available()):
        message = f"device={name!r} is not available here; expected auto, cpu"
        if torch.cuda.is_available():
            message += " or cuda"
        else:
            message += " (this torch sees no CUDA device)"
        raise UsageError(message)
    return name
