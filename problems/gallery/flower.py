"""Poisson's equation inside the star-shaped curve r = 1 + 0.2 cos 5θ."""

from torch import cos, exp, sin

from pdesolve import Dirichlet, Problem, StarShaped, laplace

domain = StarShaped(lambda theta: 1 + 0.2 * cos(5 * theta))


def exact(x, y):
    return exp(x) * sin(2 * y)


def poisson(u, x, y):
    return -laplace(u) - 3 * exact(x, y)  # Δ (exp x · sin 2y) = (1 - 4) exp x · sin 2y


problem = Problem(domain, poisson, [Dirichlet(exact, on=domain.boundary)], exact=exact)
