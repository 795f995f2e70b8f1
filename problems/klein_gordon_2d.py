"""Nonlinear Klein–Gordon equation in two space dimensions, over a long time.

    u_tt - Δu + u² = f    in (-1, 1)² × (0, 10]
                 u = u*   on the boundary;  u and u_t are given at t = 0

Exact solution: u* = (x + y) cos 2t + xy sin 2t (manufactured: Δu* = 0, so f = u*² - 4u*).
Source: Cho et al. (SPINN), NeurIPS 2023, whose code leaves out u_t(0).
"""

from torch import cos, sin

from pdesolve import Dirichlet, Initial, Problem, Rectangle, TimeInterval, laplace

square, time = Rectangle((-1, -1), (1, 1)), TimeInterval(0, 10)


def exact(x, y, t):
    return (x + y) * cos(2 * t) + x * y * sin(2 * t)


def klein_gordon(u, x, y, t):
    wave = exact(x, y, t)
    return u.tt - laplace(u) + u**2 - (wave**2 - 4 * wave)


problem = Problem(
    domain=square * time,
    equation=klein_gordon,
    conditions=[
        Initial(lambda x, y: x + y),
        Initial(lambda x, y: 2 * x * y, order=1),
        Dirichlet(exact, on=square.boundary),
    ],
    exact=exact,
)
