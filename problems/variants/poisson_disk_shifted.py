"""poisson_disk on a disc shifted by (0.137, -0.071).

    -Δu = 8 u*    in the unit disc about (0.137, -0.071)
      u = u*      on the circle

Exact solution: u* = cos(3(x - 0.137)) e^(y + 0.071) (manufactured).
"""

from torch import cos, exp

from pdesolve import Dirichlet, Disk, Problem, laplace

disk = Disk((0.137, -0.071), 1)


def exact(x, y):
    return cos(3 * (x - 0.137)) * exp(y + 0.071)


def poisson(u, x, y):
    return -laplace(u) - 8 * exact(x, y)


problem = Problem(
    domain=disk,
    equation=poisson,
    conditions=[Dirichlet(exact, on=disk.boundary)],
    exact=exact,
)
