"""Poisson's equation on a rectangular plate with a round hole, turned, scaled and shifted as a whole."""

from torch import exp, sin

from pdesolve import Dirichlet, Disk, Problem, Rectangle, laplace

plate = Rectangle((0, 0), (2, 1)) - Disk((0.6, 0.5), 0.2)
domain = plate.rotated(0.3).scaled(0.8).translated((0.1, -0.2))


def exact(x, y):
    return exp(x) * sin(2 * y)


def poisson(u, x, y):
    return -laplace(u) - 3 * exact(x, y)  # Δ (exp x · sin 2y) = (1 - 4) exp x · sin 2y


problem = Problem(domain, poisson, [Dirichlet(exact, on=domain.boundary)], exact=exact)
