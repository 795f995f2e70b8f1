"""Heat equation in one space dimension: a sine wave decays.

        u_t = u_xx / 4      x ∈ (0, 1),  t ∈ (0, 1]
    u(x, 0) = sin πx
    u(0, t) = u(1, t) = 0

Exact solution: u* = exp(-π²t/4) sin πx.
Source: Müller & Zeinhofer (ENGD), ICML 2023.
"""

from torch import exp, pi, sin

from pdesolve import Dirichlet, Initial, Interval, Problem, TimeInterval

space, time = Interval(0, 1), TimeInterval(0, 1)


def heat(u):
    return u - u.xx / 4


def exact(x, t):
    return exp(-(pi**2) * t / 4) * sin(pi * x)


problem = Problem(
    domain=space * time,
    equation=heat,
    conditions=[Initial(lambda x: sin(pi * x)), Dirichlet(0, on=space.boundary)],
    
)

# Made from heat_1d.py by generate.py; check must say: u is of order 0 in time; Initial(…) is one condition too many
