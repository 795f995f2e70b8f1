"""Advection and diffusion on an interval: a boundary layer of width ε = 0.01 at the outflow end.

    -ε u'' + u' = 1    x ∈ (0, 1)
    u(0) = u(1) = 0

Exact solution: u* = x - (e^((x-1)/ε) - e^(-1/ε)) / (1 - e^(-1/ε)).
Source: Roos, Stynes & Tobiska, Robust Numerical Methods for Singularly Perturbed Problems (2008).
"""

from math import exp as e

from torch import exp

from pdesolve import Dirichlet, Interval, Problem

interval = Interval(0, 1)
epsilon = 0.01


def exact(x):
    return x - (exp((x - 1) / epsilon) - e(-1 / epsilon)) / (1 - e(-1 / epsilon))


def advection_diffusion(u):
    return -epsilon * u.xx + u.x - 1


problem = Problem(
    domain=interval,
    equation=advection_diffusion,
    conditions=[Dirichlet(0, on=interval.boundary)],
    exact=exact,
)
