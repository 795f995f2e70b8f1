"""Levenberg–Marquardt: one decomposition per linearisation, reused over all damping values."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from pdesolve.least_squares.dense.damped import Linearisation, decompose
from pdesolve.least_squares.dense.linear import column_norms
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

# Norm of a column beside the largest at which it holds only rounding
DEAD = 1e-8
# Of σ_1²: damping beyond which a step cannot be told from none in double precision.
LARGEST = 1e16
# Gain ratio below which the linear model is not followed further out: half of what it promises.
TRUSTED = 0.5
# Decrease over that of the best trial so far for which one trial more is worth its residual.
WORTHWHILE = 1.1


@dataclass(frozen=True)
class LevenbergMarquardtSettings:
    """Limits and constants of `levenberg_marquardt`.

    Attributes:
        iterations: largest number of linearisations.
        tolerances: when to stop.
        loss_tolerance: stop when ½ |r|² is at most this; None: never.
        initial_damping: λ₀, relative to the largest squared singular value of the scaled Jacobian.
        trials: damping values tried per linearisation before the damping is given up as too large.
        factorisation: "svd" (QR of J, then SVD of R: accurate to ε κ), "eigh" (of JᵀJ: several times
            faster, and as good while λ stays above ε σ_1², because noise below that is damped away), "cholesky"
            (of JᵀJ + λD², anew for every λ, which is a tenth of forming JᵀJ) or "sketch" (JᵀJ is never formed, see
            `sketched`: for thousands of parameters).
        scale_memory: D_j is the largest of |J_j| and this part of its last value. Moré's 1 freezes parameters by
            what they weighed at the start where columns shrink for good, as in variable projection, where |J_j|
            goes with a coefficient that is solved for anew.
        acceleration: largest |a| / |δ| of a geodesic acceleration that is taken; 0 switches it off.
        stagnation_window: stop when the loss fell by less than `stagnation` of itself over so many
            linearisations; 0: never.
        stagnation: see `stagnation_window`.
        on_iteration: called with the iteration number before each linearisation; returns whether the
            residual function has changed (resampled points). Must depend on that number alone.
        renew: called with iteration number and θ before each linearisation but the first; returns a θ with a smaller
            loss to go on from, found by other means, or None. Must depend on the two alone.
        record_every: history rows are written every so many linearisations.
        linearised: (J, r, D) → damped problem in place of `decompose`, as `projected` has one.
        corrected: called with every trial θ before its residual; returns a better one, found by other means.
    """

    iterations: int = 200
    tolerances: Tolerances = field(default_factory=Tolerances)
    loss_tolerance: float | None = None
    initial_damping: float = 1e-3
    trials: int = 40
    factorisation: str = "svd"
    scale_memory: float = 1.0
    acceleration: float = 0.0
    stagnation_window: int = 0
    stagnation: float = 1e-2
    on_iteration: Callable[[int], bool] | None = None
    renew: Callable[[int, Tensor], Tensor | None] | None = None
    record_every: int = 1
    linearised: Callable[[Tensor, Tensor, Tensor], Any] | None = None
    corrected: Callable[[Tensor], Tensor] | None = None


@dataclass
class _State:
    """All that the next iteration depends on."""

    theta: Tensor
    scale: Tensor
    damping: float = -1.0
    iteration: int = 0
    initial_loss: float = 0.0
    mark_loss: float = math.inf


@dataclass(frozen=True)
class _Trial:
    """An accepted trial point."""

    theta: Tensor
    residual: Tensor
    loss: float
    damping: float
    gain: float
    raised: bool = False
    cosine: float = 0.0


@dataclass(frozen=True)
class _End:
    """Why there is no next point."""

    status: str
    converged: bool = False


def levenberg_marquardt(
    residual: Callable[[Tensor], Tensor],
    jacobian: Callable[[Tensor], Tensor],
    theta0: Tensor,
    monitor: Monitor | None = None,
    settings: LevenbergMarquardtSettings | None = None,
) -> Result:
    """Minimise ½ |r(θ)|² with steps (JᵀJ + λD²) δ = -Jᵀr.

    θ → r, J → decomposition → best δ over a few λ → gain ratio ρ → next λ. Residuals cost far less than a
    decomposition: the damping is raised until the loss falls, and lowered while that helps.

    Args:
        residual: θ (p,) → r (m,).
        jacobian: θ (p,) → J (m, p).
        theta0: starting point, shape (p,).
        monitor: history, time limit, checkpoints and resumption.
        settings: limits and constants.

    Returns:
        The last iterate with a finite residual, and why it is the last.

    Source: Moré 1978 (scaling, stopping), Nielsen 1999 (gain ratio), arXiv:1201.5885 (acceleration).
    """
    monitor = monitor or Monitor()
    settings = settings or LevenbergMarquardtSettings()
    state = _initial_state(theta0, monitor)
    _resampled(settings, state.iteration)
    r = residual(state.theta)
    loss = half_square(r)
    if not math.isfinite(loss):
        return Result(state.theta, loss, state.iteration, FAILED_AT_START, converged=False)
    state.initial_loss = state.initial_loss or loss
    converged = False
    while not (status := _limit(state, loss, monitor, settings)):
        if state.iteration and _changed(settings, state):
            r = residual(state.theta)
            loss = half_square(r)
        trial = _next(residual, jacobian, r, loss, state, settings)
        if isinstance(trial, _End):
            status = trial.status
            converged = trial.converged
            break
        change = _relative_step(trial.theta - state.theta, trial.theta, state.scale)
        decrease = 1 - trial.loss / loss
        state.theta = trial.theta
        r = trial.residual
        loss = trial.loss
        state.damping = trial.damping
        state.iteration += 1
        if state.iteration % settings.record_every == 0:
            monitor.record(iteration=state.iteration, loss=loss, gradient=trial.cosine, damping=trial.damping)
        monitor.checkpoint(_saved(state))
        # A step that had to be shortened says nothing about convergence, however small it is.
        if not trial.raised and (status := settings.tolerances.met_by(change, decrease) or ""):
            converged = True
            break
    # The last state is saved even where the interval of checkpoints has not passed.
    monitor.checkpoint(_saved(state), force=True)
    return Result(state.theta, loss, state.iteration, status, converged)


def _changed(settings: LevenbergMarquardtSettings, state: _State) -> bool:
    """Whether the residual function or θ was replaced before this linearisation."""
    resampled = _resampled(settings, state.iteration)
    return _renewed(settings, state) or resampled


def _next(residual, jacobian, r, loss, state, settings) -> _Trial | _End:
    """Linearise, and search for a step."""
    J = jacobian(state.theta)
    # No damping repairs a linearisation that is not finite, so that the search for a step would be in vain.
    if not all_finite(J):
        return _End(_not_finite("Jacobian", state.iteration, loss))
    problem, cosine = _linear_model(J, r, loss, state, settings)
    sentence = _met_at(settings, cosine, loss, state.initial_loss)
    if sentence is not None:
        return _End(sentence, converged=True)
    found = _search_damping(residual, J, problem, state, loss, settings)
    if isinstance(found, _End):
        return found
    return replace(found, cosine=cosine)


def update_damping(damping: float, gain: float) -> float:
    """λ ← λ max(1/9, 1 - (2ρ - 1)³): smooth in the gain ratio ρ (Nielsen 1999, with his 1/3 squared)."""
    return damping * max(1 / 9, 1 - (2 * gain - 1) ** 3)


def _search_damping(residual, J, problem, state, loss, settings) -> _Trial | _End:
    """The step of the best damping near the last: up until the loss falls, then down while that helps."""
    largest = problem.largest_damping()
    # A Jacobian that vanishes has no singular value to go by.
    smallest = max(problem.smallest_damping(), 1e-300)
    λ = state.damping
    if λ < 0:
        λ = settings.initial_damping * largest
    attempt = partial(_try, residual, J, problem, state.theta, loss, settings)
    first, tried, finite = _raised_until_accepted(
        attempt, max(λ, smallest), LARGEST * largest, loss, settings.trials
    )
    if first is None:
        return _no_decrease(problem, loss, not finite, state.iteration, settings)
    best = first
    # Where the damping had to be raised, or the model is not trusted further out, it is not lowered.
    if tried == 1:
        best = _lowered_while_it_helps(attempt, first, smallest, loss, settings.trials - 1)
    next_damping = max(update_damping(best.damping, best.gain), smallest)
    return replace(best, damping=next_damping, raised=tried > 1)


def _raised_until_accepted(attempt, λ, largest, loss, trials) -> tuple[_Trial | None, int, bool]:
    """The first trial that is accepted, how many there were, and whether the last had a finite loss."""
    growth = 2.0
    finite = True
    for tried in range(1, trials + 1):
        trial = attempt(λ)
        finite = math.isfinite(trial.loss)
        if _accepted(trial, loss):
            return trial, tried, finite
        λ = λ * growth
        growth = growth * 2
        if λ > largest:
            break
    return None, trials, finite


def _lowered_while_it_helps(attempt, best, smallest, loss, trials) -> _Trial:
    """The best of trials with ever less damping, each from the last one that was trusted."""
    last = best
    for _ in range(trials):
        if last.gain < TRUSTED or last.damping <= smallest:
            break
        last = attempt(max(last.damping / 9, smallest))
        enough = loss - last.loss > WORTHWHILE * (loss - best.loss)
        if last.loss < best.loss:
            best = last
        if not enough:
            break
    return best


def _try(residual, J, problem, theta, loss, settings, damping) -> _Trial:
    δ = problem.step(damping)
    if settings.acceleration > 0:
        δ = δ + _acceleration(residual, J, problem, theta, δ, damping, settings.acceleration)
    if settings.corrected is None:
        there = theta + δ
    else:
        there = settings.corrected(theta + δ)
    r = residual(there)
    new = half_square(r)
    predicted = problem.predicted_decrease(damping)
    if predicted > 0:
        gain = (loss - new) / predicted
    else:
        gain = 0.0
    return _Trial(there, r, new, damping, gain)


def _accepted(trial: _Trial, loss: float) -> bool:
    # As MINPACK accepts steps: from 1e-4 of what the model promises on.
    return trial.loss < loss and trial.gain > 1e-4


def _acceleration(residual, J, problem, theta, δ, damping, limit) -> Tensor:
    """½ a with (JᵀJ + λD²) a = -Jᵀ r_δδ; 0 where |D a| > limit |D δ|: the path is too curved to trust.

    r_δδ is the second derivative of r along δ, from one more residual: (2/h)((r(θ+hδ) - r(θ))/h - Jδ).
    """
    # Of the step, as in arXiv:1201.5885; a much smaller one would be lost in rounding.
    h = 0.1
    curvature = (2 / h) * ((residual(theta + h * δ) - residual(theta)) / h - J @ δ)
    if not all_finite(curvature):
        return torch.zeros_like(δ)
    a = -problem.solve(J.T @ curvature, damping)
    ratio = 2 * torch.linalg.vector_norm(problem.scale * a) / torch.linalg.vector_norm(problem.scale * δ)
    if float(ratio) <= limit:
        return 0.5 * a
    return torch.zeros_like(δ)


def _linear_model(J, r, loss, state, settings) -> tuple[Linearisation, float]:
    """The decomposition, and the cosine max_j |J_jᵀ r| / (|J_j| |r|) that follows from Jᵀr."""
    norms = column_norms(J)
    state.scale = torch.maximum(settings.scale_memory * state.scale, norms)  # Moré 1978, §3
    # A column that has died would send its parameter to infinity
    if settings.scale_memory < 1:
        state.scale = state.scale.clamp_min(DEAD * float(state.scale.max()))
    if settings.linearised is not None:
        problem = settings.linearised(J, r, state.scale)
    else:
        problem = decompose(J, r, state.scale, settings.factorisation)
    gradient = problem.gradient()
    norms = torch.maximum(norms, DEAD * state.scale)
    if loss == 0:
        return problem, 0.0
    return problem, float((gradient / norms).abs().max()) / math.sqrt(2 * loss)


def _resampled(settings: LevenbergMarquardtSettings, iteration: int) -> bool:
    return settings.on_iteration is not None and settings.on_iteration(iteration)


def _renewed(settings: LevenbergMarquardtSettings, state: _State) -> bool:
    if settings.renew is not None:
        found = settings.renew(state.iteration, state.theta)
    else:
        found = None
    if found is None:
        return False
    state.theta = found  # other parameters, other scales
    state.scale = torch.zeros_like(state.scale)
    return True


def _met_at(
    settings: LevenbergMarquardtSettings, cosine: float, loss: float, initial_loss: float
) -> str | None:
    if settings.loss_tolerance is not None and loss <= settings.loss_tolerance:
        return f"converged: the loss {loss:.3e} met its tolerance."
    return settings.tolerances.met_at(cosine, loss, initial_loss)


def _relative_step(δ: Tensor, theta: Tensor, scale: Tensor) -> float:
    size = float(torch.linalg.vector_norm(scale * theta))
    if size > 0:
        return float(torch.linalg.vector_norm(scale * δ)) / size
    return math.inf


def _limit(state: _State, loss: float, monitor: Monitor, settings: LevenbergMarquardtSettings) -> str:
    """The sentence of the limit that is exhausted, or an empty one."""
    if state.iteration >= settings.iterations:
        return out_of_iterations(state.iteration, loss)
    if monitor.out_of_time():
        return out_of_time(state.iteration, loss)
    window = settings.stagnation_window
    if window and state.iteration % window == 0:
        if state.iteration and loss > (1 - settings.stagnation) * state.mark_loss:
            return (
                f"stalled at loss {loss:.3e}: it fell by less than {settings.stagnation:.0%} in {window}"
                " iterations; more components or another seed may go further"
            )
        state.mark_loss = loss
    return ""


def _no_decrease(problem, loss, saw_infinite, iteration, settings) -> _End:
    # With the least damping the model promises most: if that is nothing, no damping helps.
    promised = problem.predicted_decrease(problem.smallest_damping())
    if promised <= max(settings.tolerances.loss, 1e-14) * loss:
        return _End(
            f"converged: no step can lower the loss by more than {promised / loss:.1e} of itself.", True
        )
    if saw_infinite:
        return _End(_not_finite("residual", iteration, loss))
    return _End(
        f"stalled at loss {loss:.3e}: no damping lowers it, although the Jacobian promises {promised:.1e};"
        " the residual is at its rounding level, or the Jacobian does not belong to it"
    )


def _not_finite(what: str, iteration: int, loss: float) -> str:
    return (
        f"stopped after {iteration} iterations: the {what} is not finite beyond this point;"
        f" the last good iterate (loss {loss:.3e}) is kept; start closer or raise the initial damping"
    )


def _initial_state(theta0: Tensor, monitor: Monitor) -> _State:
    saved = monitor.resume_state
    if saved is None or saved.get("method") != "levenberg-marquardt":
        return _State(theta0.detach().clone(), torch.zeros_like(theta0))
    return _State(**{f.name: saved[f.name] for f in fields(_State)})


def _saved(state: _State) -> dict[str, Any]:
    return {"method": "levenberg-marquardt", **{f.name: getattr(state, f.name) for f in fields(_State)}}
