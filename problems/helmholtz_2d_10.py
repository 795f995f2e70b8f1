"""Helmholtz equation on a square, frequencies (10, 10).

    Δu + u = q    in (-1, 1)²
         u = 0    on the boundary

Exact solution: u* = sin(10πx) sin(10πy), so q = (1 - (10² + 10²) π²) u*.
Source: Wang, Teng & Perdikaris, SIAM J. Sci. Comput. 43 (2021); Kang et al. (PIG), ICLR 2025.
"""

from torch import pi, sin

from pdesolve import Dirichlet, Problem, Rectangle, laplace

square = Rectangle((-1, -1), (1, 1))
a1, a2 = 10, 10


def exact(x, y):
    return sin(a1 * pi * x) * sin(a2 * pi * y)


def helmholtz(u, x, y):
    return laplace(u) + u - (1 - (a1**2 + a2**2) * pi**2) * exact(x, y)


problem = Problem(
    domain=square,
    equation=helmholtz,
    conditions=[Dirichlet(0, on=square.boundary)],
    exact=exact,
)
