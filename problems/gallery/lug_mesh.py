"""Poisson's equation in a lug from a Gmsh file of tetrahedra with named groups: the flux through its bore is given."""

from torch import cos, exp, sin

from pdesolve import Condition, Dirichlet, Problem, laplace, load_mesh, normal_derivative

domain = load_mesh("lug.msh")


def exact(x, y, z):
    return sin(x + 2 * y) * exp(z)


def poisson(u, x, y, z):
    return -laplace(u) - 4 * exact(x, y, z)  # Δ u = (-1 - 4 + 1) u


def flux(u, x, y, z, n):
    return normal_derivative(u) - exp(z) * ((n.x + 2 * n.y) * cos(x + 2 * y) + n.z * sin(x + 2 * y))


problem = Problem(
    domain,
    poisson,
    [Dirichlet(exact, on=domain.part("foot", "outside")), Condition(flux, on=domain.part("bore"))],
    exact=exact,
)
