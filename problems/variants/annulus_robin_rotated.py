"""annulus_robin rotated by 17° about the origin.

    -∇·((1 + u²) ∇u) = f

Exact solution: u* = (X² - Y² + 1)/2, X = cx + sy, Y = cy - sx,
c = cos 17°, s = sin 17° (f and the boundary data follow from it).
"""

from math import cos, radians, sin

from pdesolve import Disk, Neumann, Problem, Robin, div, grad

outer, inner = Disk((0, 0), 1.0), Disk((0, 0), 0.4)
c, s = cos(radians(17)), sin(radians(17))


def saddle(x, y):
    return (c * x + s * y) ** 2 - (c * y - s * x) ** 2


def exact(x, y):
    return (saddle(x, y) + 1) / 2


def source(x, y):
    return -2 * exact(x, y) * (x**2 + y**2)


def diffusion(u, x, y):
    return -div((1 + u**2) * grad(u)) - source(x, y)


def flux(x, y, radius):
    return saddle(x, y) / radius  # ∂u*/∂r


outside = Robin(1, lambda x, y: flux(x, y, 1.0) + exact(x, y), on=outer.boundary)
inside = Neumann(lambda x, y: -flux(x, y, 0.4), on=inner.boundary)
problem = Problem(domain=outer - inner, equation=diffusion, conditions=[outside, inside], exact=exact)
