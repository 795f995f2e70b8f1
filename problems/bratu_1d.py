"""Bratu's problem on a line, the solution of least size.

    -u'' = λ eᵘ    in (0, 1),    λ = 1
       u = 0       at both ends

Exact solution: u = 2 ln(cosh(θ/4)/cosh(θ(x - ½)/2)) with θ = √(2λ) cosh(θ/4): two of them below λ = 3.513830719, where
they meet in a fold, and none beyond. Source: Bratu, Bull. Soc. Math. France 42 (1914).
"""

import math

import torch

from pdesolve import Dirichlet, Interval, Problem

line = Interval(0, 1)


def exact(x, lam):
    theta = 0.0
    for _ in range(200):  # from below, these values rise to the smaller root
        theta = math.sqrt(2 * lam) * math.cosh(theta / 4)
    return 2 * torch.log(math.cosh(theta / 4) / torch.cosh(theta * (x - 0.5) / 2))


def bratu(u, lam):
    return -u.xx - lam * torch.exp(u)


problem = Problem(
    domain=line,
    equation=bratu,
    conditions=[Dirichlet(0, on=line.boundary)],
    exact=exact,
    constants={"lam": 1.0},
)
