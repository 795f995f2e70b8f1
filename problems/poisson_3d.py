"""Poisson equation on the unit cube, with a manufactured solution.

    -Δu = 3π² u*    in (0, 1)³
      u = 0         on the boundary

Exact solution: u* = sin(πx) sin(πy) sin(πz) (manufactured).
"""

from torch import pi, sin

from pdesolve import Box, Dirichlet, Problem, laplace

cube = Box((0, 0, 0), (1, 1, 1))


def exact(x, y, z):
    return sin(pi * x) * sin(pi * y) * sin(pi * z)


def poisson(u, x, y, z):
    return -laplace(u) - 3 * pi**2 * exact(x, y, z)


problem = Problem(
    domain=cube,
    equation=poisson,
    conditions=[Dirichlet(0, on=cube.boundary)],
    exact=exact,
)
