"""The term of an equation, and what terms ask a problem for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from torch import Tensor

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
    return Term(label, "equation", None, called(problem, equation))


def called(problem: Evaluator, function: Callable) -> Callable[[Frame], Any]:
    """What a function of the user returns in a frame, as a function of the frame."""
    return lambda frame: problem.call(function, frame, frame_parameters(frame))


def frame_parameters(frame: Frame) -> Mapping[str, Any]:
    """Parameters to be identified that travel with a frame."""
    return getattr(frame, "parameters", None) or {}
