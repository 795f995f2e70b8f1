"""L-BFGS: quasi-Newton with the last few steps as its only memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from pdesolve.runs.monitor import Monitor
from pdesolve.training.line_search import WolfeConstants, strong_wolfe
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
class LBFGSSettings(Settings):
    """Constants of L-BFGS.

    Attributes:
        pairs: number of (s, y) kept.
        wolfe: constants of the line search.
    """

    # More than the usual 5 to 20: a loss of residuals is ill-conditioned, and a pair costs no evaluation.
    pairs: int = 50
    wolfe: WolfeConstants = field(default_factory=WolfeConstants)


NO_DECREASE = (
    "stopped: no step along the gradient lowers the loss; it is at its rounding level, or the gradient does"
    " not belong to the loss."
)


@dataclass(frozen=True)
class _LBFGS:
    settings: LBFGSSettings
    name: str = "lbfgs"

    def start(self, point: Point) -> dict[str, Any]:
        empty = point.theta.new_zeros(0, len(point.theta))
        return {"s": empty, "y": empty.clone()}

    def step(self, point: Point, memory: dict[str, Any], evaluate: Callable[[Tensor], Point]) -> Step:
        s = memory["s"]
        y = memory["y"]
        direction = -inverse_hessian_product(s, y, point.gradient)
        found = strong_wolfe(evaluate, point, direction, first_length(len(s), point), self.settings.wolfe)
        if not found.success and len(s):
            # Forget, and search along the gradient once
            s = s[:0]
            y = y[:0]
            found = strong_wolfe(
                evaluate, point, -point.gradient, first_length(0, point), self.settings.wolfe
            )
        if not found.success:
            return Step(found.point, memory, NO_DECREASE)
        new = found.point
        return Step(new, self._remember(s, y, new.theta - point.theta, new.gradient - point.gradient))

    def _remember(self, s: Tensor, y: Tensor, step: Tensor, change: Tensor) -> dict[str, Any]:
        """Append a pair, dropping the oldest; a pair without curvature is not kept."""
        curvature = float(step @ change)
        if curvature <= torch.finfo(step.dtype).eps * float(change @ change):
            return {"s": s, "y": y}
        keep = self.settings.pairs
        return {"s": torch.cat([s, step[None]])[-keep:], "y": torch.cat([y, change[None]])[-keep:]}


def first_length(steps: int, point: Point) -> float:
    """1 for a quasi-Newton direction; for the first, unscaled gradient a step of length at most 1."""
    if steps:
        return 1.0
    return min(1.0, 1.0 / float(torch.linalg.vector_norm(point.gradient)))


def inverse_hessian_product(s: Tensor, y: Tensor, gradient: Tensor) -> Tensor:
    """H g by the two-loop recursion over the pairs s, y (each (pairs, p), oldest first), H₀ = sᵀy / yᵀy.

    Source: Nocedal & Wright, *Numerical Optimization*, 2nd ed., Algorithm 7.4.
    """
    if not len(s):
        return gradient.clone()
    ρ = 1 / (s * y).sum(1)
    q = gradient.clone()
    α = [torch.zeros(())] * len(s)
    for i in reversed(range(len(s))):
        α[i] = ρ[i] * (s[i] @ q)
        q = q - α[i] * y[i]
    # H₀ = sᵀy / yᵀy of the latest pair: the curvature met last (Nocedal & Wright, eq. 7.20).
    q = q / (ρ[-1] * (y[-1] @ y[-1]))
    for i in range(len(s)):
        q = q + (α[i] - ρ[i] * (y[i] @ q)) * s[i]
    return q


def minimise(
    loss_and_gradient: LossAndGradient,
    theta0: Tensor,
    monitor: Monitor | None = None,
    settings: LBFGSSettings | dict[str, Any] | None = None,
) -> Result:
    """θ ← θ - t H g with H from the last `pairs` steps and t from the strong Wolfe conditions.

    Args:
        loss_and_gradient: θ (p,) → (loss, gradient (p,)).
        theta0: starting point, shape (p,).
        monitor: history, time limit, checkpoints.
        settings: limits and constants.

    Returns:
        The last iterate; the loss never grows.

    Source: Liu & Nocedal 1989, Math. Program. 45, 503–528.
    """
    settings = settings_from(LBFGSSettings, settings)
    return run(_LBFGS(settings), loss_and_gradient, theta0, monitor, settings)
