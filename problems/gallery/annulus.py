"""Poisson's equation between two circles: values on the outer one, the flux through the inner one."""

from torch import cos, exp, sin

from pdesolve import Annulus, Condition, Dirichlet, Problem, laplace, normal_derivative

domain = Annulus((0, 0), 0.4, 1)


def exact(x, y):
    return exp(x) * sin(2 * y)


def poisson(u, x, y):
    return -laplace(u) - 3 * exact(x, y)  # Δ (exp x · sin 2y) = (1 - 4) exp x · sin 2y


def flux(u, x, y, n):
    return normal_derivative(u) - exp(x) * (n.x * sin(2 * y) + 2 * n.y * cos(2 * y))


problem = Problem(
    domain, poisson, [Dirichlet(exact, on=domain.outer), Condition(flux, on=domain.inner)], exact=exact
)
