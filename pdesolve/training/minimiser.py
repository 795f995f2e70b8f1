"""What all optimisers share: result, limits, the loop around a step, and the guards in it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

from pdesolve.errors import UsageError
from pdesolve.runs.monitor import Monitor

LossAndGradient = Callable[[Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Result:
    """Where a minimisation ended.

    Attributes:
        theta: the parameters θ with the smallest loss seen (on the last sample, if points are resampled),
            shape (p,); always finite.
        loss: the loss there.
        iterations: number of steps taken, those before a resumption included.
        status: a sentence: why it stopped, and a remedy where there is something to remedy.
        converged: whether a tolerance was met.
    """

    theta: Tensor
    loss: float
    iterations: int
    status: str
    converged: bool


@dataclass(frozen=True)
class Settings:
    """Limits of a minimisation; each optimiser adds its own constants.

    Attributes:
        iterations: largest number of steps.
        gradient_tolerance: stop when max|g| ≤ gradient_tolerance · max|g₀|, g₀ being the first gradient.
        loss_tolerance: stop when the loss is at most this; None: never.
        stagnation_window: stop when the loss fell by less than `stagnation` of itself over so many steps;
            0: never.
        stagnation: see `stagnation_window`.
        record_every: a history row is written every so many steps.
        time_share: part of the monitor's time limit after which this minimisation stops.
        on_iteration: called with the iteration number before each step; may change the loss function (say,
            resample its points) as a function of that number alone, and returns whether it did.
    """

    iterations: int = 10_000
    # Of the first gradient: rounding of a sum of squares leaves little more than that.
    gradient_tolerance: float = 1e-12
    # Losses have no unit in common, so that no number would do for all.
    loss_tolerance: float | None = None
    stagnation_window: int = 0
    stagnation: float = 1e-2
    record_every: int = 20
    time_share: float = 1.0
    on_iteration: Callable[[int], bool] | None = None


class Point(NamedTuple):
    """Parameters with the loss and gradient there."""

    theta: Tensor
    loss: float
    gradient: Tensor

    @property
    def finite(self) -> bool:
        """Whether loss and gradient can be used."""
        return math.isfinite(self.loss) and bool(torch.isfinite(self.gradient).all())


class Step(NamedTuple):
    """What an optimiser's step returns: the next point and memory, or the sentence why there is none."""

    point: Point
    memory: dict[str, Any]
    trouble: str = ""


class Optimiser(Protocol):
    """One named optimiser: its name, its first memory, and its step."""

    @property
    def name(self) -> str:
        """As in the registry; a saved state is resumed by the optimiser of the same name."""

    def start(self, point: Point) -> dict[str, Any]:
        """The memory before the first step: a flat dict of tensors and numbers."""

    def step(self, point: Point, memory: dict[str, Any], evaluate: Callable[[Tensor], Point]) -> Step:
        """One step from `point`; must depend on its arguments alone, so that a run can be resumed."""


@dataclass
class _State:
    """All that the next step depends on; saved as it is."""

    iteration: int
    point: Point
    best: Point
    memory: dict[str, Any]
    first_gradient: float
    mark_loss: float = math.inf


SettingsType = TypeVar("SettingsType", bound=Settings)


def settings_from(kind: type[SettingsType], given: SettingsType | dict[str, Any] | None) -> SettingsType:
    """Settings of one kind from an instance, a dict of overrides, or nothing.

    Raises:
        UsageError: if the dict has a key that is no setting of this kind, or another kind is given.
    """
    if isinstance(given, kind):
        return given
    if isinstance(given, Settings):
        message = f"received {type(given).__name__}, expected {kind.__name__} or a dict of its settings"
        raise UsageError(message)
    known = [f.name for f in dataclasses.fields(kind)]
    for key in given or {}:
        if key not in known:
            message = f"unknown setting {key!r} of {kind.__name__}: known are {', '.join(known)}"
            raise UsageError(message)
    return kind(**(given or {}))


def run(
    optimiser: Optimiser,
    loss_and_gradient: LossAndGradient,
    theta0: Tensor,
    monitor: Monitor | None,
    settings: Settings,
) -> Result:
    """Repeat `optimiser.step` until a tolerance or a limit is met.

    A step that leads to values that are not finite is not taken: the last good iterate is returned and the
    status says so. Checkpoints hold the whole state **by reference**: `on_checkpoint` must write or copy it
    before it returns. A run resumed from one gives the numbers of the uninterrupted run to the bit.
    """
    monitor = monitor or Monitor()

    def evaluate(theta: Tensor) -> Point:
        loss, gradient = loss_and_gradient(theta)
        return Point(theta, float(loss), gradient.detach())

    state = _first_state(optimiser, evaluate, theta0, monitor, settings)
    if not state.point.finite:
        return _result(state, "failed at the start: loss or gradient is not finite there; change the seed.")
    while True:
        _resample(state, evaluate, settings)
        if not state.point.finite:
            end = (_not_finite(state), False)
            break
        end = _stop(state, monitor, settings)
        if end[0]:
            break
        step = optimiser.step(state.point, state.memory, evaluate)
        end = (_trouble(state, step), False)
        if end[0]:
            break
        _advance(state, step)
        if state.iteration % settings.record_every == 0 or state.iteration == settings.iterations:
            monitor.record(**_row(optimiser, state))
        monitor.checkpoint(_saved(optimiser, state))
    monitor.checkpoint(_saved(optimiser, state), force=True)
    return _result(state, *end)


def _resample(state: _State, evaluate: Callable[[Tensor], Point], settings: Settings) -> None:
    """Evaluate again where the function has changed since: fresh points."""
    if settings.on_iteration is not None and settings.on_iteration(state.iteration):
        state.point = state.best = evaluate(state.point.theta)


def _trouble(state: _State, step: Step) -> str:
    """Why a step is not taken, or nothing."""
    if not step.point.finite:
        return _not_finite(state)
    return step.trouble


def _first_state(optimiser, evaluate, theta0, monitor, settings) -> _State:
    """The saved state of the same optimiser, or a fresh one at θ₀."""
    saved = monitor.resume_state
    if saved is not None and saved.get("method") == optimiser.name:
        point = Point(saved["theta"], saved["loss"], saved["gradient"])
        best = Point(saved["best_theta"], saved["best_loss"], saved["best_gradient"])
        iteration = saved["iteration"]
        first = saved["first_gradient"]
        mark = saved["mark_loss"]
        if settings.on_iteration is not None:
            # The points of this iteration; loss and gradient are saved
            settings.on_iteration(iteration)
        return _State(iteration, point, best, saved["memory"], first, mark)
    if settings.on_iteration is not None:
        settings.on_iteration(0)
    point = evaluate(theta0.detach().clone())
    return _State(0, point, point, optimiser.start(point), float(point.gradient.abs().max()))


def _advance(state: _State, step: Step) -> None:
    state.point = step.point
    state.memory = step.memory
    state.iteration += 1
    if state.point.loss <= state.best.loss:
        state.best = state.point


def _stop(state: _State, monitor: Monitor, settings: Settings) -> tuple[str, bool]:
    """The sentence of the criterion that is met, and whether it is a tolerance; an empty one to go on."""
    k = state.iteration
    loss = state.point.loss
    gradient = float(state.point.gradient.abs().max())
    if settings.loss_tolerance is not None and loss <= settings.loss_tolerance:
        return f"converged after {k} iterations: the loss {loss:.3e} met its tolerance.", True
    if gradient <= settings.gradient_tolerance * state.first_gradient:
        return f"converged after {k} iterations: the gradient fell to {gradient:.1e}.", True
    if k >= settings.iterations:
        return f"stopped after {k} iterations with loss {loss:.3e}: raise the number of iterations.", False
    if _out_of_time(monitor, settings):
        return f"stopped after {k} iterations with loss {loss:.3e}: raise the time limit.", False
    # One step before a multiple: points drawn anew at a multiple make the loss jump.
    if settings.stagnation_window and (k + 1) % settings.stagnation_window == 0:
        if loss > (1 - settings.stagnation) * state.mark_loss:
            return f"stalled after {k} iterations at loss {loss:.3e}: {_STAGNATION_REMEDY}", False
        state.mark_loss = loss
    return "", False


_STAGNATION_REMEDY = "it stopped falling; a larger network, more points or another seed may go further."


def _out_of_time(monitor: Monitor, settings: Settings) -> bool:
    return monitor.out_of_time(min(settings.time_share, 1.0))


def _row(optimiser: Optimiser, state: _State) -> dict[str, Any]:
    gradient = float(torch.linalg.vector_norm(state.point.gradient))
    row = {"iteration": state.iteration, "loss": state.point.loss, "gradient": gradient}
    return {"optimiser": optimiser.name, **row}


def _saved(optimiser: Optimiser, state: _State) -> dict[str, Any]:
    return {
        "method": optimiser.name,
        "iteration": state.iteration,
        "theta": state.point.theta,
        "loss": state.point.loss,
        "gradient": state.point.gradient,
        "best_theta": state.best.theta,
        "best_loss": state.best.loss,
        "best_gradient": state.best.gradient,
        "memory": state.memory,
        "first_gradient": state.first_gradient,
        "mark_loss": state.mark_loss,
    }


def _result(state: _State, status: str, converged: bool = False) -> Result:
    return Result(state.best.theta, state.best.loss, state.iteration, status, converged)


def _not_finite(state: _State) -> str:
    return (
        f"stopped after {state.iteration} iterations: the next loss or gradient is not finite; the last good"
        f" iterate (loss {state.best.loss:.3e}) is kept; try a smaller learning rate or another seed."
    )
