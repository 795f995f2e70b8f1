"""helmholtz_2d on a square shifted by (0.137, -0.071).

    Δu + u = (1 - 17π²) u*    in (-0.863, 1.137) × (-1.071, 0.929)
         u = 0                on the boundary

Exact solution: u* = sin π(x - 0.137) sin 4π(y + 0.071).
"""

from torch import pi, sin

from pdesolve import Dirichlet, Problem, Rectangle, laplace

square = Rectangle((-0.863, -1.071), (1.137, 0.929))


def exact(x, y):
    return sin(pi * (x - 0.137)) * sin(4 * pi * (y + 0.071))


def helmholtz(u, x, y):
    return laplace(u) + u - (1 - 17 * pi**2) * exact(x, y)


problem = Problem(
    domain=square,
    equation=helmholtz,
    conditions=[Dirichlet(0, on=square.boundary)],
    exact=exact,
)
