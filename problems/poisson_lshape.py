"""Laplace's equation on the L-shaped domain: the gradient is infinite at the re-entrant corner.

    -Δu = 0                    in (-1, 1)² less [0, 1] × [-1, 0]
      u = r^(2/3) sin(2θ/3)    on the boundary

Polar coordinates about the corner, θ from 0 (positive x axis) to 3π/2 (negative y axis).
Source: Grisvard, Elliptic Problems in Nonsmooth Domains (1985), §5.
"""

from torch import atan2, pi, sin

from pdesolve import Dirichlet, Polygon, Problem, laplace

lshape = Polygon([(0, 0), (1, 0), (1, 1), (-1, 1), (-1, -1), (0, -1)])


def exact(x, y):
    theta = 3 * pi / 4 - atan2(x + y, y - x)  # the cut of atan2 lies in the missing quadrant
    return (x**2 + y**2) ** (1 / 3) * sin(2 * theta / 3)


def poisson(u):
    return -laplace(u)


problem = Problem(
    domain=lshape,
    equation=poisson,
    conditions=[Dirichlet(exact, on=lshape.boundary)],
    exact=exact,
)
