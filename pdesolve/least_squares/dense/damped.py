"""Damped linear least squares, min |J δ + r|² + λ |D δ|²: one decomposition for every λ."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pdesolve.least_squares.dense.sketched import SketchedProblem, sketched_problem


@dataclass(frozen=True)
class DampedProblem:
    """min |J δ + r|² + λ |D δ|² for every λ from one decomposition J D⁻¹ = U diag(s) Vᵀ.

    δ(λ) = -D⁻¹ V diag(1 / (s² + λ)) γ,   γ = Vᵀ D⁻¹ Jᵀ r.

    As λ → 0 this is the Gauss–Newton step, as λ → ∞ it is -D⁻² Jᵀ r / λ, scaled steepest descent.

    Attributes:
        scale: D, shape (p,).
        s: singular values, shape (q,), q = min(m, p).
        V: right singular vectors, shape (p, q).
        gamma: γ, shape (q,).
    """

    scale: Tensor
    s: Tensor
    V: Tensor
    gamma: Tensor

    def step(self, damping: float) -> Tensor:
        """δ(λ), shape (p,)."""
        return -(self.V @ (self.gamma / (self.s**2 + damping))) / self.scale

    def predicted_decrease(self, damping: float) -> float:
        """½ |r|² - ½ |r + J δ(λ)|² = ½ Σ γ² (s² + 2λ) / (s² + λ)²."""
        s2 = self.s**2
        return 0.5 * float((self.gamma**2 * (s2 + 2 * damping) / (s2 + damping) ** 2).sum())

    def smallest_damping(self) -> float:
        """(ε σ_1)²: damping below it cannot be seen beside rounding."""
        return float(torch.finfo(self.s.dtype).eps * self.s[0]) ** 2

    def largest_damping(self) -> float:
        """σ_1²: damping above it makes steepest descent of every step."""
        return float(self.s[0]) ** 2

    def solve(self, gradient: Tensor, damping: float) -> Tensor:
        """(JᵀJ + λD²)⁻¹ g for a gradient g (p,)."""
        return (self.V @ ((self.V.T @ (gradient / self.scale)) / (self.s**2 + damping))) / self.scale

    def gradient(self) -> Tensor:
        """Jᵀr = D V γ, (p,)."""
        return self.scale * (self.V @ self.gamma)


@dataclass(frozen=True)
class NormalProblem:
    """The same from G = D⁻¹JᵀJD⁻¹ and g = D⁻¹Jᵀr, by a Cholesky factorisation of G + λI for every λ.

    Attributes:
        scale: D, shape (p,).
        gram: G, shape (p, p).
        g: g, shape (p,).
    """

    scale: Tensor
    gram: Tensor
    g: Tensor

    def step(self, damping: float) -> Tensor:
        """δ(λ), shape (p,)."""
        return -self.solve(self.scale * self.g, damping)

    def solve(self, gradient: Tensor, damping: float) -> Tensor:
        """(JᵀJ + λD²)⁻¹ g for a gradient g (p,); not-a-number where rounding has made the matrix indefinite."""
        damped = self.gram.clone()
        damped.diagonal().add_(damping)
        L, failed = torch.linalg.cholesky_ex(damped)
        if bool(failed):
            return torch.full_like(gradient, torch.nan)
        return torch.cholesky_solve((gradient / self.scale)[:, None], L)[:, 0] / self.scale

    def predicted_decrease(self, damping: float) -> float:
        """½ |r|² - ½ |r + J δ(λ)|² = ½ (λ |Dδ|² - gᵀDδ)."""
        δ = self.scale * self.step(damping)
        return 0.5 * float(damping * (δ @ δ) - self.g @ δ)

    def smallest_damping(self) -> float:
        """The damping p ε σ_1²: below it nothing is seen beside the rounding of G."""
        return torch.finfo(self.gram.dtype).eps * len(self.g) * self.largest_damping()

    def largest_damping(self) -> float:
        """A bound of σ_1²: the largest column sum of G."""
        return float(self.gram.abs().sum(0).max())

    def gradient(self) -> Tensor:
        """Jᵀr, (p,)."""
        return self.scale * self.g


Linearisation = DampedProblem | NormalProblem | SketchedProblem


def decompose(J: Tensor, r: Tensor, scale: Tensor, factorisation: str = "svd") -> Linearisation:
    """Decompose the scaled Jacobian J D⁻¹ of shape (m, p) together with r (m,).

    Raises:
        ValueError: for an unknown factorisation.
    """
    if factorisation == "cholesky":
        return NormalProblem(scale, J.T @ J / scale / scale[:, None], J.T @ r / scale)
    if factorisation == "sketch":
        return sketched_problem(J, r, scale)
    scaled = J / scale
    m, p = J.shape
    if factorisation == "eigh":
        return damped_by_eigenvalues(scaled.T @ scaled, scaled.T @ r, scale)
    if factorisation != "svd":
        message = (
            f"factorisation {factorisation!r} is unknown; expected 'svd', 'eigh', 'cholesky' or 'sketch'"
        )
        raise ValueError(message)
    if m > p + 1:
        R = torch.linalg.qr(torch.cat([scaled, r[:, None]], dim=1), mode="r").R
        scaled = R[:p, :p]
        r = R[:p, p]
    U, s, Vh = torch.linalg.svd(scaled, full_matrices=False)
    return DampedProblem(scale, s, Vh.T, s * (U.T @ r))


def damped_by_eigenvalues(gram: Tensor, gradient: Tensor, scale: Tensor) -> DampedProblem:
    """The damped problem of G = D⁻¹JᵀJD⁻¹ (p, p) and D⁻¹Jᵀr (p,)."""
    values, V = torch.linalg.eigh(gram)
    values = values.flip(0).clamp_min(0)
    V = V.flip(1)
    # Eigenvalues below ε λ_1 are noise; the smallest damping must stay above it.
    floor = torch.finfo(gram.dtype).eps * len(gradient) * values[0]
    return DampedProblem(scale, values.clamp_min(float(floor)).sqrt(), V, V.T @ gradient)
