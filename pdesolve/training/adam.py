"""Adam: steps along the gradient, scaled by running means of its square."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pdesolve.runs.monitor import Monitor
from pdesolve.training.minimiser import (
    LossAndGradient,
    Point,
    Result,
    Settings,
    Step,
    run,
    settings_from,
)


@dataclass(frozen=True)
class AdamSettings(Settings):
    """Constants of Adam.

    Attributes:
        learning_rate: η at the start.
        decay: η falls by this factor every `decay_every` steps (continuously).
        decay_every: see `decay`.
        beta1: memory of the mean of the gradient.
        beta2: memory of the mean of its square.
        epsilon: keeps the division finite.
    """

    # The four values of Kingma & Ba 2015, Algorithm 1.
    learning_rate: float = 1e-3
    decay: float = 0.9
    decay_every: int = 1000
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8


@dataclass(frozen=True)
class _Adam:
    settings: AdamSettings
    name: str = "adam"

    def start(self, point: Point) -> dict[str, Any]:
        zero = torch.zeros_like(point.theta)
        return {"steps": 0, "mean": zero, "square": zero.clone()}

    def step(self, point: Point, memory: dict[str, Any], evaluate: Callable[[Tensor], Point]) -> Step:
        s = self.settings
        k = memory["steps"] + 1
        g = point.gradient
        mean = s.beta1 * memory["mean"] + (1 - s.beta1) * g
        square = s.beta2 * memory["square"] + (1 - s.beta2) * g * g
        rate = s.learning_rate * s.decay ** ((k - 1) / s.decay_every)
        # Both means begin at zero, which would make the first steps too short.
        unbiased = mean / (1 - s.beta1**k), square / (1 - s.beta2**k)
        theta = point.theta - rate * unbiased[0] / (unbiased[1].sqrt() + s.epsilon)
        return Step(evaluate(theta), {"steps": k, "mean": mean, "square": square})


def minimise(
    loss_and_gradient: LossAndGradient,
    theta0: Tensor,
    monitor: Monitor | None = None,
    settings: AdamSettings | dict[str, Any] | None = None,
) -> Result:
    """θ ← θ - η m̂ / (√v̂ + ε) with bias-corrected running means m̂ of g and v̂ of g².

    Args:
        loss_and_gradient: θ (p,) → (loss, gradient (p,)).
        theta0: starting point, shape (p,).
        monitor: history, time limit, checkpoints.
        settings: limits and constants.

    Returns:
        The iterate with the smallest loss.

    Source: Kingma & Ba 2015, arXiv:1412.6980, Algorithm 1.
    """
    settings = settings_from(AdamSettings, settings)
    return run(_Adam(settings), loss_and_gradient, theta0, monitor, settings)
