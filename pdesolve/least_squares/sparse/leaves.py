"""The first fronts of a dissection, which are many and small, in batches of one padded size.

A leaf takes in a few patches and has no children. One by one, most of its time goes to finding the places of numbers;
leaves of similar sizes, padded to one, are put together and factored by a few batched calls. What is padded has ones
on the diagonal and zeros elsewhere, so that it changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pdesolve.least_squares.sparse.condense import Condensed, as_columns
from pdesolve.least_squares.sparse.dissection import Front
from pdesolve.least_squares.sparse.numbering import Numbering
from pdesolve.runs.deadline import check_deadline

# Rows of a front beyond which flops outweigh what a batch spares
LARGEST = 512
# Numbers of a batch of fronts: 4 MB, which stay in the cache
AT_ONCE = 2**19
# Sizes that differ by less are of one class, padded to the largest of them: few classes, and some per cent of flops
OWN_STEP = 32
BORDER_STEP = 64


@dataclass(frozen=True)
class LeafFactors:
    """What leaves of one class keep.

    Attributes:
        lower: (b, k, k) L of their own unknowns.
        side: (b, m, k) rows for those of their borders.
        own: (b, k) numbers of the unknowns; padding has the number after the last.
        border: (b, m) numbers of those of the borders, padded alike.
    """

    lower: Tensor
    side: Tensor
    own: Tensor
    border: Tensor

    @property
    def entries(self) -> int:
        """Stored numbers."""
        return self.lower.numel() + self.side.numel()

    def forward(self, z: Tensor) -> None:
        """Reduce right-hand sides (n + 1,) or (n + 1, j), in place; the last row is zero, and stays so."""
        y = torch.linalg.solve_triangular(self.lower, as_columns(z[self.own], 2), upper=False)
        z[self.own.flatten()] = y.reshape(-1, *z.shape[1:])
        update = torch.bmm(self.side, y).reshape(-1, *z.shape[1:])
        z.index_add_(0, self.border.flatten(), update, alpha=-1)

    def backward(self, z: Tensor) -> None:
        """Substitute, in place."""
        y = as_columns(z[self.own], 2) - torch.bmm(self.side.mT, as_columns(z[self.border], 2))
        y = torch.linalg.solve_triangular(self.lower.mT, y, upper=True)
        z[self.own.flatten()] = y.reshape(-1, *z.shape[1:])


def eliminate_leaves(
    condensed: Condensed, numbering: Numbering, fronts: Sequence[Front], shift: float
) -> tuple[list[LeafFactors], dict[int, Tensor], set[int]] | None:
    """Factor all leaves that are small.

    Returns:
        The factors, what each leaf, by its position, leaves to its border, and the positions of these leaves. None if
        a pivot is not positive.
    """
    plan = _Plan(condensed, numbering, fronts)
    factors = []
    updates: dict[int, Tensor] = {}
    done: set[int] = set()
    for chunk in plan.chunks():
        check_deadline()
        own = plan.own[chunk]
        border = plan.border[chunk]
        k = int(own.max())
        matrix = plan.assembled(chunk, k, int(border.max()), shift)
        lower, info = torch.linalg.cholesky_ex(matrix[:, :k, :k])
        if bool(info.any()) or not bool(torch.isfinite(lower.diagonal(dim1=1, dim2=2)).all()):
            return None
        side = torch.linalg.solve_triangular(lower, matrix[:, k:, :k].mT, upper=False).mT
        left = torch.baddbmm(matrix[:, k:, k:], side, side.mT, alpha=-1)
        for position, update, n in zip(chunk.tolist(), left, border.tolist(), strict=True):
            if n:
                updates[position] = update[:n, :n]
        done.update(chunk.tolist())
        factors.append(LeafFactors(lower, side, *plan.numbers(chunk, k, left.shape[1])))
    return factors, updates, done


class _Plan:
    """Sizes and places of all leaves.

    Attributes:
        own, border: (f,) unknowns of each front.
    """

    def __init__(self, condensed: Condensed, numbering: Numbering, fronts: Sequence[Front]):
        self.condensed = condensed
        self.numbering = numbering
        self.fronts = fronts
        sizes = numbering.faces.sizes
        self.own = np.array([sizes[front.own].sum() for front in fronts], dtype=np.int64)
        self.border = np.array([sizes[front.border].sum() for front in fronts], dtype=np.int64)
        self.total = int(sizes.sum())
        # Where a patch stands in its batch
        self.row = np.zeros(len(condensed.place), dtype=np.int64)
        for batch in condensed.batches:
            self.row[batch.patches] = np.arange(len(batch.patches))

    def chunks(self) -> Iterator[np.ndarray]:
        """Positions of leaves of one class, as many as are worked on at once."""
        small = self.own + self.border <= LARGEST
        leaf = np.array([not front.children for front in self.fronts])
        mine = np.flatnonzero(leaf & small & (self.own > 0))
        classes = np.stack([-(-self.own[mine] // OWN_STEP), -(-self.border[mine] // BORDER_STEP)], axis=1)
        for kind in np.unique(classes, axis=0):
            alike = mine[(classes == kind).all(axis=1)]
            rows = int(kind[0]) * OWN_STEP + int(kind[1]) * BORDER_STEP
            number = max(1, AT_ONCE // rows**2)
            for begin in range(0, len(alike), number):
                yield alike[begin : begin + number]

    def assembled(self, chunk: np.ndarray, k: int, m: int, shift: float) -> Tensor:
        """Matrices (b, k + m, k + m) of some fronts."""
        n = k + m
        like = self.condensed.batches[0].side
        matrix = like.new_zeros(len(chunk), n, n)
        # Each auxiliary unknown ν has two rows with ν/√2: together they put one on the diagonal.
        matrix.diagonal(dim1=1, dim2=2)[:, :k] = 1.0
        own = torch.arange(k) < torch.from_numpy(self.own[chunk])[:, None]
        matrix.diagonal(dim1=1, dim2=2)[:, :k] += shift * own.to(matrix)
        local = np.zeros(self.total, dtype=np.int64)
        patches = []
        rows = []
        for number, position in enumerate(chunk.tolist()):
            front = self.fronts[position]
            begin, border = self._unknowns(position)
            local[begin : begin + self.own[position]] = np.arange(self.own[position])
            local[border] = k + np.arange(len(border))
            for batch in np.unique(self.condensed.place[front.patches, 0]).tolist():
                mine = front.patches[self.condensed.place[front.patches, 0] == batch]
                unknowns = self.condensed.batches[batch].rows.cpu().numpy()[self.row[mine]]
                patches.append((batch, np.full(len(mine), number), mine))
                rows.append(local[unknowns])
        flat = matrix.view(-1)
        for batch in sorted({which for which, _, _ in patches}):
            chosen = [i for i, (which, _, _) in enumerate(patches) if which == batch]
            fronts = np.concatenate([patches[i][1] for i in chosen])
            mine = np.concatenate([patches[i][2] for i in chosen])
            place = torch.from_numpy(np.concatenate([rows[i] for i in chosen])).to(flat.device)
            product = self._products(batch, mine)
            first = torch.from_numpy(fronts * n).to(flat.device)[:, None] + place
            index = (first * n)[:, :, None] + place[:, None, :]
            flat.scatter_add_(0, index.flatten(), product.neg().flatten())
        return matrix

    def _products(self, batch: int, patches: np.ndarray) -> Tensor:
        """What patches of a batch contribute, side sideᵀ (b, m, m)."""
        side = self.condensed.batches[batch].side
        if len(side) == 1:
            return (side[0].mT @ side[0]).expand(len(patches), -1, -1)
        mine = side[torch.from_numpy(self.condensed.place[patches, 1]).to(side.device)]
        return torch.bmm(mine.mT, mine)

    def _unknowns(self, position: int) -> tuple[int, np.ndarray]:
        """First of the own unknowns of a front, and those of its border."""
        front = self.fronts[position]
        offsets = self.numbering.offsets
        sizes = self.numbering.faces.sizes
        border = [np.arange(offsets[f], offsets[f] + sizes[f]) for f in front.border.tolist()]
        return int(offsets[front.own].min()), np.concatenate([np.arange(0), *border])

    def numbers(self, chunk: np.ndarray, k: int, m: int) -> tuple[Tensor, Tensor]:
        """Numbers of the unknowns of some fronts (b, k), and of their borders (b, m)."""
        own = np.full((len(chunk), k), self.total)
        border = np.full((len(chunk), m), self.total)
        for number, position in enumerate(chunk.tolist()):
            begin, outer = self._unknowns(position)
            own[number, : self.own[position]] = begin + np.arange(self.own[position])
            border[number, : len(outer)] = outer
        device = self.condensed.batches[0].side.device
        return torch.from_numpy(own).to(device), torch.from_numpy(border).to(device)
