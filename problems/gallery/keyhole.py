"""Poisson's equation on the union of a disk and a rectangle, less an ellipse."""

from torch import cos, exp, sin

from pdesolve import Condition, Dirichlet, Disk, Ellipse, Problem, Rectangle, laplace, normal_derivative

body = Disk((0, 0), 0.6) | Rectangle((-0.25, -1.5), (0.25, 0))
hole = Ellipse((0, 0.1), (0.2, 0.1), angle=0.3)
domain = body - hole


def exact(x, y):
    return exp(x) * sin(2 * y)


def poisson(u, x, y):
    return -laplace(u) - 3 * exact(x, y)  # Δ (exp x · sin 2y) = (1 - 4) exp x · sin 2y


def flux(u, x, y, n):
    return normal_derivative(u) - exp(x) * (n.x * sin(2 * y) + 2 * n.y * cos(2 * y))


problem = Problem(
    domain, poisson, [Dirichlet(exact, on=body.boundary), Condition(flux, on=hole.boundary)], exact=exact
)
