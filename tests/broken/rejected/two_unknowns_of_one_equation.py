"""Inverse Poisson problem PInv: a coefficient field from noisy values of the solution, 2500 of them.

    -div(a ∇u) = f    in (0, 1)²,    a given on the boundary, u given nowhere: only u + N(0, 0.1²) on a 50×50 grid

Exact solution: a* = 1/(1 + x² + y² + (x-1)² + (y-1)²), u* = sin πx sin πy. The field g, sought too, is the trace of u.
Source: Hao et al., PINNacle, NeurIPS 2024, arXiv 2306.08827 (whose code has 2x + 1 for 2x - 1 in f).
"""

import torch
from torch import cos, pi, sin

from pdesolve import Condition, Dirichlet, Observation, Problem, Rectangle, div, grad

square = Rectangle((0, 0), (1, 1))
edge = square.boundary
exact = {
    "u": lambda x, y: sin(pi * x) * sin(pi * y),
    "a": lambda x, y: 1 / (1 + x**2 + y**2 + (x - 1) ** 2 + (y - 1) ** 2),
    "g": 0.0,
}


def poisson(u, a, g, x, y):  # noqa: ARG001 (g enters at the boundary)
    known = exact["a"](x, y)
    slope = (2 * x - 1) * cos(pi * x) * sin(pi * y) + (2 * y - 1) * sin(pi * x) * cos(pi * y)
    return -div(grad(u) + grad(a)) - 2 * pi**2 * exact["u"](x, y) * known - 2 * pi * slope * known**2


def measured(seed=0):
    places = torch.cartesian_prod(*[torch.linspace(0, 1, 50)] * 2)
    noise = torch.randn(2500, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Observation(places, exact["u"](*places.T) + 0.1 * noise, unknown="u")


problem = Problem(
    domain=square,
    equation=poisson,
    conditions=[Dirichlet(exact["a"], on=edge, unknown="a"), Condition(lambda u, g: u - g, on=edge)],
    data=[measured()],
    exact=exact,
)

# Made from pinv_2d.py by generate.py; check must say: 1 equations for the unknowns u, a, g; coefficient fields
