"""Bratu's problem on the unit square, the solution of least size.

    -Δu = λ eᵘ    in (0, 1)²,    λ = 1
      u = 0       on the boundary

Two solutions below λ = 6.808124423, where they meet in a fold, none beyond: `pdesolve branch` follows them.
Source: Glowinski, Keller & Reinhart, SIAM J. Sci. Stat. Comput. 6 (1985).
"""

import torch

from pdesolve import Dirichlet, Problem, Rectangle, laplace

square = Rectangle((0, 0), (1, 1))


def bratu(u, lam):
    return -laplace(u) - lam * torch.exp(u)


problem = Problem(
    domain=square,
    equation=bratu,
    conditions=[Dirichlet(0, on=square.boundary)],
    constants={"lam": 1.0},
)
