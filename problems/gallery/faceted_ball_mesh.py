"""Poisson's equation in a polyhedron of 196 facets, from the triangles of an STL file."""

from torch import exp, sin

from pdesolve import Dirichlet, Problem, laplace, load_mesh

domain = load_mesh("faceted_ball.stl")


def exact(x, y, z):
    return sin(x + 2 * y) * exp(z)


def poisson(u, x, y, z):
    return -laplace(u) - 4 * exact(x, y, z)  # Δ u = (-1 - 4 + 1) u


problem = Problem(domain, poisson, [Dirichlet(exact, on=domain.boundary)], exact=exact)
