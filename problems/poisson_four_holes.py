"""Laplace's equation on a square with four circular holes (Poisson2d-C of PINNacle, NeurIPS 2024).

    Δu = 0    in (-½, ½)² less four discs of radius 0.1 at (±0.3, ±0.3)
     u = 1    on the square
     u = 0    on the circles

Reference: charges inside the holes with the Green's function of the square, four theta functions as products.
By the maximum principle it is nowhere worse than on the circles: 1e-10.
"""

from math import exp, prod

import torch
from torch import pi

from pdesolve import Dirichlet, Disk, Problem, Rectangle, laplace

square = Rectangle((-0.5, -0.5), (0.5, 0.5))
holes = [Disk((x, y), 0.1) for x in (-0.3, 0.3) for y in (-0.3, 0.3)]
centres = torch.tensor([[complex(*hole.centre)] for hole in holes])
charges, circles = ((centres + r * torch.exp(2j * pi * torch.arange(32) / 32)).ravel() for r in (0.04, 0.1))


def theta(z):
    c, q = torch.cos(pi * z), exp(-2 * pi)
    return ((1 - c) * prod(1 - 2 * q**n * c + q ** (2 * n) for n in (1, 2, 3, 4)) ** 2).abs()


def green(z):
    a, b = charges, charges.conj()
    return (theta(z - a) * theta(z - 1 - 1j + a) / theta(z - 1 + b) / theta(z - 1j - b)).log()


strengths = torch.linalg.lstsq(green(circles[:, None]), -torch.ones(len(circles), 1), driver="gelsd")[0]


def reference(x, y):
    return 1 + (green(torch.complex(x, y)[:, None]) @ strengths)[:, 0]


def poisson(u):
    return -laplace(u)


problem = Problem(
    domain=square - holes[0] - holes[1] - holes[2] - holes[3],
    equation=poisson,
    conditions=[Dirichlet(1, on=square.boundary), *[Dirichlet(0, on=hole.boundary) for hole in holes]],
    reference=reference,
)
