"""Variable-coefficient nonlinear diffusion in an annulus: Robin outside, Neumann inside.

    -∇·((1 + u²) ∇u) = f,   u* = (x² - y² + 1)/2   (f and the boundary data follow from u*)
"""

from pdesolve import Disk, Neumann, Problem, Robin, div, grad

outer, inner = Disk((0, 0), 1.0), Disk((0, 0), 0.4)


def exact(x, y):
    return (x**2 - y**2 + 1) / 2


def source(x, y):
    return -2 * exact(x, y) * (x**2 + y**2)  # ∇·((1+u²)∇u) = 2u |∇u|² + (1+u²) Δu, and Δu* = 0


def diffusion(u, x, y):
    return -div((1 + u**2) * grad(u)) - source(x, y)


def flux(x, y, radius):
    return (x**2 - y**2) / radius  # ∂u*/∂r


problem = Problem(
    domain=outer - inner,
    equation=diffusion,
    conditions=[
        Robin(1, lambda x, y: flux(x, y, 1.0) + exact(x, y), on=outer.boundary),
    ],
    exact=exact,
)

# Made from annulus_robin.py by generate.py; check must say: without a condition
