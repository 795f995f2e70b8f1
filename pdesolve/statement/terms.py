"""What a condition says that must vanish, as a term."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from torch import Tensor

from pdesolve.statement.calculus import normal_derivative
from pdesolve.statement.conditions import Condition, Dirichlet, Initial, Neumann, Robin
from pdesolve.statement.fields import Field
from pdesolve.statement.frame import Frame
from pdesolve.statement.term import Term


class Evaluator(Protocol):
    """What a term asks a problem for; `Problem` says what each of these is."""

    domain: Any

    @property
    def unknowns(self) -> tuple[str, ...]:
        """Names of the unknowns."""

    def unknown_of(self, condition: Any, kind: str = "") -> str:
        """The unknown a condition speaks of."""

    def call(self, function: Callable, frame: Frame, parameters: Mapping[str, Any] | None = None) -> Any:
        """What a function of the user returns in a frame."""

    def value(self, value: Any, frame: Frame, owner: str) -> Tensor:
        """A prescribed value (n,) at the points of a frame."""


def equation_term(problem: Evaluator, equation: Callable) -> Term:
    """The term of the equation, which holds inside."""
    label = f"equation '{getattr(equation, '__name__', 'equation')}'"
    return Term(label, "equation", None, _called(problem, equation))


def condition_term(problem: Evaluator, condition: Any) -> Term | None:
    """The term of a condition; None where it is no statement about single points."""
    if isinstance(condition, Initial):
        return _initial(problem, condition)
    if isinstance(condition, Condition):
        name = f"Condition on {_place_name(condition)}"
        return Term(name, "condition", condition.on, _called(problem, condition.function))
    if isinstance(condition, (Dirichlet, Neumann, Robin)):
        return _prescribed(problem, condition)
    return None


def _called(problem: Evaluator, function: Callable) -> Callable[[Frame], Any]:
    return lambda frame: problem.call(function, frame, frame_parameters(frame))


def _initial(problem: Evaluator, condition: Initial) -> Term:
    unknown = problem.unknown_of(condition)
    name = f"Initial of {unknown}"
    if condition.order:
        name += f", order {condition.order}"

    def residual(frame: Frame) -> Any:
        u = frame.unknown(unknown)
        for _ in range(condition.order):
            u = u.t
        return u - problem.value(condition.value, frame, "the value of Initial")

    return Term(name, "initial", problem.domain.initial, residual, unknown, condition.value)


def _prescribed(problem: Evaluator, condition: Dirichlet | Neumann | Robin) -> Term:
    unknown = problem.unknown_of(condition)
    kind = type(condition).__name__
    whose = f" of {unknown}" if len(problem.unknowns) > 1 else ""
    owner = f"{kind}{whose} on {_place_name(condition)}"

    def left_side(u: Field, frame: Frame) -> Any:
        if isinstance(condition, Dirichlet):
            return u
        if isinstance(condition, Neumann):
            return normal_derivative(u)
        return normal_derivative(u) + problem.value(condition.a, frame, f"a of {owner}") * u

    def residual(frame: Frame) -> Any:
        value = problem.value(condition.value, frame, f"the value of {owner}")
        return left_side(frame.unknown(unknown), frame) - value

    return Term(owner, kind.lower(), condition.on, residual, unknown, condition.value)


def _place_name(condition: Any) -> str:
    return getattr(condition.on, "name", "boundary")


def frame_parameters(frame: Frame) -> Mapping[str, Any]:
    """Parameters to be identified that travel with a frame."""
    return getattr(frame, "parameters", None) or {}
