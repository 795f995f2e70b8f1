"""annulus_robin with coordinates stretched by 1.3 in the solution.

    -∇·((1 + u²) ∇u) = f

Exact solution: u* = (a(x² - y²) + 1)/2, a = 1.3² (f and the boundary data follow from it). The data admit a
second solution, which Gauss–Newton finds from zero; `guess`, the solution of the base, says which one is meant.
"""

from pdesolve import Disk, Neumann, Problem, Robin, div, grad

outer, inner = Disk((0, 0), 1.0), Disk((0, 0), 0.4)
a = 1.3**2


def exact(x, y):
    return (a * (x**2 - y**2) + 1) / 2


def source(x, y):
    return -2 * a**2 * exact(x, y) * (x**2 + y**2)


def diffusion(u, x, y):
    return -div((1 + u**2) * grad(u)) - source(x, y)


def flux(x, y, radius):
    return a * (x**2 - y**2) / radius  # ∂u*/∂r


problem = Problem(
    domain=outer - inner,
    equation=diffusion,
    conditions=[
        Robin(1, lambda x, y: flux(x, y, 1.0) + exact(x, y), on=outer.boundary),
        Neumann(lambda x, y: -flux(x, y, 0.4), on=inner.boundary),
    ],
    guess=lambda x, y: (x**2 - y**2 + 1) / 2,
    exact=exact,
)
