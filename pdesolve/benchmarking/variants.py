"""Variants of a problem that a method tuned to its figures would not solve: shifted, rotated, higher frequencies."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from pdesolve.benchmarking.transformed import Change, Transformation, asking_for, by_name, transformed
from pdesolve.errors import UsageError
from pdesolve.statement.calculus import as_field
from pdesolve.statement.conditions import Prescribed
from pdesolve.statement.problem import Problem

# Numbers without a relation to the domains of the problems: no symmetry or grid line is met by chance.
SHIFT = (0.137, -0.071, 0.053)
ANGLE = math.radians(17)
# Not a power of two, with which all roundings would stay the same.
FACTOR = 1.3


def shifted(problem: Problem) -> Problem:
    """The problem moved by (0.137, -0.071), in space by (0.137, -0.071, 0.053)."""
    return transformed(problem, Transformation(shift=SHIFT))


def rotated(problem: Problem) -> Problem:
    """The problem turned by 17° about the origin, in space about the axis (1, 1, 1)."""
    return transformed(problem, Transformation(angle=ANGLE))


def faster(problem: Problem, fixed: Sequence[float] | None = None) -> Problem:
    """The same equation on a domain 1.3 times as large: relative to the domain, all frequencies are × 1.3.

    Where the exact solution is known it is still the solution, and conditions take their values from it; else the
    values move with the boundary (of a flow: the Reynolds number × 1.3).

    Args:
        problem: the problem.
        fixed: the point that stays where it is; the middle of the bounding box by default.

    Raises:
        UsageError: the exact solution is known, and a condition is not Dirichlet, Neumann or Robin.
    """
    if fixed is None:
        fixed = problem.domain.bounds.mean(dim=0).tolist()
    change = Change(problem, Transformation(FACTOR, shift=tuple((1 - FACTOR) * c for c in fixed)))
    conditions = problem.conditions
    return Problem(
        domain=change.domain(problem.domain),
        equation=problem.equation,
        conditions=[
            _of_exact(problem, change, c) if problem.exact else change.condition(c) for c in conditions
        ],
        exact=problem.exact,
        guess=change.functions(problem.guess),
        constants=problem.constants,
        name=problem.name,
    )


VARIANTS: dict[str, Callable[[Problem], Problem]] = {"shifted": shifted, "rotated": rotated, "faster": faster}


def _of_exact(problem: Problem, change: Change, condition: Any) -> Any:
    """The condition that the exact solution meets on the image of a place."""
    if not isinstance(condition, Prescribed):
        message = f"a {type(condition).__name__} does not follow from the exact solution; this problem has no variant"
        raise UsageError(message)
    exact = problem.exact[problem.unknown_of(condition)]  # type: ignore[index]

    def value(**fields: Any) -> Any:
        read = lambda a, _: by_name(a, fields, problem) if callable(a) else a  # noqa: E731
        return condition.left_side(as_field(read(exact, "exact")), read)

    names = dict.fromkeys((*problem.coordinates, *problem.constants), True)
    stated: Any = condition  # one of the dataclasses of that kind
    return replace(stated, on=change.place(condition.on), value=asking_for(names, value))
