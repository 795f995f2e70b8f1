"""`solve`: from a problem and a tolerance to a solution."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from pdesolve.errors import UsageError
from pdesolve.methods import METHODS, Method
from pdesolve.runs.monitor import Monitor
from pdesolve.solution.solution import Solution
from pdesolve.statement.problem import Problem

MOST_DIMENSIONS = 3  # of a domain that method gmnm covers with patches


@dataclass(frozen=True)
class Run:
    """Everything a method needs beside the problem."""

    method: str
    tol: float
    seed: int
    dtype: torch.dtype
    device: str
    monitor: Monitor
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a method returns."""

    approximator: Any
    status: str
    converged: bool
    estimates: tuple[float, ...] | None = None
    parameters: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    uncertainty: dict[str, float] = field(default_factory=dict)
    noise: tuple[float, ...] = ()


def solve(
    problem: Problem,
    method: str = "gmnm",
    tol: float = 1e-6,
    seed: int = 0,
    time_limit: float | None = None,
    dtype: str = "float64",
    device: str = "auto",
    monitor: Monitor | None = None,
    **settings: Any,
) -> Solution:
    """Solve a problem.

    Args:
        problem: what to solve.
        method: one of `pdesolve.methods.METHODS`.
        tol: relative L2 error asked for, in (0, 1).
        seed: of everything random.
        time_limit: seconds, or None.
        dtype: "float64" or "float32" (trained methods only).
        device: "auto", "cpu" or "cuda".
        monitor: progress, history, checkpoints.
        **settings: the method's own settings by name.

    Returns:
        The solution. `converged` is true only where the method's own estimate certifies `tol`, or, for a
        method without estimate, where the error against `exact` or `reference` does.

    Raises:
        UsageError: an argument is not what it should be.
        SolveError: the run failed.
    """
    chosen = _method(method, settings)
    _check_numbers(tol, seed, time_limit)
    monitor = monitor or Monitor(time_limit=time_limit)
    if time_limit is not None:
        monitor.time_limit = time_limit
    run = Run(method, tol, seed, _dtype(dtype, chosen), _device(device, chosen), monitor, settings)
    torch.manual_seed(seed)
    outcome: Outcome = chosen.run(problem, run)
    solution = Solution(
        problem,
        outcome.approximator,
        method,
        tol,
        outcome.status,
        outcome.converged,
        outcome.estimates,
        monitor.history,
        monitor.seconds,
        seed,
        dtype,
        run.device,
        settings,
        parameters=outcome.parameters,
        intervals=outcome.intervals,
        uncertainty=outcome.uncertainty,
        noise=outcome.noise,
    )
    solution.residual_rms = solution.measure_residual()
    if not chosen.certifies:
        error = solution.relative_l2_error()
        solution.converged = error is not None and error <= tol
    return solution


def run_gmnm(problem: Problem, run: Run) -> Outcome:
    """Partitioned Gaussian mixture by adaptive least squares, slab by slab where values evolve in time.

    Raises:
        UsageError: the problem states something that this method would have to ignore.
    """
    from pdesolve.adaptive.continuation import continued
    from pdesolve.adaptive.solve import solve_adaptively
    from pdesolve.inverse.solve import IdentifiedResult, solve_inverse
    from pdesolve.marching import march, slabs

    _refuse_what_gmnm_cannot(problem)
    settings = dict(run.settings)
    constant = settings.pop("continuation", None)
    for key, value in settings.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            message = f"{key}={value!r}; expected a positive whole number"
            raise UsageError(message)
    if constant is not None:
        if problem.data:
            message = (
                "continuation does not go together with data= yet; leave it out, and start near with guess= and "
                "parameters="
            )
            raise UsageError(message)
        if slabs.can_march(problem):
            message = "continuation is for steady problems; an evolution is followed in time: leave it out"
            raise UsageError(message)
        near, mixture = continued(problem, str(constant), run.monitor, run.device)
        result = solve_adaptively(near, run.tol, run.monitor, run.device, mixture, **settings)
    elif problem.data:
        result = solve_inverse(problem, run.tol, run.monitor, run.device, **settings)
    else:
        strategy: Any = solve_adaptively
        if march.can_march(problem):
            strategy = march.march
        elif slabs.can_march(problem):
            strategy = slabs.march
        result = strategy(problem, run.tol, run.monitor, run.device, **settings)
    outcome = Outcome(result.mixture, result.status, result.converged, result.estimates)
    if isinstance(result, IdentifiedResult):
        found = result.findings
        return replace(
            outcome,
            parameters=found.parameters,
            intervals=found.intervals,
            uncertainty=found.uncertainty,
            noise=found.noise,
        )
    return outcome


def run_trained(problem: Problem, run: Run) -> Outcome:
    """A trained approximator: gmnm-trained, pinn or kan."""
    from pdesolve.trained import solve_trained

    trained = solve_trained(
        problem, run.method, run.settings, run.monitor, run.seed, run.dtype, run.device, run.tol
    )
    return Outcome(*trained)


def _refuse_what_gmnm_cannot(problem: Problem) -> None:
    """What is stated is never ignored silently."""
    d = problem.domain.dimension
    if problem.parameters and not problem.data:
        names = ", ".join(problem.parameters)
        message = (
            f"the parameters {names} are to be identified, but there is no data; add data=[Observation(…)]"
        )
    elif d > MOST_DIMENSIONS:
        message = (
            f"method gmnm covers the domain with patches, in at most {MOST_DIMENSIONS} dimensions; this one "
            f"has {d}: use --method pinn"
        )
    else:
        return
    raise UsageError(message)


def _method(name: str, settings: dict[str, Any]) -> Method:
    if name not in METHODS:
        message = f"there is no method '{name}'; the methods are {', '.join(METHODS)}"
        raise UsageError(message)
    method = METHODS[name]
    for key in settings:
        if key not in method.settings:
            message = f"method {name} has no setting '{key}'; its settings are {', '.join(method.settings)}"
            raise UsageError(message)
    return method


def _check_numbers(tol: float, seed: int, time_limit: float | None) -> None:
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        message = f"seed={seed!r}; expected a whole number from 0 on"
        raise UsageError(message)
    if time_limit is not None and not (isinstance(time_limit, (int, float)) and time_limit > 0):
        message = f"time_limit={time_limit!r}; expected a number of seconds above 0, or None"
        raise UsageError(message)
    if not (isinstance(tol, (int, float)) and math.isfinite(tol) and 0 < tol < 1):
        message = f"tol={tol!r}; expected a relative error between 0 and 1, such as 1e-6"
        raise UsageError(message)


def _dtype(name: str, method: Method) -> torch.dtype:
    known = {"float64": torch.float64, "float32": torch.float32}
    if name not in known:
        message = f"dtype={name!r}; expected float64 or float32"
        raise UsageError(message)
    if method.certifies and name != "float64":
        message = f"method {method.name} works to tolerance in float64 only; leave --dtype out"
        raise UsageError(message)
    return known[name]


def _device(name: str, method: Method) -> str:
    if name == "auto":
        return "cuda" if torch.cuda.is_available() and not method.certifies else "cpu"
    if name != "cpu" and not (name.startswith("cuda") and torch.cuda.is_available()):
        message = f"device={name!r} is not available here; expected auto, cpu" + (
            " or cuda" if torch.cuda.is_available() else " (this torch sees no CUDA device)"
        )
        raise UsageError(message)
    return name
