"""Damped Gauss–Newton steps without JᵀJ: conjugate gradients behind a randomised sketch of it.

For p parameters and m rows JᵀJ costs m p² operations and a factorisation p³; a sketch of ℓ columns costs 2 m p ℓ, and
every iteration of conjugate gradients 2 m p. Jacobians of trained approximators have singular values that fall fast: a
sketch of the ones above the damping leaves nothing to iterate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

# Columns of the sketch per parameter
SHARE = 1 / 8
# Of the residual of the normal equations: an inexact Newton step
TOLERANCE = 1e-2
# A step that is not accurate by then is a direction of descent all the same.
ITERATIONS = 40


@dataclass(frozen=True)
class Sketch:
    """G ≈ U diag(Λ) Uᵀ for a positive semidefinite G (p, p), from ℓ products G ω.

    Attributes:
        U: (p, ℓ), orthonormal columns.
        values: Λ, (ℓ,), descending.
    """

    U: Tensor
    values: Tensor

    def preconditioned(self, v: Tensor, damping: float) -> Tensor:
        """P⁻¹ v for P = U (Λ + λ) Uᵀ / (Λ_ℓ + λ) + I - U Uᵀ, the preconditioner of G + λ I (their eq. 5.3)."""
        inner = self.U.T @ v
        return v + self.U @ (((self.values[-1] + damping) / (self.values + damping) - 1) * inner)


@dataclass(frozen=True)
class SketchedProblem:
    """min |J δ + r|² + λ |D δ|² for every λ from one sketch of G = D⁻¹JᵀJD⁻¹.

    Attributes:
        scale: D, (p,).
        J: (m, p).
        r: (m,).
        g: D⁻¹Jᵀr, (p,).
        sketch: of G.
        tolerance: |(G + λ) y - b| / |b| at which conjugate gradients end.
        iterations: most of them.
    """

    scale: Tensor
    J: Tensor
    r: Tensor
    g: Tensor
    sketch: Sketch
    tolerance: float = TOLERANCE
    iterations: int = ITERATIONS
    _last: dict[float, Tensor] = field(default_factory=dict)

    def step(self, damping: float) -> Tensor:
        """δ(λ), (p,)."""
        if damping not in self._last:
            self._last.clear()
            self._last[damping] = -self.solve(self.gradient(), damping)
        return self._last[damping]

    def solve(self, gradient: Tensor, damping: float) -> Tensor:
        """(JᵀJ + λD²)⁻¹ g for a gradient g (p,), to the tolerance."""
        b = gradient / self.scale
        y = torch.zeros_like(b)
        rest = b.clone()
        z = self.sketch.preconditioned(rest, damping)
        direction = z.clone()
        size = rest @ z
        end = self.tolerance * float(torch.linalg.vector_norm(b))
        for _ in range(self.iterations):
            if float(torch.linalg.vector_norm(rest)) <= end:
                break
            image = _gram(self.J, self.scale, direction) + damping * direction
            length = size / (direction @ image)
            y = y + length * direction
            rest = rest - length * image
            z = self.sketch.preconditioned(rest, damping)
            size, before = rest @ z, size
            direction = z + size / before * direction
        return y / self.scale

    def predicted_decrease(self, damping: float) -> float:
        """½ |r|² - ½ |r + J δ(λ)|²."""
        moved = self.J @ self.step(damping)
        return -float(self.r @ moved + 0.5 * (moved @ moved))

    def smallest_damping(self) -> float:
        """The damping p ε σ_1²: below it nothing is seen beside the rounding of G."""
        return torch.finfo(self.g.dtype).eps * len(self.g) * self.largest_damping()

    def largest_damping(self) -> float:
        """σ_1²."""
        return float(self.sketch.values[0])

    def gradient(self) -> Tensor:
        """Jᵀr, (p,)."""
        return self.scale * self.g


def sketched_problem(J: Tensor, r: Tensor, scale: Tensor, columns: int | None = None) -> SketchedProblem:
    """The damped problem of J D⁻¹ (m, p) and r (m,) behind a sketch of so many columns.

    Args:
        J: Jacobian.
        r: residual.
        scale: D, (p,).
        columns: ℓ; None: p / 8.
    """
    p = J.shape[1]
    columns = min(p, max(1, math.ceil(SHARE * p) if columns is None else columns))
    return SketchedProblem(scale, J, r, J.T @ r / scale, nystroem(J, scale, columns))


def nystroem(J: Tensor, scale: Tensor, columns: int) -> Sketch:
    """The Nyström approximation G Ω (ΩᵀGΩ)⁻¹ ΩᵀG of G = D⁻¹JᵀJD⁻¹, Ω (p, ℓ) with random orthonormal columns.

    The same Ω each time, so that a run can be made again. Source: Frangella, Tropp & Udell 2023, "Randomized Nyström
    preconditioning", SIAM J. Matrix Anal. Appl. 44, Algorithm 2.1.
    """
    p = J.shape[1]
    noise = torch.randn(p, columns, generator=torch.Generator().manual_seed(p), dtype=torch.float64)
    omega = torch.linalg.qr(noise.to(J)).Q
    Y = _gram(J, scale, omega)
    # So that the core stays positive definite beside rounding; taken off the eigenvalues at the end.
    shift = torch.finfo(J.dtype).eps * p**0.5 * torch.linalg.matrix_norm(Y)
    Y = Y + shift * omega
    core = omega.T @ Y
    L, failed = torch.linalg.cholesky_ex((core + core.T) / 2)
    # Rounding beyond the shift: take a larger one
    if bool(failed):
        core.diagonal().add_(float(torch.finfo(J.dtype).eps ** 0.75 * core.diagonal().max()))
        L = torch.linalg.cholesky((core + core.T) / 2)
    B = torch.linalg.solve_triangular(L, Y.T, upper=False).T
    U, s, _ = torch.linalg.svd(B, full_matrices=False)
    return Sketch(U, (s.square() - shift).clamp_min(0.0))


def _gram(J: Tensor, scale: Tensor, v: Tensor) -> Tensor:
    """G v = D⁻¹Jᵀ(J D⁻¹ v) for v (p,) or (p, ℓ)."""
    if v.ndim != 1:
        scale = scale[:, None]
    return J.T @ (J @ (v / scale)) / scale
