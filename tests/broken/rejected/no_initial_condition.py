"""Viscous Burgers equation: a sine wave steepens into a thin layer at x = 0.

    u_t + u u_x = ν u_xx        x ∈ (-1, 1),  t ∈ (0, 1],  ν = 0.01/π
        u(x, 0) = -sin πx
       u(±1, t) = 0

Exact solution: the Cole–Hopf formula, integrated by Gauss–Hermite quadrature.
"""

from torch import cos, pi, sin, softmax

from pdesolve import Dirichlet, Initial, Interval, Problem, TimeInterval, gauss_hermite

space, time = Interval(-1, 1), TimeInterval(0, 1)
nu = 0.01 / pi
node, weight = gauss_hermite(200)


def burgers(u):
    return u.t + u * u.x - nu * u.xx


def exact(x, t):
    y = x[:, None] - node * (4 * nu * t[:, None]).sqrt()
    w = softmax(weight.log() - cos(pi * y) / (2 * pi * nu), dim=1)
    return -(w * sin(pi * y)).sum(dim=1)


problem = Problem(
    domain=space * time,
    equation=burgers,
    conditions=[Dirichlet(0, on=space.boundary)],
    exact=exact,
)

# Made from burgers_1d.py by generate.py; check must say: Initial; u
