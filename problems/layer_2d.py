"""Advection-dominated transport on the unit square: an outflow layer of width ε = 0.001 at x = 1.

    -ε Δu + u_x = f     in (0, 1)²
              u = u*    on the boundary

Exact solution: u* = (x - e^((x-1)/ε)) sin πy (manufactured; f = επ² u* + sin πy).
"""

from torch import exp, pi, sin

from pdesolve import Dirichlet, Problem, Rectangle, laplace

square = Rectangle((0, 0), (1, 1))
epsilon = 1e-3


def exact(x, y):
    return (x - exp((x - 1) / epsilon)) * sin(pi * y)


def source(x, y):
    return epsilon * pi**2 * exact(x, y) + sin(pi * y)


def transport(u, x, y):
    return -epsilon * laplace(u) + u.x - source(x, y)


problem = Problem(
    domain=square,
    equation=transport,
    conditions=[Dirichlet(exact, on=square.boundary)],
    exact=exact,
)
