"""What the equation does between the stages of a step, along the computed path: at many times, and with its effect.

Collocation sees the right-hand side at its stages. What depends on the unknown, such as a gap in which it all but
stands still, lies between two of them as easily as a pulse in time. Between the stages the residual of a resolved step
is Π(τ - cᵢ), where it vanishes, times a polynomial of low degree; what is left without that was overlooked.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.polynomial import legendre
from torch import Tensor

from pdesolve.marching.ordinary.step import Trial
from pdesolve.marching.ordinary.system import System
from pdesolve.marching.radau import Radau, lagrange
from pdesolve.marching.unseen import without_collocation

LEAST_TIMES = 24  # in a step
# Of the rate: one that is lower by more counts as so many times lower. What stands still in a thousandth of a step for
# a thousand times as long changes everything after it.
STILL = 1e-4
MOST_GROWTH = 30.0  # logarithm: beyond it nothing is left of any accuracy
ROUNDING = 1e-14  # a few units in the last place


def overlooked(
    system: System,
    method: Radau,
    trial: Trial,
    t: float,
    step: float,
    start: Tensor,
    scale: Tensor,
    interval: float,
) -> tuple[float, float]:
    """The mean effect that the residual between the stages has on the unknowns, over their sizes, and its growth.

    Where the polynomial goes at a rate at which the equation does not let it, the difference counts as often as it is
    slower: an unknown that should go at a thousandth of its rate for a while takes a thousand times as long. What grows
    within the step counts as it is at its end: an implicit method damps what should grow fast, and shows nothing of it.

    Args:
        system: the equations.
        method: the collocation.
        trial: the step.
        t: its first time.
        step: its length.
        start: (r, u) derivatives below the order at t.
        scale: (u,) sizes of the unknowns.
        interval: the whole time.
    """
    count = int(np.clip(system.times * step / interval, LEAST_TIMES, system.times))
    fractions = (np.arange(count) + 0.5) / count
    jets = _jets(system, method, trial, start, fractions, step)
    r, sensitivity = system.residual(t, step, fractions, jets)
    slots = system.operator.slots
    highest = torch.stack([scale[u] / step ** index[0] for u, index in slots])
    # Derivatives are known as well as differences of the values: to the rounding of s² of these for each order.
    noise = ROUNDING * (method.stages**2) ** max(system.orders) * (sensitivity.abs() * highest).amax(2)
    left = (without_collocation(r, method.nodes[1:], fractions).abs() - noise).clamp_min(0.0)
    own = torch.stack([jets[index[0], :, u] * (index[0] == system.orders[u] > 0) for u, index in slots], 1)
    rate = (sensitivity * own[:, None]).sum(2)  # of the polynomial, (n, m)
    allowed = (rate - r).abs()  # by the equation
    fastest = rate.abs().amax(0)
    slower = torch.where(fastest == 0, 1.0, fastest / (allowed + STILL * fastest))
    growth = _growth(system, sensitivity, step)
    units = torch.stack([_size(jets, scale, step, u, index[0]) for u, index in slots])
    # Of most times: where a gap is, the equation may depend on the unknown ever so much.
    size = (sensitivity.abs() * units).amax(2).median(0).values.clamp_min(torch.finfo(r.dtype).tiny)
    return float((left * slower.clamp_min(1.0) / size).mean(0).amax()) * growth, growth


def _growth(system: System, sensitivity: Tensor, step: float) -> float:
    """The factor by which a change of the unknowns grows in a step, of equations of first order: e^{Δ max Re λ}, or 1.

    The eigenvalues λ are those of the mean of -(∂F/∂u')⁻¹ ∂F/∂u over the step, for sensitivities (n, m, s).
    """
    if set(system.orders) != {1} or sensitivity.shape[1] != system.unknowns:
        return 1.0
    parts = sensitivity.new_zeros(2, len(sensitivity), system.unknowns, system.unknowns)
    for slot, (u, index) in enumerate(system.operator.slots):
        parts[index[0], :, :, u] = sensitivity[..., slot]
    found, info = torch.linalg.solve_ex(parts[1], -parts[0])
    if bool(info.any()) or not bool(found.isfinite().all()):
        return 1.0
    largest = float(torch.linalg.eigvals(found.mean(0)).real.max())
    return math.exp(min(max(step * largest, 0.0), MOST_GROWTH))


def _jets(
    system: System, method: Radau, trial: Trial, start: Tensor, fractions: np.ndarray, step: float
) -> Tensor:
    """Derivatives (r + 1, n, u) at fractions of a step: of each unknown's own order through the stages, then integrals.

    Where the order is above one, the polynomial through the values has one degree less than that of collocation.
    """
    highest = system.highest(method, trial.values, start, step)
    at_stages = system.jets(method, highest, start, step)
    through = torch.from_numpy(lagrange(method.nodes[1:], fractions))
    integral = step * torch.from_numpy(_integrals(method.nodes[1:], fractions))
    found = []
    for order in range(len(at_stages)):
        own = torch.tensor([k == order for k in system.orders])
        below = at_stages.new_zeros(len(fractions), system.unknowns)
        if order + 1 < len(at_stages):
            below = integral @ at_stages[order + 1] + start[order]
        found.append(torch.where(own, through @ at_stages[order], below))
    return torch.stack(found)


def _integrals(stages: np.ndarray, fractions: np.ndarray) -> np.ndarray:
    """(n, s): ∫₀^τ of the polynomials that are one at one stage and zero at the others."""
    series = np.linalg.inv(legendre.legvander(2 * stages - 1, len(stages) - 1))  # column by column
    integrated = legendre.legint(series, lbnd=-1, scl=0.5)
    return legendre.legvander(2 * fractions - 1, len(stages)) @ integrated


def _size(jets: Tensor, scale: Tensor, step: float, u: int, order: int) -> Tensor:
    """Size of a derivative that changes the one below it, or the unknown itself, by as much as it is in a step."""
    if order == 0:
        return scale[u]
    if order == 1:
        return scale[u] / step
    return jets[order - 1, :, u].abs().amax() / step
