"""Multifrontal LU of K matrices with one pattern, as the stages of a collocation method have them (Duff & Reid 1983).

What is factored is  S_k = D - Σ_e P_k,e  over the unknowns of faces; P_k,e couples those of the faces of one patch.
The matrices are not symmetric and mostly complex, so that no Cholesky factor exists. A front with pivot block A,
couplings U, V to later unknowns (its border) and rest R keeps A⁻¹, A⁻¹ U and V and passes on R - V A⁻¹ U. Pivots are
chosen within a front only; what that loses is won back by an iteration on the true residual.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pdesolve.errors import SolveError
from pdesolve.least_squares.sparse.dissection import Faces, Front, nested_dissection
from pdesolve.runs.deadline import check_deadline

# Rows that stay neighbours: (first row there, first row in the front, how many).
Runs = list[tuple[int, int, int]]


@dataclass(frozen=True, eq=False)
class PlannedFront:
    """Where the numbers of a front come from and go to, in the order of elimination.

    Attributes:
        begin, end: unknowns that are eliminated here.
        border: (b,) later unknowns that they are coupled with, ascending.
        patches: (j,) patches that enter here.
        places: of each of them, the runs of its rows.
        children: (number, runs of the border of that front).
    """

    begin: int
    end: int
    border: Tensor
    patches: Tensor
    places: list[Runs]
    children: list[tuple[int, Runs]]

    @property
    def own(self) -> int:
        """Unknowns that are eliminated here."""
        return self.end - self.begin


@dataclass(frozen=True, eq=False)
class Elimination:
    """The order in which the unknowns of faces are eliminated.

    Attributes:
        fronts: children before parents.
        position: (n,) place of each unknown in the order of elimination.
    """

    fronts: list[PlannedFront]
    position: Tensor

    @classmethod
    def of(
        cls, centres: np.ndarray, pairs: np.ndarray, sizes: np.ndarray, rows: Sequence[Tensor]
    ) -> Elimination:
        """Nested dissection.

        Args:
            centres: (e, d) of the patches.
            pairs: (f, 2) patches on both sides of each face.
            sizes: (f,) unknowns of each face; those of face f come before those of face f + 1.
            rows: of each patch, the unknowns (m,) of its faces; -1 where there is none.
        """
        dissected = nested_dissection(centres, Faces(pairs, sizes))
        first = np.cumsum(sizes) - sizes
        begin = np.zeros(len(sizes), dtype=np.int64)
        ends = []
        count = 0
        for front in dissected:
            for face in front.own.tolist():
                begin[face] = count
                count += int(sizes[face])
            ends.append(count)
        position = np.repeat(begin - first, sizes) + np.arange(int(sizes.sum()))
        placed = torch.from_numpy(position)
        fronts: list[PlannedFront] = []
        for front, end in zip(dissected, ends, strict=True):
            fronts.append(_planned(front, end, begin, sizes, placed, rows, fronts))
        return cls(fronts, placed)

    def factor(self, diagonal: float, block: Callable[[Tensor], Iterator[Tensor]], like: Tensor) -> FrontalLU:
        """Factors of `diagonal` I - Σ blocks.

        Args:
            diagonal: D.
            block: yields the blocks P (K, m, m) of the patches asked for, one after the other.
            like: (K,) the number of matrices and their kind.

        Raises:
            SolveError: a pivot block is singular.
        """
        factors = []
        updates: dict[int, Tensor] = {}
        largest = max((front.own + len(front.border) for front in self.fronts), default=0)
        room = like.new_empty(len(like) * largest**2)
        for number, front in enumerate(self.fronts):
            check_deadline()
            n = front.own + len(front.border)
            matrix = room[: len(like) * n**2].view(len(like), n, n).zero_()
            matrix.diagonal(dim1=1, dim2=2)[:, : front.own] += diagonal
            for runs, part in zip(front.places, block(front.patches), strict=True):
                _add(matrix, part, runs, -1)
            for child, runs in front.children:
                _add(matrix, updates.pop(child), runs, 1)
            factors.append(_eliminated(front, matrix, number, updates))
        return FrontalLU(self, factors)


@dataclass(frozen=True, eq=False)
class FrontalLU:
    """Factors: of each front A⁻¹ (K, k, k), A⁻¹ U (K, k, b) and V (K, b, k)."""

    elimination: Elimination
    factors: list[tuple[Tensor, Tensor, Tensor]]

    def solve(self, right: Tensor) -> Tensor:
        """Solutions (K, n) of right-hand sides (K, n)."""
        position = self.elimination.position
        z = torch.empty_like(right)
        z[:, position] = right
        fronts = self.elimination.fronts
        for front, (inverse, _, below) in zip(fronts, self.factors, strict=True):
            y = inverse @ z[:, front.begin : front.end, None]
            z[:, front.begin : front.end] = y[..., 0]
            if len(front.border):
                z.index_add_(1, front.border, (below @ y)[..., 0], alpha=-1)
        for front, (_, beside, _) in zip(reversed(fronts), reversed(self.factors), strict=True):
            if len(front.border):
                z[:, front.begin : front.end] -= (beside @ z[:, front.border, None])[..., 0]
        return z[:, position]

    def solve_many(self, right: Tensor) -> Tensor:
        """Solutions (n, r) of many right-hand sides (n, r), by the first matrix."""
        position = self.elimination.position
        z = torch.empty_like(right)
        z[position] = right
        fronts = self.elimination.fronts
        for front, (inverse, _, below) in zip(fronts, self.factors, strict=True):
            y = inverse[0] @ z[front.begin : front.end]
            z[front.begin : front.end] = y
            if len(front.border):
                z.index_add_(0, front.border, below[0] @ y, alpha=-1)
        for front, (_, beside, _) in zip(reversed(fronts), reversed(self.factors), strict=True):
            if len(front.border):
                z[front.begin : front.end] -= beside[0] @ z[front.border]
        return z[position]


def _planned(
    front: Front,
    end: int,
    begin: np.ndarray,
    sizes: np.ndarray,
    placed: Tensor,
    rows: Sequence[Tensor],
    before: list[PlannedFront],
) -> PlannedFront:
    own = int(sizes[front.own].sum())
    outer = [np.arange(begin[f], begin[f] + sizes[f]) for f in front.border.tolist()]
    border = torch.from_numpy(np.sort(np.concatenate([np.zeros(0, dtype=np.int64), *outer])))
    local = torch.cat([torch.arange(end - own, end), border])
    places = []
    for patch in front.patches.tolist():
        chosen = torch.nonzero(rows[patch] >= 0)[:, 0]
        places.append(_runs(chosen, torch.searchsorted(local, placed[rows[patch][chosen]])))
    children = []
    for child in front.children:
        there = before[child].border
        children.append((child, _runs(torch.arange(len(there)), torch.searchsorted(local, there))))
    return PlannedFront(end - own, end, border, torch.from_numpy(front.patches), places, children)


def _runs(there: Tensor, here: Tensor) -> Runs:
    """Runs of rows (n,) of a block, and of rows (n,) of a front, that increase by one together."""
    if not len(there):
        return []
    breaks = torch.nonzero((there.diff() != 1) | (here.diff() != 1))[:, 0] + 1
    starts = [0, *breaks.tolist()]
    ends = [*breaks.tolist(), len(there)]
    return [(int(there[a]), int(here[a]), b - a) for a, b in zip(starts, ends, strict=True)]


def _add(matrix: Tensor, part: Tensor, runs: Runs, sign: int) -> None:
    """Add a block (K, m, m) into its places in a front; slices, since index arrays take three times as long."""
    for i, row, height in runs:
        for j, column, width in runs:
            target = matrix[:, row : row + height, column : column + width]
            target.add_(part[:, i : i + height, j : j + width], alpha=sign)


def _eliminated(
    front: PlannedFront, matrix: Tensor, number: int, updates: dict[int, Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Factors of a front; what it passes on goes to `updates`."""
    k = front.own
    inverse, info = torch.linalg.inv_ex(matrix[:, :k, :k])
    if bool(info.any()):
        message = "a stage system is singular: equation and conditions leave something undetermined"
        raise SolveError(message)
    below = matrix[:, k:, :k].contiguous()
    beside = inverse @ matrix[:, :k, k:]
    updates[number] = torch.baddbmm(matrix[:, k:, k:], below, beside, alpha=-1)
    return inverse, beside, below
