"""Outputs: functions of the unknowns, stated like equations and known wherever the solution is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from pdesolve.errors import ProblemError, did_you_mean
from pdesolve.statement.calculus import as_field
from pdesolve.statement.complex_fields import Complex, is_complex
from pdesolve.statement.fields import Field, Vector
from pdesolve.statement.frame import Frame
from pdesolve.statement.matrices import Matrix
from pdesolve.statement.pointwise import ADVICE, is_pointwise
from pdesolve.statement.problem import Problem
from pdesolve.statement.residual import Slot, compile_term, sample_points
from pdesolve.statement.term import Term
from pdesolve.statement.terms import called

# The shape of a complex value: a row of its two parts, which is neither a vector nor a square matrix.
COMPLEX = (1, 2)
PARTS = ("re", "im")
# Points at which the derivatives that an output asks for are found, as for conditions.
SAMPLES = 64


class Operator(Protocol):
    """What evaluates an expression: the derivatives that it needs, and its values from them."""

    @property
    def slots(self) -> Sequence[Slot]:
        """(unknown index, multi-index) of each derivative."""

    @property
    def components(self) -> int:
        """Number m of values at each point."""

    def values(
        self, points: Tensor, jets: Tensor, normals: Tensor | None, parameters: Mapping[str, Tensor] | None
    ) -> Tensor:
        """Values (n, m) for jets (n, s) at points (n, d), with normals (n, d) on a boundary."""


@dataclass(frozen=True)
class Expression:
    """A compiled function of the unknowns: jets (n, s) ↦ values (n, m).

    Attributes:
        name: for messages, e.g. "output 'von_mises'".
        operator: what evaluates it.
        shape: () of a scalar, (k,) of a vector, (k, k) of a matrix with m = k² entries, row by row; `COMPLEX` of a
            complex value with m = 2.
    """

    name: str
    operator: Operator
    shape: tuple[int, ...] = ()

    @property
    def is_vector(self) -> bool:
        """Whether it has components; else m = 1."""
        return bool(self.shape)

    @property
    def is_complex(self) -> bool:
        """Whether the two values are the parts of a complex one."""
        return self.shape == COMPLEX

    @classmethod
    def of(cls, problem: Problem, function: Any, name: str, place: Any = None) -> Expression:
        """Compile an unknown, an output (both by name), a number or a function of the unknowns.

        Args:
            problem: whose unknowns and outputs they are.
            function: the only unknown where it is None.
            name: for messages.
            place: part of the boundary where it is wanted, so that it may ask for `n`; None inside.

        Raises:
            ProblemError: a name is not known, or the function is wrong.
        """
        if place is not None:
            require_part(problem, place, name)
        stated = _stated(problem, function, name, place is not None)
        found: list[tuple[int, ...]] = []

        def parts(frame: Frame) -> tuple[Any, ...]:
            result = stated(frame)
            found.append(_shape(result))
            return _components(result, frame, name)

        term = Term(name, "output", place, parts)
        points, normals = sample_points(problem, term, SAMPLES)
        operator = compile_term(problem, term, points, normals)
        _require_pointwise(problem, operator, points, normals, name)
        return cls(name, operator, found[-1])

    def values(
        self, points: Tensor, jets: Tensor, normals: Tensor | None, parameters: Mapping[str, Tensor]
    ) -> Tensor:
        """Values (n, m) for jets (n, s) at points (n, d)."""
        return self.operator.values(points, jets, normals, parameters)


def require_part(problem: Problem, place: Any, name: str) -> None:
    """See that a place is on the boundary of the domain.

    Raises:
        ProblemError: it is not.
    """
    if len(place.rule(problem.domain, 2).points):
        return
    message = (
        f"{name}: {getattr(place, 'name', place)} is no part of the boundary of the domain, whose parts are "
        f"{', '.join(problem.domain.part_names)}"
    )
    raise ProblemError(message)


def _require_pointwise(
    problem: Problem, operator: Operator, points: Tensor, normals: Tensor | None, name: str
) -> None:
    """See that values at a point do not depend on what the other points are.

    Raises:
        ProblemError: they do.
    """
    generator = torch.Generator().manual_seed(1)
    jets = torch.rand(len(points), len(operator.slots), generator=generator, dtype=points.dtype) + 0.5
    parameters = {key: points.new_tensor(value) for key, value in problem.parameters.items()}

    def values(chosen: Tensor) -> Tensor:
        there = None if normals is None else normals[chosen]
        return operator.values(points[chosen], jets[chosen], there, parameters)

    if not is_pointwise(values, len(points)):
        message = f"{name} is not pointwise: {ADVICE}"
        raise ProblemError(message)


def _stated(problem: Problem, function: Any, name: str, on_boundary: bool) -> Callable[[Frame], Any]:
    """What is asked for, as a function of the frame."""
    if function is None:
        function = _only_unknown(problem)
    if isinstance(function, str):
        return _by_name(problem, function, name)
    if callable(function):
        known = problem.names.of_conditions
        problem.names.check_arguments(function, name, known if on_boundary else known - {"n"})
        return called(problem, function)
    if isinstance(function, (int, float)) and not isinstance(function, bool):
        _require_finite(function, name)
        return lambda frame: frame.full(function)
    known_names = ", ".join(map(repr, (*problem.unknowns, *problem.outputs)))
    message = (
        f"{name} received {function!r}; expected one of {known_names}, or a function of the unknowns, e.g. "
        f"lambda {problem.unknowns[0]}: {problem.unknowns[0]}**2"
    )
    raise ProblemError(message)


def _only_unknown(problem: Problem) -> str | None:
    """The one unknown there is, which may be a vector or complex."""
    if len(problem.unknowns) == 1:
        return problem.unknowns[0]
    wholes = [name for name, group in problem.names.groups.items() if group.members == problem.unknowns]
    return wholes[0] if wholes else None


def _by_name(problem: Problem, word: str, name: str) -> Callable[[Frame], Any]:
    if word in problem.unknowns:
        return lambda frame: frame.unknown(word)
    if word in problem.names.groups:
        group = problem.names.groups[word]
        return lambda frame: group.joined(list(map(frame.unknown, group.members)), frame.space_names)
    if word in problem.outputs:
        return called(problem, problem.outputs[word])
    known = [*problem.unknowns, *problem.names.groups, *problem.outputs]
    message = f"{name} speaks of '{word}'; the unknowns and outputs are {', '.join(known)}{did_you_mean(word, known)}"
    raise ProblemError(message)


def _shape(result: Any) -> tuple[int, ...]:
    if isinstance(result, Matrix):
        return (len(result), len(result))
    if is_complex(result):
        return COMPLEX
    return (len(result),) if isinstance(result, (Vector, tuple, list)) else ()


def _components(result: Any, frame: Frame, name: str) -> tuple[Any, ...]:
    """The components of what an output returned, numbers as constants."""
    if isinstance(result, Matrix):
        return tuple(_component(entry, frame, name) for row in result for entry in row)
    if is_complex(result):
        result = as_field(result)
        return (_component(result.real, frame, name), _component(result.imag, frame, name))
    if not isinstance(result, (Vector, tuple, list)):
        return (_component(result, frame, name),)
    if not len(result):
        message = f"{name} returned nothing; expected a field, or a vector of them"
        raise ProblemError(message)
    return tuple(_component(part, frame, name) for part in result)


def _component(part: Any, frame: Frame, name: str) -> Any:
    if isinstance(part, (Field, Tensor)):
        tensor = part
        if isinstance(part, Field):
            tensor = part.tensor
        if tensor.ndim == 0:  # an expression of constants is the same number at all points
            return tensor.expand(frame.size)
        return part
    if isinstance(part, (int, float)) and not isinstance(part, bool):
        _require_finite(part, name)
        return frame.full(part)
    kind = f"a {type(part).__name__}"
    if isinstance(part, Complex):
        message = (
            f"{name} returned a vector of complex fields; expected real ones: v.real, v.imag, or two outputs"
        )
        raise ProblemError(message)
    if isinstance(part, (Vector, tuple, list)):
        kind = "a vector inside a vector"
    message = f"{name} returned {kind}; expected a field of shape ({frame.size},) or a vector of such fields"
    raise ProblemError(message)


def _require_finite(number: float, name: str) -> None:
    if not math.isfinite(number):
        message = f"{name} is {number}; expected a finite number, or a function of the unknowns"
        raise ProblemError(message)


def output_expressions(problem: Problem) -> dict[str, Expression]:
    """All outputs of a problem, compiled."""
    return {name: Expression.of(problem, name, f"output '{name}'") for name in problem.outputs}


def entry_names(name: str, shape: tuple[int, ...], coordinates: Sequence[str]) -> list[str]:
    """Names of the entries of an output: flux_x, flux_y; sigma_xx, sigma_xy, …; numbers where there are others."""
    k = len(coordinates)
    pairs = [f"{a}{b}" for a in coordinates for b in coordinates]
    # On a line, a vector has as many entries as a matrix: the last one counts.
    endings = {COMPLEX: PARTS, (k * k,): pairs, (k, k): pairs, (k,): coordinates}
    if not shape:
        return [name]
    if shape in endings:
        return [f"{name}_{ending}" for ending in endings[shape]]
    return [f"{name}_{i + 1}" for i in range(math.prod(shape))]
