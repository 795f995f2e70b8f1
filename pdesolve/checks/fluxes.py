"""What stands under a derivative: fluxes such as k ∇u in div(k ∇u), as functions of place and jet.

The derivative of an expression is taken by autograd at collocation points, which is right where the expression is
smooth and made of torch functions. It is not where the expression jumps, since no point sees the delta in between,
and not where a factor comes from a table, from numpy or from `detach()`, since autograd does not see it change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import factorial
from typing import NamedTuple

import torch
from torch import Tensor

from pdesolve.checks.terms import Sample
from pdesolve.statement.calculus import Field, Frame, MultiIndex, multi_indices
from pdesolve.statement.problem import Problem
from pdesolve.statement.residual import ResidualOperator, Slot


class Flux(NamedTuple):
    """An expression that is differentiated along an axis: its values (n,) and what autograd found, (n,)."""

    axis: int
    values: Tensor
    slope: Tensor


class _Recording(Frame):
    """A frame that keeps the expressions of which derivatives are taken."""

    def __init__(self, *args: object):
        super().__init__(*args)  # type: ignore[arg-type]
        self.taken: list[Flux] = []

    def differentiate(self, field: Field, axis: str) -> Field:
        """As that of a frame, and remembered for expressions."""
        result = super().differentiate(field, axis)
        if field.combination is None:
            values = field.tensor.detach().expand(self.size)
            self.taken.append(Flux(self.names.index(axis), values, result.tensor.detach().expand(self.size)))
        return result


@dataclass(frozen=True)
class Fluxes:
    """The fluxes of one compiled term as functions of place and jet.

    Attributes:
        operator: the term.
        parameters: values of the parameters.
        slots: all derivatives up to the highest that the term needs, also those that do not enter into its residual.
    """

    operator: ResidualOperator
    parameters: dict[str, Tensor]
    slots: tuple[Slot, ...]

    @classmethod
    def of(cls, sample: Sample) -> Fluxes:
        """Those of a term that was compiled for a check."""
        problem = sample.operator.problem
        highest = max((sum(alpha) for _, alpha in sample.operator.slots), default=0)
        indices = multi_indices(len(problem.coordinates), highest)
        slots = tuple((unknown, alpha) for unknown in range(len(problem.unknowns)) for alpha in indices)
        return cls(sample.operator, sample.parameters, slots)

    @property
    def extents(self) -> Tensor:
        """Lengths (d,) of the domain."""
        lower, upper = self.operator.problem.domain.bounds
        return upper - lower

    def jets(self, n: int, seed: int, size: float = 1.0, same: bool = False) -> Tensor:
        """Random jets (n, s) of an unknown of this size that changes over the length of the domain."""
        generator = torch.Generator().manual_seed(seed)
        rows = n
        if same:
            rows = 1
        # Between a half and one and a half: all of one size, none near zero.
        jets = size * (torch.rand(rows, len(self.slots), generator=generator, dtype=torch.float64) + 0.5)
        return (jets * units(self.operator.problem, self.slots)).expand(n, -1).contiguous()

    def at(self, points: Tensor, jets: Tensor, normals: Tensor | None = None) -> list[Flux]:
        """All fluxes at points (n, d) with jets (n, s), in the order in which they are differentiated."""
        problem = self.operator.problem
        columns = dict(zip(self.slots, jets.unbind(1), strict=True))
        number = {name: i for i, name in enumerate(problem.unknowns)}

        def jet(name: str, index: MultiIndex) -> Tensor | None:
            return columns.get((number[name], index))

        with torch.enable_grad():
            frame = _Recording(problem.coordinates, points, jet, self.operator.depth, normals)
            frame.parameters = self.parameters  # type: ignore[attr-defined]
            self.operator.term.evaluate(frame)
        return frame.taken

    def moved(self, jets: Tensor, axis: int, step: float) -> Tensor:
        """Jets (n, s) of the polynomial with these jets, at points moved by a step along an axis."""
        place = {slot: column for column, slot in enumerate(self.slots)}
        highest = max(sum(alpha) for _, alpha in self.slots)
        columns = []
        for unknown, alpha in self.slots:
            terms = []
            # Taylor's series, which ends with the highest derivatives.
            for k in range(highest - sum(alpha) + 1):
                raised = tuple(a + k * (i == axis) for i, a in enumerate(alpha))
                terms.append(step**k / factorial(k) * jets[:, place[unknown, raised]])
            columns.append(torch.stack(terms).sum(0))
        return torch.stack(columns, dim=1)


def units(problem: Problem, slots: Sequence[Slot]) -> Tensor:
    """Sizes (s,) of the derivatives of a function of size one that changes over the length of the domain."""
    extents = problem.domain.bounds[1] - problem.domain.bounds[0]
    return torch.stack([extents.pow(-torch.tensor(alpha)).prod() for _, alpha in slots])
