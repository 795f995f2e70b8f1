"""Heat conduction through a disk that conducts a thousand times better than the square around it.

    -∇·(k ∇u) = -16 r²,   k = 1000 for r < 1/2, else 1,   r² = (x - 0.1)² + (y - 0.05)²

Exact solution: u* = r⁴/k + (1/1000 - 1)/16 outside of the disk; u and k ∂u/∂n are continuous.
"""

import torch

from pdesolve import Dirichlet, Disk, Piecewise, Problem, Rectangle, div, grad

square, disk = Rectangle((-1, -1), (1, 1)), Disk((0.1, 0.05), 0.5)
k = Piecewise({disk: 1000.0}, otherwise=1.0)


def r2(x, y):
    return (x - 0.1) ** 2 + (y - 0.05) ** 2


def exact(x, y):
    return torch.where(r2(x, y) < 0.25, r2(x, y) ** 2 / 1000, r2(x, y) ** 2 + (1 / 1000 - 1) / 16)


def conduction(u, x, y):
    return -div(k(x, y) * grad(u)) + 16 * r2(x, y)


problem = Problem(
    domain=square,
    equation=conduction,
    conditions=[Dirichlet(exact, on=square.boundary)],
    exact=exact,
)

# Made from interface_2d.py by generate.py; check must say: an expression under; jumps at; Interface(
