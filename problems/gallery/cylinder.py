"""Poisson's equation in a circular cylinder: the flux through its front is given."""

from torch import cos, exp, sin

from pdesolve import Condition, Dirichlet, Problem, circular_cylinder, laplace, normal_derivative

domain = circular_cylinder((0, 0, 0), radius=0.5, height=1)


def exact(x, y, z):
    return sin(x + 2 * y) * exp(z)


def poisson(u, x, y, z):
    return -laplace(u) - 4 * exact(x, y, z)  # Δ u = (-1 - 4 + 1) u


def flux(u, x, y, z, n):
    return normal_derivative(u) - exp(z) * ((n.x + 2 * n.y) * cos(x + 2 * y) + n.z * sin(x + 2 * y))


problem = Problem(
    domain,
    poisson,
    [Dirichlet(exact, on=domain.part("circle", "back")), Condition(flux, on=domain.front)],
    exact=exact,
)
