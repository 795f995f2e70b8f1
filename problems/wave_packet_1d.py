"""Schrödinger's equation of a free particle, in complex numbers: a packet of waves moves to the right and spreads.

 i u_t = -u_xx                      x ∈ (-10, 20),  t ∈ (0, 1],  u complex
 u(x, 0) = exp(-x²/4 + 2 i x),      u exact at both ends (1e-10)

Exact: u = s^(-1/2) exp(-(x - 4t)²/(4s) + i (2x - 4t)),  s = 1 + i t.
"""

from torch import exp, sqrt

from pdesolve import Complex, Dirichlet, Initial, Integral, Interval, Problem, TimeInterval

line = Interval(-10, 20)


def free(u: Complex):
    return 1j * u.t + u.xx


def packet(x, t):
    s = 1 + 1j * t
    return exp(-((x - 4 * t) ** 2) / (4 * s) + 1j * (2 * x - 4 * t)) / sqrt(s)


problem = Problem(
    domain=line * TimeInterval(0, 1),
    equation=free,
    conditions=[
        Initial(lambda x: exp(-(x**2) / 4 + 2j * x)),
        Dirichlet(packet, on=line.boundary),
    ],
    exact=packet,
    quantities={"norm": Integral(lambda u: abs(u) ** 2)},
)
