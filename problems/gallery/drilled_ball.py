"""Poisson's equation in a ball with a cylindrical bore off its centre."""

from torch import exp, sin

from pdesolve import Ball, Dirichlet, Problem, circular_cylinder, laplace

domain = Ball((0, 0, 0), 1) - circular_cylinder((0.1, 0, -2), radius=0.4, height=4)


def exact(x, y, z):
    return sin(x + 2 * y) * exp(z)


def poisson(u, x, y, z):
    return -laplace(u) - 4 * exact(x, y, z)  # Δ u = (-1 - 4 + 1) u


problem = Problem(domain, poisson, [Dirichlet(exact, on=domain.boundary)], exact=exact)
