"""Gauss–Newton with a backtracking line search on ½ |r|²."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import partial
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
from pdesolve.least_squares.newton import Linearisation, Point, Step, backtrack, newton
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
    state = _initial_state(theta0, monitor)
    rows = _DenseRows(residual, jacobian, solve or _solve_dense)
    start = rows.at(state.theta)
    if not all_finite(start.residual):
        return Result(state.theta, start.merit, 0, FAILED_AT_START, converged=False)
    state.initial_loss = state.initial_loss or start.merit
    if start.merit == 0.0:
        sentence = "converged: the residual is zero at the starting point."
        return Result(state.theta, 0.0, state.iteration, sentence, converged=True)
    search = partial(backtrack, sufficient=settings.sufficient_decrease, shortest=settings.shortest)
    last, (status, converged) = newton(rows, start, _Stop(state, monitor, settings), search)
    return Result(last.c, last.merit, state.iteration, status, converged)


@dataclass(frozen=True)
class _DenseRows:
    """Residual, Jacobian and the solver of their linear least squares."""

    residual: Callable[[Tensor], Tensor]
    jacobian: Callable[[Tensor], Any]
    solve: Callable[[Any, Tensor], Tensor]

    def at(self, c: Tensor) -> Point[Tensor]:
        r = self.residual(c)
        return Point(c, r, half_square(r))

    def linearise(self, point: Point[Tensor]) -> Linearisation[Tensor]:
        J = self.jacobian(point.c)
        step = self.solve(J, -point.residual)
        return Linearisation(point, step, float(point.residual @ (J @ step)))

    def along(self, model: Linearisation[Tensor], t: float) -> Point[Tensor]:
        return self.at(model.point.c + t * model.direction)


@dataclass(frozen=True)
class _Stop:
    """Limits and tolerances; a verdict is a sentence, and whether it means convergence."""

    state: _State
    monitor: Monitor
    settings: GaussNewtonSettings

    def before(self, point: Point[Tensor]) -> tuple[str, bool] | None:
        if self.state.iteration >= self.settings.iterations:
            return out_of_iterations(self.state.iteration, point.merit), False
        if self.monitor.out_of_time():
            return out_of_time(self.state.iteration, point.merit), False
        return None

    def after(self, step: Step[Tensor]) -> tuple[str, bool] | None:
        state = self.state
        state.theta = step.after.c
        state.iteration += 1
        loss = step.after.merit
        self.monitor.record(iteration=state.iteration, loss=loss, step_length=step.length)
        self.monitor.checkpoint(_saved(state))
        tolerances = self.settings.tolerances
        reached = tolerances.met_at(1.0, loss, state.initial_loss)
        # A solution at the origin has no size to compare a step with; the smallest number keeps the quotient defined.
        size = step.length * _norm(step.direction) / max(_norm(step.after.c), 1e-300)
        reached = reached or tolerances.met_by(size, 1 - loss / step.before.merit)
        if reached is None:
            return None
        return reached, True

    def stuck(self, model: Linearisation[Tensor]) -> tuple[str, bool]:
        """Tell a stationary point (a promised decrease below the tolerance) from a failed line search."""
        loss = model.point.merit
        slope = model.slope
        # A full step promises to lower ½ |r|² by half of the slope; less than some ε of it cannot be seen.
        if -slope <= max(self.settings.tolerances.loss, 1e-14) * 2 * loss:
            promised = max(-slope, 0.0) / 2
            return f"converged: the step promises to lower the loss by only {promised:.1e}.", True
        return (
            f"stalled at loss {loss:.3e}: no step length down to the smallest lowers the residual;"
            " check that the Jacobian belongs to the residual, use Levenberg–Marquardt or start closer",
            False,
        )


def _norm(vector: Tensor) -> float:
    return float(torch.linalg.vector_norm(vector))


def _solve_dense(J: Tensor, b: Tensor) -> Tensor:
    return solve_rank_revealing(J, b).solution


def _initial_state(theta0: Tensor, monitor: Monitor) -> _State:
    saved = monitor.resume_state
    if saved is None or saved.get("method") != "gauss-newton":
        return _State(theta0.detach().clone())
    return _State(**{f.name: saved[f.name] for f in fields(_State)})


def _saved(state: _State) -> dict[str, Any]:
    return {"method": "gauss-newton", **{f.name: getattr(state, f.name) for f in fields(_State)}}
