"""The multifrontal method: face unknowns eliminated over the dissection in dense fronts (Duff & Reid 1983)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from pdesolve.least_squares.sparse.condense import Condensed, as_columns
from pdesolve.least_squares.sparse.dissection import Front
from pdesolve.least_squares.sparse.leaves import LeafFactors, eliminate_leaves
from pdesolve.least_squares.sparse.numbering import Numbering, ranges
from pdesolve.least_squares.sparse.row_blocks import lower_gram
from pdesolve.least_squares.sparse.side_by_side import side_by_side
from pdesolve.runs.deadline import check_deadline

# Rows or columns of a panel at least: below, BLAS is slower
PANEL = 256
# Pivots that are eliminated at a time, so that the rest of a large block is a product of panels
BLOCK = 512


@dataclass(frozen=True)
class FrontFactor:
    """What a front leaves: L (k, k) of the unknowns begin … end - 1, and rows (n - k, k) for those of its border."""

    lower: Tensor
    side: Tensor
    begin: int
    end: int
    border: Tensor

    @property
    def entries(self) -> int:
        """Stored numbers."""
        return self.lower.numel() + self.side.numel()


@dataclass(frozen=True)
class Eliminated:
    """Factors of leaves in batches, of the other fronts one by one; z has a last row of zeros for the former."""

    leaves: list[LeafFactors]
    fronts: list[FrontFactor]

    @property
    def entries(self) -> int:
        """Stored numbers."""
        return sum(f.entries for f in self.leaves) + sum(f.entries for f in self.fronts)

    def forward(self, z: Tensor) -> None:
        """Reduce right-hand sides (n + 1,) or (n + 1, j) in place: borders get what their fronts leave them."""
        for f in self.leaves:
            f.forward(z)
        forward(self.fronts, z)

    def backward(self, z: Tensor) -> None:
        """Substitute in reduced right-hand sides, in place, from the borders down."""
        backward(self.fronts, z)
        for f in self.leaves:
            f.backward(z)


def eliminate(
    condensed: Condensed, numbering: Numbering, fronts: Sequence[Front], shift: float
) -> tuple[Eliminated, Tensor | None] | None:
    """Factor what condensation leaves, I + shift - Σ side sideᵀ.

    Returns:
        The factors, and the Schur complement of the border of the last front, lower triangle, where it has one. None
        if a pivot is not positive.
    """
    first = eliminate_leaves(condensed, numbering, fronts, shift)
    if first is None:
        return None
    leaves, updates, done = first
    mine = [position for position in range(len(fronts)) if position not in done]
    work = _Workspace(condensed, numbering, fronts, mine, updates)
    factors = work.factors(shift)
    if factors is None:
        return None
    return Eliminated(leaves, factors), work.updates.get(len(fronts) - 1)


def eliminate_last(
    updates: dict[int, Tensor],
    numbering: Numbering,
    fronts: Sequence[Front],
    last: Sequence[int],
    shift: float,
) -> list[FrontFactor] | None:
    """Factor the last fronts, of these positions, whose other children have left `updates`.

    None if a pivot is not positive.
    """
    return _Workspace(None, numbering, fronts, last, updates).factors(shift)


def solve_fronts(factors: Sequence[FrontFactor], z: Tensor) -> None:
    """Solve for the face unknowns (n,) or (n, j), in place."""
    forward(factors, z)
    backward(factors, z)


def forward(factors: Sequence[FrontFactor], z: Tensor) -> None:
    """Reduce right-hand sides (n,) or (n, j) in place: borders get what their fronts leave them."""
    for f in factors:
        if f.end == f.begin:
            continue
        y = torch.linalg.solve_triangular(f.lower, as_columns(z[f.begin : f.end], 1), upper=False)
        z[f.begin : f.end] = y = y.view_as(z[f.begin : f.end])
        if len(f.border):
            z.index_add_(0, f.border, f.side @ y, alpha=-1)


def backward(factors: Sequence[FrontFactor], z: Tensor) -> None:
    """Substitute in reduced right-hand sides, in place, from the borders down."""
    for f in reversed(factors):
        if f.end == f.begin:
            continue
        y = z[f.begin : f.end]
        if len(f.border):
            y = y - f.side.mT @ z[f.border]
        y = torch.linalg.solve_triangular(f.lower.mT, as_columns(y, 1), upper=True)
        z[f.begin : f.end] = y.view_as(z[f.begin : f.end])


@dataclass
class _Workspace:
    """What passes from front to front.

    Attributes:
        condensed: the patches; None where no front has any.
        mine: the fronts that are eliminated here, by position.
        updates: of fronts whose parents are still to come.
        common: what the patches of a batch with one factor contribute.
        local: (f,) start of each face in the front at hand.
        numbers: room for the largest front.
    """

    condensed: Condensed | None
    numbering: Numbering
    fronts: Sequence[Front]
    mine: Sequence[int]
    updates: dict[int, Tensor] = field(default_factory=dict)
    common: dict[int, Tensor] = field(default_factory=dict)
    local: np.ndarray = field(init=False)
    numbers: Tensor = field(init=False)

    def __post_init__(self) -> None:
        sizes = self.numbering.faces.sizes
        chosen = [self.fronts[i] for i in self.mine]
        largest = max((int(sizes[f.own].sum() + sizes[f.border].sum()) for f in chosen), default=0)
        self.local = np.zeros(len(sizes), dtype=np.int64)
        self.numbers = self._like.new_empty(largest**2)

    @property
    def _like(self) -> Tensor:
        """A tensor of the kind that all are."""
        if self.condensed is not None:
            return self.condensed.batches[0].lower
        return next(iter(self.updates.values()), torch.zeros(0, dtype=torch.float64))

    def factors(self, shift: float) -> list[FrontFactor] | None:
        """Of all fronts; None if a pivot is not positive."""
        found = []
        for position in self.mine:
            check_deadline()
            made = self.factor(position, self.fronts[position], shift)
            if made is None:
                return None
            found.append(made)
        return found

    def factor(self, position: int, front: Front, shift: float) -> FrontFactor | None:
        """Assemble a front and eliminate its own faces; None if a pivot is not positive."""
        sizes = self.numbering.faces.sizes
        k = int(sizes[front.own].sum())
        matrix = self._assembled(front, k, shift)
        lower = _cholesky(matrix[:k, :k])
        if lower is None:
            return None
        side = matrix[k:, :k]
        if len(front.border):
            side = _beside(lower, side)
            self.updates[position] = _lower_update(matrix[k:, k:], side)
        begin = 0
        if k:
            begin = int(self.numbering.offsets[front.own].min())
        border = ranges(self.numbering.offsets[front.border], sizes[front.border])
        return FrontFactor(lower, side, begin, begin + k, border.to(lower.device))

    def _assembled(self, front: Front, k: int, shift: float) -> Tensor:
        """The matrix (n, n) of a front, lower triangle: patches that enter here, and what its children leave."""
        sizes = self.numbering.faces.sizes
        faces = np.concatenate([front.own, front.border])
        start = np.concatenate([[0], np.cumsum(sizes[faces])])
        n = int(start[-1])
        self.local[faces] = start[:-1]
        matrix = self.numbers[: n**2].view(n, n).zero_()
        # Each auxiliary unknown ν has two rows with ν/√2: together they put one on the diagonal.
        matrix.diagonal()[:k] += 1 + shift
        for patch in front.patches.tolist():
            product, mine = self._contribution(patch)
            _extend_add(matrix, product, self.local[mine], sizes[mine], -1)
        for child in front.children:
            if (update := self.updates.pop(child, None)) is not None:
                border = self.fronts[child].border
                _extend_add(matrix, update, self.local[border], sizes[border], 1)
        return matrix

    def _contribution(self, patch: int) -> tuple[Tensor, np.ndarray]:
        """The product side sideᵀ of a patch, and its faces, in the order of their elimination."""
        assert self.condensed is not None
        sizes = self.numbering.faces.sizes
        i, at = self.condensed.place[patch]
        batch = self.condensed.batches[i]
        faces = self.numbering.faces_of(patch)
        order = np.argsort(self.numbering.rank[faces], kind="stable")
        place = ranges((np.cumsum(sizes[faces]) - sizes[faces])[order], sizes[faces][order])
        place = place.to(batch.side.device)
        side = batch.side[at]
        if len(batch.patches) == len(batch.side):
            return lower_gram(side[None, :, place])[0], faces[order]
        if i not in self.common:
            # Patches that are alike contribute the same product, their faces in another order.
            self.common[i] = side.mT @ side
        return self.common[i][place[:, None], place], faces[order]


def _extend_add(matrix: Tensor, update: Tensor, here: np.ndarray, size: np.ndarray, sign: int) -> None:
    """Add an update into its places, lower triangle only: runs of neighbouring faces move as dense slices."""
    if not len(here):
        return
    there = np.cumsum(size) - size
    first = np.flatnonzero(np.r_[True, here[1:] != here[:-1] + size[:-1]])
    last = np.r_[first[1:], len(here)] - 1
    runs = list(
        zip(
            here[first].tolist(),
            there[first].tolist(),
            (there[last] + size[last] - there[first]).tolist(),
            strict=True,
        )
    )
    for n, (a, i, height) in enumerate(runs):
        for b, j, width in runs[: n + 1]:
            matrix[a : a + height, b : b + width].add_(update[i : i + height, j : j + width], alpha=sign)


def _cholesky(matrix: Tensor) -> Tensor | None:
    """The factor L (k, k) of a matrix, which is overwritten; None if a pivot is not positive."""
    k = len(matrix)
    lower = torch.zeros_like(matrix, memory_format=torch.contiguous_format)
    for a in range(0, k, BLOCK):
        b = min(a + BLOCK, k)
        block, info = torch.linalg.cholesky_ex(matrix[a:b, a:b])
        if int(info) or not bool(torch.isfinite(block.diagonal()).all()):
            return None
        lower[a:b, a:b] = block
        if b < k:
            lower[b:, a:b] = _beside(block, matrix[b:, a:b])
            matrix[b:, b:] = _lower_update(matrix[b:, b:], lower[b:, a:b])
    return lower


def _beside(lower: Tensor, rows: Tensor) -> Tensor:
    """Rows (n, k) times L⁻ᵀ."""
    found = torch.empty_like(rows, memory_format=torch.contiguous_format)

    def solve(a: int) -> None:
        part = torch.linalg.solve_triangular(lower, rows[a : a + panel].mT, upper=False)
        found[a : a + panel] = part.mT

    panel = max(PANEL, -(-len(rows) // 8))
    side_by_side(solve, range(0, len(rows), panel))
    return found


def _lower_update(matrix: Tensor, side: Tensor) -> Tensor:
    """Lower triangle of matrix - side sideᵀ; panels spare nearly half of the flops of a full product."""
    n = len(matrix)
    update = torch.empty_like(matrix, memory_format=torch.contiguous_format)

    def subtract(a: int) -> None:
        b = min(a + panel, n)
        torch.addmm(matrix[a:, a:b], side[a:], side[a:b].mT, alpha=-1, out=update[a:, a:b])

    panel = max(PANEL, -(-n // 8))
    side_by_side(subtract, range(0, n, panel))
    return update
