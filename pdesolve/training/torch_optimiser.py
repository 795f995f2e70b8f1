"""An optimiser of torch, or one with its interface, made by a function of the user's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pdesolve.errors import UsageError
from pdesolve.runs.monitor import Monitor
from pdesolve.training.minimiser import LossAndGradient, Point, Result, Settings, Step, run, settings_from

# [θ] ↦ a torch.optim.Optimizer of it, or a pair of that and a scheduler, whose step() follows every step.
Factory = Callable[[list[torch.nn.Parameter]], Any]


class _TorchOptimiser:
    """One made by a factory; it keeps its own state, of which `memory` is a view for checkpoints."""

    name = "torch"

    def __init__(self, factory: Factory, theta: Tensor):
        self.parameter = torch.nn.Parameter(theta.detach().clone())
        self.optimiser, self.scheduler = _made(factory, self.parameter)
        # L-BFGS evaluates the loss itself, several times in a step; others take the gradient that is there.
        closure = inspect.signature(self.optimiser.step).parameters.get("closure")
        self.evaluates = closure is not None and closure.default is inspect.Parameter.empty
        self.steps = 0

    def start(self, point: Point) -> dict[str, Any]:  # noqa: ARG002
        return self._memory()

    def step(self, point: Point, memory: dict[str, Any], evaluate: Callable[[Tensor], Point]) -> Step:
        if memory["steps"] != self.steps:  # a run that goes on
            self._restore(memory)
        self._place(point)
        if self.evaluates:
            self.optimiser.step(lambda: self._placed_loss(evaluate))
        else:
            self.optimiser.step()
        if self.scheduler is not None:
            self.scheduler.step()
        self.steps += 1
        return Step(evaluate(self.parameter.detach().clone()), self._memory())

    def _place(self, point: Point) -> None:
        """Give the parameter its value and gradient."""
        with torch.no_grad():
            self.parameter.copy_(point.theta)
        self.parameter.grad = point.gradient.clone()

    def _placed_loss(self, evaluate: Callable[[Tensor], Point]) -> float:
        """The loss where the parameter is, which gets the gradient there."""
        point = evaluate(self.parameter.detach().clone())
        self._place(point)
        return point.loss

    def _memory(self) -> dict[str, Any]:
        memory: dict[str, Any] = {"steps": self.steps, "optimiser": self.optimiser.state_dict()}
        if self.scheduler is not None:
            memory["scheduler"] = self.scheduler.state_dict()
        return memory

    def _restore(self, memory: dict[str, Any]) -> None:
        self.steps = memory["steps"]
        self.optimiser.load_state_dict(memory["optimiser"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(memory["scheduler"])


def _made(factory: Factory, parameter: torch.nn.Parameter) -> tuple[torch.optim.Optimizer, Any]:
    """The optimiser, and its scheduler or None."""
    try:
        made = factory([parameter])
    except Exception as error:
        message = (
            f"optimiser={factory!r} could not be made of a list with one parameter: {type(error).__name__}: {error}; "
            "expected e.g. lambda parameters: torch.optim.Adam(parameters, lr=1e-3)"
        )
        raise UsageError(message) from error
    optimiser, scheduler = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    if not isinstance(optimiser, torch.optim.Optimizer):
        message = (
            f"optimiser={factory!r} made a {type(optimiser).__name__}; expected a torch.optim.Optimizer, or a pair "
            "of it and a scheduler"
        )
        raise UsageError(message)
    return optimiser, scheduler


def using(factory: Factory) -> Callable[..., Result]:
    """A minimiser that takes the steps of what the factory makes, of the whole θ as one parameter."""

    def minimise(
        loss_and_gradient: LossAndGradient,
        theta0: Tensor,
        monitor: Monitor | None = None,
        settings: Settings | dict[str, Any] | None = None,
    ) -> Result:
        return run(
            _TorchOptimiser(factory, theta0),
            loss_and_gradient,
            theta0,
            monitor,
            settings_from(Settings, settings),
        )

    return minimise
