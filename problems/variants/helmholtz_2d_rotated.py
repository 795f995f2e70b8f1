"""helmholtz_2d on a square rotated by 17° about the origin.

    Δu + u = (1 - 17π²) u*    in (-1, 1)² turned by 17°
         u = 0                on the boundary

Exact solution: u* = sin π(cx + sy) sin 4π(cy - sx), c = cos 17°, s = sin 17°.
"""

from math import cos, radians
from math import sin as sine

from torch import pi, sin

from pdesolve import Dirichlet, Polygon, Problem, laplace

c, s = cos(radians(17)), sine(radians(17))
square = Polygon([(c * x - s * y, s * x + c * y) for x, y in [(-1, -1), (1, -1), (1, 1), (-1, 1)]])


def exact(x, y):
    return sin(pi * (c * x + s * y)) * sin(4 * pi * (c * y - s * x))


def helmholtz(u, x, y):
    return laplace(u) + u - (1 - 17 * pi**2) * exact(x, y)


problem = Problem(
    domain=square,
    equation=helmholtz,
    conditions=[Dirichlet(0, on=square.boundary)],
    exact=exact,
)
