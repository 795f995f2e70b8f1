"""Linear least squares that decides the rank before it divides."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pdesolve.errors import SolveError


@dataclass(frozen=True)
class LinearSolution:
    """A solution of min |A c - b| and what was learnt about A on the way.

    Attributes:
        solution: c of shape (p,) or (p, r), as b had one or r right-hand sides.
        rank: number of singular values of the column-scaled matrix that were kept.
        singular_values: all of them, descending, shape (min(m, p),); of A D⁻¹ where columns are scaled.
        cutoff: the relative cut-off used: σ_i is kept where σ_i > cutoff · σ_1.
    """

    solution: Tensor
    rank: int
    singular_values: Tensor
    cutoff: float

    @property
    def condition(self) -> float:
        """σ_1 / σ_rank: the condition number of the part of the matrix that was inverted."""
        if self.rank == 0:
            return 1.0
        return float(self.singular_values[0] / self.singular_values[self.rank - 1])


def default_cutoff(matrix: Tensor) -> float:
    """ε · max(m, p): below it a singular value is rounding, not information.

    A backward stable SVD returns the exact singular values of A + E with |E| ≤ c(m, p) ε σ_1, c a modest
    polynomial, in practice below max(m, p); dividing by a smaller σ_i multiplies that noise into c.

    Source: Golub & Van Loan, *Matrix Computations*, 4th ed., §5.4.1 and §5.5.8; the choice of LAPACK's
    users (numpy.linalg.matrix_rank) is the same.
    """
    return torch.finfo(matrix.dtype).eps * max(matrix.shape)


def solve_rank_revealing(
    A: Tensor, b: Tensor, cutoff: float | None = None, scale_columns: bool = True
) -> LinearSolution:
    """Solve min |A c - b|₂ by a truncated singular value decomposition.

    A D⁻¹ = U Σ Vᵀ with D = diag(column norms), then c = D⁻¹ V₁ Σ₁⁻¹ U₁ᵀ b over the σ_i > cutoff · σ_1.
    Scaling makes the rank decision independent of the units of c. Of all minimisers the one with the
    smallest |D c| is returned; with `scale_columns=False` (D = I) the one with the smallest |c|.

    A tall A is first reduced by Householder QR of [A b], so that the SVD costs O(p³), not O(m p²).

    Args:
        A: matrix of shape (m, p).
        b: right-hand side of shape (m,) or (m, r).
        cutoff: relative cut-off of singular values; None: `default_cutoff`.
        scale_columns: whether columns are scaled to unit length first.

    Returns:
        The solution with the rank, singular values and cut-off behind it.

    Raises:
        ValueError: if the shapes do not match.
        SolveError: if A or b contain values that are not finite.
    """
    _check(A, b)
    if b.ndim == 2:
        columns = b
    else:
        columns = b[:, None]
    if scale_columns:
        scale = column_norms(A)
    else:
        scale = torch.ones_like(A[0])
    reduced, projected = _reduce_by_qr(A / scale, columns)
    U, s, Vh = torch.linalg.svd(reduced, full_matrices=False)
    if cutoff is None:
        cutoff = default_cutoff(A)
    if len(s):
        rank = int((s > cutoff * s[0]).sum())
    else:
        rank = 0
    c = Vh[:rank].T @ ((U[:, :rank].T @ projected) / s[:rank, None]) / scale[:, None]
    return LinearSolution(c if b.ndim == 2 else c[:, 0], rank, s, float(cutoff))


@dataclass(frozen=True)
class ColumnSpace:
    """What the columns of A (m, p) span, of numerical rank q: A⁺ = C Qᵀ.

    Attributes:
        Q: orthonormal basis, (m, q).
        C: D⁻¹ V S⁻¹ of A D⁻¹ = Q S Vᵀ, (p, q).
    """

    Q: Tensor
    C: Tensor

    def solve(self, b: Tensor) -> Tensor:
        """A⁺ b for b (m,)."""
        return self.C @ (self.Q.T @ b)


def column_space(A: Tensor, cutoff: float | None = None) -> ColumnSpace:
    """The column space of A (m, p) by QR and a truncated SVD of the column-scaled matrix; None: `default_cutoff`."""
    scale = column_norms(A)
    Q, R = torch.linalg.qr(A / scale)
    U, s, Vh = torch.linalg.svd(R, full_matrices=False)
    rank = int((s > (default_cutoff(A) if cutoff is None else cutoff) * s[0]).sum())
    return ColumnSpace(Q @ U[:, :rank], (Vh[:rank].T / s[:rank]) / scale[:, None])


def column_norms(matrix: Tensor) -> Tensor:
    """Euclidean norm of every column, shape (p,); 1 for a column of zeros, so that one can divide by it."""
    norms = torch.linalg.vector_norm(matrix, dim=0)
    return torch.where(norms > 0, norms, torch.ones_like(norms))


def _reduce_by_qr(matrix: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """(A, b) → (R, Qᵀb) with A = QR where A is tall; the least-squares solution is the same."""
    m, p = matrix.shape
    if m <= p + columns.shape[1]:
        return matrix, columns
    R = torch.linalg.qr(torch.cat([matrix, columns], dim=1), mode="r").R
    return R[:p, :p], R[:p, p:]


def _check(A: Tensor, b: Tensor) -> None:
    if A.ndim != 2 or b.ndim not in (1, 2) or b.shape[0] != A.shape[0]:
        message = (
            f"the matrix has shape {tuple(A.shape)} and the right-hand side {tuple(b.shape)}; expected (m, p)"
            " and (m,) or (m, r) with one row per residual"
        )
        raise ValueError(message)
    if not (torch.isfinite(A).all() and torch.isfinite(b).all()):
        message = (
            "the least-squares matrix or right-hand side contains values that are not finite; look for a"
            " division by zero or an overflow in the residual at the collocation points"
        )
        raise SolveError(message)
