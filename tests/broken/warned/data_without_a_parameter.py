"""A conductivity from temperatures measured with 1 % noise.

    -κ u'' = π² sin πx    x ∈ (0, 1),    u(0) = u(1) = 0,    κ = 0.7 to be found

Exact solution: u* = sin(πx)/κ, measured at 49 places with normally distributed errors of 0.01 of its maximum, the size
of which is not told.
"""

import torch
from torch import pi, sin

from pdesolve import Dirichlet, Interval, Observation, Problem

line = Interval(0, 1)
TRUE = 0.7


def heat(u, x, kappa=0.7):
    return -kappa * u.xx - pi**2 * sin(pi * x)


def solution(x):
    return sin(pi * x) / TRUE


def measured(seed=0):
    places = torch.linspace(0.02, 0.98, 49)
    noise = torch.randn(49, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Observation(places, solution(places) + 0.01 / TRUE * noise)


problem = Problem(
    domain=line,
    equation=heat,
    conditions=[Dirichlet(0, on=line.boundary)],
    data=[measured()],
    reference=solution,
)

# Made from kappa_1d.py by generate.py; check must say: there is data; nothing is to be identified
