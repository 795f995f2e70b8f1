"""Cholesky factorisation of least squares on patches: each patch condensed to its faces, the faces by multifrontal.

What `condense` leaves couples faces alone: in the plane 2q unknowns to a face instead of q²/2 to a patch.
`multifrontal` eliminates them in the order of `dissection`, `subtrees` of it side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from pdesolve.errors import SolveError
from pdesolve.least_squares.sparse.dissection import Faces, Front, nested_dissection
from pdesolve.least_squares.sparse.hands import Hands, Needs, hands_in_use
from pdesolve.least_squares.sparse.multifrontal import FrontFactor, eliminate_last, solve_fronts
from pdesolve.least_squares.sparse.numbering import Numbering
from pdesolve.least_squares.sparse.row_blocks import Columns, RowBlocks
from pdesolve.least_squares.sparse.side_by_side import threads_for_pieces
from pdesolve.least_squares.sparse.sides import PatchRows, split
from pdesolve.least_squares.sparse.subtrees import Place, Subtree, places

# Added to the diagonal, which is one: the level of rounding
FIRST_SHIFT = 1e-14
# Beyond it the factor would be that of another matrix
LARGEST_SHIFT = 1e-4


Made = TypeVar("Made")


def at_smallest_shift(make: Callable[[float], Made | None], shift: float) -> tuple[Made, float]:
    """What a factorisation makes, and the shift, multiplied by 100 until all pivots are positive.

    Raises:
        SolveError: they are not at the largest shift.
    """
    while (made := make(shift)) is None:
        shift *= 100
        if shift > LARGEST_SHIFT:
            message = (
                "the normal equations are not positive definite; the residual may hold non-finite values"
            )
            raise SolveError(message)
    return made, shift


class CondensedCholesky:
    """Factorisation of D AᵀA D + shift, D = diag(scale), for rows A that touch one patch or two.

    Args:
        layout: columns p of the patches e.
        centres: (e, d) places of the patches, for the dissection.
        rows: A, in blocks.
        scale: (p,) scaling of the columns.
        shift: added to the diagonal; multiplied by 100 until the factorisation exists.
        hands: who factors the subtrees and keeps them; by default, see `factored_by`.

    Raises:
        SolveError: the matrix is not positive definite; A holds values that are not finite.
        OutOfMemoryError: the factor would not fit.
        OutOfTimeError: a deadline passed.
    """

    def __init__(
        self,
        layout: Columns,
        centres: np.ndarray,
        rows: Sequence[RowBlocks],
        scale: Tensor,
        shift: float = FIRST_SHIFT,
        hands: Hands | None = None,
    ):
        self.layout = layout
        single, double = split(rows)
        self.faces = Faces.of(double)
        fronts = nested_dissection(centres, self.faces)
        numbering = Numbering.of(self.faces, fronts, len(layout.sizes))
        for front in fronts:
            front.border = numbering.sorted_by_rank(front.border)
        every = PatchRows.of(layout, scale, single, double, numbering)
        self.hands = hands = hands or hands_in_use(layout.total)
        self.places, last = places(layout, numbering, fronts, hands.subtrees(layout.total), scale.device)
        hands.require(_needs(every, numbering, fronts, self.places, last))
        # Made one after the other, since they copy the rows
        trees = [partial(Subtree.of, place, every, numbering, fronts) for place in self.places]
        with threads_for_pieces():
            made, self.shift = at_smallest_shift(
                partial(self._factored, trees, last, numbering, fronts), shift
            )
        self.parts, self.last = made

    def _factored(
        self,
        trees: Sequence[Callable[[], Subtree]],
        last: list[int],
        numbering: Numbering,
        fronts: list[Front],
        shift: float,
    ) -> tuple[list[Any], list[FrontFactor]] | None:
        """Subtrees and last fronts; None if a pivot is not positive."""
        made = self.hands.factor(trees, shift)
        if made is None:
            return None
        parts, left = made
        updates = {}
        for place, schur in zip(self.places, left, strict=True):
            if schur is not None:
                updates[place.root] = schur
        factors = eliminate_last(updates, numbering, fronts, last, shift)
        if factors is None:
            return None
        return parts, factors

    def resembles(self, layout: Columns, rows: Sequence[RowBlocks]) -> bool:
        """Whether rows touch the same columns in the same faces as those of this factor."""
        if not torch.equal(layout.sizes, self.layout.sizes):
            return False
        double = [part for block in rows for part in block.merged() if len(part.groups) == 2]
        faces = Faces.of(double)
        return np.array_equal(faces.pairs, self.faces.pairs) and np.array_equal(faces.sizes, self.faces.sizes)

    @property
    def entries(self) -> int:
        """Stored numbers in the factor."""
        return self.hands.entries(self.parts) + sum(front.entries for front in self.last)

    def solve(self, b: Tensor) -> Tensor:
        """Solve (D AᵀA D + shift) x = b for one vector (p,), or for several (p, j)."""
        with threads_for_pieces():
            return self._solved(b)

    def _solved(self, b: Tensor) -> Tensor:
        reduced, updates = self.hands.reduce(self.parts, [b[place.columns] for place in self.places])
        z = b.new_zeros(int(self.faces.sizes.sum()), *b.shape[1:])
        # In the order of the tree, whichever was there first
        for place, update in zip(self.places, updates, strict=True):
            z.index_add_(0, place.border, update)
        solve_fronts(self.last, z)
        found = self.hands.substitute(self.parts, reduced, [z[place.border] for place in self.places])
        x = torch.empty_like(b)
        for place, part in zip(self.places, found, strict=True):
            x[place.columns] = part
        return x


def _needs(
    rows: PatchRows, numbering: Numbering, fronts: list[Front], trees: Sequence[Place], last: Sequence[int]
) -> Needs:
    """The numbers of the factor, of what it is made from, and of the largest fronts, before any is formed."""
    k = rows.layout.sizes.numpy().astype(float)
    m = numbering.rows_of_patch.astype(float)
    patch = k * (2 * k + 2 * m)
    sizes = numbering.faces.sizes
    own = np.array([sizes[front.own].sum() for front in fronts], dtype=float)
    border = np.array([sizes[front.border].sum() for front in fronts], dtype=float)
    leaf = np.array([not front.children for front in fronts], dtype=bool)
    # All leaves of a subtree are there before any is taken up
    front = own * (own + border) + leaf * border**2
    subtrees = [patch[tree.patches].sum() + front[tree.fronts].sum() for tree in trees]
    left = sum(border[tree.root] ** 2 for tree in trees)
    largest = 3 * (own + border).max(initial=0) ** 2
    return Needs(
        rows.layout.total,
        8 * np.array(subtrees),
        8 * float(front[list(last)].sum() + left),
        8 * float(largest),
        rows.scale.device,
    )
