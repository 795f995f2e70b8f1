"""Poisson's equation on a square with a triangular and a rectangular hole; the flux through the first is given."""

from torch import cos, exp, sin

from pdesolve import Condition, Dirichlet, Polygon, Problem, laplace, normal_derivative

outer = [(0, 0), (2, 0), (2, 2), (0, 2)]
triangle = [(0.3, 0.3), (0.9, 0.4), (0.5, 0.9)]
box = [(1.2, 1.1), (1.7, 1.1), (1.7, 1.6), (1.2, 1.6)]
domain = Polygon(outer, holes=[triangle, box])
sides = domain.hole_edges[0][0] | domain.hole_edges[0][1] | domain.hole_edges[0][2]
values = domain.part(*(name for name in domain.part_names if not name.startswith("hole 0")))


def exact(x, y):
    return exp(x) * sin(2 * y)


def poisson(u, x, y):
    return -laplace(u) - 3 * exact(x, y)  # Δ (exp x · sin 2y) = (1 - 4) exp x · sin 2y


def flux(u, x, y, n):
    return normal_derivative(u) - exp(x) * (n.x * sin(2 * y) + 2 * n.y * cos(2 * y))


problem = Problem(domain, poisson, [Dirichlet(exact, on=values), Condition(flux, on=sides)], exact=exact)
