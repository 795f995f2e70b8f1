"""The rows A(λ) of a homogeneous problem on one space, at a shift σ, and G = ∂A/∂λ there.

For λ that enters linearly, A(λ) = A + (λ - σ) G, and A(λ) c = 0 is  -G S f = μ f  with f = A c, the least-squares
solution S f = argmin ‖A c - f‖ and μ = 1/(λ - σ). The largest |μ| belong to the λ nearest to σ.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from pdesolve.least_squares.sparse.normal_equations import LastFactor, for_many_solves
from pdesolve.patches.assembly import Assembly
from pdesolve.patches.cells import Patches
from pdesolve.patches.compiled import GridTerm, Statement
from pdesolve.patches.corners.enrichment import Singular
from pdesolve.patches.discretise import rows_beside_terms
from pdesolve.patches.newton import equations_of
from pdesolve.patches.points.interior import Points
from pdesolve.patches.rows.terms import TermRows
from pdesolve.patches.space import Space

# Of a least-squares solution: rounding, which the eigenvalues keep
SOLVED = 1e-15
MOST_STEPS = 30


@dataclass(frozen=True)
class Shift:
    """The value σ of the eigenvalue parameter, as terms ask for it."""

    name: str
    value: float
    space: Space

    def scalars(self) -> dict[str, Tensor]:
        """σ by its name."""
        return {self.name: torch.tensor(self.value, dtype=self.space.half.dtype, device=self.space.device)}

    def jets(self, term: GridTerm, points: Points) -> Tensor:
        """There are no fields."""
        return self.space.half.new_zeros(points.weight.numel(), len(term.fields))


class Pencil:
    """A and G on one space, A factored.

    Args:
        statement: the compiled problem.
        patches: the patches.
        q: (e,) their degrees.
        shift: σ.
        device: where tables and matrices live.
        corners: singular functions; see `Space`.
    """

    def __init__(
        self,
        statement: Statement,
        patches: Patches,
        q: np.ndarray,
        shift: float,
        device: str = "cpu",
        corners: tuple[Singular, ...] = (),
    ):
        assert statement.problem.eigenvalues is not None
        name = statement.problem.eigenvalues.name
        self.shift = shift
        self.name = name
        self.statement = statement
        self.space = Space(patches, q, statement.orders, device, corners=corners)
        terms = TermRows(self.space, statement, Shift(name, shift, self.space))
        self.assembly = Assembly(self.space, [terms, *rows_beside_terms(self.space, statement)])
        self.rows, _, scales = self.assembly.linearise(self.space.zero())
        self.slopes = terms.slope(name, scales[0])
        last = LastFactor(factorise=for_many_solves)
        self.equations = equations_of(self.assembly, self.rows, last)

    @cached_property
    def measured(self) -> list[int]:
        """Unknowns that λ multiplies: modes are of size one in them."""
        seen = torch.zeros(self.space.unknowns, dtype=torch.bool)
        for block in self.slopes:
            if block is not None:
                matrix = block.matrices[0]
                seen |= (
                    matrix.reshape(-1, self.space.unknowns, matrix.shape[2] // self.space.unknowns)
                    .any(2)
                    .any(0)
                    .cpu()
                )
        return torch.nonzero(seen)[:, 0].tolist()

    def inverse(self, f: Tensor, tolerance: float = SOLVED) -> tuple[Tensor, Tensor]:
        """-G S f (n, j), and c = S f (p, j), the least-squares solution of A c = f, to a part of its energy."""
        c = self.equations.solve_many(self._in_blocks(f), max(tolerance, SOLVED), MOST_STEPS)
        return self.right(c), c

    def right(self, c: Tensor) -> Tensor:
        """-G c (n, j), in the rows of those blocks that λ enters, one after the other."""
        return torch.cat([-block.apply(c).flatten(0, 1) for block in self.slopes if block is not None])

    def left(self, c: Tensor, f: Tensor) -> list[Tensor]:
        """A c - f of each block, (b, m, j)."""
        pairs = zip(self.rows, self._in_blocks(f), strict=True)
        return [block.apply(c) - part for block, part in pairs]

    @cached_property
    def _shapes(self) -> list[torch.Size]:
        """(b, m) of each block."""
        return [block.apply(self.space.zero()).shape for block in self.rows]

    def _in_blocks(self, f: Tensor) -> list[Tensor]:
        """A right-hand side (n, j) as (b, m, j) of each block; zero where λ does not enter."""
        found = []
        start = 0
        for number, shape in enumerate(self._shapes):
            if number >= len(self.slopes) or self.slopes[number] is None:
                found.append(f.new_zeros(*shape, f.shape[1]))
                continue
            end = start + shape.numel()
            found.append(f[start:end].reshape(*shape, -1))
            start = end
        return found
