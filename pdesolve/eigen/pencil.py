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

from pdesolve.least_squares.sparse.normal_equations import NormalEquations
from pdesolve.patches.assembly import Assembly
from pdesolve.patches.cells import Patches
from pdesolve.patches.compiled import GridTerm, Statement
from pdesolve.patches.discretise import rows_beside_terms
from pdesolve.patches.points.interior import Points
from pdesolve.patches.rows.terms import TermRows
from pdesolve.patches.space import Space

# Of a least-squares solution: rounding, which the eigenvalues keep
SOLVED = 1e-15
MOST_STEPS = 12


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
    """

    def __init__(
        self, statement: Statement, patches: Patches, q: np.ndarray, shift: float, device: str = "cpu"
    ):
        assert statement.problem.eigenvalues is not None
        name = statement.problem.eigenvalues.name
        self.shift = shift
        self.space = Space(patches, q, statement.orders, device)
        terms = TermRows(self.space, statement, Shift(name, shift, self.space))
        self.assembly = Assembly(self.space, [terms, *rows_beside_terms(self.space, statement)])
        self.rows, _, scales = self.assembly.linearise(self.space.zero())
        self.slopes = terms.slope(name, scales[0])
        self.equations = NormalEquations(self.space.layout, patches.centre, self.rows)

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

    def solve(self, f: list[Tensor | None]) -> Tensor:
        """S f (p, j) for right-hand sides (b, m, j) of each block that G touches."""
        j = next(part for part in f if part is not None).shape[2]
        b = []
        for number, block in enumerate(self.rows):
            part = f[number] if number < len(f) else None
            if part is None:
                shape = block.apply(self.space.zero()).shape
                part = self.space.half.new_zeros(*shape, j)
            b.append(part)
        return self.equations.solve_many(b, SOLVED, MOST_STEPS)

    def image(self, c: Tensor) -> list[Tensor | None]:
        """-G c, (b, m, j) of each block for c (p, j)."""
        return [None if block is None else -block.apply(c) for block in self.slopes]
