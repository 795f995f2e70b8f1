"""Least-squares rows in dense blocks: every batch of rows touches one patch, or two.

A sparse matrix A whose columns come in groups (one group per patch) and whose rows come in batches: b blocks of m rows
that touch the same number of groups. Products are batched GEMM, Gram matrices are scattered like element matrices.
Blocks that are equal, as those of an equation with constant coefficients on congruent patches, are one matrix expanded
(of stride zero), and one product serves them all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

# Of a matrix whose Gram matrix is made in parts
MANY_COLUMNS = 256


@dataclass(frozen=True)
class Columns:
    """Layout of the unknowns: group e owns the columns offset[e] … offset[e] + size[e] - 1."""

    sizes: Tensor  # (e,) long, on the CPU

    @cached_property
    def offsets(self) -> Tensor:
        """First column of each group (e,)."""
        return torch.cumsum(self.sizes, 0) - self.sizes

    @cached_property
    def total(self) -> int:
        """Number of columns p."""
        return int(self.sizes.sum())

    def of(self, groups: Tensor) -> Tensor:
        """Column numbers (b, k) of groups that all have the same size."""
        if len(groups):
            k = int(self.sizes[groups[0]])
        else:
            k = 0
        return self.offsets[groups][:, None] + torch.arange(k)


@dataclass(frozen=True)
class RowBlocks:
    """b blocks of m rows: Σ_i matrices[i] (b, m, k_i) applied to the columns of groups[i] (b,).

    Where `values` (b, m) are given, they are what the rows should yield; else zero. Where `beside` (b, m, n) is given,
    it is applied to the last n unknowns, which belong to no group. Where `degrees` (m,) are given, the rows are moments
    of these degrees along a face.
    """

    groups: tuple[Tensor, ...]
    matrices: tuple[Tensor, ...]
    # (b, k_i) column numbers, on the device of the matrices
    columns: tuple[Tensor, ...]
    values: Tensor | None = None
    beside: Tensor | None = None
    degrees: Tensor | None = None

    @classmethod
    def make(
        cls,
        layout: Columns,
        groups: tuple[Tensor, ...],
        matrices: tuple[Tensor, ...],
        values: Tensor | None = None,
        beside: Tensor | None = None,
        degrees: Tensor | None = None,
    ) -> RowBlocks:
        """Rows touching `groups` of a column layout."""
        columns = tuple(layout.of(g).to(m.device) for g, m in zip(groups, matrices, strict=True))
        return cls(groups, matrices, columns, values, beside, degrees)

    def alone(self) -> RowBlocks:
        """The same rows without what stands beside the groups."""
        if self.beside is None:
            return self
        return replace(self, beside=None)

    def apply(self, x: Tensor) -> Tensor:
        """A x, (b, m) for x (p,), (b, m, j) for x (p, j)."""
        parts = []
        for m, c in zip(self.matrices, self.columns, strict=True):
            if shared(m) and x.ndim == 1:
                part = x[c] @ m[0].mT
            elif shared(m):
                part = torch.matmul(m[0], x[c])
            elif x.ndim == 1:
                part = torch.bmm(m, x[c][..., None])[..., 0]
            else:
                part = torch.bmm(m, x[c])
            parts.append(part)
        if self.beside is not None:
            parts.append(self.beside @ x[len(x) - self.beside.shape[2] :])
        if len(parts) == 1:
            return parts[0]
        return torch.stack(parts).sum(0)

    def residual(self, x: Tensor) -> Tensor:
        """A x - values, (b, m)."""
        if self.values is None:
            return self.apply(x)
        return self.apply(x) - self.values

    def add_transposed(self, r: Tensor, out: Tensor) -> None:
        """Out (p,) += Aᵀ r for r (b, m), out (p, j) for r (b, m, j)."""
        for m, c in zip(self.matrices, self.columns, strict=True):
            if r.ndim == 2:
                if shared(m):
                    part = r @ m[0]
                else:
                    part = torch.bmm(r[:, None, :], m)[:, 0]
                out.index_add_(0, c.flatten(), part.flatten())
            else:
                if shared(m):
                    part = torch.matmul(m[0].mT, r)
                else:
                    part = torch.bmm(m.mT, r)
                out.index_add_(0, c.flatten(), part.flatten(0, 1))

    def add_squared_norms(self, out: Tensor) -> None:
        """Out += squared Euclidean norms of the columns."""
        for m, c in zip(self.matrices, self.columns, strict=True):
            if shared(m):
                part = m[:1].square().sum(1).expand(len(m), -1)
            else:
                part = (m * m).sum(1)
            out.index_add_(0, c.flatten(), part.flatten())

    def some(self, chosen: Tensor) -> RowBlocks:
        """The blocks of a mask (b,)."""
        matrices = tuple(_some_of(m, chosen) for m in self.matrices)
        columns = tuple(c[chosen.to(c.device)] for c in self.columns)
        if self.values is None:
            values = None
        else:
            values = self.values[chosen.to(self.values.device)]
        groups = tuple(g[chosen] for g in self.groups)
        return RowBlocks(groups, matrices, columns, values, degrees=self.degrees)

    def merged(self) -> list[RowBlocks]:
        """The same rows; those that touch one patch from both sides (a periodic cell) as rows of one patch."""
        if len(self.groups) == 1:
            return [self]
        same = self.groups[0] == self.groups[1]
        if not bool(same.any()):
            return [self]
        folded = self.some(same)
        found = [RowBlocks(folded.groups[:1], (sum(folded.matrices),), folded.columns[:1], folded.values)]  # type: ignore[arg-type]
        if bool(same.all()):
            return found
        return [*found, self.some(~same)]


def shared(matrices: Tensor) -> bool:
    """Whether matrices (b, m, k) are one, expanded."""
    return matrices.shape[0] > 1 and matrices.stride(0) == 0


def _some_of(m: Tensor, chosen: Tensor) -> Tensor:
    """Matrices of a mask (b,); those that are one stay one."""
    if shared(m):
        return m[:1].expand(int(chosen.sum()), -1, -1)
    return m[chosen.to(m.device)]


def lower_gram(m: Tensor) -> Tensor:
    """Lower triangles of MᵀM (b, k, k) for M (b, m, k); what is above them means nothing.

    A quarter of the columns at a time spares three eighths of the flops, where they outweigh the calls.
    """
    k = m.shape[2]
    if k < MANY_COLUMNS:
        return torch.bmm(m.mT, m)
    found = m.new_empty(len(m), k, k)
    panel = -(-k // 4)
    for a in range(0, k, panel):
        torch.bmm(m[..., a:].mT, m[..., a : a + panel], out=found[:, a:, a : a + panel])
    return found


def squared_norm(residuals: list[Tensor]) -> float:
    """Σ r² over all blocks."""
    return float(sum((r * r).sum() for r in residuals))
