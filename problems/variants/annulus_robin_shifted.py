"""annulus_robin shifted by (0.137, -0.071).

    -∇·((1 + u²) ∇u) = f

Exact solution: u* = (X² - Y² + 1)/2, X = x - 0.137, Y = y + 0.071 (f and the boundary data follow from it).
"""

from pdesolve import Disk, Neumann, Problem, Robin, div, grad

a, b = centre = 0.137, -0.071
outer, inner = Disk(centre, 1.0), Disk(centre, 0.4)


def exact(x, y):
    return ((x - a) ** 2 - (y - b) ** 2 + 1) / 2


def source(x, y):
    return -2 * exact(x, y) * ((x - a) ** 2 + (y - b) ** 2)


def diffusion(u, x, y):
    return -div((1 + u**2) * grad(u)) - source(x, y)


def flux(x, y, radius):
    return ((x - a) ** 2 - (y - b) ** 2) / radius  # ∂u*/∂r


problem = Problem(
    domain=outer - inner,
    equation=diffusion,
    conditions=[
        Robin(1, lambda x, y: flux(x, y, 1.0) + exact(x, y), on=outer.boundary),
        Neumann(lambda x, y: -flux(x, y, 0.4), on=inner.boundary),
    ],
    exact=exact,
)
