"""Mixing of two fluids by a vortex that turns each circle at its own rate ω(r).

    u_t - ωy u_x + ωx u_y = 0     in (-4, 4)² × (0, 4],   ω = sech² r tanh r / (0.385 r)
                        u = u*    where the flow enters, and at t = 0

Exact solution: u* = -tanh(½ y cos ωt - ½ x sin ωt).
Source: Cho et al. (SPINN), NeurIPS 2023; Tamamidis & Assanis, J. Comput. Phys. 109 (1993).
"""

from torch import cos, cosh, sin, tanh

from pdesolve import Dirichlet, Initial, Problem, Rectangle, TimeInterval

square, time = Rectangle((-4, -4), (4, 4)), TimeInterval(0, 4)
inflow = [
    square.right.where(lambda y: y > 0),
    square.left.where(lambda y: y < 0),
    square.top.where(lambda x: x < 0),
    square.bottom.where(lambda x: x > 0),
]


def rate(x, y):
    r = (x**2 + y**2).clamp(min=1e-24).sqrt()
    return tanh(r) / (0.385 * r * cosh(r) ** 2)


def exact(x, y, t):
    angle = rate(x, y) * t
    return -tanh(y / 2 * cos(angle) - x / 2 * sin(angle))


def mixing(u, x, y):
    return u.t + rate(x, y) * (x * u.y - y * u.x)


start = Initial(lambda x, y: exact(x, y, 0))
conditions = [start, *[Dirichlet(exact, on=side) for side in inflow]]
problem = Problem(domain=square * time, equation=mixing, conditions=conditions, exact=exact)
