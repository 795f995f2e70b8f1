"""helmholtz_2d with frequencies 1.3 times as high, and the boundary values that go with them.

    Δu + u = (1 - 17 (1.3π)²) u*    in (-1, 1)²
         u = u*                     on the boundary

Exact solution: u* = sin(1.3πx) sin(5.2πy).
"""

from torch import pi, sin

from pdesolve import Dirichlet, Problem, Rectangle, laplace

square = Rectangle((-1, -1), (1, 1))
omega = 1.3 * pi


def exact(x, y):
    return sin(omega * x) * sin(4 * omega * y)


def helmholtz(u, x, y):
    return laplace(u) + u - (1 - 17 * omega**2) * exact(x, y)


problem = Problem(
    domain=square,
    equation=helmholtz,
    conditions=[Dirichlet(exact, on=square.boundary)],
    exact=exact,
)
