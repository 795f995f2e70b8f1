"""Gauss–Newton with a backtracking line search on ½ |r|²."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor

from pdesolve.least_squares.dense.linear import solve_rank_revealing
from pdesolve.least_squares.dense.stopping import (
    FAILED_AT_START,
    Result,
    Tolerances,
    all_finite,
    half_square,
    out_of_iterations,
    out_of_time,
)
from pdesolve.runs.monitor import Monitor


@dataclass(frozen=True)
class GaussNewtonSettings:
    """Limits and constants of `gauss_newton`.

    Attributes:
        iterations: largest number of steps.
        tolerances: when to stop (the gradient criterion is not used: J may be an operator).
        sufficient_decrease: c₁ of Armijo's condition f(θ + tδ) ≤ f(θ) + c₁ t rᵀJδ.
        shortest: smallest step length t tried.
    """

    iterations: int = 50
    tolerances: Tolerances = field(default_factory=Tolerances)
    sufficient_decrease: float = 1e-4
    shortest: float = 2.0**-20


@dataclass
class _State:
    """All that the next step depends on."""

    theta: Tensor
    iteration: int = 0
    initial_loss: float = 0.0


def gauss_newton(
    residual: Callable[[Tensor], Tensor],
    jacobian: Callable[[Tensor], Any],
    theta0: Tensor,
    monitor: Monitor | None = None,
    settings: GaussNewtonSettings | None = None,
    solve: Callable[[Any, Tensor], Tensor] | None = None,
) -> Result:
    """Minimise ½ |r(θ)|² by δ = argmin |J δ + r|, θ ← θ + t δ with Armijo's condition on t.

    Converges quadratically to a zero residual; δ is a descent direction wherever J δ ≠ 0, because
    rᵀJδ = -|Jδ|² for an exact solve.

    Args:
        residual: θ (p,) → r (m,).
        jacobian: θ (p,) → J; a tensor (m, p), or anything with `J @ δ` if `solve` is given.
        theta0: starting point, shape (p,).
        monitor: history, time limit, checkpoints.
        settings: limits and constants.
        solve: (J, b) → argmin |J δ - b|; None: `solve_rank_revealing`.

    Returns:
        The last iterate with a finite residual, and why the iteration stopped there.

    Source: Nocedal & Wright, *Numerical Optimization*, 2nd ed., §10.3 and Algorithm 3.1.
    """
    monitor = monitor or Monitor()
    settings = settings or GaussNewtonSettings()
    solve = solve or _solve_dense
    state = _initial_state(theta0, monitor)
    r = residual(state.theta)
    loss = half_square(r)
    if not all_finite(r):
        return Result(state.theta, loss, 0, FAILED_AT_START, converged=False)
    state.initial_loss = state.initial_loss or loss
    status = ""
    converged = loss == 0.0
    while not converged:
        if state.iteration >= settings.iterations:
            status = out_of_iterations(state.iteration, loss)
            break
        if monitor.out_of_time():
            status = out_of_time(state.iteration, loss)
            break
        J = jacobian(state.theta)
        step = solve(J, -r)
        slope = float(r @ (J @ step))
        length, trial, moved = _backtrack(residual, state.theta, step, loss, slope, settings)
        if length == 0.0:
            status, converged = _no_decrease(loss, slope, settings.tolerances)
            break
        decrease = 1 - half_square(moved) / loss
        size = length * _norm(step) / max(_norm(trial), 1e-300)
        state.theta = trial
        r = moved
        loss = half_square(moved)
        state.iteration += 1
        monitor.record(iteration=state.iteration, loss=loss, step_length=length)
        monitor.checkpoint(_saved(state))
        reached = settings.tolerances.met_at(1.0, loss, state.initial_loss)
        reached = reached or settings.tolerances.met_by(size, decrease)
        status = reached or ""
        converged = reached is not None
    status = status or "converged: the residual is zero at the starting point."
    return Result(state.theta, loss, state.iteration, status, converged)


def _norm(vector: Tensor) -> float:
    return float(torch.linalg.vector_norm(vector))


def _solve_dense(J: Tensor, b: Tensor) -> Tensor:
    return solve_rank_revealing(J, b).solution


def _backtrack(residual, theta, step, loss, slope, settings) -> tuple[float, Tensor, Tensor]:
    """The first t = 1, ½, ¼, … that satisfies Armijo's condition, with θ + tδ and r there; t = 0 if none."""
    t = 1.0
    while t >= settings.shortest and slope < 0:
        trial = theta + t * step
        moved = residual(trial)
        if half_square(moved) <= loss + settings.sufficient_decrease * t * slope:
            return t, trial, moved
        t *= 0.5
    return 0.0, theta, theta.new_zeros(0)


def _no_decrease(loss: float, slope: float, tolerances: Tolerances) -> tuple[str, bool]:
    """Tell a stationary point (a promised decrease below the tolerance) from a failed line search."""
    if -slope <= max(tolerances.loss, 1e-14) * 2 * loss:
        return f"converged: the step promises to lower the loss by only {max(-slope, 0.0) / 2:.1e}.", True
    return (
        f"stalled at loss {loss:.3e}: no step length down to the smallest lowers the residual;"
        " check that the Jacobian belongs to the residual, use Levenberg–Marquardt or start closer",
        False,
    )


def _initial_state(theta0: Tensor, monitor: Monitor) -> _State:
    saved = monitor.resume_state
    if saved is None or saved.get("method") != "gauss-newton":
        return _State(theta0.detach().clone())
    return _State(**{f.name: saved[f.name] for f in fields(_State)})


def _saved(state: _State) -> dict[str, Any]:
    return {"method": "gauss-newton", **{f.name: getattr(state, f.name) for f in fields(_State)}}
