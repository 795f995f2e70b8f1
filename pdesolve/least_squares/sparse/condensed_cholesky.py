"""Cholesky factorisation of least squares on patches: each patch condensed to its faces, the faces by multifrontal.

What `condense` leaves couples faces alone: in the plane 2q unknowns to a face instead of q²/2 to a patch.
`multifrontal` eliminates them in the order of `dissection`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pdesolve.errors import OutOfMemoryError, SolveError
from pdesolve.least_squares.sparse.condense import Condensed, PatchRows, condense
from pdesolve.least_squares.sparse.dissection import Faces, Front, nested_dissection
from pdesolve.least_squares.sparse.multifrontal import FrontFactor, eliminate, solve_fronts
from pdesolve.least_squares.sparse.numbering import Numbering
from pdesolve.least_squares.sparse.row_blocks import Columns, RowBlocks
from pdesolve.runs.memory import available_memory
from pdesolve.runs.wording import named

# Added to the diagonal, which is one: the level of rounding
FIRST_SHIFT = 1e-14
# Beyond it the factor would be that of another matrix
LARGEST_SHIFT = 1e-4
# Of the free memory that a factor may take: the rows of the next step need some, too
ROOM = 0.8


class CondensedCholesky:
    """Factorisation of D AᵀA D + shift, D = diag(scale), for rows A that touch one patch or two.

    Args:
        layout: columns p of the patches e.
        centres: (e, d) places of the patches, for the dissection.
        rows: A, in blocks.
        scale: (p,) scaling of the columns.
        shift: added to the diagonal; multiplied by 100 until the factorisation exists.

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
    ):
        self.layout = layout
        split = PatchRows.of(layout, scale, list(rows))
        self.faces = Faces.of(split.double)
        fronts = nested_dissection(centres, self.faces)
        numbering = Numbering.of(self.faces, fronts, len(layout.sizes))
        for front in fronts:
            front.border = numbering.sorted_by_rank(front.border)
        _require_memory(layout, numbering, fronts, scale)
        while (made := _factored(split, numbering, fronts, shift)) is None:
            shift *= 100
            if shift > LARGEST_SHIFT:
                message = (
                    "the normal equations are not positive definite; the residual may hold non-finite values"
                )
                raise SolveError(message)
        self.shift = shift
        condensed, self.factors = made
        self.batches = condensed.batches

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
        local = sum(batch.lower.numel() + batch.side.numel() for batch in self.batches)
        return local + sum(front.entries for front in self.factors)

    def solve(self, b: Tensor) -> Tensor:
        """Solve (D AᵀA D + shift) x = b for one vector (p,), or for several (p, j)."""
        z = b.new_zeros(int(self.faces.sizes.sum()), *b.shape[1:])
        reduced = []
        for batch in self.batches:
            w = torch.linalg.solve_triangular(batch.lower, batch.gather(b, batch.columns), upper=False)
            reduced.append(w)
            update = batch.spread(torch.bmm(batch.side.mT, w))
            z.index_add_(0, batch.rows.flatten(), update.reshape(-1, *b.shape[1:]), alpha=-1)
        solve_fronts(self.factors, z)
        x = torch.empty_like(b)
        for batch, w in zip(self.batches, reduced, strict=True):
            rest = w - torch.bmm(batch.side, batch.gather(z, batch.rows))
            part = batch.spread(torch.linalg.solve_triangular(batch.lower.mT, rest, upper=True))
            x[batch.columns] = part.reshape(*batch.columns.shape, *b.shape[1:])
        return x


def _factored(
    rows: PatchRows, numbering: Numbering, fronts: list[Front], shift: float
) -> tuple[Condensed, list[FrontFactor]] | None:
    """Patches condensed and faces eliminated; None if a pivot is not positive."""
    condensed = condense(rows, numbering, shift)
    if condensed is None:
        return None
    factors = eliminate(condensed, numbering, fronts, shift)
    if factors is None:
        return None
    return condensed, factors


def _require_memory(layout: Columns, numbering: Numbering, fronts: list[Front], scale: Tensor) -> None:
    """Count the numbers of the factor, of what it is made from, and of the largest fronts before any is formed.

    Raises:
        OutOfMemoryError: they would not fit.
    """
    k = layout.sizes.numpy().astype(float)
    m = numbering.rows_of_patch.astype(float)
    sizes = numbering.faces.sizes
    own = np.array([sizes[front.own].sum() for front in fronts], dtype=float)
    border = np.array([sizes[front.border].sum() for front in fronts], dtype=float)
    needed = 8 * (k @ (2 * k + 2 * m) + own @ (own + border) + 3 * (own + border).max(initial=0) ** 2)
    available = available_memory(scale.device)
    if needed > ROOM * available:
        message = (
            f"the factorisation of {layout.total} unknowns needs {needed / 1e9:.1f} GB, "
            f"{available / 1e9:.1f} GB are free; ask for a looser {named('tol')}"
        )
        raise OutOfMemoryError(message)
