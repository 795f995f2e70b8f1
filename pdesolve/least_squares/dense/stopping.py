"""When an iteration for nonlinear least squares has finished, and the sentence that says why."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Result:
    """Where a nonlinear least-squares iteration ended.

    Attributes:
        theta: the last good parameters θ, shape (p,).
        loss: ½ |r(θ)|² there.
        iterations: accepted and rejected steps together.
        status: a sentence: why it stopped, and a remedy where there is something to remedy.
        converged: whether one of the tolerances was met.
    """

    theta: Tensor
    loss: float
    iterations: int
    status: str
    converged: bool


@dataclass(frozen=True)
class Tolerances:
    """Relative tolerances, all free of the units of θ and r; the iteration stops when one of them is met.

    Attributes:
        gradient: on max_j |J_jᵀ r| / (|J_j| |r|), the cosine between the residual and its nearest column.
        step: on |D δ| / |D θ|, with D the column norms of J.
        loss: on the decrease of the loss over one accepted step, relative to the loss.
        residual: on |r| itself, relative to |r| at the start.

    Source: Moré 1978, *The Levenberg–Marquardt algorithm: implementation and theory*, §8 (MINPACK's
    xtol, ftol, gtol).
    """

    # Tighter than SciPy's 1e-8: solutions of equations are wanted to more digits than fits to data.
    gradient: float = 1e-10
    step: float = 1e-12
    loss: float = 1e-10
    residual: float = 1e-14

    def met_at(self, gradient_cosine: float, loss: float, initial_loss: float) -> str | None:
        """The sentence if the point itself is a solution, else None."""
        if loss <= self.residual**2 * initial_loss:
            return f"converged: the residual fell by {self.residual:.0e} or more, to the level of rounding."
        if gradient_cosine <= self.gradient:
            return (
                f"converged: the residual is orthogonal to every column of the Jacobian"
                f" (cosine {gradient_cosine:.1e} ≤ {self.gradient:.1e})."
            )
        return None

    def met_by(self, relative_step: float, relative_decrease: float) -> str | None:
        """The sentence if the accepted step was too small to matter, else None."""
        if relative_step <= self.step:
            return (
                f"converged: the step is {relative_step:.1e} of the parameters (tolerance {self.step:.1e})."
            )
        if 0 <= relative_decrease <= self.loss:
            return (
                f"converged: the loss fell by only {relative_decrease:.1e} of itself in one step"
                f" (tolerance {self.loss:.1e})."
            )
        return None


def all_finite(*tensors: Tensor) -> bool:
    """Whether every entry of every tensor is finite."""
    return all(bool(torch.isfinite(t).all()) for t in tensors)


def half_square(residual: Tensor) -> float:
    """½ |r|², as a number; infinite where r is not finite, so that every comparison rejects it."""
    loss = 0.5 * float(residual @ residual)
    if loss == loss:
        return loss
    return float("inf")


FAILED_AT_START = "failed at the start: the residual is not finite there; change the starting point."


def out_of_iterations(iterations: int, loss: float) -> str:
    """The sentence for an exhausted iteration count."""
    return (
        f"stopped after {iterations} iterations with loss {loss:.3e}: the iteration limit was reached;"
        " raise the number of iterations"
    )


def out_of_time(iterations: int, loss: float) -> str:
    """The sentence for an exhausted time limit."""
    return (
        f"stopped after {iterations} iterations with loss {loss:.3e}: the time limit was reached;"
        " raise the time limit"
    )
