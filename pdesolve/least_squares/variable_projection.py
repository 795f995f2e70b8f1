"""Variable projection: least squares in which some parameters are linear, and are eliminated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pdesolve.least_squares.levenberg_marquardt import LevenbergMarquardtSettings, levenberg_marquardt
from pdesolve.least_squares.linear import column_norms, default_cutoff
from pdesolve.least_squares.stopping import Result
from pdesolve.monitor import Monitor


@dataclass(frozen=True)
class VariableProjectionResult:
    """A solved separable problem.

    Attributes:
        alpha: nonlinear parameters, shape (k·q,).
        coefficients: linear ones c, shape (k, u).
        fixed_coefficients: those of the fixed columns, shape (l,).
        rank: kept singular values of the last linear solve.
        loss: ½ |r|².
        iterations: number of linearisations.
        status: a sentence.
        converged: whether a tolerance was met.
    """

    alpha: Tensor
    coefficients: Tensor
    fixed_coefficients: Tensor
    rank: int
    loss: float
    iterations: int
    status: str
    converged: bool


@dataclass(frozen=True)
class _Projection:
    """Φ D⁻¹ = U S Vᵀ at one α, truncated, with everything that follows from it."""

    alpha: Tensor
    U: Tensor  # (m, rank)
    pseudo_inverse: Tensor  # Φ⁺ = D⁻¹ V S⁻¹ Uᵀ, (l + k·u, m)
    c: Tensor  # (l + k·u,)
    residual: Tensor  # (m,)


class SeparableProblem:
    """r(α) = Φ(α) c(α) - y with c(α) = Φ(α)⁺ y: what is left of min_{α,c} |Φ(α) c - y| after eliminating c.

    Component k owns q nonlinear parameters α_k and u columns φ_ku of Φ, which depend on α_k alone; then

        ∂r/∂α_kq = P Σ_u c_ku ∂φ_ku/∂α_kq - Σ_u (Φ⁺)ᵀ_ku (∂φ_ku/∂α_kq · r),   P = I - ΦΦ⁺

    (Golub & Pereyra 1973, eq. 4.4). Kaufman's approximation drops the second term,
    which is orthogonal to the first and vanishes with r. With a rank-deficient Φ, Φ⁺ is the truncated
    pseudo-inverse of the column-scaled matrix.

    Args:
        basis: α (k·q,) → φ of shape (m, k) or (m, k, u).
        basis_jacobian: α (k·q,) → ∂φ_ku/∂α_kq of shape (m, k, q) or (m, k, u, q).
        target: y, shape (m,).
        fixed: columns that do not depend on α, shape (m, l), or None.
        cutoff: relative singular-value cut-off of the linear solve; None: `default_cutoff`.
        kaufman: whether to drop the second term.

    Source: Golub & Pereyra 1973, SIAM J. Numer. Anal. 10, 413–432; Kaufman 1975, BIT 15, 49–57.
    """

    def __init__(
        self,
        basis: Callable[[Tensor], Tensor],
        basis_jacobian: Callable[[Tensor], Tensor],
        target: Tensor,
        fixed: Tensor | None = None,
        cutoff: float | None = None,
        kaufman: bool = False,
    ):
        self.basis, self.basis_jacobian = basis, basis_jacobian
        self.target, self.cutoff, self.kaufman = target, cutoff, kaufman
        self.fixed = target.new_zeros(len(target), 0) if fixed is None else fixed
        self._last: _Projection | None = None

    def residual(self, alpha: Tensor) -> Tensor:
        """r(α), shape (m,); not-a-number throughout where Φ(α) is not finite."""
        return self._project(alpha).residual

    def jacobian(self, alpha: Tensor) -> Tensor:
        """∂r/∂α, shape (m, k·q), in the order of α (component by component)."""
        projection = self._project(alpha)
        dφ = self.basis_jacobian(alpha)
        dφ = dφ[:, :, None, :] if dφ.ndim == 3 else dφ  # m k u q
        m, k, u, q = dφ.shape
        fixed = self.fixed.shape[1]
        moved = torch.einsum("mkuq,ku->mkq", dφ, projection.c[fixed:].reshape(k, u)).reshape(m, k * q)
        J = moved - projection.U @ (projection.U.T @ moved)
        if self.kaufman:
            return J
        along = torch.einsum("mkuq,m->kuq", dφ, projection.residual)
        pseudo = projection.pseudo_inverse[fixed:].reshape(k, u, m)
        return J - torch.einsum("kum,kuq->mkq", pseudo, along).reshape(m, k * q)

    def coefficients(self, alpha: Tensor) -> tuple[Tensor, Tensor, int]:
        """The eliminated unknowns: coefficients (k, u), fixed ones (l,), and the rank behind them."""
        projection = self._project(alpha)
        φ = self.basis(alpha)
        fixed, shape = self.fixed.shape[1], (φ.shape[1], φ.shape[2] if φ.ndim == 3 else 1)
        return projection.c[fixed:].reshape(shape), projection.c[:fixed], projection.U.shape[1]

    def _project(self, alpha: Tensor) -> _Projection:
        if self._last is None or not torch.equal(self._last.alpha, alpha):
            self._last = self._decompose(alpha.detach().clone())
        return self._last

    def _decompose(self, alpha: Tensor) -> _Projection:
        Φ = torch.cat([self.fixed, self.basis(alpha).reshape(len(self.target), -1)], dim=1)
        m, columns = Φ.shape
        if not bool(torch.isfinite(Φ).all()):
            nothing = Φ.new_full((columns, m), torch.nan)
            return _Projection(alpha, Φ.new_zeros(m, 0), nothing, nothing[:, 0], Φ.new_full((m,), torch.nan))
        scale = column_norms(Φ)
        Q, R = torch.linalg.qr(Φ / scale)
        U, s, Vh = torch.linalg.svd(R, full_matrices=False)
        cutoff = default_cutoff(Φ) if self.cutoff is None else self.cutoff
        rank = int((s > cutoff * s[0]).sum())
        U = Q @ U[:, :rank]
        weighted = (Vh[:rank].T / s[:rank]) / scale[:, None]
        c = weighted @ (U.T @ self.target)
        return _Projection(alpha, U, weighted @ U.T, c, Φ @ c - self.target)


def variable_projection(
    problem: SeparableProblem,
    alpha0: Tensor,
    monitor: Monitor | None = None,
    settings: LevenbergMarquardtSettings | None = None,
) -> VariableProjectionResult:
    """Minimise ½ |Φ(α) c - y|² over α and c by Levenberg–Marquardt on α alone.

    Args:
        problem: the separable problem.
        alpha0: starting point, shape (k·q,).
        monitor: history, time limit, checkpoints.
        settings: limits and constants of the iteration.

    Returns:
        Both sets of parameters at the last good iterate.
    """
    result: Result = levenberg_marquardt(problem.residual, problem.jacobian, alpha0, monitor, settings)
    c, fixed, rank = problem.coefficients(result.theta)
    return VariableProjectionResult(
        result.theta, c, fixed, rank, result.loss, result.iterations, result.status, result.converged
    )
