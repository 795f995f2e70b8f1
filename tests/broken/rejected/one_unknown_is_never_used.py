"""Steady FitzHugh–Nagumo reaction and diffusion: activator u, faster inhibitor v.

    -0.1 Δu - u + u³ + v = f,   u = 0        on the boundary of the unit square
         -Δv - u + v     = g,   ∂v/∂n = 0    on the boundary

Exact solution: u* = sin πx sin πy, v* = cos πx cos πy (manufactured; f and g follow from it).
Source of the kinetics: FitzHugh, Biophys. J. 1 (1961) 445–466.
"""

from torch import cos, pi, sin

from pdesolve import Dirichlet, Neumann, Problem, Rectangle, laplace

square = Rectangle((0, 0), (1, 1))


def exact_u(x, y):
    return sin(pi * x) * sin(pi * y)


def exact_v(x, y):
    return cos(pi * x) * cos(pi * y)


def reaction_diffusion(u, v, x, y):
    a, b = exact_u(x, y), exact_v(x, y)
    f = (0.2 * pi**2 - 1) * a + a**3 + b
    g = (2 * pi**2 + 1) * b - a
    return -0.1 * laplace(u) - u + u**3 + b - f, -laplace(u)


problem = Problem(
    domain=square,
    equation=reaction_diffusion,
    conditions=[
        Dirichlet(0, on=square.boundary, unknown="u"),
        Neumann(0, on=square.boundary, unknown="v"),
    ],
    exact={"u": exact_u, "v": exact_v},
)

# Made from reaction_diffusion_2d.py by generate.py; check must say: does not depend; v
