"""Initial values that are stated as conditions on the first time: `Condition(lambda u: u.t, on=domain.initial)`.

A condition there that is linear in one ∂^k u/∂t^k gives its value, as `Initial(value, order=k)` does, and is read so:
an evolution is advanced from initial values only.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.statement.calculus import Frame, MultiIndex
from pdesolve.statement.conditions import Condition, Dirichlet, Initial, Prescribed

Slot = tuple[str, MultiIndex]  # a derivative of an unknown

# Points at which the coefficient of a condition is looked at.
PROBES = 32
# Values of a derivative at which a condition is looked at: what is linear at these is linear, but for a branch between
# two of them that leaves both as they are.
SIZES = (1.0, -1.0, 1e-3, -1e3, 1e3)


def with_starts(problem: Any, conditions: Sequence[Any]) -> tuple[Any, ...]:
    """Conditions with those that give values at the first time as `Initial`.

    Args:
        problem: with everything but its conditions.
        conditions: as they are stated.

    Raises:
        ProblemError: a derivative along the normal is prescribed at an end of time, where the normal has no direction
            in space.
    """
    return tuple(one for condition in conditions for one in _as_starts(problem, condition))


def _as_starts(problem: Any, condition: Any) -> Sequence[Any]:
    domain = problem.domain
    place = getattr(condition, "on", None)
    if place is None or not domain.time_ends or place not in (domain.initial, domain.final):
        return [condition]
    if isinstance(condition, Prescribed) and not isinstance(condition, Dirichlet):
        message = (
            f"{type(condition).__name__} on {place.name}: ∂u/∂n is a derivative in space, which the ends of time have "
            "none of; write Initial(value, order=1) for ∂u/∂t at the start"
        )
        raise ProblemError(message)
    if place == domain.final:
        return [condition]
    if isinstance(condition, Dirichlet):
        return [Initial(condition.value, condition.unknown)]
    return _given_by(problem, condition) or [condition]


def _given_by(problem: Any, condition: Condition) -> list[Initial]:
    """The initial values that a condition gives, one for each of its components; none where it is of another kind."""
    if problem.parameters:
        return []
    term = _AtStart(problem, condition)
    points = condition.on.sample(problem.domain, PROBES).points
    frame, at_zero = term.evaluate(points, {})
    if frame.deepest:
        return []
    found: list[Initial] = []
    for component in range(len(at_zero)):
        slots = sorted(frame.requested)
        entering = [slot for slot in slots if term.depends(points, component, slot, slots)]
        if len(entering) != 1 or any(entering[0][1][:-1]):
            return []
        if not term.is_affine(points, component, entering[0]):
            return []
        name, index = entering[0]
        found.append(Initial(_Solved(term, component, entering[0]), name, index[-1]))
    return found


@dataclass(frozen=True, eq=False)
class _AtStart:
    """A condition on the first time, at given values of the derivatives that it asks for."""

    problem: Any
    condition: Condition

    def evaluate(self, points: Tensor, jets: dict[Slot, Tensor | float]) -> tuple[Frame, tuple[Tensor, ...]]:
        """The components (n,) each, zero for derivatives that are not given."""
        normals = torch.zeros_like(points)
        normals[:, -1] = -1
        zero = points.new_zeros(len(points))

        def jet(name: str, index: MultiIndex) -> Tensor:
            return zero + jets.get((name, index), 0.0)

        frame = Frame(self.problem.coordinates, points, jet, 0, normals)
        return frame, self.condition.term(self.problem).evaluate(frame)

    def change(
        self, points: Tensor, component: int, slot: Slot, size: float, others: dict[Slot, float] | None = None
    ) -> Tensor:
        """r(size) - r(0) (n,) in one derivative, at values of the others, zero by default."""
        values: dict[Slot, Tensor | float] = {**(others or {}), slot: 0.0}
        _, at_zero = self.evaluate(points, values)
        _, changed = self.evaluate(points, {**values, slot: size})
        return changed[component] - at_zero[component]

    def depends(self, points: Tensor, component: int, slot: Slot, slots: Sequence[Slot]) -> bool:
        """Whether a derivative enters, alone or by a product with others."""
        # No two of them alike, and neither zero nor one, at which products of them would hide.
        beside = {other: 0.7 + 0.31 * number for number, other in enumerate(slots)}
        for others in ({}, beside):
            for size in SIZES:
                if bool((self.change(points, component, slot, size, others) != 0).any()):
                    return True
        return False

    def is_affine(self, points: Tensor, component: int, slot: Slot) -> bool:
        """Whether a component is c times the derivative less what is given, with c of one sign."""
        unit = self.change(points, component, slot, 1.0)
        if not bool((unit > 0).all() or (unit < 0).all()):
            return False
        return all(
            torch.allclose(self.change(points, component, slot, size), size * unit, rtol=1e-9)
            for size in SIZES
        )


@dataclass(frozen=True, eq=False)
class _Solved:
    """The derivative for which a condition r = c ∂^k u/∂t^k - g vanishes, as a function of the coordinates: g / c."""

    term: _AtStart
    component: int
    slot: Slot

    @property
    def __signature__(self) -> inspect.Signature:
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        return inspect.Signature([inspect.Parameter(name, kind) for name in self.term.problem.coordinates])

    def __call__(self, **coordinates: Tensor) -> Tensor:
        """The value (n,) at coordinates (n,)."""
        points = torch.stack([coordinates[name] for name in self.term.problem.coordinates], dim=1)
        _, at_zero = self.term.evaluate(points, {})
        return -at_zero[self.component] / self.term.change(points, self.component, self.slot, 1.0)
