"""Subtrees of the elimination tree, which are factored side by side: each is a piece of work of its own.

The tree is cut below its last fronts. What hangs below the cut is a subtree: its patches are condensed and their inner
faces eliminated without knowledge of the others, and what it leaves, a Schur complement of the faces at its border, is
all that the last fronts need of it. Sums are taken in the order of the tree, whoever computed their terms, so that the
bits do not depend on that.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from pdesolve.least_squares.sparse.condense import Batch, condense
from pdesolve.least_squares.sparse.dissection import Front
from pdesolve.least_squares.sparse.multifrontal import eliminate
from pdesolve.least_squares.sparse.numbering import Numbering, ranges
from pdesolve.least_squares.sparse.row_blocks import Columns
from pdesolve.least_squares.sparse.sides import PatchRows


@dataclass(frozen=True)
class Place:
    """Where a subtree is in the whole.

    Attributes:
        fronts: positions of its fronts, the last of which is that of its border.
        patches: (b,) its patches, ascending.
        columns: (p',) their columns.
        border: (n',) numbers of the face unknowns that it has in common with others, in the order of elimination.
    """

    fronts: slice
    patches: np.ndarray
    columns: Tensor
    border: Tensor

    @property
    def root(self) -> int:
        """Position of its last front."""
        return self.fronts.stop - 1


@dataclass(frozen=True)
class Reduced:
    """A right-hand side as a subtree leaves it: patches (c, k, ·), faces (n', ·), what its border (n'', ·) gets."""

    patches: list[Tensor]
    faces: Tensor
    update: Tensor


class FaceSolver(Protocol):
    """Solves for the faces of a subtree, in place, in two parts; z has a last row of zeros."""

    @property
    def entries(self) -> int:
        """Stored numbers."""

    def forward(self, z: Tensor) -> None:
        """Reduce right-hand sides (n + 1,) or (n + 1, j): the border gets what the faces leave it."""

    def backward(self, z: Tensor) -> None:
        """Substitute from the border down."""


@dataclass(frozen=True)
class SubtreeFactor:
    """The factor of a subtree.

    Attributes:
        batches: its patches, condensed.
        fronts: its faces, eliminated.
        inner: number of face unknowns that are eliminated here; those of the border follow them.
        unknowns: of its faces in all.
    """

    batches: tuple[Batch, ...]
    fronts: FaceSolver
    inner: int
    unknowns: int

    @property
    def entries(self) -> int:
        """Stored numbers."""
        local = sum(batch.lower.numel() + batch.side.numel() for batch in self.batches)
        return local + self.fronts.entries

    def reduce(self, b: Tensor) -> Reduced:
        """Eliminate from a right-hand side (p',) or (p', j)."""
        z = b.new_zeros(self.unknowns + 1, *b.shape[1:])
        patches = []
        for batch in self.batches:
            w = torch.linalg.solve_triangular(batch.lower, batch.gather(b, batch.columns), upper=False)
            patches.append(w)
            update = batch.spread(torch.bmm(batch.side.mT, w))
            z.index_add_(0, batch.rows.flatten(), update.reshape(-1, *b.shape[1:]), alpha=-1)
        self.fronts.forward(z)
        return Reduced(patches, z[: self.inner], z[self.inner : -1])

    def substitute(self, reduced: Reduced, border: Tensor) -> Tensor:
        """The solution (p',) or (p', j) from that at the border (n'',) or (n'', j)."""
        z = torch.cat([reduced.faces, border, border.new_zeros(1, *border.shape[1:])])
        self.fronts.backward(z)
        x = border.new_empty(sum(batch.columns.numel() for batch in self.batches), *border.shape[1:])
        for batch, w in zip(self.batches, reduced.patches, strict=True):
            rest = w - torch.bmm(batch.side, batch.gather(z, batch.rows))
            part = batch.spread(torch.linalg.solve_triangular(batch.lower.mT, rest, upper=True))
            x[batch.columns] = part.reshape(*batch.columns.shape, *border.shape[1:])
        return x


@dataclass(frozen=True)
class Subtree:
    """What must be known to factor a subtree: patches, columns, faces and fronts by numbers of its own.

    Faces come in the order of their elimination, those of its border last.
    """

    rows: PatchRows
    numbering: Numbering
    fronts: list[Front]
    inner: int

    @classmethod
    def of(cls, place: Place, rows: PatchRows, numbering: Numbering, fronts: Sequence[Front]) -> Subtree:
        """The subtree at a place of the whole."""
        first = place.fronts.start
        mine = fronts[place.fronts]
        own = [front.own for front in mine]
        inner = numbering.sorted_by_rank(np.concatenate(own))
        faces = np.concatenate([inner, mine[-1].border])
        face = np.full(len(numbering.rank), -1)
        face[faces] = np.arange(len(faces))
        patch = np.full(len(numbering.rows_of_patch), -1)
        patch[place.patches] = np.arange(len(place.patches))
        renamed = [
            Front(face[f.own], face[f.border], [child - first for child in f.children], patch[f.patches])
            for f in mine
        ]
        sizes = numbering.faces.sizes[faces]
        known = numbering.within(place.patches, faces, face)
        return cls(rows.within(place.patches), known, renamed, int(sizes[: len(inner)].sum()))

    def factored(self, shift: float) -> tuple[SubtreeFactor, Tensor | None] | None:
        """The factor, and the Schur complement (n'', n'') of its border, lower triangle; None if there is no factor."""
        condensed = condense(self.rows, self.numbering, shift)
        if condensed is None:
            return None
        made = eliminate(condensed, self.numbering, self.fronts, shift)
        if made is None:
            return None
        unknowns = int(self.numbering.faces.sizes.sum())
        return SubtreeFactor(condensed.batches, made[0], self.inner, unknowns), made[1]


def places(
    layout: Columns, numbering: Numbering, fronts: Sequence[Front], number: int, device: torch.device
) -> tuple[list[Place], list[int]]:
    """Cut the elimination tree into so many subtrees of nearly equal work, if it has that many.

    Returns:
        The places of the subtrees, in the order of the tree, and the positions of the last fronts above them.
    """
    work = _work(layout, numbering, fronts)
    heaviest = [(-float(work[-1]), len(fronts) - 1)]
    last = []
    while len(heaviest) < number and fronts[heaviest[0][1]].children:
        _, position = heapq.heappop(heaviest)
        last.append(position)
        for child in fronts[position].children:
            heapq.heappush(heaviest, (-float(work[child]), child))
    roots = sorted(position for _, position in heaviest)
    sizes = numbering.faces.sizes
    found = []
    for root in roots:
        below = slice(_first(fronts, root), root + 1)
        patches = np.sort(np.concatenate([front.patches for front in fronts[below]]))
        chosen = torch.from_numpy(patches)
        columns = ranges(layout.offsets[chosen].numpy(), layout.sizes[chosen].numpy())
        faces = fronts[root].border
        border = ranges(numbering.offsets[faces], sizes[faces])
        found.append(Place(below, patches, columns.to(device), border.to(device)))
    return found, sorted(last)


def _first(fronts: Sequence[Front], root: int) -> int:
    """Position of the first front below one: subtrees follow one another."""
    while fronts[root].children:
        root = fronts[root].children[0]
    return root


def _work(layout: Columns, numbering: Numbering, fronts: Sequence[Front]) -> np.ndarray:
    """Multiplications below and at each front."""
    sizes = numbering.faces.sizes
    k = layout.sizes.numpy().astype(float)
    m = numbering.rows_of_patch.astype(float)
    patch = k**3 / 3 + k**2 * m + k * m**2
    found = np.zeros(len(fronts))
    for position, front in enumerate(fronts):
        own = float(sizes[front.own].sum())
        border = float(sizes[front.border].sum())
        below = float(patch[front.patches].sum()) + sum(found[child] for child in front.children)
        found[position] = below + own**3 / 3 + own**2 * border + own * border**2
    return found
