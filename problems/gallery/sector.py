"""Poisson's equation on three quarters of a disk, with a re-entrant corner; the flux through its arc is given."""

from torch import cos, exp, pi, sin

from pdesolve import Condition, Dirichlet, Problem, Sector, laplace, normal_derivative

domain = Sector((0, 0), 1, 0.2, 0.2 + 1.5 * pi)


def exact(x, y):
    return exp(x) * sin(2 * y)


def poisson(u, x, y):
    return -laplace(u) - 3 * exact(x, y)  # Δ (exp x · sin 2y) = (1 - 4) exp x · sin 2y


def flux(u, x, y, n):
    return normal_derivative(u) - exp(x) * (n.x * sin(2 * y) + 2 * n.y * cos(2 * y))


problem = Problem(
    domain,
    poisson,
    [Dirichlet(exact, on=domain.edges[0] | domain.edges[1]), Condition(flux, on=domain.arc)],
    exact=exact,
)
