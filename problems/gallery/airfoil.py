"""Poisson's equation around a NACA 2412 airfoil, given by coordinates, at an angle of attack of 8 degrees."""

import math

from torch import cos, exp, sin

from pdesolve import Condition, Dirichlet, Problem, Rectangle, airfoil, laplace, normal_derivative


def surface(x, side):
    """Upper (side = 1) or lower surface of the airfoil: camber ± thickness."""
    camber = 0.02 * (0.8 * x - x**2) / (0.16 if x < 0.4 else 0.36) + (0 if x < 0.4 else 0.02 * 0.2 / 0.36)
    half = 0.6 * (0.2969 * x**0.5 - 0.126 * x - 0.3516 * x**2 + 0.2843 * x**3 - 0.1036 * x**4)
    return x, camber + side * half


stations = [(1 + math.cos(math.pi * k / 40)) / 2 for k in range(80)]
coordinates = [surface(x, 1 if k < 40 else -1) for k, x in enumerate(stations)]
wing = airfoil(coordinates).rotated(math.radians(-8), about=(0.25, 0))
domain = Rectangle((-1, -1), (2, 1)) - wing


def exact(x, y):
    return exp(x) * sin(2 * y)


def poisson(u, x, y):
    return -laplace(u) - 3 * exact(x, y)  # Δ (exp x · sin 2y) = (1 - 4) exp x · sin 2y


def flux(u, x, y, n):
    return normal_derivative(u) - exp(x) * (n.x * sin(2 * y) + 2 * n.y * cos(2 * y))


problem = Problem(
    domain,
    poisson,
    [Dirichlet(exact, on=Rectangle((-1, -1), (2, 1)).boundary), Condition(flux, on=wing.boundary)],
    exact=exact,
)
