"""A solver that takes its time, instead of the real ones: so that stopping and resuming can be tested."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from processes import pdesolve as pdesolve_command

import pdesolve
from pdesolve.errors import SolveError

HOLD = "FAKE_HOLDS_AT"
PROBLEM = '''"""Poisson equation on an interval."""

from torch import pi, sin

from pdesolve import Dirichlet, Interval, Problem

interval = Interval(0, 1)
k = 1.0


def poisson(u, x, nu):
    return -nu * u.xx - pi**2 * sin(pi * x)


problem = Problem(
    domain=interval,
    equation=poisson,
    conditions=[Dirichlet(0, on=interval.boundary)],
    exact=lambda x: sin(pi * x),
    constants={"nu": 1.0},
)
'''


@dataclass
class FakeSolution:
    """What the command line asks of a solution."""

    problem: object
    method: str
    tol: float
    value: torch.Tensor
    converged: bool
    status: str
    seconds: float
    seed: int
    dtype: str
    history: list = field(default_factory=list)

    def summary(self):
        return {
            "problem": self.problem.name,
            "method": self.method,
            "tol": self.tol,
            "status": self.status,
            "converged": self.converged,
            "relative_l2_error": float(self.value.abs().max()),
            "max_error": float("nan"),
            "estimated_error": None,
            "residual_rms": float("inf"),
            "degrees_of_freedom": len(self.value),
            "seconds": self.seconds,
            "seed": self.seed,
            "dtype": self.dtype,
            "device": "cpu",
        }

    def verification_summary(self):
        return {}

    def save(self, directory):
        torch.save({"value": self.value}, Path(directory) / "solution.pt")


def solve(problem, *, method, tol, seed, time_limit, dtype, monitor, iterations=5, pause=0.0, fail="", **_):
    """θ ← 0.9 θ + noise, checkpointed at every step: its last digit tells whether the run went on rightly."""
    if fail == "at the start":
        message = "there is nothing to solve"
        raise pdesolve.UsageError(message)
    if time_limit is not None:
        monitor.time_limit = time_limit
    monitor.checkpoint_every = 0.0
    theta, first = _start(monitor.resume_state, seed)
    for k in range(first, iterations):
        if monitor.out_of_time():
            monitor.checkpoint({"method": "fake", "iteration": k, "theta": theta}, force=True)
            break
        _misbehave(fail, k)
        theta = 0.9 * theta + 1e-3 * torch.sin(theta * (k + 1))
        time.sleep(pause)
        _hold(k, monitor)
        monitor.record(iteration=k + 1, loss=float((theta**2).sum()))
        monitor.checkpoint({"method": "fake", "iteration": k + 1, "theta": theta})
    converged = bool(theta.abs().max() <= tol)
    status = "tolerance met" if converged else "stopped: raise the number of iterations."
    return FakeSolution(
        problem, method, tol, theta, converged, status, monitor.seconds, seed, dtype, monitor.history
    )


def _hold(k, monitor):
    """Wait to be stopped at the step that the environment names: however slow who stops it is, it is not over."""
    while k == int(os.environ.get(HOLD, "-1")) and not monitor.out_of_time():
        time.sleep(0.01)


def _start(state, seed):
    if state is not None:
        return state["theta"], state["iteration"]
    return torch.randn(3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64), 0


def _misbehave(fail, k):
    if not fail or k < 2:
        return
    if fail == "deaf":  # neither looks at the clock nor returns
        time.sleep(60)
    if fail == "print":
        print("noise from the equation")
    if fail == "solve":
        message = "the matrix is singular: look at the conditions"
        raise SolveError(message)
    if fail == "unexpected":
        message = "boom"
        raise ValueError(message)
    if fail == "disk":
        raise OSError(28, "No space left on device", "history.jsonl")
    if fail == "exit":
        raise SystemExit(0)


def write(_solution, path, **_):
    """Instead of export and plot."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text("written")


def install(replace=setattr):
    """Put the fake solver and writers in the place of the real ones."""
    from pdesolve import output, solver
    from pdesolve.output import plotting

    replace(solver, "solve", solve)
    replace(output, "export", write)
    replace(plotting, "plot", write)


def command(*arguments):
    """`pdesolve` with this solver in it, in a process of its own."""
    install()
    return pdesolve_command(*arguments)
