"""poisson_disk rotated by 17° about the origin.

    -Δu = 8 u*    in x² + y² < 1
      u = u*      on the circle

Exact solution: u* = cos(3(cx + sy)) e^(cy - sx), c = cos 17°, s = sin 17° (manufactured).
"""

from math import cos as cosine
from math import radians
from math import sin as sine

from torch import cos, exp

from pdesolve import Dirichlet, Disk, Problem, laplace

disk = Disk((0, 0), 1)
c, s = cosine(radians(17)), sine(radians(17))


def exact(x, y):
    return cos(3 * (c * x + s * y)) * exp(c * y - s * x)


def poisson(u, x, y):
    return -laplace(u) - 8 * exact(x, y)


problem = Problem(
    domain=disk,
    equation=poisson,
    conditions=[Dirichlet(exact, on=disk.boundary)],
    exact=exact,
)
