"""The heat equation on a plate: it cools from the edges while a source heats the middle.

∂u/∂t = a Δu + q, u = 0 on the edges, u = 0 at the beginning. `--param a=0.2` sets another diffusivity.
"""

from torch import exp, tanh

from pdesolve import Dirichlet, Initial, Problem, Rectangle, TimeInterval, laplace

plate = Rectangle((0, 0), (2, 1))


def source(x, y, t):
    return exp(-8 * (x - 1) ** 2 - 8 * (y - 0.5) ** 2) * tanh(5 * t) ** 2  # it starts smoothly


def heat(u, x, y, t, a):
    return u.t - a * laplace(u) - source(x, y, t)


problem = Problem(
    domain=plate * TimeInterval(0, 1),
    equation=heat,
    conditions=[
        Initial(0),
        Dirichlet(0, on=plate.boundary),
    ],
    constants={"a": 0.1},
)
