"""Poisson equation on the unit square with four scales, the finest with 16 half waves across.

    -Δu = ¼ Σ_w 2 (wπ)² sin(wπx) sin(wπy)    in (0, 1)²,  w = 4, 8, 12, 16
      u = 0                                  on the boundary

Exact solution: u* = ¼ Σ_w sin(wπx) sin(wπy) (arXiv 2607.02194).
"""

from torch import pi, sin

from pdesolve import Dirichlet, Problem, Rectangle, laplace

square = Rectangle((0, 0), (1, 1))
frequencies = (4, 8, 12, 16)


def exact(x, y):
    return sum(sin(w * pi * x) * sin(w * pi * y) for w in frequencies) / 4


def source(x, y):
    return sum(2 * (w * pi) ** 2 * sin(w * pi * x) * sin(w * pi * y) for w in frequencies) / 4


def poisson(u, x, y):
    return -laplace(u) - source(x, y)


problem = Problem(
    domain=square,
    equation=poisson,
    conditions=[Dirichlet(0, on=square.boundary)],
    exact=exact,
)
