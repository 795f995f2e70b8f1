"""Continuation: a nonlinear problem reached from an easier value of one of its constants.

With λ from λ₀ to λ₁, each solution is the guess of the next (natural continuation; Allgower & Georg, *Numerical
Continuation Methods*, 1990, §2.1). Steps are taken in log λ where both ends have one sign, doubled after a success and
halved after a failure.
"""

from __future__ import annotations

import math

from pdesolve.adaptive.solve import solve_adaptively
from pdesolve.errors import SolveError, UsageError
from pdesolve.patches.mixture import PartitionedMixture
from pdesolve.patches.trace import Trace
from pdesolve.runs.monitor import Monitor
from pdesolve.runs.wording import named
from pdesolve.statement.problem import Problem

ROUGH = 1e-2  # tolerance of the solutions on the way: a guess needs two digits to be near
FIRST_STEP = 0.5
SHORTEST_STEP = 1 / 64  # at a fold the step would shrink without end
EASIER = 100.0  # factor by which the constant is easier at the start, where none is given
MOST_SECONDS = 0.5  # of the time that is left, for each step


def starting_value(problem: Problem, setting: str) -> tuple[str, float]:
    """Name and first value of the constant in "nu" or "nu:1.0"; without a value, a hundred times the final one.

    Raises:
        UsageError: there is no such constant, or the value is no number.
    """
    name, _, value = setting.partition(":")
    known = ", ".join(problem.constants) or "none"
    if name not in problem.constants:
        message = (
            f"continuation={setting}: '{name}' is no constant of this problem; its constants are: {known}"
        )
        raise UsageError(message)
    try:
        begin = float(value) if value else EASIER * problem.constants[name]
    except ValueError:
        begin = math.nan
    if not math.isfinite(begin):
        message = f"continuation={setting}: expected a number after the colon, such as {name}:1.0"
        raise UsageError(message)
    return name, begin


def continued(
    problem: Problem, setting: str, monitor: Monitor, device: str = "cpu"
) -> tuple[Problem, PartitionedMixture]:
    """The problem with a guess found by continuation in one of its constants, and the guess itself.

    Args:
        problem: a nonlinear steady problem.
        setting: "nu" or "nu:1.0", the constant and the value at which to begin.
        monitor: progress and time limit.
        device: where the linear algebra runs.

    Raises:
        UsageError: see `starting_value`.
        SolveError: the first problem has no solution that is found, or the steps became too short.
    """
    name, begin = starting_value(problem, setting)
    end = problem.constants[name]
    reached = -1.0
    step = FIRST_STEP
    current = problem
    mixture = None
    while reached < 1:
        at = 0.0
        if reached >= 0:
            at = min(reached + step, 1.0)
        value = _between(begin, end, at)
        attempt = current.with_constants({name: value})
        inner = Monitor(time_limit=_seconds_left(monitor), clock=monitor.clock)
        result = solve_adaptively(attempt, ROUGH, inner, device, mixture)
        monitor.record(
            continuation=value, unknowns=len(result.expansion.coefficients), reached=result.converged
        )
        if monitor.out_of_time():
            message = f"the time limit passed on the way to {name} = {end:g}, at {value:g}; raise {named('time_limit')}"
            raise SolveError(message)
        if result.converged:
            mixture = result.expansion
            current = guessed(problem, mixture)
            reached = at
            step = 2 * step
        elif reached < 0:
            message = f"continuation begins at {name} = {value:g}, which does not converge either; begin further away"
            raise SolveError(message)
        else:
            step /= 4
            if step < SHORTEST_STEP:
                message = (
                    f"continuation in {name} stopped at {value:g} on the way to {end:g}: there may be no solution "
                    "beyond (a fold), or another branch; try another constant"
                )
                raise SolveError(message)
    assert mixture is not None
    return current, mixture


def guessed(problem: Problem, mixture: PartitionedMixture) -> Problem:
    """The problem with a solution nearby as its guess."""
    names = problem.coordinates
    return problem.with_guess({u: Trace(mixture, i, names) for i, u in enumerate(problem.unknowns)})


def _between(begin: float, end: float, at: float) -> float:
    """From λ₀ to λ₁ at a part of the way, in log λ where both have one sign."""
    if at == 1:
        return end
    if begin * end > 0:
        return begin * (end / begin) ** at
    return begin + at * (end - begin)


def _seconds_left(monitor: Monitor) -> float | None:
    if monitor.time_limit is None:
        return None
    return max(MOST_SECONDS * (monitor.time_limit - monitor.seconds), 0.1)
