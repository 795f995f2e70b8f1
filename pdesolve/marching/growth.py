"""What grows while an evolution is marched: the fastest rate, which a slab must not pass over.

An implicit method damps what should grow fast: of u' = λu a Radau method of s stages follows e^{λΔ} up to λΔ ~ s, and
tends to zero beyond. So a part of the solution that begins with 1e-8 and would outgrow everything else stays as small,
in both marches alike, and no estimate shows that it lacks. Slabs are as short as the fastest growing mode needs.

Of the rows P(λ) = A₀ + λ A₁ + λ² A₂ linearised at a state, modes P(λ) x = 0 have Re λ of about G at most: the larger of
the largest eigenvalue of the symmetric part of -(∂F/∂u')⁻¹ ∂F/∂u at any point, and of what the equation with its
coefficients there makes of waves e^{iκy + λt}: derivatives in space make waves grow, too, as in u_t = -u_xxxx - 8u_xx.
Only where G asks for it are modes looked for, beginning with those nearest to σ, a little beyond G: P(σ) w = A₁ v, or
for second order P(σ) w = A₂ v' + A₁ v + σ A₂ v, w' = σ w - v, has the eigenvalues 1/(σ - λ), which Arnoldi's method
finds from the largest on.

A slab follows growth by e^z, z = λΔ, up to that z from which on the method's R(z) is wrong by more than the tolerance
of a slab: what begins far below the tolerance may end as the whole solution, and its errors are not seen before.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from pdesolve.marching.radau import radau
from pdesolve.marching.rows import TermRows
from pdesolve.marching.space import Space
from pdesolve.marching.step import Frozen, Stepper

MODES = 12  # vectors of Arnoldi's method: eigenvalues of a diffusion are far apart on the scale of what grows
NEAREST = 4  # of its values, those that have converged
BEYOND = 1.1  # times G: where the shift is, for at an eigenvalue nothing can be solved
# Of the local waves: each costs an eigenproblem of the size of the system, and rates vary slowly with both.
POINTS = 16
LENGTHS = 12
TRIED = 100  # values of λΔ
LEAST = 0.5  # of λΔ: slabs that are shorter for it cost more than an error of the size of rounding is worth
INFINITE = 1e-10  # of 1/|σ - λ|: rates of equations without ∂_t
LAST = 0.5  # of the degree over the half width: the shortest waves that patches resolve


@dataclass(eq=False)
class Growth:
    """The fastest rate of growth, found once for each linearisation of a march."""

    _of: Frozen | None = None
    _bound: float = 0.0
    _rate: float = 0.0
    _known: bool = False

    def longest(self, stepper: Stepper, length: float, tolerance: float) -> float:
        """The longest slab that follows what grows fastest; infinite where a slab of this length outgrows nothing.

        On a shorter slab than one that was outgrown, the rate that was found there stands for its own.
        """
        frozen = stepper.frozen
        if frozen is None or not stepper.alone or stepper.system.space.evolution.depth > 2:
            return math.inf
        if frozen is not self._of:
            self._of = frozen
            linearised = _linearised(stepper, frozen)
            shift = stepper.method.stages / frozen.length
            space = stepper.system.space
            self._bound = max(_bound(space, linearised), _of_waves(space, linearised, shift))
            self._known = False
        follows = followed(stepper.method.stages, tolerance)
        if self._bound * length > follows and not self._known:
            self._rate = _fastest(stepper, BEYOND * self._bound)
            self._known = True
        rate = min(self._rate, BEYOND * self._bound)
        if rate <= 0:
            return math.inf
        return follows / rate


@lru_cache(maxsize=256)
def followed(stages: int, tolerance: float) -> float:
    """The largest z ≤ s up to which |R(z) e^{-z} - 1| is within the tolerance."""
    method = radau(stages)
    tried = np.linspace(0, stages, TRIED + 1)[1:]
    for z in tried:
        stability = np.linalg.solve(method.matrix - z * np.eye(stages), -method.start)[-1]
        if abs(stability * np.exp(-z) - 1) > tolerance:
            return float(max(z - tried[0], LEAST))
    return float(stages)


def _linearised(stepper: Stepper, frozen: Frozen) -> list[tuple[TermRows, Tensor]]:
    """The rows of the equation and their sensitivities (n, c, s), at the points that count."""
    times = torch.tensor([frozen.time], dtype=torch.float64)
    found = []
    for rows in stepper.system.rows:
        if not rows.boundary:
            dF = rows.linearise(frozen.derivatives, times)[0]
            found.append((rows, dF[rows.points.weight.expand(dF.shape[:2]) > 0]))
    return found


def _bound(space: Space, linearised: list[tuple[TermRows, Tensor]]) -> float:
    """G, at the points of the rows; 0 where a time derivative stands under one in space, or cannot be solved for."""
    if not bool((space.evolution.time_orders == 1).all()):
        return 0.0
    found = [0.0]
    for rows, dF in linearised:
        parts = _by_order(rows, dF)
        if parts is None:
            return 0.0
        rates, info = torch.linalg.solve_ex(parts[1], -parts[0])
        if bool(info.any()) or not bool(rates.isfinite().all()):
            return 0.0
        found.append(float(torch.linalg.eigvalsh((rates + rates.mT) / 2).max()))
    return max(found)


def _by_order(rows: TermRows, dF: Tensor) -> Tensor | None:
    """∂F/∂u and ∂F/∂u' (2, n, u, u) of sensitivities (n, c, s)."""
    unknowns = rows.space.unknowns
    parts = dF.new_zeros(2, len(dF), unknowns, unknowns)
    for slot, (unknown, index) in enumerate(rows.term.slots):
        if not any(index[:-1]):
            parts[index[-1], :, :, unknown] = dF[..., slot]
        elif index[-1]:
            return None
    return parts


def _of_waves(space: Space, linearised: list[tuple[TermRows, Tensor]], shift: float) -> float:
    """The largest Re λ > 0 of waves e^{iκy + λt} of the equation with its coefficients at some points."""
    waves = _wave_vectors(space)
    largest = 0.0
    for rows, dF in linearised:
        parts = _symbols(rows, dF[:: max(1, len(dF) // POINTS)], waves)
        if parts.shape[-1] == parts.shape[-2]:
            largest = max(largest, _largest_rate(parts, shift))
    return largest


def _wave_vectors(space: Space) -> Tensor:
    """κ (w, d): waves along axes and diagonals, from the longest in the domain to the shortest that are resolved."""
    corners = torch.stack([space.centre - space.half, space.centre + space.half])
    longest = math.pi / float((corners[1].amax(0) - corners[0].amin(0)).max())
    shortest = max(LAST * space.q / float(space.half.min()), 2 * longest)
    lengths = torch.logspace(math.log10(longest), math.log10(shortest), LENGTHS, dtype=torch.float64)
    signs = [
        v for v in itertools.product((1.0, 0.0, -1.0), repeat=space.d) if next(filter(None, v), -1.0) > 0
    ]
    directions = torch.tensor(signs, dtype=torch.float64)
    directions = directions / directions.norm(dim=1, keepdim=True)
    return (lengths[:, None, None] * directions).flatten(0, 1)


def _symbols(rows: TermRows, dF: Tensor, waves: Tensor) -> Tensor:
    """A_j (depth + 1, n w, c, u) of sensitivities dF (n, c, s) and waves κ (w, d): each ∂_k is iκ_k."""
    space = rows.space
    depth = space.evolution.depth
    n, c = dF.shape[:2]
    found = torch.zeros(depth + 1, n, len(waves), c, space.unknowns, dtype=torch.complex128)
    for slot, (unknown, index) in enumerate(rows.term.slots):
        powers = torch.tensor(index[:-1])
        factor = (1j * waves.to(torch.complex128)).pow(powers).prod(1)
        found[index[-1], ..., unknown] += dF[:, None, :, slot] * factor[:, None]
    return found.flatten(1, 2)


def _largest_rate(parts: Tensor, shift: float) -> float:
    """The largest Re λ > 0 with det(Σ_j λʲ A_j) = 0, for A_j (depth + 1, m, n, n)."""
    parts = parts[:, parts.isfinite().all(-1).all(-1).all(0)]
    stiffness, mass = parts[0], parts[1]
    if len(parts) == 3:  # with y = λx
        one, zero = torch.eye(parts.shape[-1]).expand_as(mass).to(mass), torch.zeros_like(mass)
        stiffness = torch.cat([torch.cat([zero, -one], -1), torch.cat([parts[0], parts[1]], -1)], -2)
        mass = torch.cat([torch.cat([one, zero], -1), torch.cat([zero, parts[2]], -1)], -2)
    solved, info = torch.linalg.solve_ex(stiffness + shift * mass, mass)
    inverse = torch.linalg.eigvals(solved[(info == 0) & solved.isfinite().all(-1).all(-1)])
    inverse = inverse[inverse.abs() > INFINITE * inverse.abs().amax(-1, keepdim=True).clamp_min(1e-300)]
    if not len(inverse):
        return 0.0
    return max(float((shift - 1 / inverse).real.max()), 0.0)


def _fastest(stepper: Stepper, shift: float) -> float:
    """The largest Re λ near a shift to the right of all."""
    pencil = stepper.linearised.pencil
    factors = stepper.factored_at(torch.tensor([shift], dtype=torch.complex128)).parts[0]

    def solved(v: Tensor) -> Tensor:
        """(depth, e, n) ↦ the same."""
        right = pencil[1] @ v[0][..., None]
        if len(pencil) > 2:
            right = right + pencil[2] @ (v[1] + shift * v[0])[..., None]
        x = factors.solve(right[None, ..., 0])[0].real
        if len(pencil) > 2:
            return torch.stack([x, shift * x - v[0]])
        return x[None]

    generator = torch.Generator().manual_seed(0)
    shape = (len(pencil) - 1, *pencil[0].shape[:2])
    basis = [_unit(torch.randn(shape, generator=generator, dtype=torch.float64))]
    projected = np.zeros((MODES + 1, MODES))
    for k in range(MODES):
        w = solved(basis[k])
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
