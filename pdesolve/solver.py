"""`solve`: from a problem and a tolerance to a solution."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch

from pdesolve.errors import UsageError
from pdesolve.methods import METHODS, Method
from pdesolve.monitor import Monitor
from pdesolve.problem import Problem
from pdesolve.solution import Solution


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
        The solution. `converged` is true only where the method's own estimate certifies `tol`, or, for a method
        without estimate, where the error against `exact` or `reference` does.

    Raises:
        UsageError: an argument is not what it should be.
        SolveError: the run failed.
    """
    chosen = _method(method, settings)
    _check_tolerance(tol)
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
    )
    solution.residual_rms = solution.measure_residual()
    if not chosen.certifies:
        error = solution.relative_l2_error()
        solution.converged = error is not None and error <= tol
    return solution


def run_gmnm(problem: Problem, run: Run) -> Outcome:
    """Partitioned Gaussian mixture by adaptive least squares."""
    from pdesolve.adaptivity import solve_adaptively

    result = solve_adaptively(problem, run.tol, run.monitor, run.device, **run.settings)
    return Outcome(result.mixture, result.status, result.converged, result.estimates)


def run_trained(problem: Problem, run: Run) -> Outcome:
    """A trained approximator: gmnm-trained, pinn or kan."""
    from pdesolve.methods_trained import solve_trained

    return Outcome(*solve_trained(problem, run.method, run.settings, run.monitor, run.seed, run.dtype, run.device))


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


def _check_tolerance(tol: float) -> None:
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
