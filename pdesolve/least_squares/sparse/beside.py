"""A few dense columns beside sparse ones: min ‖A x + G a - b‖, with a factor of AᵀA only.

Columns of G may be nearly combinations of those of A, as singular functions are away from their corner. So they are
projected first, with the refined solves of `NormalEquations`: W = argmin ‖A W - G‖, P = G - A W ⟂ A. Then

    a = argmin ‖P a - b‖ (dense),      x = argmin ‖A x - (b - P a)‖ - W a.

A Schur complement GᵀG - GᵀA (AᵀA)⁻¹AᵀG is the same as PᵀP, and loses all its digits where ‖P‖ < 1e-8 ‖G‖.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from pdesolve.least_squares.sparse.normal_equations import Enough, LinearSolve, NormalEquations
from pdesolve.least_squares.sparse.row_blocks import RowBlocks, squared_norm

# ‖P‖ over ‖G‖ of a column below which it is a combination of the sparse ones: rounding leaves 1e-14 to 1e-12 of it,
# and what is left above that has a direction of some digits.
DEPENDENT = 1e-10
ALL_DIGITS = 1e-15  # of the projection: relative step at which it ends
PROJECTIONS = 3  # of columns: the first leaves 1e-13 of them, which is much of the 1e-10 that may be left
REFINEMENTS = 2  # solves in all: the second removes what the projection left of A in P


class BesideEquations:
    """min ‖A x + G a - b‖ for fixed rows and any number of right-hand sides; the unknowns are (x, a).

    Args:
        equations: of the sparse columns A.
        rows: those of A with `beside`, G in blocks (b, m, n).
    """

    def __init__(self, equations: NormalEquations, rows: Sequence[RowBlocks]):
        self.equations = equations
        self.rows = rows
        self.columns = [_columns_of(block) for block in rows]
        self.moved = torch.zeros(len(equations.scale), self.columns[0].shape[2]).to(equations.scale)  # W
        self.rest = self.columns  # P
        for _ in range(PROJECTIONS):
            # Each removes what the last one left along A, relative to what is left of the columns by then.
            length = _norms(self.rest).clamp_min(1e-300)
            step = equations.solve_many([p / length for p in self.rest], tolerance=ALL_DIGITS) * length
            self.moved = self.moved + step
            self.rest = [p - block.alone().apply(step) for p, block in zip(self.rest, rows, strict=True)]
        left = _norms(self.rest)
        kept_columns = left > DEPENDENT * _norms(self.columns)
        self.scale_of_rest = torch.where(kept_columns, 1 / left.clamp_min(1e-300), 0.0)
        flat = torch.cat([p.flatten(0, 1) for p in self.rest]) * self.scale_of_rest
        left_vectors, values, right = torch.linalg.svd(flat, full_matrices=False)
        kept = values > DEPENDENT * values.amax()
        self.pseudo = (right.mT * torch.where(kept, 1 / values, 0.0)) @ left_vectors.mT

    @property
    def scale(self) -> Tensor:
        """Column scales (p,) of A."""
        return self.equations.scale

    def apply(self, c: Tensor) -> list[Tensor]:
        """A x + G a for c = (x, a), one (b, m) per block."""
        return [block.apply(c) for block in self.rows]

    def solve(self, b: list[Tensor], energy: float = 0.0, enough: Enough | None = None) -> LinearSolve:
        """As `NormalEquations.solve`, of (x, a); down to rounding, whatever would be enough."""
        del enough
        found = torch.zeros(
            len(self.scale) + len(self.scale_of_rest), dtype=self.scale.dtype, device=self.scale.device
        )
        r = b
        for _ in range(REFINEMENTS):
            a = self.scale_of_rest * (self.pseudo @ torch.cat([part.flatten() for part in r]))
            beyond = [part - p @ a for part, p in zip(r, self.rest, strict=True)]
            solved = self.equations.solve(beyond, energy=energy)
            found = found + torch.cat([solved.x - self.moved @ a, a])
            energy = max(energy, solved.energy, squared_norm([p @ a for p in self.rest]))
            r = [part - image for part, image in zip(b, self.apply(found), strict=True)]
        return replace(solved, x=found, energy=energy, last=None)

    def solve_many(self, b: list[Tensor], tolerance: float = 1e-9, max_steps: int = 30) -> Tensor:
        """As `NormalEquations.solve_many`, of (x, a): (p + n, j) for right-hand sides (b, m, j)."""
        found = torch.zeros(
            len(self.scale) + len(self.scale_of_rest),
            b[0].shape[2],
            dtype=self.scale.dtype,
            device=self.scale.device,
        )
        r = b
        for _ in range(REFINEMENTS):
            a = self.scale_of_rest[:, None] * (self.pseudo @ torch.cat([part.flatten(0, 1) for part in r]))
            beyond = [part - p @ a for part, p in zip(r, self.rest, strict=True)]
            x = self.equations.solve_many(beyond, tolerance, max_steps)
            found = found + torch.cat([x - self.moved @ a, a])
            r = [part - image for part, image in zip(b, self.apply(found), strict=True)]
        return found

    def weakest(self, mass: Callable[[Tensor], Tensor], seed: int = 0) -> tuple[float, Tensor]:
        """As `NormalEquations.weakest`, of x alone; a is zero."""
        sigma, direction = self.equations.weakest(mass, seed=seed)
        return sigma, torch.nn.functional.pad(direction, (0, len(self.scale_of_rest)))

    def condition(self, steps: int = 8, weak: Tensor | None = None) -> float:
        """As `NormalEquations.condition`, of A alone."""
        if weak is not None:
            weak = weak[: len(self.scale)]
        return self.equations.condition(steps, weak)


def _columns_of(block: RowBlocks) -> Tensor:
    """G of a block (b, m, n)."""
    assert block.beside is not None, "rows that have columns beside them all do"
    return block.beside


def _norms(blocks: Sequence[Tensor]) -> Tensor:
    """Norms (n,) of the columns of blocks (b, m, n)."""
    return torch.stack([block.square().sum((0, 1)) for block in blocks]).sum(0).sqrt()
