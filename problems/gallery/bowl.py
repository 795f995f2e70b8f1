"""Poisson's equation in a bowl: part of a ring turned about the z axis."""

from torch import exp, sin

from pdesolve import Annulus, Dirichlet, Problem, Rectangle, Revolution, laplace

domain = Revolution(Annulus((0, 0), 0.7, 1) & Rectangle((0, -2), (2, 0.2)))


def exact(x, y, z):
    return sin(x + 2 * y) * exp(z)


def poisson(u, x, y, z):
    return -laplace(u) - 4 * exact(x, y, z)  # Δ u = (-1 - 4 + 1) u


problem = Problem(domain, poisson, [Dirichlet(exact, on=domain.boundary)], exact=exact)
