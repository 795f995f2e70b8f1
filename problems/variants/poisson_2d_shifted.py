"""poisson_2d on a square shifted by (0.137, -0.071).

    -Δu = 2π² u*    in (0.137, 1.137) × (-0.071, 0.929)
      u = 0         on the boundary

Exact solution: u* = sin π(x - 0.137) sin π(y + 0.071) (manufactured).
"""

from torch import pi, sin

from pdesolve import Dirichlet, Problem, Rectangle, laplace

square = Rectangle((0.137, -0.071), (1.137, 0.929))


def exact(x, y):
    return sin(pi * (x - 0.137)) * sin(pi * (y + 0.071))


def poisson(u, x, y):
    return -laplace(u) - 2 * pi**2 * exact(x, y)


problem = Problem(
    domain=square,
    equation=poisson,
    conditions=[Dirichlet(0, on=square.boundary)],
    exact=exact,
)
