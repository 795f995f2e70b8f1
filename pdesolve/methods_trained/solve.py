"""`solve_trained`: a problem, the name of a trained method and its settings → a trained approximator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pdesolve.approximators import TrainableApproximator
from pdesolve.errors import UsageError
from pdesolve.methods_trained.sampling import Statement, compile_statement
from pdesolve.monitor import Monitor
from pdesolve.problem import Problem

METHODS = ("gmnm-trained", "pinn", "kan", "network")
SHAPE = ("depth", "grid", "degree", "frequency", "width_factor")
NAMES = ("optimiser", "approximator", "start", "lifting")  # settings that are words
REALS = ("learning_rate", "frequency", "width_factor")
SAFETY = 0.1  # rows are scaled so that their root mean square is about the relative error, see `scaling`


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


@dataclass(frozen=True)
class Budget:
    """What the user may set, the same words for every trained method; None leaves the method's default.

    Attributes:
        iterations: most iterations of the last optimiser.
        points: collocation points inside the domain.
        parameters: about how many trainable parameters.
        optimiser: name of the last optimiser (networks only).
        approximator: what is trained (method network only).
        start: where the centres of a mixture begin, "grid" or "random" (gmnm-trained only).
        lifting: "distance" for prescribed values that are met exactly, see `exact_values`.
        adam_iterations: iterations of Adam before it (networks only).
        learning_rate: of Adam (method network only).
        depth: hidden layers of a perceptron or Kolmogorov-Arnold network (method network only, like all that follows).
        grid: intervals of a spline's grid, or Gaussians.
        degree: of splines or Chebyshev polynomials.
        frequency: of the first layer of sines, or of Fourier features.
        width_factor: of the first Gaussians, in spacings of as many on a grid.
    """

    iterations: int | None = None
    points: int | None = None
    parameters: int | None = None
    optimiser: str | None = None
    approximator: str | None = None
    start: str | None = None
    lifting: str | None = None
    adam_iterations: int | None = None
    learning_rate: float | None = None
    depth: int | None = None
    grid: int | None = None
    degree: int | None = None
    frequency: float | None = None
    width_factor: float | None = None

    @property
    def shape(self) -> dict[str, float]:
        """What is set of an approximator's shape."""
        return {key: value for key in SHAPE if (value := getattr(self, key)) is not None}


@dataclass(frozen=True)
class Task:
    """Everything a trained method works with."""

    statement: Statement
    budget: Budget
    monitor: Monitor
    seed: int
    tol: float

    @property
    def loss_tolerance(self) -> float:
        """½ (SAFETY · tol)²: where the scaled residual is well below the error asked for."""
        return 0.5 * (SAFETY * self.tol) ** 2

    def watch(self, values: Callable[[Tensor, Tensor], Tensor]) -> None:
        """Let the monitor measure checkpoints by (θ, points (n, d)) ↦ values (n, u) of what is trained."""
        lift = self.statement.lift

        def lifted(theta: Tensor, points: Tensor) -> Tensor:
            return lift.extension(points) + lift.distance(points) * values(theta, points)

        self.monitor.values_at = values if lift is None else lifted


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
        from pdesolve.methods_trained.train_mixture import train_mixture

        return train_mixture(task)
    if method == "network":
        from pdesolve.methods_trained.train_any import train_any

        return train_any(task)
    from pdesolve.methods_trained.train_network import train_network

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
        kinds = (int, float) if key in REALS else int
        positive = isinstance(value, kinds) and not isinstance(value, bool) and value > 0
        if key not in NAMES and not positive:
            message = f"{key}={value!r}; expected a positive {'' if key in REALS else 'whole '}number"
            raise UsageError(message)
    return Budget(**settings)
