"""Poisson equation on an interval, with two frequencies in a manufactured solution.

    -u'' = π² sin πx + 8π² sin 4πx    x ∈ (0, 1)
    u(0) = u(1) = 0

Exact solution: u* = sin πx + ½ sin 4πx (manufactured).
"""

from torch import pi, sin

from pdesolve import Dirichlet, Interval, Problem

interval = Interval(0, 1)


def exact(x):
    return sin(pi * x) + sin(4 * pi * x) / 2


def poisson(u, x):
    return -u.xx - pi**2 * (sin(pi * x) + 8 * sin(4 * pi * x))


problem = Problem(
    domain=interval,
    equation=poisson,
    conditions=[Dirichlet(0, on=interval.boundary)],
    exact=exact,
)
