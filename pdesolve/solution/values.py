"""Values of expressions in the unknowns at points, of a solution and of the one that verifies it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pdesolve.errors import SolveError
from pdesolve.statement.outputs import Expression

CHUNK = 65_536  # points at once: a jet of some derivatives then takes some megabytes
UNKNOWN = 0.2  # part of an error that a solution of the next order has left, where no residuals tell it
ROUNDING = 1e-15  # of the sizes of what is added up: less than that, no estimate can say


@dataclass(frozen=True)
class Values:
    """An expression for two solutions: f(u) and f(v), v being the finer one.

    Attributes:
        solution: the result.
        verifying: the one beside it, or None.
        expression: f.
        times: how much larger than |f(v) - f(u)| the error of f(u) may be: that of the unknown in f with the largest.
        left: the part of the error of u that v has, too, √σ; where that is not known, a guess; one where v is coarser.
    """

    solution: Any
    verifying: Any
    expression: Expression
    times: float = 1.0
    left: float = UNKNOWN

    @classmethod
    def of(cls, solution: Any, expression: Expression) -> Values:
        """Of a solution, with what it knows of its error."""
        beside = solution.verification
        if beside is None:
            return cls(solution, None, expression)
        times = max((beside.times(u) for u, _ in expression.operator.slots), default=1.0)
        left = beside.shared**0.5 or UNKNOWN
        if any(part < 1 for part in beside.widened):
            left = 1.0  # the other is the coarser one, and where the two meet the error is like that around
        return cls(solution, solution.with_expansion(beside.expansion), expression, times, left)

    def at(self, points: Tensor, normals: Tensor | None = None) -> Tensor:
        """f(u) and, where there is one, f(v) at points (n, d): (s, n, m), s being 1 or 2."""
        both = [self.solution]
        if self.verifying is not None:
            both.append(self.verifying)
        return torch.stack([self._of(one, points, normals) for one in both])

    def _of(self, solution: Any, points: Tensor, normals: Tensor | None) -> Tensor:
        found = []
        for first in range(0, len(points), CHUNK):
            part = slice(first, first + CHUNK)
            found.append(
                evaluated(self.expression, solution, points[part], None if normals is None else normals[part])
            )
        if not found:
            return points.new_zeros(0, self.expression.operator.components)
        return torch.cat(found)

    def finite(self, points: Tensor, normals: Tensor | None = None) -> Tensor:
        """As `at`.

        Raises:
            SolveError: a value is not finite; the sentence says where.
        """
        values = self.at(points, normals)
        # A sum would hide where it was that the expression failed.
        bad = ~values.isfinite().all(2).all(0)
        if bool(bad.any()):
            where = ", ".join(f"{c:.6g}" for c in points[bad.nonzero()[0, 0]].tolist())
            message = f"{self.expression.name} is not finite at ({where})"
            raise SolveError(message)
        return values


def evaluated(expression: Expression, solution: Any, points: Tensor, normals: Tensor | None = None) -> Tensor:
    """Values (n, m) of an expression in the unknowns of a solution, NaN where that is not known."""
    slots = expression.operator.slots
    indices = tuple(dict.fromkeys(index for _, index in slots))
    if not slots:
        jets = points.new_zeros(len(points), 0)
    else:
        found = solution.jet(points, indices)
        jets = torch.stack([found[:, u, indices.index(index)] for u, index in slots], dim=1).to(points)
    parameters = {name: torch.tensor(v, dtype=torch.float64) for name, v in solution.parameters.items()}
    return expression.values(points, jets, normals, parameters)
