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
class Linearisation(Generic[Residual]):
    """What the linear model at a point says.

    Attributes:
        point: where it was taken, with its merit in the units of this model: scales and weights may be new.
        direction: the step δ (p,) = argmin |J δ + r|.
        slope: rᵀ J δ of the merit along it.
    """

    point: Point[Residual]
    direction: Tensor
    slope: float


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
    """Rows that can be linearised and solved, and evaluated along the step."""

    def linearise(self, point: Point[Residual]) -> Linearisation[Residual]:
        """The step at a point."""

    def along(self, model: Linearisation[Residual], t: float) -> Point[Residual]:
        """The point c + t δ, its merit in the units of the model."""


class Stop(Protocol[Residual, Verdict]):
    """When an iteration has come to its end; each returns what to say then, else None."""

    def before(self, point: Point[Residual]) -> Verdict | None:
        """Before rows are linearised: limits."""

    def after(self, step: Step[Residual]) -> Verdict | None:
        """After a step that was taken: convergence."""

    def stuck(self, model: Linearisation[Residual]) -> Verdict:
        """Where no length lowers the merit: the end, one way or the other."""


Search = Callable[[Rows[Residual], Linearisation[Residual]], Step[Residual] | None]


def newton(
    rows: Rows[Residual],
    start: Point[Residual],
    stop: Stop[Residual, Verdict],
    search: Search[Residual] | None = None,
) -> tuple[Point[Residual], Verdict]:
    """Minimise ½ |r(c)|² by δ = argmin |J δ + r|, c ← c + t δ with a line search on t.

    Args:
        rows: what to solve.
        start: where to begin.
        stop: when to end.
        search: (rows, model) → the step taken, None where there is none; None: `backtrack`.

    Returns:
        The last point, and the verdict of `stop`.

    Raises:
        OutOfTimeError: a deadline passed.

    Source: Nocedal & Wright, *Numerical Optimization*, 2nd ed., §10.3.
    """
    search = search or backtrack
    point = start
    while True:
        # A deadline is asked for before rows are linearised, which is what takes the time.
        check_deadline()
        verdict = stop.before(point)
        if verdict is not None:
            return point, verdict
        model = rows.linearise(point)
        step = search(rows, model)
        if step is None:
            # The point of the model has its merit in the units of the rows as they are scaled now.
            return model.point, stop.stuck(model)
        point = step.after
        verdict = stop.after(step)
        if verdict is not None:
            return point, verdict


def backtrack(
    rows: Rows[Residual],
    model: Linearisation[Residual],
    sufficient: float = 1e-4,
    slack: float = 0.0,
    shortest: float = 2.0**-20,
    longest: float = 1.0,
) -> Step[Residual] | None:
    """The first of t = 1, ½, ¼, … with f(c + t δ) ≤ f(c) + c₁ t f'(c; δ) + slack (Armijo); None if there is none.

    Args:
        rows: f, by its residuals.
        model: c, δ and f'(c; δ); where that is not negative, no length is tried.
        sufficient: c₁, 1e-4 as Nocedal & Wright, §3.1, recommend.
        slack: by which f may rise all the same: what rounding leaves, or what is not resolved yet.
        shortest: smallest t tried.
        longest: first t tried.

    Source: Nocedal & Wright, Algorithm 3.1.
    """
    t = longest
    # Along a direction that does not descend, a lower merit would be rounding.
    while t >= shortest and model.slope < 0:
        trial = rows.along(model, t)
        if trial.merit <= model.point.merit + sufficient * t * model.slope + slack:
            return taken(model, trial, t)
        t *= 0.5
    return None


def taken(model: Linearisation[Residual], after: Point[Residual], length: float) -> Step[Residual]:
    """The step of a length along a model."""
    return Step(model.point, after, model.direction, model.slope, length)
