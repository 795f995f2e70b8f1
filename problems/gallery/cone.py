"""Poisson's equation in a cone: a triangle turned about the z axis."""

from torch import exp, sin

from pdesolve import Dirichlet, Polygon, Problem, Revolution, laplace

domain = Revolution(Polygon([(0, 0), (0.8, 0), (0, 1)]))


def exact(x, y, z):
    return sin(x + 2 * y) * exp(z)


def poisson(u, x, y, z):
    return -laplace(u) - 4 * exact(x, y, z)  # Δ u = (-1 - 4 + 1) u


problem = Problem(domain, poisson, [Dirichlet(exact, on=domain.boundary)], exact=exact)
