"""Variable projection: least squares in which some parameters are linear, and are eliminated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pdesolve.least_squares.dense.levenberg_marquardt import LevenbergMarquardtSettings, levenberg_marquardt
from pdesolve.least_squares.dense.linear import column_norms, column_space
from pdesolve.least_squares.dense.stopping import Result
from pdesolve.runs.monitor import Monitor


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
    # D⁻¹ V S⁻¹, (l + k·u, rank); Φ⁺ = D⁻¹ V S⁻¹ Uᵀ
    weighted: Tensor
    c: Tensor  # (l + k·u,)
    residual: Tensor  # (m,)
    components: int  # k


class SeparableProblem:
    """r(α) = Φ(α) c(α) - y with c(α) = Φ(α)⁺ y: what is left of min_{α,c} |Φ(α) c - y| after eliminating c.

    Component k owns q nonlinear parameters α_k and u columns φ_ku of Φ, which depend on α_k alone; then

        ∂r/∂α_kq = P Σ_u c_ku ∂φ_ku/∂α_kq - Σ_u (Φ⁺)ᵀ_ku (∂φ_ku/∂α_kq · r),   P = I - ΦΦ⁺

    (Golub & Pereyra 1973, eq. 4.4). Kaufman's approximation drops the second term,
    which is orthogonal to the first and vanishes with r. With a rank-deficient Φ, Φ⁺ is the truncated
    pseudo-inverse of the column-scaled matrix.

    Args:
        basis: α (k·q,) → φ of shape (m, k) or (m, k, u).
        basis_jacobian: α (k·q,) → ∂φ_ku/∂α_kq of shape (m, k, q) or (m, k, u, q); or None.
        target: y, shape (m,).
        fixed: columns that do not depend on α, shape (m, l), or None.
        cutoff: relative singular-value cut-off of the linear solve; None: `default_cutoff`.
        kaufman: whether to drop the second term.
        ridge: μ ≥ 0 adds the rows μ c = 0. Coalescing components have coefficients that grow without bound
            and cancel; they lose digits and stall the iteration. Rounding costs ε |c|, the ridge μ |c|.
        moved: α (k·q,), c (k, u) → Σ_u c_ku ∂φ_ku/∂α_kq of shape (m, k, q), all that Kaufman's approximation needs:
            u times smaller than what `basis_jacobian` returns, which is then not asked for.

    Source: Golub & Pereyra 1973, SIAM J. Numer. Anal. 10, 413–432; Kaufman 1975, BIT 15, 49–57.
    """

    def __init__(
        self,
        basis: Callable[[Tensor], Tensor],
        basis_jacobian: Callable[[Tensor], Tensor] | None,
        target: Tensor,
        fixed: Tensor | None = None,
        cutoff: float | None = None,
        kaufman: bool = False,
        ridge: float = 0.0,
        moved: Callable[[Tensor, Tensor], Tensor] | None = None,
    ):
        self.basis = basis
        self.basis_jacobian = basis_jacobian
        self.moved = moved
        self.target = target
        self.cutoff = cutoff
        self.kaufman = kaufman
        self.ridge = ridge
        if fixed is None:
            self.fixed = target.new_zeros(len(target), 0)
        else:
            self.fixed = fixed
        self._last: _Projection | None = None

    def replace_target(self, target: Tensor, fixed: Tensor | None = None) -> None:
        """Go on with other rows: basis and its Jacobian have changed, too."""
        self.target = target
        if fixed is None:
            self.fixed = target.new_zeros(len(target), 0)
        else:
            self.fixed = fixed
        self._last = None

    def residual(self, alpha: Tensor) -> Tensor:
        """r(α), shape (m,), then μ c where there is a ridge; not-a-number where Φ(α) is not finite."""
        return self._project(alpha).residual

    def jacobian(self, alpha: Tensor) -> Tensor:
        """∂r/∂α, shape (m, k·q), in the order of α (component by component)."""
        projection = self._project(alpha)
        fixed = self.fixed.shape[1]
        if self.moved is not None:
            moved = self.moved(alpha, projection.c[fixed:].reshape(projection.components, -1))
            return self._projected(projection, moved.flatten(1))
        assert self.basis_jacobian is not None  # one of the two is given
        dφ = self.basis_jacobian(alpha)
        if dφ.ndim == 3:  # m k u q
            dφ = dφ[:, :, None, :]
        m, k, u, q = dφ.shape
        moved = torch.einsum("mkuq,ku->mkq", dφ, projection.c[fixed:].reshape(k, u)).reshape(m, k * q)
        J = self._projected(projection, moved)
        if self.kaufman:
            return J
        along = torch.einsum("mkuq,m->kuq", dφ, projection.residual[:m])
        weighted = projection.weighted[fixed:].reshape(k, u, -1)
        return J - projection.U @ torch.einsum("kur,kuq->rkq", weighted, along).reshape(-1, k * q)

    def _projected(self, projection: _Projection, moved: Tensor) -> Tensor:
        """(I - U Uᵀ) of the moved columns (m, k·q), below which the rows of the ridge do not move."""
        m = len(moved)
        J = moved.new_zeros(len(projection.U), moved.shape[1])
        J[:m] = moved
        return J.addmm_(projection.U, projection.U[:m].T @ moved, alpha=-1)

    def coefficients(self, alpha: Tensor) -> tuple[Tensor, Tensor, int]:
        """The eliminated unknowns: coefficients (k, u), fixed ones (l,), and the rank behind them."""
        projection = self._project(alpha)
        fixed = self.fixed.shape[1]
        c = projection.c[fixed:].reshape(projection.components, -1)
        return c, projection.c[:fixed], projection.U.shape[1]

    def removal_costs(self, alpha: Tensor) -> Tensor:
        """By how much |r|² grows without component k, (k,): c_k² / ((ΦᵀΦ)⁻¹)_kk, summed over its columns."""
        projection = self._project(alpha)
        fixed = self.fixed.shape[1]
        inverse = projection.weighted[fixed:].square().sum(1)
        costs = projection.c[fixed:].square() / inverse.clamp_min(torch.finfo(inverse.dtype).tiny)
        return costs.reshape(projection.components, -1).sum(1)

    def complement(self, alpha: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
        """A basis (m, r) of the fixed columns and those of some components, and what it leaves of y, (m,)."""
        φ = self.basis(alpha)[:, kept].flatten(1)
        Φ = torch.cat([self.fixed, φ], dim=1)
        ridge = self.ridge * torch.eye(Φ.shape[1], dtype=Φ.dtype, device=Φ.device)
        Q = torch.linalg.qr(torch.cat([Φ, ridge]) / column_norms(Φ)).Q[: len(Φ)]
        return Q, self.target - Q @ (Q.T @ self.target)

    def _project(self, alpha: Tensor) -> _Projection:
        # Residual and Jacobian are asked for at the same α, one after the other.
        if self._last is None or not torch.equal(self._last.alpha, alpha):
            self._last = self._decompose(alpha.detach().clone())
        return self._last

    def _decompose(self, alpha: Tensor) -> _Projection:
        φ = self.basis(alpha)
        k = φ.shape[1]
        Φ, y = self._with_ridge(torch.cat([self.fixed, φ.flatten(1)], dim=1))
        if not bool(torch.isfinite(Φ).all()):
            nothing = Φ.new_full(Φ.shape, torch.nan)
            return _Projection(alpha, Φ[:, :0], nothing[:0].T, nothing[0], nothing[:, 0], k)
        space = column_space(Φ, self.cutoff)
        c = space.solve(y)
        return _Projection(alpha, space.Q, space.C, c, Φ @ c - y, k)

    def _with_ridge(self, Φ: Tensor) -> tuple[Tensor, Tensor]:
        """Φ and y with the rows μ c = 0 below them, if μ > 0."""
        if self.ridge == 0:
            return Φ, self.target
        free = self.fixed.shape[1]
        count = Φ.shape[1] - self.fixed.shape[1]
        rows = torch.cat([Φ.new_zeros(count, free), self.ridge * torch.eye(count).to(Φ)], dim=1)
        return torch.cat([Φ, rows]), torch.cat([self.target, self.target.new_zeros(count)])


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
