"""Poisson's equation on an ellipse, turned by half a radian."""

from torch import exp, sin

from pdesolve import Dirichlet, Ellipse, Problem, laplace

domain = Ellipse((0.2, 0.1), (1, 0.4), angle=0.5)


def exact(x, y):
    return exp(x) * sin(2 * y)


def poisson(u, x, y):
    return -laplace(u) - 3 * exact(x, y)  # Δ (exp x · sin 2y) = (1 - 4) exp x · sin 2y


problem = Problem(domain, poisson, [Dirichlet(exact, on=domain.boundary)], exact=exact)
