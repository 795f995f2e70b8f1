"""Poisson's equation on a crescent: a disk less another one, with two cusps."""

from torch import exp, sin

from pdesolve import Dirichlet, Disk, Problem, laplace

domain = Disk((0, 0), 1) - Disk((0.5, 0), 0.8)


def exact(x, y):
    return exp(x) * sin(2 * y)


def poisson(u, x, y):
    return -laplace(u) - 3 * exact(x, y)  # Δ (exp x · sin 2y) = (1 - 4) exp x · sin 2y


problem = Problem(domain, poisson, [Dirichlet(exact, on=domain.boundary)], exact=exact)
