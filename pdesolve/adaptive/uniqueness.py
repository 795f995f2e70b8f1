"""Is a solution the only one? From the direction that the rows of a discrete solution hold back least.

With v the function of size one for which σ = ‖A v‖ is smallest (found by inverse iteration with the factor that solved
for the solution), σ tends to a limit above zero with the degree where the problem is uniquely solvable, and to zero, as
fast as polynomials approximate v, where it has many solutions: A(u + tv) ≈ Au for every t.
"""

from __future__ import annotations

from pdesolve.adaptive.tuning import TUNING, Tuning
from pdesolve.patches.newton import Discrete, Weakest, weakest_of


def undetermined(coarse: Discrete, fine: Discrete, tuning: Tuning = TUNING) -> str | None:
    """A sentence on what the problem leaves open, if equation and conditions have many solutions; else None.

    Args:
        coarse: a discrete solution.
        fine: the one of the next degree on the same patches.
        tuning: numbers that decide.
    """
    weakest = fine.weakest
    if weakest is None or weakest.sigma > tuning.suspect:
        return None
    if weakest.sigma > tuning.free and weakest.sigma > tuning.falling * weakest_of(coarse).sigma:
        return None
    return _sentence(fine, weakest, tuning)


def _sentence(discrete: Discrete, weakest: Weakest, tuning: Tuning) -> str:
    assembly = discrete.assembly
    problem = assembly.statement.problem
    points = problem.domain.sample(tuning.direction_points).to(assembly.device)
    values = assembly.mixture(weakest.direction)(points).nan_to_num(0.0)
    size = values.abs().amax(0)
    spread = values.std(0)
    moved = [u for u, s in enumerate(size.tolist()) if s > tuning.moved * float(size.max())]
    names = " and ".join(problem.unknowns[assembly.statement.states[u]] for u in moved)
    added = "a function that is not zero"
    if all(spread[u] <= tuning.constant * size[u] for u in moved):
        added = "any constant"
    start = ""
    # From one end, as of an epidemic from a few cases, what begins below rounding is as good as free.
    if problem.domain.dimension == 1:
        start = "; of an initial value problem, make its axis a TimeInterval"
    return (
        f"not determined: equation and conditions leave {names} free, and hold to rounding with {added} added; add "
        f"what fixes it, e.g. Integral(0), a value at a Point, or a condition on more of the boundary{start}"
    )
