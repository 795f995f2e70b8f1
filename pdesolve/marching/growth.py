"""What grows while an evolution is marched: the fastest rate, which a slab must not pass over.

An implicit method damps what should grow fast: of u' = λu a Radau method of s stages follows e^{λΔ} up to λΔ ~ s, and
tends to zero beyond. So a part of the solution that begins with 1e-8 and would outgrow everything else stays as small,
in both marches alike, and no estimate shows that it lacks. Slabs are as short as the fastest growing mode needs.

Of the rows A₀ u + A₁ u' linearised at a state, modes A₀ x + λ A₁ x = 0 have Re λ of at most G, the largest eigenvalue
of the symmetric part of -(∂F/∂u')⁻¹ ∂F/∂u at any point, where derivatives in space do not make anything grow by
themselves. Only where G asks for it are modes looked for, beginning with those nearest to G: (A₀ + G A₁) w = A₁ v has
the eigenvalues 1/(G - λ), which Arnoldi's method finds from the largest on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pdesolve.marching.rows import TermRows
from pdesolve.marching.step import Frozen, Stepper

MODES = 12  # vectors of Arnoldi's method: eigenvalues of a diffusion are far apart on the scale of what grows
NEAREST = 4  # of its values, those that have converged


@dataclass(eq=False)
class Growth:
    """The fastest rate of growth, found once for each linearisation of a march."""

    _of: Frozen | None = None
    _bound: float = 0.0
    _rate: float = 0.0
    _known: bool = False

    def rate(self, stepper: Stepper, length: float) -> float:
        """Re λ of the mode that grows fastest, 0 where nothing can outgrow a slab of this length.

        On a shorter slab than one that was outgrown, the rate that was found there stands for its own.
        """
        frozen = stepper.frozen
        if frozen is None or not _of_first_order(stepper):
            return 0.0
        if frozen is not self._of:
            self._of = frozen
            self._bound = _bound(stepper, frozen)
            self._known = False
        if self._bound * length > stepper.method.stages and not self._known:
            self._rate = _fastest(stepper, self._bound)
            self._known = True
        return min(self._rate, self._bound)


def _of_first_order(stepper: Stepper) -> bool:
    """Whether every unknown has one derivative in time, and nothing else is coupled to the patches."""
    evolution = stepper.system.space.evolution
    return evolution.depth == 1 and bool((evolution.time_orders == 1).all()) and stepper.alone


def _bound(stepper: Stepper, frozen: Frozen) -> float:
    """G, at the points of the rows; 0 where a time derivative stands under one in space, or cannot be solved for."""
    times = torch.tensor([frozen.time], dtype=torch.float64)
    found = [0.0]
    for rows in stepper.system.rows:
        if not rows.boundary:
            parts = _by_order(rows, rows.linearise(frozen.derivatives, times)[0])
            if parts is None:
                return 0.0
            rates, info = torch.linalg.solve_ex(parts[1], -parts[0])
            if bool(info.any()) or not bool(rates.isfinite().all()):
                return 0.0
            found.append(float(torch.linalg.eigvalsh((rates + rates.mT) / 2).max()))
    return max(found)


def _by_order(rows: TermRows, dF: Tensor) -> Tensor | None:
    """∂F/∂u and ∂F/∂u' (2, n, u, u) at the points that count."""
    unknowns = rows.space.unknowns
    dF = dF[rows.points.weight.expand(dF.shape[:2]) > 0]  # (n, c, s)
    parts = dF.new_zeros(2, len(dF), unknowns, unknowns)
    for slot, (unknown, index) in enumerate(rows.term.slots):
        if not any(index[:-1]):
            parts[index[-1], :, :, unknown] = dF[..., slot]
        elif index[-1]:
            return None
    return parts


def _fastest(stepper: Stepper, shift: float) -> float:
    """The largest Re λ near a shift to the right of all."""
    linearised = stepper.linearised
    factors = stepper.factored_at(torch.tensor([shift], dtype=torch.complex128)).parts[0]
    mass = linearised.pencil[1]
    generator = torch.Generator().manual_seed(0)
    basis = [_unit(torch.randn(mass.shape[:2], generator=generator, dtype=torch.float64))]
    projected = np.zeros((MODES + 1, MODES))
    for k in range(MODES):
        w = factors.solve((mass @ basis[k][..., None])[None, ..., 0])[0]
        for _ in range(2):  # once more, against rounding
            for i, v in enumerate(basis):
                part = float((v * w).sum())
                projected[i, k] += part
                w = w - part * v
        projected[k + 1, k] = float(w.norm())
        basis.append(_unit(w))
    values = np.linalg.eigvals(projected[:MODES])
    nearest = values[np.argsort(-abs(values))[:NEAREST]]
    return float(max((shift - 1 / nearest).real.max(), 0.0))


def _unit(v: Tensor) -> Tensor:
    return v / v.norm().clamp_min(1e-300)
