"""Poisson equation on the unit square, with a manufactured solution.

    -Δu = 2π² sin(πx) sin(πy)    in (0, 1)²
      u = 0                      on the boundary
"""

from torch import pi, sin

from pdesolve import Dirichlet, Problem, Rectangle, laplace

square = Rectangle((0, 0), (1, 1))


def exact(x, y):
    return sin(pi * x) * sin(pi * y)


def poisson(u, x, y):
    return -laplace(u) - 2 * pi**2 * exact(x, y)


problem = Problem(
    domain=square,
    equation=poisson,
    conditions=[Dirichlet(0, on=square.boundary.where(lambda x, y: x < 0.5))],
    exact=exact,
)

# Made from poisson_2d.py by generate.py; check must say: without a condition
