"""Nonlinear Poisson equation on the unit square: a cubic reaction and two scales.

    -Δu + u³ = f    in (0, 1)²
           u = 0    on the boundary

Exact solution: u* = sin πx sin πy + 2 sin 4πx sin 4πy (manufactured; f follows from it).
"""

from torch import pi, sin

from pdesolve import Dirichlet, Problem, Rectangle, laplace

square = Rectangle((0, 0), (1, 1))


def coarse(x, y):
    return sin(pi * x) * sin(pi * y)


def fine(x, y):
    return 2 * sin(4 * pi * x) * sin(4 * pi * y)


def exact(x, y):
    return coarse(x, y) + fine(x, y)


def source(x, y):
    return 2 * pi**2 * coarse(x, y) + 32 * pi**2 * fine(x, y) + exact(x, y) ** 3


def nonlinear_poisson(u, x, y):
    return -laplace(u) + u**3 - source(x, y)


problem = Problem(
    domain=square,
    equation=nonlinear_poisson,
    conditions=[Dirichlet(0, on=square.boundary)],
    exact=exact,
)
