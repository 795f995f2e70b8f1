"""Poisson's equation inside a smooth closed curve through five points."""

from torch import exp, sin

from pdesolve import Dirichlet, Problem, SmoothCurve, laplace

domain = SmoothCurve([(0, 0), (1, 0.2), (1.5, 1), (0.5, 0.8), (-0.4, 1.1)])


def exact(x, y):
    return exp(x) * sin(2 * y)


def poisson(u, x, y):
    return -laplace(u) - 3 * exact(x, y)  # Δ (exp x · sin 2y) = (1 - 4) exp x · sin 2y


problem = Problem(domain, poisson, [Dirichlet(exact, on=domain.boundary)], exact=exact)
