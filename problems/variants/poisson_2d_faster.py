"""poisson_2d with frequencies 1.3 times as high, and the boundary values that go with them.

    -Δu = 2 (1.3π)² u*    in (0, 1)²
      u = u*              on the boundary

Exact solution: u* = sin(1.3πx) sin(1.3πy) (manufactured).
"""

from torch import pi, sin

from pdesolve import Dirichlet, Problem, Rectangle, laplace

square = Rectangle((0, 0), (1, 1))
omega = 1.3 * pi


def exact(x, y):
    return sin(omega * x) * sin(omega * y)


def poisson(u, x, y):
    return -laplace(u) - 2 * omega**2 * exact(x, y)


problem = Problem(
    domain=square,
    equation=poisson,
    conditions=[Dirichlet(exact, on=square.boundary)],
    exact=exact,
)
