"""Nonlinear Schrödinger equation for h = u + iv: a bright soliton moves at speed 1.

    i h_t + ½ h_xx + |h|² h = 0     x ∈ (-15, 15),  t ∈ (0, π/2]
                          h = h*    at t = 0 and at both ends

Exact solution: h* = sech(x - t) e^(ix).
Source: Zakharov & Shabat, Sov. Phys. JETP 34 (1972) 62–69.
"""

from torch import cos, cosh, pi, sin

from pdesolve import Dirichlet, Initial, Interval, Problem, TimeInterval

space, time = Interval(-15, 15), TimeInterval(0, pi / 2)
exact = {
    "u": lambda x, t: cos(x) / cosh(x - t),
    "v": lambda x, t: sin(x) / cosh(x - t),
}


def schroedinger(u, v):
    density = u**2 + v**2
    return u.t + v.xx / 2 + density * v, v.t - u.xx / 2 - density * u


problem = Problem(
    domain=space * time,
    equation=schroedinger,
    conditions=[
        Initial(lambda x: cos(x) / cosh(x), unknown="u"),
        Initial(lambda x: sin(x) / cosh(x), unknown="v"),
        *[Dirichlet(exact[name], on=space.boundary, unknown=name) for name in "uv"],
    ],
    exact=exact,
)
