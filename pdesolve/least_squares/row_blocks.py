"""Least-squares rows in dense blocks: every batch of rows touches one patch, or two.

A sparse matrix A whose columns come in groups (one group per patch) and whose rows come in batches: b blocks of m rows
that touch the same number of groups. Products are batched GEMM, Gram matrices are scattered like element matrices.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Columns:
    """Layout of the unknowns: group e owns the columns offset[e] … offset[e] + size[e] - 1."""

    sizes: Tensor  # (e,) long, on the CPU

    @property
    def offsets(self) -> Tensor:
        """First column of each group (e,)."""
        return torch.cumsum(self.sizes, 0) - self.sizes

    @property
    def total(self) -> int:
        """Number of columns p."""
        return int(self.sizes.sum())

    def of(self, groups: Tensor) -> Tensor:
        """Column numbers (b, k) of groups that all have the same size."""
        k = int(self.sizes[groups[0]]) if len(groups) else 0
        return self.offsets[groups][:, None] + torch.arange(k)


@dataclass(frozen=True)
class RowBlocks:
    """b blocks of m rows: Σ_i matrices[i] (b, m, k_i) applied to the columns of groups[i] (b,)."""

    groups: tuple[Tensor, ...]
    matrices: tuple[Tensor, ...]
    columns: tuple[Tensor, ...]  # (b, k_i) column numbers, on the device of the matrices

    @classmethod
    def make(cls, layout: Columns, groups: tuple[Tensor, ...], matrices: tuple[Tensor, ...]) -> RowBlocks:
        """Rows touching `groups` of a column layout."""
        columns = tuple(layout.of(g).to(m.device) for g, m in zip(groups, matrices, strict=True))
        return cls(groups, matrices, columns)

    def apply(self, x: Tensor) -> Tensor:
        """A x, (b, m) for x (p,), (b, m, j) for x (p, j)."""
        if x.ndim == 1:
            pairs = zip(self.matrices, self.columns, strict=True)
            parts = [torch.bmm(m, x[c][..., None])[..., 0] for m, c in pairs]
        else:
            parts = [torch.bmm(m, x[c]) for m, c in zip(self.matrices, self.columns, strict=True)]
        return parts[0] if len(parts) == 1 else torch.stack(parts).sum(0)

    def add_transposed(self, r: Tensor, out: Tensor) -> None:
        """Out (p,) += Aᵀ r for r (b, m), out (p, j) for r (b, m, j)."""
        if r.ndim == 3:
            for m, c in zip(self.matrices, self.columns, strict=True):
                out.index_add_(0, c.flatten(), torch.bmm(m.mT, r).flatten(0, 1))
            return
        for m, c in zip(self.matrices, self.columns, strict=True):
            out.index_add_(0, c.flatten(), torch.bmm(r[:, None, :], m)[:, 0].flatten())

    def add_squared_norms(self, out: Tensor) -> None:
        """Out += squared Euclidean norms of the columns."""
        for m, c in zip(self.matrices, self.columns, strict=True):
            out.index_add_(0, c.flatten(), (m * m).sum(1).flatten())

    def merged(self) -> list[RowBlocks]:
        """The same rows; those that touch one patch from both sides (a periodic cell) as rows of one patch."""
        if len(self.groups) == 1:
            return [self]
        same = self.groups[0] == self.groups[1]
        if not bool(same.any()):
            return [self]
        own, columns = same.to(self.matrices[0].device), [c[same.to(c.device)] for c in self.columns]
        both = sum(m[own] for m in self.matrices)
        found = [RowBlocks((self.groups[0][same],), (both,), (columns[0],))]
        if not bool(same.all()):
            found.append(
                RowBlocks(
                    tuple(g[~same] for g in self.groups),
                    tuple(m[~own] for m in self.matrices),
                    tuple(c[~same.to(c.device)] for c in self.columns),
                )
            )
        return found


def squared_norm(residuals: list[Tensor]) -> float:
    """Σ r² over all blocks."""
    return float(sum((r * r).sum() for r in residuals))
