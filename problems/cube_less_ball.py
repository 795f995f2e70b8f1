"""Poisson equation on the unit cube with a ball cut out, with a manufactured solution.

    -Δu = (2π² - 1) u*    in (0, 1)³ less the ball of radius ¼ about its centre
      u = u*              on the boundary, inside and outside

Exact solution: u* = sin πx sin πy e^z (manufactured).
"""

from torch import exp, pi, sin

from pdesolve import Ball, Box, Dirichlet, Problem, laplace

body = Box((0, 0, 0), (1, 1, 1)) - Ball((0.5, 0.5, 0.5), 0.25)


def exact(x, y, z):
    return sin(pi * x) * sin(pi * y) * exp(z)


def poisson(u, x, y, z):
    return -laplace(u) - (2 * pi**2 - 1) * exact(x, y, z)


problem = Problem(
    domain=body,
    equation=poisson,
    conditions=[Dirichlet(exact, on=body.boundary)],
    exact=exact,
)
