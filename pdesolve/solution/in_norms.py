"""The part of a `Solution` that speaks of its error: in the relative L2 norm, and in others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pdesolve.runs.answer import Answer, SecondSolution
from pdesolve.runs.goal import Goal
from pdesolve.solution.norms import estimated_errors, true_errors
from pdesolve.solution.reach import errors_of


class InNorms:
    """Errors in norms, and what was asked for in them.

    Attributes:
        norm: that of the tolerance.
        absolute: tolerances in the units of an unknown, by its name.
    """

    problem: Any
    approximator: Any
    tol: float
    estimates: tuple[float, ...] | None
    verification: SecondSolution | None
    norm: str
    absolute: dict[str, float]
    jet: Any
    index_of: Any
    require_one_function: Any
    _errors: Any

    def relative_l2_error(self, unknown: str | None = None) -> float | None:
        """‖u - u*‖/‖u*‖ against `exact` or `reference`; of a system the largest, unless one is named."""
        return self._error(0, unknown)

    def max_error(self, unknown: str | None = None) -> float | None:
        """Largest |u - u*| over the same points."""
        return self._error(1, unknown)

    def _error(self, kind: int, unknown: str | None) -> float | None:
        if self._errors is None:
            return None
        values = self._errors[kind]
        if unknown is None:
            return _largest(values)
        return values[self.index_of(unknown)]

    @property
    def estimated_error(self) -> float | None:
        """A-posteriori estimate of the relative L2 error, the largest over the unknowns."""
        return None if self.estimates is None else _largest(self.estimates)

    def error(self, norm: str = "l2", unknown: str | None = None) -> float | None:
        """True error in a norm ("l2", "range", "h1", "max") against `exact` or `reference`; None where it is not known.

        Of a system the largest, unless one unknown is named.
        """
        self._require_norm(norm)
        return _worst(self, true_errors(self.problem, self.approximator, self.jet, norm), unknown)

    def estimate(self, norm: str = "l2", unknown: str | None = None) -> float | None:
        """Estimated error in a norm, from the finer solution that verified this one; None where there is none.

        |difference| / (1 - √σ), σ being the part of the error that both solutions share. Of a system the largest.
        """
        self._require_norm(norm)
        if self.verification is None:
            return None
        return _worst(
            self, estimated_errors(self.problem, self.approximator, self.verification, norm), unknown
        )

    def _require_norm(self, norm: str) -> None:
        self.require_one_function()
        Goal(0.5, norm).checked(self.problem.unknowns)

    def verification_summary(self) -> dict[str, Any]:
        """The key `condition` of `--json`: of the scaled rows of the solution that verified this one, where known."""
        return {"condition": None if self.verification is None else self.verification.condition}

    def goal_summary(self) -> dict[str, Any]:
        """The key `goal` of `--json`: the norm, and of every unknown its tolerance, its estimate and its true error.

        Empty where nothing but a relative L2 error was asked for.
        """
        goal = Goal(self.tol, self.norm, self.absolute)
        if goal.plain:
            return {}
        answer = Answer(self.approximator, self.estimates, False, "", verification=self.verification)
        estimates = errors_of(self.problem, goal, answer)[0].tolist()
        relative = true_errors(self.problem, self.approximator, self.jet, self.norm)
        absolute = None
        if self.absolute:
            absolute = true_errors(self.problem, self.approximator, self.jet, self.norm, absolute=True)
        found = {}
        for i, (name, tol) in enumerate(
            zip(self.problem.unknowns, goal.targets(self.problem.unknowns), strict=True)
        ):
            errors = absolute if name in self.absolute else relative
            found[name] = {
                "tolerance": tol,
                "absolute": name in self.absolute,
                "error": _known(None if errors is None else float(errors[i])),
                "estimated_error": _known(estimates[i]),
            }
        return {"goal": {"norm": self.norm, "unknowns": found}}


def _worst(solution: Any, errors: Any, unknown: str | None) -> float | None:
    """The largest of errors (u,), or that of one unknown; None where none is known."""
    if errors is None:
        return None
    if unknown is not None:
        errors = errors[[solution.index_of(unknown)]]
    known = errors[errors.isfinite()]
    if not len(known):
        return None
    return float(known.max())


def _largest(values: Sequence[float]) -> float:
    """The largest, or NaN where there is one: `max` alone would pass over it."""
    if any(map(math.isnan, values)):
        return math.nan
    return max(values)


def _known(value: float | None) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return value
