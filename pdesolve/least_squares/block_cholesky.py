"""Multifrontal Cholesky of a block-sparse matrix over a nested dissection of its groups.

The groups (patches) have centres in space. A separator of patches splits them in two halves that share no entry, each
half is split again, and the matrix is eliminated from the smallest parts up, in dense fronts: nearly all work is
Cholesky, triangular solves and GEMM on matrices of hundreds to thousands of rows (George 1973; Duff & Reid 1983).
Only lower triangles are formed: fronts keep the order of elimination, so what is lower stays lower on the way up.
In one dimension the fronts stay small and the cost is linear in the number of patches.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from pdesolve.errors import OutOfMemoryError, SolveError
from pdesolve.least_squares.row_blocks import Columns

LEAF_COLUMNS = 260  # parts with fewer columns are one dense front: below it, overhead outweighs flops


@dataclass
class Front:
    """One node of the elimination tree: groups eliminated here, and the later groups they touch."""

    own: np.ndarray
    children: list[int]
    border: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))


def nested_dissection(centres: np.ndarray, pairs: np.ndarray, sizes: np.ndarray) -> list[Front]:
    """Elimination tree, children before parents.

    Args:
        centres: (e, d) of the groups.
        pairs: (f, 2) groups that share entries.
        sizes: (e,) columns of each group.
    """
    fronts: list[Front] = []

    def build(groups: np.ndarray, edges: np.ndarray) -> int:
        if sizes[groups].sum() <= LEAF_COLUMNS or len(groups) == 1:
            fronts.append(Front(groups, []))
            return len(fronts) - 1
        halves = _separate(groups, edges, centres, sizes)
        if halves is None:
            fronts.append(Front(groups, []))
            return len(fronts) - 1
        left, right, separator = halves
        parts = []
        for part in (left, right):
            if len(part):
                member = np.zeros(len(centres), dtype=bool)
                member[part] = True
                parts.append(build(part, edges[member[edges].all(axis=1)]))
        fronts.append(Front(separator, parts))
        return len(fronts) - 1

    build(np.arange(len(centres)), pairs[pairs[:, 0] != pairs[:, 1]])
    _find_borders(fronts, pairs, len(centres))
    return fronts


def _separate(
    groups: np.ndarray, edges: np.ndarray, centres: np.ndarray, sizes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Halve the groups along the axis with the smallest separator; None where all centres coincide."""
    best = None
    for axis in range(centres.shape[1]):
        x = centres[groups, axis]
        cut = np.partition(x, len(x) // 2)[len(x) // 2]
        low = x < cut
        low = low if low.any() else x <= cut
        if low.all():
            continue
        is_low = np.zeros(len(centres), dtype=bool)
        is_low[groups[low]] = True
        crossing = edges[is_low[edges[:, 0]] != is_low[edges[:, 1]]]
        inner = np.unique(np.where(is_low[crossing[:, 0]], crossing[:, 0], crossing[:, 1]))
        outer = np.unique(np.where(is_low[crossing[:, 0]], crossing[:, 1], crossing[:, 0]))
        separator = min((inner, outer), key=lambda s: sizes[s].sum())
        balance = sizes[groups[low]].sum() / sizes[groups].sum()
        cost = sizes[separator].sum() / max(min(balance, 1 - balance), 1e-3)
        if best is None or cost < best[0]:
            best = (cost, groups[low], groups[~low], separator)
    if best is None:
        return None
    _, low_groups, high_groups, separator = best
    return np.setdiff1d(low_groups, separator), np.setdiff1d(high_groups, separator), separator


def _find_borders(fronts: list[Front], pairs: np.ndarray, count: int) -> None:
    """Later groups that each front touches, directly or through its children."""
    rank = np.empty(count, dtype=np.int64)
    for position, front in enumerate(fronts):
        rank[front.own] = position
    both = np.concatenate([pairs, pairs[:, ::-1]])
    both = both[np.argsort(both[:, 0], kind="stable")]
    start = np.searchsorted(both[:, 0], np.arange(count + 1))
    for position, front in enumerate(fronts):
        touched = [both[start[g] : start[g + 1], 1] for g in front.own]
        touched += [fronts[child].border for child in front.children]
        border = np.unique(np.concatenate(touched)) if touched else np.empty(0, dtype=np.int64)
        border = border[rank[border] > position]
        front.border = border[np.argsort(rank[border], kind="stable")]


class BlockCholesky:
    """Factorisation L Lᵀ of a symmetric positive definite block-sparse matrix plus a small multiple of 1.

    Args:
        layout: columns of the groups.
        centres: (e, d) group centres, for the dissection.
        blocks: (row groups (b,), column groups (b,), values (b, k, l)) of one triangle, to be summed up.
        shift: multiple of the identity added, so that rounding leaves the matrix positive definite.

    Raises:
        SolveError: the matrix is not positive definite even so (non-finite entries).
    """

    def __init__(
        self,
        layout: Columns,
        centres: np.ndarray,
        blocks: Iterable[tuple[Tensor, Tensor, Tensor]],
        shift: float = 1e-14,
    ):
        self.layout = layout
        self.sizes = layout.sizes.numpy()
        self.offsets = layout.offsets.numpy()
        self.blocks = _sum_blocks(blocks)
        pairs = np.array(list(self.blocks), dtype=np.int64).reshape(-1, 2)
        self.fronts = nested_dissection(centres, pairs, self.sizes)
        self._require_memory(next(iter(self.blocks.values())))
        self.factors: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
        while not self._factorise(shift):
            shift *= 100
            if shift > 1e-4:
                message = (
                    "the normal equations are not positive definite; the residual may hold non-finite values"
                )
                raise SolveError(message)
        self.shift = shift
        self.blocks = {}

    def _require_memory(self, sample: Tensor) -> None:
        """Count the numbers of the factor and of the largest fronts before any is formed.

        Raises:
            OutOfMemoryError: they would not fit.
        """
        own = np.array([self.sizes[f.own].sum() for f in self.fronts], dtype=float)
        border = np.array([self.sizes[f.border].sum() for f in self.fronts], dtype=float)
        needed = 8 * ((own * (own + border)).sum() + 3 * (own + border).max() ** 2)
        available = available_memory(sample.device)
        if needed > 0.8 * available:
            message = (
                f"the factorisation of {self.layout.total} unknowns needs {needed / 1e9:.1f} GB, "
                f"{available / 1e9:.1f} GB are free; ask for a looser --tol"
            )
            raise OutOfMemoryError(message)

    def _factorise(self, shift: float) -> bool:
        mine = self._blocks_of_fronts()
        updates: dict[int, Tensor] = {}
        self.factors = []
        sample = next(iter(self.blocks.values()))
        largest = max(int(self.sizes[f.own].sum() + self.sizes[f.border].sum()) for f in self.fronts)
        workspace = sample.new_empty(largest**2)
        for position, front in enumerate(self.fronts):
            groups = np.concatenate([front.own, front.border])
            start = np.concatenate([[0], np.cumsum(self.sizes[groups])])
            local = dict(zip(groups.tolist(), start[:-1].tolist(), strict=True))
            matrix = workspace[: int(start[-1]) ** 2].view(int(start[-1]), int(start[-1])).zero_()
            for i, j in mine[position]:
                block, a, b = self.blocks[i, j], local[i], local[j]
                if b > a:
                    matrix[b : b + block.shape[1], a : a + block.shape[0]] += block.mT
                else:
                    matrix[a : a + block.shape[0], b : b + block.shape[1]] += block
            for child in front.children:
                if (update := updates.pop(child, None)) is not None:
                    self._extend_add(matrix, update, self.fronts[child].border, local)
            k = int(self.sizes[front.own].sum())
            matrix.diagonal()[:k] += shift
            lower, info = torch.linalg.cholesky_ex(matrix[:k, :k])
            if int(info) or not bool(torch.isfinite(lower.diagonal()).all()):
                return False
            side = matrix[k:, :k]
            if len(front.border):
                side = torch.linalg.solve_triangular(lower, side.mT, upper=False).mT
                updates[position] = _lower_update(matrix[k:, k:], side)
            own, border = self._columns(front.own), self._columns(front.border)
            self.factors.append((lower, side, own.to(sample.device), border.to(sample.device)))
        return True

    def _extend_add(self, matrix: Tensor, update: Tensor, border: np.ndarray, local: dict[int, int]) -> None:
        """Add a child's update into its places: runs of neighbouring groups move as dense slices."""
        here = np.array([local[g] for g in border.tolist()])
        size = self.sizes[border]
        there = np.cumsum(size) - size
        first = np.flatnonzero(np.r_[True, here[1:] != here[:-1] + size[:-1]])
        last = np.r_[first[1:], len(border)] - 1
        runs = [
            (int(here[i]), int(there[i]), int(there[j] + size[j] - there[i]))
            for i, j in zip(first, last, strict=True)
        ]
        for n, (a, i, height) in enumerate(runs):
            for b, j, width in runs[: n + 1]:
                matrix[a : a + height, b : b + width] += update[i : i + height, j : j + width]

    def _columns(self, groups: np.ndarray) -> Tensor:
        if not len(groups):
            return torch.empty(0, dtype=torch.long)
        parts = [np.arange(self.offsets[g], self.offsets[g] + self.sizes[g]) for g in groups.tolist()]
        return torch.from_numpy(np.concatenate(parts))

    def _blocks_of_fronts(self) -> list[list[tuple[int, int]]]:
        rank = np.empty(len(self.sizes), dtype=np.int64)
        for position, front in enumerate(self.fronts):
            rank[front.own] = position
        mine: list[list[tuple[int, int]]] = [[] for _ in self.fronts]
        for i, j in self.blocks:
            mine[min(rank[i], rank[j])].append((i, j))
        return mine

    @property
    def entries(self) -> int:
        """Stored numbers in the factor."""
        return sum(lower.numel() + side.numel() for lower, side, _, _ in self.factors)

    def solve(self, b: Tensor) -> Tensor:
        """Solve L Lᵀ x = b for one vector (p,)."""
        x = b.clone()
        for lower, side, own, border in self.factors:
            y = torch.linalg.solve_triangular(lower, x[own, None], upper=False)
            x[own] = y[:, 0]
            if len(border):
                x.index_add_(0, border, side @ y[:, 0], alpha=-1)
        for lower, side, own, border in reversed(self.factors):
            y = x[own]
            if len(border):
                y = y - side.mT @ x[border]
            x[own] = torch.linalg.solve_triangular(lower.mT, y[:, None], upper=True)[:, 0]
        return x


def available_memory(device: torch.device) -> float:
    """Free memory in bytes of the device, or of the machine."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    try:
        with open("/proc/meminfo") as lines:
            found = dict(line.split(":", 1) for line in lines)
        return 1024.0 * float(found["MemAvailable"].split()[0])
    except (OSError, KeyError, ValueError):
        return 8e9  # unknown: a modest machine


def _lower_update(matrix: Tensor, side: Tensor) -> Tensor:
    """Lower triangle of matrix - side sideᵀ; panels spare nearly half of the flops of a full product."""
    n = len(matrix)
    update = torch.empty_like(matrix, memory_format=torch.contiguous_format)
    panel = max(256, -(-n // 8))
    for a in range(0, n, panel):
        b = min(a + panel, n)
        torch.addmm(matrix[a:, a:b], side[a:], side[a:b].mT, alpha=-1, out=update[a:, a:b])
    return update


def _sum_blocks(blocks: Iterable[tuple[Tensor, Tensor, Tensor]]) -> dict[tuple[int, int], Tensor]:
    """Add up batched blocks by their pair of groups; each pair kept once, smaller group first."""
    summed: dict[tuple[int, int], Tensor] = {}
    for rows, columns, values in blocks:
        swap = rows > columns
        for i, j, flip, value in zip(rows.tolist(), columns.tolist(), swap.tolist(), values, strict=True):
            key, part = ((j, i), value.mT) if flip else ((i, j), value)
            if key in summed:
                summed[key] += part
            else:
                summed[key] = part
    return summed
