"""Poisson's equation in a box less a corner box, turned about an oblique axis."""

from torch import exp, sin

from pdesolve import Box, Dirichlet, Problem, laplace

fichera = Box((-1, -1, -1), (1, 1, 1)) - Box((0, 0, 0), (1, 1, 1))
domain = fichera.rotated(0.7, axis=(1, 1, 0)).scaled(0.6)


def exact(x, y, z):
    return sin(x + 2 * y) * exp(z)


def poisson(u, x, y, z):
    return -laplace(u) - 4 * exact(x, y, z)  # Δ u = (-1 - 4 + 1) u


problem = Problem(domain, poisson, [Dirichlet(exact, on=domain.boundary)], exact=exact)
