"""Poisson's equation on a plate with a hole: a membrane under a load.

-Δu = f inside, u = 0 on the outer edge, ∂u/∂n = 0 on the hole.
"""

from torch import exp

from pdesolve import Dirichlet, Disk, Neumann, Problem, Rectangle, laplace

square = Rectangle((0, 0), (1, 1))
hole = Disk((0.5, 0.5), 0.2)


def load(x, y):
    return 10 * exp(-4 * x * y)


def membrane(u, x, y):
    return -laplace(u) - load(x, y)


problem = Problem(
    domain=square - hole,
    equation=membrane,
    conditions=[
        Dirichlet(0, on=square.boundary),
        Neumann(0, on=hole.boundary),
    ],
)
