"""A curve of discrete solutions (c, λ) of r(c, λ) = 0, which may turn back: tangents, and steps along them.

A step of length s from (c₀, λ₀) with the tangent (ċ, λ̇) ends on the plane

    ⟨ċ, c - c₀⟩ + w² λ̇ (λ - λ₀) = s,        ⟨ċ, ċ⟩ + w² λ̇² = 1

(pseudo-arclength: Keller, in *Applications of Bifurcation Theory*, Academic Press 1977). The plane is a row of the
least-squares problem, which touches all columns; with it, the rows determine c also in a fold, where those of r alone
do not, and the column of λ is eliminated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from pdesolve.least_squares.sparse.border import DenseRows
from pdesolve.least_squares.sparse.normal_equations import NormalEquations
from pdesolve.least_squares.sparse.row_blocks import RowBlocks, squared_norm
from pdesolve.patches.assembly import Assembly
from pdesolve.patches.family import Family
from pdesolve.patches.rows.source import Rows
from pdesolve.patches.rows.weights import VALUE_WEIGHT

MOST_STEPS = 12  # of Newton; from a predictor that is near enough three to five are
STEP = 1e-6  # of the differences that give ∂r/∂λ, of the unit of λ: errors 1e-12 of truncation, 1e-10 of rounding
FINEST = 1e-11  # length of a last step of Newton, in the unit of the curve: shorter ones are rounding
AT_ROUNDING = 1e-7  # length of a step from which only rounding keeps the next from being shorter


@dataclass(frozen=True, eq=False)
class Place:
    """A point of a curve and the tangent there; `speed` is λ̇, which changes sign in a fold."""

    c: Tensor
    value: float
    direction: Tensor
    speed: float
    residual: float
    steps: int = 0


@dataclass(frozen=True, eq=False)
class Curve:
    """The solutions of a problem over one of its constants.

    Attributes:
        family: the problem on a space.
        name: of the constant.
        unit: of λ, in which the curve is measured: the length of the range that is followed.
        size: of c, likewise.
        goal: length of a last step of Newton.
    """

    family: Family
    name: str
    unit: float
    size: float = 1.0
    goal: float = FINEST

    def sized(self, place: Place, least: float = 0.0) -> tuple[Curve, Place]:
        """The curve measured by the size of a place of it, and the place with its tangent of length one there."""
        curve = replace(self, size=max(self.norm(place.c), least) or 1.0)
        length = curve._length(place.direction, place.speed)
        return curve, replace(place, direction=place.direction / length, speed=place.speed / length)

    def norm(self, c: Tensor) -> float:
        """‖c‖, the root of the sum over unknowns of squares of L2 norms."""
        return float(self.family.space.norms(c).norm())

    def start(self, c: Tensor, value: float, toward: float) -> Place:
        """The point at λ near c, its tangent in the direction of another value of λ."""
        upward = 1.0 if toward > value else -1.0
        place = Place(c, value, torch.zeros_like(c), upward / self._weight, 0.0)
        return self.turned(place)

    def step(self, place: Place, length: float) -> Place | None:
        """The point a length further along the curve, with the tangent there; None where Newton does not find it."""
        c = place.c + length * place.direction
        value = place.value + length * place.speed
        last = torch.inf
        for steps in range(1, MOST_STEPS + 1):
            assembly = self.family.at({self.name: value})
            along = self._along(place, c, value) - length
            linearised = assembly.linearise(c)
            move, change = self._solve(assembly, linearised, place, c, value, along, homogeneous=False)
            c = c + move
            value = value + change
            moved = self._length(move, change)
            # Steps of a Newton that converges shrink; one that grows to twice the last, and the step, diverges.
            if not moved < torch.inf or moved > 2 * max(last, length):
                return None
            # So near to the curve only rounding keeps a step from being shorter than half the one before.
            stagnant = last <= AT_ROUNDING and moved > 0.5 * last
            if moved <= self.goal or stagnant:
                return self.turned(replace(place, c=c, value=value, steps=steps))
            last = moved
        return None

    def turned(self, place: Place) -> Place:
        """The place with the tangent of the curve there, in the sense of the one that it had."""
        assembly = self.family.at({self.name: place.value})
        linearised = assembly.linearise(place.c)
        direction, speed = self._solve(
            assembly, linearised, place, place.c, place.value, -1.0, homogeneous=True
        )
        length = self._length(direction, speed)
        size = squared_norm(linearised[1]) ** 0.5
        return replace(place, direction=direction / length, speed=speed / length, residual=size)

    def carried(self, finer: Curve, place: Place) -> Place:
        """A place of this curve on another space, the same plane beneath it."""

        def prolong(c: Tensor) -> Tensor:
            return finer.family.space.prolong(self.family.space, c)

        return replace(place, c=prolong(place.c), direction=prolong(place.direction))

    # ---------------------------------------------------------------- the metric and the plane

    @property
    def _weight(self) -> float:
        """The w of λ, both measured in their units."""
        return 1 / self.unit

    def _length(self, c: Tensor, value: float) -> float:
        return float(((self.norm(c) / self.size) ** 2 + (self._weight * value) ** 2) ** 0.5)

    def _along(self, place: Place, c: Tensor, value: float) -> float:
        """⟨ċ, c - c₀⟩ + w² λ̇ (λ - λ₀)."""
        return float(self._gradient(place) @ (c - place.c)) + self._weight**2 * place.speed * (
            value - place.value
        )

    def _gradient(self, place: Place) -> Tensor:
        """The covector c ↦ ⟨ċ, c⟩; the basis is orthonormal on each patch but for its envelope."""
        space = self.family.space
        sizes = space.layout.sizes.to(space.device)
        return space.half.prod(1).repeat_interleave(sizes) * place.direction / self.size**2

    # ---------------------------------------------------------------- one linear solve

    def _solve(
        self,
        assembly: Assembly,
        linearised: tuple[list[Rows], list[Tensor], list[Any]],
        place: Place,
        c: Tensor,
        value: float,
        along: float,
        homogeneous: bool,
    ) -> tuple[Tensor, float]:
        """(δc, δλ) with least |J δc + r_λ δλ + r|² + |plane(δc, δλ) + along|²; r is left out where homogeneous.

        With A = [J; plane], b = [r_λ; w² λ̇] and f = [r; along]: δλ = -b·(f + A x)/(b·(b - A z)) and
        δc = x - δλ z, where x and z are least-squares solutions of A x = -f and A z = b.
        """
        rows, residuals, scales = linearised
        weight = VALUE_WEIGHT * self.size  # of the plane, in the unit of the rows
        plane = self._plane(place, weight)
        column = self._column(c, value, scales)
        b = [*column, c.new_full((1, 1), weight * self._weight**2 * place.speed)]
        f = [0 * r if homogeneous else r for r in residuals]
        f = [*f, c.new_full((1, 1), weight * along)]
        if not bool(plane.matrix.any()):  # at the start, where only λ is known to move
            return self._at_fixed(assembly, rows, f[:-1], column, -along / (self._weight**2 * place.speed))
        equations = NormalEquations(assembly.layout, assembly.patches.centre, [*rows, plane])
        x = equations.solve([-r for r in f]).x
        z = equations.solve(b).x
        left = [r + image for r, image in zip(f, equations.apply(x), strict=True)]
        missed = [q - image for q, image in zip(b, equations.apply(z), strict=True)]
        change = -_dot(b, left) / _dot(b, missed)
        return x - change * z, change

    def _at_fixed(
        self, assembly: Assembly, rows: list[Rows], f: list[Tensor], column: list[Tensor], change: float
    ) -> tuple[Tensor, float]:
        equations = NormalEquations(assembly.layout, assembly.patches.centre, rows)
        return equations.solve([-r - change * q for r, q in zip(f, column, strict=True)]).x, change

    def _plane(self, place: Place, weight: float) -> DenseRows:
        row = weight * self._gradient(place)
        layout = self.family.space.layout
        parts = torch.stack([part.square().sum() for part in row.split(layout.sizes.tolist())])
        chosen = parts.argmax().cpu()[None]
        share = float((parts.max() / parts.sum().clamp_min(1e-300)).sqrt().clamp_min(1e-8))
        confined = row[layout.of(chosen).to(row.device)] / share
        block = RowBlocks.make(layout, (chosen,), (confined[:, None],))
        return DenseRows(row[None], (block,), row.new_zeros(1))

    def _column(self, c: Tensor, value: float, scales: list[Any]) -> list[Tensor]:
        """∂r/∂λ of each block, by central differences."""
        h = STEP * self.unit
        upper, lower = (self.family.at({self.name: value + d}).residuals(c, scales) for d in (h, -h))
        return [(a - b) / (2 * h) for a, b in zip(upper, lower, strict=True)]


def _dot(a: list[Tensor], b: list[Tensor]) -> float:
    return float(sum((p * q).sum() for p, q in zip(a, b, strict=True)))
