"""Poisson equation whose solution has a narrow peak and a ridge along the diagonal.

    -Δu = f     in (0, 1)²
      u = u*    on the boundary

Exact solution: u* = exp(-1000 ((x - 0.37)² + (y - 0.61)²)) + exp(-200 (x - y)² / (1 + x²)) (manufactured).
"""

from torch import exp

from pdesolve import Dirichlet, Problem, Rectangle, laplace

square = Rectangle((0, 0), (1, 1))


def squared_radius(x, y):
    return (x - 0.37) ** 2 + (y - 0.61) ** 2


def exact(x, y):
    return exp(-1000 * squared_radius(x, y)) + exp(-200 * (x - y) ** 2 / (1 + x**2))


def source(x, y):
    r2, s, w = squared_radius(x, y), (x - y), 1 + x**2
    q_x, q_y = 400 * s / w - 400 * x * s**2 / w**2, -400 * s / w  # q = 200 s²/w
    q_xx = 400 / w - 1600 * x * s / w**2 - 400 * s**2 / w**2 + 1600 * x**2 * s**2 / w**3
    ridge = (q_x**2 + q_y**2 - q_xx - 400 / w) * exp(-200 * s**2 / w)
    return -(4e6 * r2 - 4e3) * exp(-1000 * r2) - ridge


def poisson(u, x, y):
    return -laplace(u) - source(x, y)


problem = Problem(
    domain=square,
    equation=poisson,
    conditions=[Dirichlet(exact, on=square.boundary)],
    exact=exact,
)
