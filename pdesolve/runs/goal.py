"""What is asked of a solution: a tolerance, the norm in which errors are meant, and absolute errors by unknown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pdesolve.errors import UsageError, did_you_mean
from pdesolve.runs.wording import named


def require_tolerance(tol: Any, such_as: str = "1e-6") -> None:
    """See that a tolerance is one.

    Raises:
        UsageError: it is no number between 0 and 1.
    """
    if isinstance(tol, bool) or not isinstance(tol, (int, float)) or not 0 < tol < 1:
        message = f"tol={tol!r}; expected a relative error between 0 and 1, such as {such_as}"
        raise UsageError(message)


def require_time_limit(time_limit: Any) -> None:
    """See that a time limit is one, or None.

    Raises:
        UsageError: it is no number above 0.
    """
    if time_limit is not None and not (isinstance(time_limit, (int, float)) and time_limit > 0):
        message = f"time_limit={time_limit!r}; expected a number of seconds above 0, or None"
        raise UsageError(message)


# Norm ↦ what an error in it is relative to.
NORMS = {
    "l2": "the mean square of the unknown",
    "range": "the mean square of its deviation from its mean",
    "h1": "the mean square of its gradient",
    "max": "the largest value of the unknown; so is the error",
}


@dataclass(frozen=True)
class Goal:
    """Errors that are asked for.

    Attributes:
        tol: relative tolerance of every unknown that has no absolute one.
        norm: one of NORMS.
        absolute: tolerances in the units of an unknown, by its name: of the root mean square, or the largest error.
    """

    tol: float
    norm: str = "l2"
    absolute: Mapping[str, float] = field(default_factory=dict)

    @property
    def plain(self) -> bool:
        """Whether it is what every method estimates by itself: relative, in the mean square."""
        return self.norm == "l2" and not self.absolute

    def targets(self, unknowns: Sequence[str]) -> list[float]:
        """The tolerance of each unknown, relative or absolute."""
        return [self.absolute.get(name, self.tol) for name in unknowns]

    def checked(self, unknowns: Sequence[str]) -> Goal:
        """Itself, where it makes sense for a problem with these unknowns.

        Raises:
            UsageError: there is no such norm or unknown, or a tolerance is no positive number.
        """
        if self.norm not in NORMS:
            meant = did_you_mean(str(self.norm), list(NORMS))
            message = f"there is no norm '{self.norm}'; the norms are {', '.join(NORMS)}{meant}"
            raise UsageError(message)
        if not isinstance(self.absolute, Mapping):
            message = (
                f"absolute={self.absolute!r}; expected errors by unknown, such as {{'{unknowns[0]}': 0.01}}"
            )
            raise UsageError(message)
        for name, error in self.absolute.items():
            self._check(name, error, unknowns)
        return self

    def _check(self, name: str, error: Any, unknowns: Sequence[str]) -> None:
        if name not in unknowns:
            message = (
                f"{named('absolute')}: there is no unknown '{name}'; the unknowns are {', '.join(unknowns)}"
                f"{did_you_mean(str(name), unknowns)}"
            )
            raise UsageError(message)
        if not (isinstance(error, (int, float)) and math.isfinite(error) and error > 0):
            message = (
                f"the absolute error of {name} is {error!r}; expected a number above 0 in the units of {name}"
            )
            raise UsageError(message)
        if self.norm == "h1":
            message = (
                f"an absolute error of {name} is one of its values, and norm h1 measures gradients; choose another "
                "norm"
            )
            raise UsageError(message)
