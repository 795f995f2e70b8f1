"""Helmholtz's equation on the unit square, over its wave number.

    -Δu - k² u = exp(-20 ((x - 0.3)² + (y - 0.4)²))    in (0, 1)²,    k = 3
              u = 0                                    on the boundary

At k = π√(m² + n²) (4.443, 7.025, 8.886, …) there is a resonance and no solution: `pdesolve surrogate` says so there.
"""

import torch

from pdesolve import Dirichlet, Problem, Rectangle, laplace

square = Rectangle((0, 0), (1, 1))


def helmholtz(u, x, y, k):
    return -laplace(u) - k**2 * u - torch.exp(-20 * ((x - 0.3) ** 2 + (y - 0.4) ** 2))


problem = Problem(
    domain=square,
    equation=helmholtz,
    conditions=[Dirichlet(0, on=square.boundary)],
    constants={"k": 3.0},
)
