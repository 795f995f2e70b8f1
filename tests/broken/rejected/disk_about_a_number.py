"""Poisson equation on the unit disc, with a manufactured solution.

    -Δu = 8 u*    in x² + y² < 1
      u = u*      on the circle

Exact solution: u* = cos(3x) e^y (manufactured).
"""

from torch import cos, exp

from pdesolve import Dirichlet, Disk, Problem, laplace

disk = Disk(0, 1)


def exact(x, y):
    return cos(3 * x) * exp(y)


def poisson(u, x, y):
    return -laplace(u) - 8 * exact(x, y)


problem = Problem(
    domain=disk,
    equation=poisson,
    conditions=[Dirichlet(exact, on=disk.boundary)],
    exact=exact,
)

# Made from poisson_disk.py by generate.py; check must say: Disk
