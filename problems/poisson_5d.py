"""Poisson equation in five dimensions.

    -Δu = π² Σ cos(πx_i)    in (0, 1)⁵
      u = u*                on the boundary

Exact solution: u* = Σ cos(πx_i) (E & Yu 2018 in the form of arXiv:2607.02194).
"""

from torch import cos, pi

from pdesolve import Box, Dirichlet, Problem, laplace

box = Box((0,) * 5, (1,) * 5)


def exact(x):
    return cos(pi * x).sum(1)


def poisson(u, x):
    return -laplace(u) - pi**2 * exact(x)


problem = Problem(
    domain=box,
    equation=poisson,
    conditions=[Dirichlet(exact, on=box.boundary)],
    exact=exact,
)
