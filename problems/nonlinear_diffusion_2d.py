"""Nonlinear diffusion of three bumps: the flux vanishes with u, as in a porous medium.

    u_t = 0.05 (|∇u|² + u Δu)    in (-1, 1)² × (0, 1]
      u = 0                      on the boundary
      u = three Gaussian bumps   at t = 0

u rises like the square root of the distance from the walls, u² linearly. Reference: Chebyshev collocation of u²,
(u²)_t = 0.05 u Δ(u²), computed on first use and verified by its own refinement.
Source: Cho et al. (SPINN), NeurIPS 2023.
"""

from torch import exp

from pdesolve import Dirichlet, Initial, LinesReference, Problem, Rectangle, TimeInterval, div, grad

square, time = Rectangle((-1, -1), (1, 1)), TimeInterval(0, 1)


def start(x, y):
    right = exp(-((x - 0.3) ** 2 + (y - 0.2) ** 2) / 0.1) / 4
    left = 0.4 * exp(-15 * ((x + 0.5) ** 2 + (y + 0.1) ** 2))
    low = 0.3 * exp(-20 * (x**2 + (y + 0.5) ** 2))
    return right + left + low


def diffusion(u):
    return u.t - 0.05 * div(u * grad(u))


def root(w):
    return w.clamp(min=0).sqrt()


reference = LinesReference(
    square * time,
    start=lambda x, y: start(x, y) ** 2,
    rate=lambda w, laplacian: 0.05 * root(w) * laplacian,
    value=root,
)
problem = Problem(
    domain=square * time,
    equation=diffusion,
    conditions=[Initial(start), Dirichlet(0, on=square.boundary)],
    reference=reference,
)
