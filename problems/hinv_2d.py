"""Inverse heat problem HInv: a coefficient field, constant in time, from 2500 noisy values of the solution.

    u_t - div(a ∇u) = f,  a_t = 0    in (-1, 1)² × (0, 1),    a given on the lateral boundary

Exact solution: a* = 2 + sin πx sin πy, u* = exp(-t) sin πx sin πy, measured with errors N(0, 0.1²).
Source: Hao et al., PINNacle, NeurIPS 2024, arXiv 2306.08827 (where values of u on the boundary are measured, too).
"""

import torch
from torch import cos, exp, pi, sin

from pdesolve import Dirichlet, Initial, Observation, Problem, Rectangle, TimeInterval, div, grad

square, time = Rectangle((-1, -1), (1, 1)), TimeInterval(0, 1)


def wave(x, y):
    return sin(pi * x) * sin(pi * y)


def heat(u, a, x, y, t):
    slope = (cos(pi * x) * sin(pi * y)) ** 2 + (sin(pi * x) * cos(pi * y)) ** 2
    f = (4 * pi**2 - 1) * wave(x, y) + pi**2 * (2 * wave(x, y) ** 2 - slope)
    return u.t - div(a * grad(u)) - exp(-t) * f, a.t


def measured(seed=0):
    places = (square * time).sample(2500, seed=1)
    noise = torch.randn(2500, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Observation(places, exp(-places[:, 2]) * wave(*places[:, :2].T) + 0.1 * noise, unknown="u")


problem = Problem(
    domain=square * time,
    equation=heat,
    conditions=[
        Dirichlet(lambda x, y: 2 + wave(x, y), on=square.boundary, unknown="a"),
        Dirichlet(0, on=square.boundary, unknown="u"),
        Initial(wave, unknown="u"),
    ],
    data=[measured()],
    exact={"u": lambda x, y, t: exp(-t) * wave(x, y), "a": lambda x, y: 2 + wave(x, y)},
)
