"""poisson_2d on a unit square rotated by 17° about the origin.

    -Δu = 2π² u*    in the square with sides along (c, s) and (-s, c), c = cos 17°, s = sin 17°
      u = 0         on the boundary

Exact solution: u* = sin π(cx + sy) sin π(cy - sx) (manufactured).
"""

from math import cos, radians
from math import sin as sine

from torch import pi, sin

from pdesolve import Dirichlet, Polygon, Problem, laplace

c, s = cos(radians(17)), sine(radians(17))
square = Polygon([(0, 0), (c, s), (c - s, s + c), (-s, c)])


def exact(x, y):
    return sin(pi * (c * x + s * y)) * sin(pi * (c * y - s * x))


def poisson(u, x, y):
    return -laplace(u) - 2 * pi**2 * exact(x, y)


problem = Problem(
    domain=square,
    equation=poisson,
    conditions=[Dirichlet(0, on=square.boundary)],
    exact=exact,
)
