"""Poisson's equation in a thick plate with a round hole, the flux through the bore given."""

from torch import cos, exp, sin

from pdesolve import Condition, Dirichlet, Disk, Extrusion, Problem, Rectangle, laplace, normal_derivative

square, hole = Rectangle((0, 0), (1, 1)), Disk((0.5, 0.5), 0.2)
domain = Extrusion(square - hole, 0, 0.4)
rest = domain.over(square.boundary) | domain.back | domain.front


def exact(x, y, z):
    return sin(x + 2 * y) * exp(z)


def poisson(u, x, y, z):
    return -laplace(u) - 4 * exact(x, y, z)  # Δ u = (-1 - 4 + 1) u


def flux(u, x, y, z, n):
    return normal_derivative(u) - exp(z) * ((n.x + 2 * n.y) * cos(x + 2 * y) + n.z * sin(x + 2 * y))


problem = Problem(
    domain, poisson, [Dirichlet(exact, on=rest), Condition(flux, on=domain.over(hole.boundary))], exact=exact
)
