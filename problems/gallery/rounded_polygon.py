"""Poisson's equation on a pentagon with rounded corners."""

from torch import exp, sin

from pdesolve import Dirichlet, Problem, RoundedPolygon, laplace

domain = RoundedPolygon([(0, 0), (2, 0.3), (1.5, 1.2), (0.7, 0.6), (-0.2, 1)], radius=0.1)


def exact(x, y):
    return exp(x) * sin(2 * y)


def poisson(u, x, y):
    return -laplace(u) - 3 * exact(x, y)  # Δ (exp x · sin 2y) = (1 - 4) exp x · sin 2y


problem = Problem(domain, poisson, [Dirichlet(exact, on=domain.boundary)], exact=exact)
