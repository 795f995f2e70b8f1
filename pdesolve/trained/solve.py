"""`solve_trained`: a problem, the name of a trained method and its settings → a trained approximator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from pdesolve.errors import UsageError
from pdesolve.runs.answer import Answer
from pdesolve.runs.monitor import Monitor
from pdesolve.runs.ranks import Ranks, ranks_here
from pdesolve.runs.wording import named
from pdesolve.statement.problem import Problem
from pdesolve.trained.sampling import compile_statement
from pdesolve.trained.settings import Budget
from pdesolve.trained.task import Task
from pdesolve.trained.train_any import train_any
from pdesolve.trained.train_mixture import train_mixture
from pdesolve.trained.train_network import train_network

METHODS = ("gmnm-trained", "pinn", "kan", "network")


def solve_trained(
    problem: Problem,
    method: str,
    settings: Mapping[str, Any] | None = None,
    monitor: Monitor | None = None,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    device: str | torch.device = "cpu",
    tol: float = 1e-6,
) -> Answer:
    """Train an approximator until its scaled residual is below a tenth of `tol`, or a limit is met.

    Args:
        problem: the problem; its exact solution is never looked at.
        method: one of `METHODS`.
        settings: see `Budget`.
        monitor: history, time limit, checkpoints.
        seed: of points and initial parameters.
        dtype: float64 or float32.
        device: where training runs.
        tol: relative error aimed at.

    Raises:
        UsageError: unknown method or setting, or a problem that one smooth function cannot solve.
    """
    if method not in METHODS:
        message = f"there is no trained method {method!r}; they are {', '.join(METHODS)}"
        raise UsageError(message)
    budget = Budget.of(method, settings or {})
    monitor = monitor or Monitor()
    with ranks_here() as ranks:
        if ranks.size > 1:
            _require_shared(method, budget, ranks)
            monitor.agree = ranks.any
        statement = compile_statement(
            problem, dtype, torch.device(device), seed, budget.lifting is not None, ranks
        )
        try:
            answer = _train(Task(statement, budget, monitor, seed, tol), method)
        finally:
            # From here on each process is alone.
            monitor.agree = None
    # Parameters are views of θ, and products round by where in memory they begin: as after loading, each on its own.
    for parameter in answer.expansion.parameters():
        parameter.data = parameter.detach().clone()
    if statement.lift is None:
        return answer
    return replace(answer, expansion=statement.lift.around(answer.expansion))


def _require_shared(method: str, budget: Budget, ranks: Ranks) -> None:
    """Refuse what several processes do not share.

    Raises:
        UsageError: variable projection, which solves for coefficients from all rows at once.
    """
    if method == "gmnm-trained" or budget.optimiser == "vp":
        message = (
            f"variable projection works in one process, and torchrun started {ranks.size}: take "
            f"{named('method', 'network')} with approximator=gmnm-full and optimiser=lm, or start one"
        )
        raise UsageError(message)


def _train(task: Task, method: str) -> Answer:
    if method == "gmnm-trained":
        return train_mixture(task)
    if method == "network":
        return train_any(task)
    return train_network(task, method)
