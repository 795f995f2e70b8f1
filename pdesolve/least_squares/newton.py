"""One driver for Gauss–Newton, and one line search: over dense rows, over rows on patches, over what is identified.

What differs between them, how rows are linearised and solved and when to stop, comes in as an argument.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from torch import Tensor

from pdesolve.runs.deadline import check_deadline

Residual = TypeVar("Residual")  # a tensor (m,), or a list of blocks
Verdict = TypeVar("Verdict", covariant=True)


@dataclass(frozen=True, eq=False)
class Point(Generic[Residual]):
    """Unknowns c (p,), their residual r, and the merit ½ |r|², infinite where r is not finite."""

    c: Tensor
    residual: Residual
    merit: float


@dataclass(frozen=True, eq=False)
class Step(Generic[Residual]):
    """From one point along a direction δ to another.

    Attributes:
        before, after: the points.
        direction: δ (p,).
        slope: of the merit along δ, (rᵀ J δ) at the start.
        length: t, with c after = c before + t δ.
    """

    before: Point[Residual]
    after: Point[Residual]
    direction: Tensor
    slope: float
    length: float


class Rows(Protocol[Residual]):
    """Rows that can be evaluated, and linearised and solved."""

    def at(self, c: Tensor) -> Point[Residual]:
        """Residual and merit."""

    def direction(self, point: Point[Residual]) -> tuple[Tensor, float]:
        """The step δ = argmin |J δ + r| at a point, and the slope rᵀ J δ of the merit along it."""


class Stop(Protocol[Residual, Verdict]):
    """When an iteration has come to its end; each returns what to say then, else None."""

    def before(self, point: Point[Residual]) -> Verdict | None:
        """Before rows are linearised: limits."""

    def after(self, step: Step[Residual]) -> Verdict | None:
        """After a step that was taken: convergence."""

    def stuck(self, point: Point[Residual], slope: float) -> Verdict:
        """Where no length lowers the merit: the end, one way or the other."""


def newton(
    rows: Rows[Residual],
    start: Point[Residual],
    stop: Stop[Residual, Verdict],
    search: Callable[[Rows[Residual], Point[Residual], Tensor, float], Step[Residual] | None] | None = None,
) -> tuple[Point[Residual], Verdict]:
    """Minimise ½ |r(c)|² by δ = argmin |J δ + r|, c ← c + t δ with a line search on t.

    Args:
        rows: what to solve.
        start: where to begin.
        stop: when to end.
        search: (rows, point, δ, slope) → the step taken, None where there is none; None: `backtrack`.

    Returns:
        The last point, and the verdict of `stop`.

    Raises:
        OutOfTimeError: a deadline passed.

    Source: Nocedal & Wright, *Numerical Optimization*, 2nd ed., §10.3.
    """
    search = search or backtrack
    point = start
    while True:
        check_deadline()
        verdict = stop.before(point)
        if verdict is not None:
            return point, verdict
        direction, slope = rows.direction(point)
        step = search(rows, point, direction, slope)
        if step is None:
            return point, stop.stuck(point, slope)
        point = step.after
        verdict = stop.after(step)
        if verdict is not None:
            return point, verdict


def backtrack(
    rows: Rows[Residual],
    point: Point[Residual],
    direction: Tensor,
    slope: float,
    sufficient: float = 1e-4,
    slack: float = 0.0,
    shortest: float = 2.0**-20,
) -> Step[Residual] | None:
    """The first of t = 1, ½, ¼, … with f(c + t δ) ≤ f(c) + c₁ t f'(c; δ) + slack (Armijo); None if there is none.

    Args:
        rows: f, by its residuals.
        point: c.
        direction: δ.
        slope: f'(c; δ); where it is not negative, no length is tried.
        sufficient: c₁, 1e-4 as Nocedal & Wright, §3.1, recommend.
        slack: by which f may rise all the same: what rounding leaves, or what is not resolved yet.
        shortest: smallest t tried.

    Source: Nocedal & Wright, Algorithm 3.1.
    """
    t = 1.0
    while t >= shortest and slope < 0:
        trial = rows.at(point.c + t * direction)
        if trial.merit <= point.merit + sufficient * t * slope + slack:
            return Step(point, trial, direction, slope, t)
        t *= 0.5
    return None
