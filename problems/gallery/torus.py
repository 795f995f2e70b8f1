"""Poisson's equation in a torus, tilted."""

from torch import exp, sin

from pdesolve import Dirichlet, Problem, laplace, torus

domain = torus((0, 0, 0), 1, 0.4).rotated(0.5, axis="x")


def exact(x, y, z):
    return sin(x + 2 * y) * exp(z)


def poisson(u, x, y, z):
    return -laplace(u) - 4 * exact(x, y, z)  # Δ u = (-1 - 4 + 1) u


problem = Problem(domain, poisson, [Dirichlet(exact, on=domain.boundary)], exact=exact)
