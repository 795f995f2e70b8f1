"""The statement of an eigenvalue problem: which number is sought, how many values of it, and near which one."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pdesolve.errors import ProblemError

# Eigenvalues at once: each has a mode on all patches.
MOST = 200


@dataclass(frozen=True)
class Eigenvalues:
    """Numbers λ for which a homogeneous equation with its conditions has a solution that is not zero.

    Attributes:
        name: the argument of the equation, or of a `Condition`, that stands for λ.
        count: how many are wanted.
        near: those nearest to this number.
    """

    name: str
    count: int = 6
    near: float = 0.0

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and self.name.isidentifier()):
            message = (
                f"Eigenvalues received the name {self.name!r}; expected that of an argument of the equation, "
                'e.g. Eigenvalues("lam")'
            )
            raise ProblemError(message)
        whole = isinstance(self.count, int) and not isinstance(self.count, bool)
        if not whole or not 1 <= self.count <= MOST:
            message = f"Eigenvalues received count={self.count!r}; expected a whole number from 1 to {MOST}"
            raise ProblemError(message)
        number = isinstance(self.near, (int, float)) and not isinstance(self.near, bool)
        if not number or not math.isfinite(self.near):
            message = f"Eigenvalues received near={self.near!r}; expected a finite number, e.g. near=0"
            raise ProblemError(message)


def scalars_with(
    eigenvalues: Any, parameters: Mapping[str, float], taken: Mapping[str, float]
) -> dict[str, float]:
    """Scalars that travel with a frame, name → first value: those to be identified, or the eigenvalue.

    Args:
        eigenvalues: what the problem was given, or None.
        parameters: to be identified.
        taken: constants.

    Raises:
        ProblemError: it is no `Eigenvalues`, its name means something else, or there is something to identify, too.
    """
    if eigenvalues is None:
        return dict(parameters)
    if not isinstance(eigenvalues, Eigenvalues):
        message = (
            f"eigenvalues is a {type(eigenvalues).__name__}; expected Eigenvalues(name, count, near), "
            'e.g. Eigenvalues("lam", count=6, near=0)'
        )
        raise ProblemError(message)
    if eigenvalues.name in taken:
        message = (
            f"'{eigenvalues.name}' is in constants= and in Eigenvalues; expected it in one of them: a constant is "
            "known, an eigenvalue is sought"
        )
        raise ProblemError(message)
    if parameters:
        message = (
            "eigenvalues= and parameters= do not go together: nothing is identified from data in an eigenvalue "
            f"problem; make {', '.join(parameters)} constants"
        )
        raise ProblemError(message)
    return {eigenvalues.name: float(eigenvalues.near)}


def check_with(
    eigenvalues: Eigenvalues | None, functions: Sequence[Callable], beside: Mapping[str, Any]
) -> None:
    """See that λ is asked for, and that nothing is stated that an eigenvalue problem cannot have.

    Args:
        eigenvalues: what is sought, or None.
        functions: the equation, and those of conditions.
        beside: arguments of the problem by name, empty or None where they were not given.

    Raises:
        ProblemError: no function asks for λ, or one of those arguments was given.
    """
    if eigenvalues is None:
        return
    if not any(eigenvalues.name in _arguments(function) for function in functions):
        message = (
            f"'{eigenvalues.name}' of Eigenvalues is an argument of neither the equation nor a Condition; expected it "
            f"in one of them, e.g. def membrane(u, {eigenvalues.name}): return -laplace(u) - {eigenvalues.name} * u"
        )
        raise ProblemError(message)
    for name, value in beside.items():
        if value:
            message = (
                f"eigenvalues= and {name}= do not go together: a mode is known up to a factor only, and there are "
                f"several of them; leave {name} out"
            )
            raise ProblemError(message)


def _arguments(function: Callable) -> Sequence[str]:
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return []
