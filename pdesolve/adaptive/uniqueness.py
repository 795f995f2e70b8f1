"""Is a solution the only one? From the direction that the rows of a discrete solution hold back least.

With v the function of size one for which σ = ‖A v‖ is smallest (found by inverse iteration with the factor that solved
for the solution), σ tends to a limit above zero with the degree where the problem is uniquely solvable, and to zero, as
fast as polynomials approximate v, where it has many solutions: A(u + tv) ≈ Au for every t.

Beside a resonance, σ is small and tends to its limit all the same. Rounding of the data then moves u by 1e-16/σ, and
the solution is determined to what is left of the tolerance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pdesolve.adaptive.tuning import TUNING, Tuning
from pdesolve.patches.newton import Discrete, Weakest, weakest_of
from pdesolve.runs.wording import named


@dataclass(frozen=True)
class LeftOpen:
    """What equation and conditions leave open.

    Attributes:
        sentence: says so.
        error: relative error that nothing else shows; infinite where there are many solutions.
    """

    sentence: str
    error: float


def undetermined(coarse: Discrete, fine: Discrete, tol: float, tuning: Tuning = TUNING) -> LeftOpen | None:
    """What the problem leaves open, if equation and conditions have many solutions; else None.

    Args:
        coarse: a discrete solution.
        fine: the better one beside it, of higher degrees or on halved patches.
        tol: to which the solution must be determined.
        tuning: numbers that decide.
    """
    weakest = fine.weakest
    if weakest is None or weakest.sigma > tuning.suspect:
        return None
    if weakest.sigma > tuning.free and weakest.sigma > tuning.falling * weakest_of(coarse).sigma:
        return None
    if not (weakest.alone and weakest.sigma > tuning.null) or unsettled(coarse, fine, tuning):
        return LeftOpen(_sentence(fine, weakest, tuning), math.inf)
    reached = tuning.rounded / weakest.sigma
    if reached <= tol:
        return None
    sentence = (
        f"determined to {reached:.0e} only: beside a resonance, rounding of the data moves "
        f"{_moved(fine, weakest, tuning)[0]} by as much; ask for a looser {named('tol')}"
    )
    return LeftOpen(sentence, reached)


def unsettled(coarse: Discrete, fine: Discrete, tuning: Tuning = TUNING) -> bool:
    """Whether σ still changes with the degree, above what it is of a null space: a higher degree shows its limit.

    Where many directions are held back as little, that is none of an eigenvalue nearby, and goes on without end.
    """
    weakest = fine.weakest
    if weakest is None or not weakest.alone or not tuning.null < weakest.sigma <= tuning.suspect:
        return False
    return abs(weakest.sigma - weakest_of(coarse).sigma) > tuning.settled * weakest.sigma


def _moved(discrete: Discrete, weakest: Weakest, tuning: Tuning) -> tuple[str, bool]:
    """The unknowns that the free direction moves, by name, and whether it is constant in all of them."""
    assembly = discrete.assembly
    problem = assembly.statement.problem
    points = problem.domain.sample(tuning.direction_points).to(assembly.device)
    values = assembly.mixture(weakest.direction)(points).nan_to_num(0.0)
    size = values.abs().amax(0)
    spread = values.std(0)
    moved = [u for u, s in enumerate(size.tolist()) if s > tuning.moved * float(size.max())]
    names = " and ".join(problem.unknowns[assembly.statement.states[u]] for u in moved)
    return names, all(spread[u] <= tuning.constant * size[u] for u in moved)


def _sentence(discrete: Discrete, weakest: Weakest, tuning: Tuning) -> str:
    problem = discrete.assembly.statement.problem
    names, constant = _moved(discrete, weakest, tuning)
    added = "a function that is not zero"
    if constant:
        added = "any constant"
    start = ""
    # From one end, as of an epidemic from a few cases, what begins below rounding is as good as free.
    if problem.domain.dimension == 1:
        start = "; of an initial value problem, make its axis a TimeInterval"
    held = "to rounding"
    if weakest.sigma > tuning.null:
        held = f"to {weakest.sigma:.0e} of its size"
    return (
        f"not determined: equation and conditions leave {names} free, and hold {held} with {added} added; add "
        f"what fixes it, e.g. Integral(0), a value at a Point, or a condition on more of the boundary{start}"
    )
