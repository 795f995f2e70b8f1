"""One step of collocation for equations in time alone: Newton's method, and what the residual shows elsewhere."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pdesolve.marching.ordinary.system import System
from pdesolve.marching.radau import Radau, differentiation, lagrange

MOST_PASSES = 25  # Newton steps; more, and a shorter step comes cheaper


@dataclass(frozen=True)
class Trial:
    """A step that was attempted: stage values (s + 1, u) with the start, derivatives at the end, how Newton ended."""

    values: Tensor
    end: Tensor  # (r, u): the derivatives below the order at the end of the step
    met: bool


def attempt(
    system: System,
    method: Radau,
    t: float,
    step: float,
    start: Tensor,
    guess: Tensor,
    local: float,
    scale: Tensor,
) -> Trial:
    """Solve the collocation equations of one step by Newton's method.

    Args:
        system: the equations.
        method: the collocation.
        t: its first time.
        step: its length.
        start: (r, u) derivatives below the order at t.
        guess: (s + 1, u) values at 0 and the stages to begin with.
        local: tolerance of the step; Newton's steps must be a thousandth of it, or at rounding.
        scale: (u,) sizes of the unknowns.
    """
    highest = system.highest(method, guess, start, step)
    jets = system.jets(method, highest, start, step)
    last = math.inf
    met = False
    for _ in range(MOST_PASSES):
        r, sensitivity = system.residual(t, step, method.nodes[1:], jets)
        if not bool(r.isfinite().all()) or not bool(sensitivity.isfinite().all()):
            break
        change = _solved(system.newton_matrix(method, sensitivity, step), -r.reshape(-1))
        if change is None:
            break
        highest = highest + change.view(method.stages, system.unknowns)
        before = jets
        jets = system.jets(method, highest, start, step)
        moved = float(((jets[0] - before[0]).abs() / scale).amax())
        # Rounding: the steps no longer shrink, and they are small.
        met = moved <= 1e-3 * local or (moved <= max(local, 1e-11) and moved > 0.3 * last)
        # An iterate that is not finite cannot come back; a shorter step can.
        if met or not math.isfinite(moved):
            break
        last = moved
    algebraic = torch.tensor([order == 0 for order in system.orders])
    # The first value of an algebraic unknown is none of the data: the polynomial through the stages has it.
    extrapolated = torch.from_numpy(lagrange(method.nodes[1:], np.zeros(1))) @ jets[0]
    first = start[:1] if len(start) else extrapolated
    values = torch.cat([torch.where(algebraic, extrapolated, first), jets[0]])
    return Trial(values, jets[: len(start), -1], met)


def defect(system: System, method: Radau, trial: Trial, t: float, step: float, scale: Tensor) -> float:
    """The largest residual at the start and between the stages, as a relative error of the unknowns.

    A switch between two stages, or before the first one, is seen by none of them. Each equation is divided by
    max_k |∂F/∂u^{(k)}| Δ^-k times the size of u: what a change of u in the middle of the step would cause.
    """
    nodes = method.nodes
    between = np.concatenate([[0.0], (nodes[:-1] + nodes[1:]) / 2])
    derivative = torch.from_numpy(differentiation(nodes)) / step
    rows = torch.from_numpy(lagrange(nodes, between))
    jets = [rows @ trial.values]
    for _ in range(max(system.orders)):
        rows = rows @ derivative
        jets.append(rows @ trial.values)
    r, sensitivity = system.residual(t, step, between, torch.stack(jets))
    units = torch.stack([scale[u] / step ** index[0] for u, index in system.operator.slots])
    size = (sensitivity.abs() * units).amax((0, 2)).clamp_min(1e-300)
    return float((r.abs().amax(0) / size).amax())


def _solved(matrix: Tensor, rhs: Tensor) -> Tensor | None:
    """The solution of a square system with equilibrated rows and columns; None where it is singular."""
    rows = matrix.abs().amax(1)
    if bool((rows == 0).any()):
        return None
    balanced = matrix / rows[:, None]
    columns = balanced.abs().amax(0)
    if bool((columns == 0).any()):
        return None
    found, info = torch.linalg.solve_ex(balanced / columns, rhs / rows)
    if int(info) or not bool(found.isfinite().all()):
        return None
    return found / columns
