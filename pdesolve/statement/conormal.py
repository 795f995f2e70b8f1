"""The flux that an equation means: k ∂u/∂n of -div(k grad(u)), the traction σ n of -div(σ).

A row r of the equation is read as a conservation law r = s Σ_i ∂_i G_i + what is no derivative of second order. The
derivatives that are taken last are marked by numbers ε that are zero, so that ∂r/∂ε is their factor in r: where that
is one number s at all points, G_i is the flux along axis i. Of first derivatives of undifferentiated unknowns only
those of *other* unknowns count, as the pressure in p.x - laplace(u): transport of u itself is no part of its conormal
flux, and neither is a known function, as in laplace(u) - laplace(exact(x, y)). The sign is the one that makes the flux
grow with ∂u/∂n.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.statement.fields import Field
from pdesolve.statement.frame import Frame, MultiIndex, multi_indices
from pdesolve.statement.problem import Problem
from pdesolve.statement.residual import ResidualOperator, Slot

# Relative change from point to point up to which a factor is one number.
SAME = 1e-9
# Of the largest factor: a derivative that does not enter a row.
ABSENT = 1e-12


@dataclass
class Mark:
    """A derivative that an equation takes: ∂/∂axis of `flux`, and the zero ε (n,) that was added to it."""

    axis: int
    flux: Field
    epsilon: Tensor


class MarkingFrame(Frame):
    """A frame that marks the derivatives that are taken in space."""

    def __init__(self, *args: Any):
        super().__init__(*args)
        self.marks: dict[str, Mark] = {}
        self.values: list[Tensor] = []  # all that was taken from the jets

    def _is_of_unknowns(self, field: Field) -> bool:
        """Whether a field is not known beforehand, as the Laplacian of an exact solution is: that is a source."""
        if field.combination is not None:
            return True
        sources = [
            one for one in (*self.values, *(m.epsilon for m in self.marks.values())) if one.requires_grad
        ]
        if not sources or not field.tensor.requires_grad:
            return False
        found = torch.autograd.grad(field.tensor.sum(), sources, allow_unused=True, retain_graph=True)
        return any(one is not None for one in found)

    def differentiate(self, field: Field, axis: str) -> Field:
        """∂/∂axis + ε; what is differentiated again knows nothing of ε."""
        # A derivative in time is no part of a divergence in space.
        if axis == "t" or not self._is_of_unknowns(field):
            return super().differentiate(field, axis)
        name = f"∂{len(self.marks)}"
        epsilon = self.full(0.0).requires_grad_()
        self.marks[name] = Mark(self.names.index(axis), field, epsilon)
        if field.combination is not None:
            return Field(None, self, {(name, (0,) * len(self.names)): 1.0})
        result = super().differentiate(field, axis)
        if result.nesting > 1:
            message = "there are derivatives of derivatives of expressions"
            raise NoFluxError(message)
        return Field(result.tensor.detach() + epsilon, self, nesting=result.nesting)

    def taylor(self, name: str, index: MultiIndex) -> Tensor:
        """As of a frame; of a marked derivative, that of what it is taken of."""
        mark = self.marks.get(name)
        if mark is None:
            self.values.append(super().taylor(name, index))
            return self.values[-1]
        raised = tuple(k + (i == mark.axis) for i, k in enumerate(index))
        total: Any = 0.0
        for (u, alpha), factor in mark.flux.combination.items():  # type: ignore[union-attr]
            total = total + factor * self.taylor(u, tuple(map(sum, zip(alpha, raised, strict=True))))
        # Differentiated once more it is a part of another derivative, and that is marked.
        if any(index):
            return total
        return total + mark.epsilon


class NoFluxError(ProblemError):
    """The equation means no flux."""


@dataclass(frozen=True)
class Conormal:
    """The flux of one row of an equation through a boundary.

    Attributes:
        operator: the equation, with all derivatives up to the highest as slots.
        unknown: whose flux it is.
        row: of the equation.
        sign: of its derivatives.
    """

    operator: ResidualOperator
    unknown: int
    row: int = 0
    sign: float = 1.0

    @classmethod
    def of(
        cls, problem: Problem, operator: ResidualOperator, unknown: int, points: Tensor, owner: str = "flux"
    ) -> Conormal:
        """Find the row of an unknown, and the sign, at sample points (n, d); `owner` begins the sentence of an error.

        Raises:
            ProblemError: the equation means no flux of this unknown; the sentence says what to write instead.
        """
        highest = max((sum(alpha) for _, alpha in operator.slots), default=0)
        # The flux depends on derivatives that the equation itself may not mention.
        indices = multi_indices(len(problem.coordinates), highest)
        every = tuple((u, alpha) for u in range(len(problem.unknowns)) for alpha in indices)
        wide = ResidualOperator(
            problem, operator.term, every, operator.components, max(operator.depth, 1), False
        )
        found = cls(wide, unknown)
        try:
            return found._determined(points)
        except NoFluxError as error:
            name = problem.unknowns[unknown]
            message = (
                f"{owner}: the equation means no flux of '{name}': {error}; write it in divergence form, "
                f"-div(k * grad({name})), or say what is meant: Integral(lambda {name}, n: k * "
                f"normal_derivative({name}), on=part)"
            )
            raise ProblemError(message) from None

    @property
    def components(self) -> int:
        """One number at each point."""
        return 1

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The derivatives that it needs."""
        return self.operator.slots

    def values(self, points: Tensor, jets: Tensor, normals: Tensor | None, parameters: Any) -> Tensor:
        """The flux (n, 1) through a boundary with normals (n, d), for jets (n, s) of the slots."""
        parts = self._parts(points, jets, parameters, self.row)
        assert normals is not None
        total = torch.zeros(len(points), dtype=torch.float64)
        for axis, factor, flux in parts:
            total = total + self.sign * factor * flux.detach() * normals[:, axis]
        return total[:, None]

    def _determined(self, points: Tensor) -> Conormal:
        generator = torch.Generator().manual_seed(0)
        shape = len(points), len(self.slots)
        jets = (torch.rand(shape, generator=generator, dtype=torch.float64) + 0.5).requires_grad_()
        parameters = {k: points.new_tensor(v) for k, v in self.operator.problem.parameters.items()}
        strengths = [self._strength(points, jets, parameters, row) for row in range(self.operator.components)]
        row = max(range(len(strengths)), key=lambda i: abs(strengths[i]))
        if strengths[row] == 0.0:
            message = "no row holds second derivatives of it"
            raise NoFluxError(message)
        return Conormal(self.operator, self.unknown, row, math.copysign(1.0, strengths[row]))

    def _strength(self, points: Tensor, jets: Tensor, parameters: Any, row: int) -> float:
        """Mean derivative Σ_i ∂G_i/∂(∂u/∂x_i) of the flux of a row."""
        total = 0.0
        for axis, factor, flux in self._parts(points, jets, parameters, row):
            (slope,) = torch.autograd.grad(flux.sum(), jets, allow_unused=True, retain_graph=True)
            first = tuple(int(i == axis) for i in range(points.shape[1]))
            if slope is not None:
                total += factor * float(slope[:, self.slots.index((self.unknown, first))].mean())
        return total

    def _parts(
        self, points: Tensor, jets: Tensor, parameters: Any, row: int
    ) -> list[tuple[int, float, Tensor]]:
        """Axis, factor and flux (n,) of the derivatives in a row."""
        with torch.enable_grad():
            frame: Any = self.operator.frame(points, jets.unbind(1), None, parameters, MarkingFrame)
            r = self.operator.term.evaluate(frame)[row]
            marks = list(frame.marks.values())
            factors = (
                [
                    torch.zeros_like(r) if g is None else g
                    for g in torch.autograd.grad(
                        r.sum(), [mark.epsilon for mark in marks], allow_unused=True, retain_graph=True
                    )
                ]
                if r.requires_grad and marks
                else []
            )
            largest = max((float(f.abs().max()) for f in factors), default=0.0)
            used = [
                (m, f)
                for m, f in zip(marks, factors, strict=False)
                if float(f.abs().max()) > ABSENT * largest
            ]
            return [
                (mark.axis, _constant(factor), mark.flux.tensor)
                for mark, factor in used
                if self._counts(mark, factor)
            ]

    def _counts(self, mark: Mark, factor: Tensor) -> bool:
        """Whether a derivative is one of second order, or that of another unknown (a pressure)."""
        combination = mark.flux.combination
        if combination is None or any(name.startswith("∂") or any(alpha) for name, alpha in combination):
            return True
        mine = self.operator.problem.unknowns[self.unknown]
        others = all(name != mine for name, _ in combination)
        return others and _spread(factor) <= SAME


def _spread(factor: Tensor) -> float:
    return float((factor.max() - factor.min()) / factor.abs().max())


def _constant(factor: Tensor) -> float:
    if _spread(factor) > SAME:
        message = "its second derivatives are multiplied by what changes from point to point"
        raise NoFluxError(message)
    return float(factor[0])
