"""poisson_disk with wave number and growth rate 1.3 times as high.

    -Δu = 8 · 1.3² u*    in x² + y² < 1
      u = u*             on the circle

Exact solution: u* = cos(3.9x) e^(1.3y) (manufactured).
"""

from torch import cos, exp

from pdesolve import Dirichlet, Disk, Problem, laplace

disk = Disk((0, 0), 1)


def exact(x, y):
    return cos(3.9 * x) * exp(1.3 * y)


def poisson(u, x, y):
    return -laplace(u) - 8 * 1.3**2 * exact(x, y)


problem = Problem(
    domain=disk,
    equation=poisson,
    conditions=[Dirichlet(exact, on=disk.boundary)],
    exact=exact,
)
