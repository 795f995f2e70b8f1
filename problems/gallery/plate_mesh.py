"""Poisson's equation on a plate from a Gmsh file with named groups: the flux through the outlet is given."""

from torch import cos, exp, sin

from pdesolve import Condition, Dirichlet, Problem, laplace, load_mesh, normal_derivative

domain = load_mesh("plate.msh")
outlet = domain.part("outlet")


def exact(x, y):
    return exp(x) * sin(2 * y)


def poisson(u, x, y):
    return -laplace(u) - 3 * exact(x, y)  # Δ (exp x · sin 2y) = (1 - 4) exp x · sin 2y


def flux(u, x, y, n):
    return normal_derivative(u) - exp(x) * (n.x * sin(2 * y) + 2 * n.y * cos(2 * y))


problem = Problem(
    domain,
    poisson,
    [Dirichlet(exact, on=domain.part("inlet", "walls", "hole")), Condition(flux, on=outlet)],
    exact=exact,
)
