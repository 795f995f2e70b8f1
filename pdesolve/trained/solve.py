"""`solve_trained`: a problem, the name of a trained method and its settings → a trained approximator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch

from pdesolve.approximators import TrainableApproximator
from pdesolve.errors import UsageError
from pdesolve.runs.monitor import Monitor
from pdesolve.statement.problem import Problem
from pdesolve.trained.sampling import compile_statement
from pdesolve.trained.task import Budget, Task
from pdesolve.trained.train_any import train_any
from pdesolve.trained.train_mixture import train_mixture
from pdesolve.trained.train_network import train_network

METHODS = ("gmnm-trained", "pinn", "kan", "network")
NAMES = ("optimiser", "approximator", "start", "lifting")  # settings that are words
REALS = ("learning_rate", "frequency", "width_factor")


class Trained(NamedTuple):
    """What training returns.

    Attributes:
        approximator: trained, in the units of the problem.
        status: a sentence: why training stopped.
        converged: whether it met its own tolerance, which certifies nothing about the error.
        estimates: None: there is no error estimate.
        parameters: identified scalars by name.
    """

    approximator: TrainableApproximator
    status: str
    converged: bool
    estimates: None
    parameters: dict[str, float]


def solve_trained(
    problem: Problem,
    method: str,
    settings: Mapping[str, Any] | None = None,
    monitor: Monitor | None = None,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    device: str | torch.device = "cpu",
    tol: float = 1e-6,
) -> Trained:
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
    budget = _budget(method, settings or {})
    lifted = _lifted(budget.lifting)
    statement = compile_statement(problem, dtype, torch.device(device), seed, lifted)
    task = Task(statement, budget, monitor or Monitor(), seed, tol)
    trained = Trained(*_train(task, method))
    # Parameters are views of θ, and products round by where in memory they begin: as after loading, each on its own.
    for parameter in trained.approximator.parameters():
        parameter.data = parameter.detach().clone()
    if statement.lift is None:
        return trained
    return trained._replace(approximator=statement.lift.around(trained.approximator))


def _train(task: Task, method: str):
    if method == "gmnm-trained":
        return train_mixture(task)
    if method == "network":
        return train_any(task)
    return train_network(task, method)


def _lifted(lifting: str | None) -> bool:
    if lifting not in (None, "distance"):
        message = (
            f"lifting={lifting!r}; expected distance, or leave it out: values are then met in the mean square"
        )
        raise UsageError(message)
    return lifting is not None


def _budget(method: str, settings: Mapping[str, Any]) -> Budget:
    known = Budget.__dataclass_fields__
    for key, value in settings.items():
        if key not in known:
            message = f"method {method} has no setting {key!r}; its settings are {', '.join(known)}"
            raise UsageError(message)
        whole = key not in REALS
        expected = "a positive number"
        if whole:
            expected = "a positive whole number"
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        positive = number and value > 0 and not (whole and isinstance(value, float))
        if key not in NAMES and not positive:
            message = f"{key}={value!r}; expected {expected}"
            raise UsageError(message)
    return Budget(**settings)
