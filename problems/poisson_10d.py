"""Laplace's equation in ten dimensions.

    Δu = 0     in (0, 1)¹⁰
     u = u*    on the boundary

Exact solution: u* = Σ x_(2i-1) x_(2i), i = 1 … 5 (E & Yu 2018, arXiv:1710.00211, §3.1).
"""

from pdesolve import Box, Dirichlet, Problem, laplace

box = Box((0,) * 10, (1,) * 10)


def exact(x):
    return (x[:, 0::2] * x[:, 1::2]).sum(1)


def poisson(u):
    return -laplace(u)


problem = Problem(
    domain=box,
    equation=poisson,
    conditions=[Dirichlet(exact, on=box.boundary)],
    exact=exact,
)
