"""Is a solution the only one? From the direction that the rows of a discrete solution hold back least.

With v the function of size one for which σ = ‖A v‖ is smallest (found by inverse iteration with the factor that solved
for the solution), σ tends to a limit above zero with the degree where the problem is uniquely solvable, and to zero, as
fast as polynomials approximate v, where it has many solutions: A(u + tv) ≈ Au for every t.
"""

from __future__ import annotations

from pdesolve.patches.newton import Discrete, Weakest, weakest_of

# σ at which w is a solution of the homogeneous problem to rounding. Normal equations know σ to the root of machine
# precision times some: problems with many solutions ended at 1e-14 … 5e-8, those with one at 2e-7 … 0.5.
FREE = 1e-7
# Below it, σ must not fall with the degree; long or stiff problems have 1e-3 … 1e-7, which stay.
SUSPECT = 1e-4
FALLING = 0.3  # per two degrees; without a null space it stays within one per cent
MOVED = 0.1  # of the unknown that the free direction moves most
CONSTANT = 1e-6  # variation of the free direction, relative to its size, that is none
POINTS = 256  # at which the free direction is looked at


def undetermined(coarse: Discrete, fine: Discrete) -> str | None:
    """A sentence on what the problem leaves open, if equation and conditions have many solutions; else None.

    Args:
        coarse: a discrete solution.
        fine: the one of the next order on the same patches.
    """
    weakest = fine.weakest
    if weakest is None or weakest.sigma > SUSPECT:
        return None
    if weakest.sigma > FREE and weakest.sigma > FALLING * weakest_of(coarse).sigma:
        return None
    return _sentence(fine, weakest)


def _sentence(discrete: Discrete, weakest: Weakest) -> str:
    assembly = discrete.assembly
    problem = assembly.statement.problem
    values = assembly.mixture(weakest.direction)(problem.domain.sample(POINTS).to(assembly.device))
    values = values.nan_to_num(0.0)
    size, spread = values.abs().amax(0), values.std(0)
    moved = [u for u, s in enumerate(size.tolist()) if s > MOVED * float(size.max())]
    names = " and ".join(problem.unknowns[assembly.statement.states[u]] for u in moved)
    constant = all(spread[u] <= CONSTANT * size[u] for u in moved)
    added = "any constant" if constant else "a function that is not zero"
    # From one end, as of an epidemic from a few cases, what begins below rounding is as good as free.
    start = (
        "; of an initial value problem, make its axis a TimeInterval" if problem.domain.dimension == 1 else ""
    )
    return (
        f"not determined: equation and conditions leave {names} free, and hold to rounding with {added} added; add "
        f"what fixes it, e.g. Integral(0), a value at a Point, or a condition on more of the boundary{start}"
    )
