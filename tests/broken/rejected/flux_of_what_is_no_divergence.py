"""Poisson equation on the unit square, with a manufactured solution.

    -Δu = 2π² sin(πx) sin(πy)    in (0, 1)²
      u = 0                      on the boundary
"""

from torch import pi, sin

from pdesolve import Dirichlet, Flux, Problem, Rectangle, laplace

square = Rectangle((0, 0), (1, 1))


def exact(x, y):
    return sin(pi * x) * sin(pi * y)


def poisson(u, x, y):
    return -(1 + x) * laplace(u) - 2 * pi**2 * exact(x, y)


problem = Problem(
    domain=square,
    equation=poisson,
    conditions=[Dirichlet(0, on=square.boundary)],
    quantities={"out": Flux(square.left)},
    exact=exact,
)

# Made from poisson_2d.py by generate.py; check must say: quantity 'out'; means no flux of 'u'; div(k * grad(u))
