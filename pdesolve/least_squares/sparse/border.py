"""Rows that touch all columns: a border of the sparse factorisation.

Dense rows C, the mean of an unknown for instance, would fill the normal matrix. The factor is made of
M = AᵀA + EᵀE instead, where each row of E is a row of C confined to one group, so that M is regular where AᵀA + CᵀC is;
the matrix itself, M + CᵀC - EᵀE, is a change of small rank, inverted by the formula of Woodbury (Hager, SIAM Review 31
(1989) 221).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from pdesolve.least_squares.sparse.row_blocks import RowBlocks


@dataclass(frozen=True)
class DenseRows:
    """Rows C x = g, (g, p), that touch all columns, with what stands for them in a sparse factor.

    Attributes:
        matrix: C.
        confined: E, one row for each of C, on one group of columns each.
        values: g.
    """

    matrix: Tensor
    confined: tuple[RowBlocks, ...]
    values: Tensor

    def apply(self, x: Tensor) -> Tensor:
        """C x, (1, g), or (1, g, j) for x (p, j)."""
        return (self.matrix @ x)[None]

    def residual(self, x: Tensor) -> Tensor:
        """C x - g, (1, g)."""
        return self.apply(x) - self.values

    def add_transposed(self, r: Tensor, out: Tensor) -> None:
        """Out += Cᵀ r for r (1, g), or (1, g, j)."""
        out += self.matrix.T @ r[0]

    def add_squared_norms(self, out: Tensor) -> None:
        """Out += squared Euclidean norms of the columns."""
        out += self.matrix.square().sum(0)


class Factor(Protocol):
    """Solves with a factored matrix; one that solves by iteration says so, see `left_by`."""

    @property
    def entries(self) -> int:
        """Stored numbers."""

    def solve(self, b: Tensor) -> Tensor:
        """M⁻¹ b, (p,) or (p, j)."""


def left_by(factor: Factor) -> float:
    """Relative error in energy at which a solve ends: `left` of an iteration; zero of a factor, which has none."""
    return float(getattr(factor, "left", 0.0))


class Bordered:
    """Solves with M + V S Vᵀ for a factor of M, V = D [Cᵀ Eᵀ] and S = diag(1, -1).

    (M + V S Vᵀ)⁻¹ = M⁻¹ - W (S + Vᵀ W)⁻¹ Wᵀ,  W = M⁻¹ V,  since S⁻¹ = S.

    Args:
        factor: of M = D (AᵀA + EᵀE) D.
        rows: C and E.
        scale: D, (p,).
    """

    def __init__(self, factor: Factor, rows: list[DenseRows], scale: Tensor):
        self.factor = factor
        columns = []
        signs = []
        for dense in rows:
            for row in dense.matrix:
                columns.append(row)
                signs.append(1.0)
            for block in dense.confined:
                groups, m = block.matrices[0].shape[:2]
                for i in range(groups * m):
                    unit = scale.new_zeros(groups, m)
                    unit.view(-1)[i] = 1.0
                    column = torch.zeros_like(scale)
                    block.add_transposed(unit, column)
                    columns.append(column)
                    signs.append(-1.0)
        V = torch.stack(columns, dim=1) * scale[:, None]
        self.W = factor.solve(V)
        # Indefinite: E was added to M for no other reason than to be taken off again here.
        self.small = torch.linalg.lu_factor(torch.diag(V.new_tensor(signs)) + V.T @ self.W)

    @property
    def entries(self) -> int:
        """Stored numbers in the factor."""
        return self.factor.entries + self.W.numel()

    @property
    def left(self) -> float:
        """That of the factor."""
        return left_by(self.factor)

    def solve(self, b: Tensor) -> Tensor:
        """Solve for one vector (p,), or for several (p, j)."""
        if b.ndim == 1:
            return self.solve(b[:, None])[:, 0]
        return self.factor.solve(b) - self.W @ torch.linalg.lu_solve(*self.small, self.W.T @ b)
