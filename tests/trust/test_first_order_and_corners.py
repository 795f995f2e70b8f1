"""Kinks of first-order equations, corners whose data do not fit, unknowns of other sizes: right or refused."""

import math

import pytest
import torch
from torch import cos, pi, sin, sqrt, where
from verdicts import LINE, SQUARE, require_right, require_right_or_refused

from pdesolve import Dirichlet, Polygon, Problem, Sector, dot, grad, laplace
from pdesolve.benchmarking.manufactured import manufactured

WALLS = SQUARE.left | SQUARE.bottom


def roof(x):
    return torch.minimum(x, 1 - x)


def front(x, y):
    """Between values 1 and 0, along a characteristic."""
    return where(y < 0.3 + 0.5 * x, 1.0, 0.0)


FIRST_ORDER = {
    "eikonal": Problem(
        LINE, lambda u: u.x**2 - 1, [Dirichlet(0, on=LINE.boundary)], guess=lambda x: x * (1 - x), exact=roof
    ),
    "modulus of the slope": Problem(
        LINE,
        lambda u: abs(u.x) - 1,
        [Dirichlet(0, on=LINE.boundary)],
        guess=lambda x: x * (1 - x),
        exact=roof,
    ),
    "distance in the plane": Problem(
        SQUARE,
        lambda u: dot(grad(u), grad(u)) - 1,
        [Dirichlet(0, on=SQUARE.boundary)],
        guess=lambda x, y: x * (1 - x) * y * (1 - y),
        exact=lambda x, y: torch.minimum(roof(x), roof(y)),
    ),
    "Hamilton and Jacobi": Problem(
        SQUARE,
        lambda u: u.y + abs(u.x),
        [Dirichlet(lambda x: abs(x - 0.5), on=SQUARE.bottom), Dirichlet(lambda y: 0.5 - y, on=SQUARE.left)],
        exact=lambda x, y: (abs(x - 0.5) - y).clamp_min(0.0),
    ),
    "jump along a characteristic": Problem(
        SQUARE, lambda u: u.x + 0.5 * u.y, [Dirichlet(front, on=WALLS)], exact=front
    ),
    "kink along a characteristic": Problem(
        SQUARE,
        lambda u: u.x + 0.5 * u.y,
        [Dirichlet(lambda x, y: abs(y - 0.5 * x - 0.3), on=WALLS)],
        exact=lambda x, y: abs(y - 0.5 * x - 0.3),
    ),
}


@pytest.mark.parametrize("name", FIRST_ORDER)
def test_a_kink_of_an_equation_of_first_order_is_right_or_not_verified(name):
    require_right_or_refused(FIRST_ORDER[name], 1e-2, seconds=1.5)


L_SHAPE = Polygon([(0, 0), (1, 0), (1, 1), (-1, 1), (-1, -1), (0, -1)])


def polar(x, y):
    theta = torch.atan2(y, x)
    return sqrt(x * x + y * y), where(theta < -1e-14, theta + 2 * pi, theta.clamp_min(0.0))


def at_l(x, y):
    r, theta = polar(x, y)
    return r ** (2 / 3) * sin(2 * theta / 3)


def nearly_resonant(angle, power):
    """The difference of two functions of almost one exponent, over a small number: r^λ log r in the limit."""

    def exact(x, y):
        r, theta = polar(x, y)
        own = math.pi / angle
        return (r**power * sin(power * theta) - r**own * sin(own * theta)) / math.sin(power * angle)

    sector = Sector((0, 0), 1, 0, angle)
    return Problem(sector, lambda u: laplace(u), [Dirichlet(exact, on=sector.boundary)], exact=exact)


CORNERS = {
    "nearly resonant": nearly_resonant(math.pi / 2 * 1.00001, 2.0),
    "nearly resonant, re-entrant": nearly_resonant(1.5 * math.pi * 1.0001, 2 / 3),
    "source without bound": Problem(
        L_SHAPE,
        lambda u, x, y: laplace(u) + 1 / sqrt(x * x + y * y),
        [Dirichlet(lambda x, y: at_l(x, y) - sqrt(x * x + y * y), on=L_SHAPE.boundary)],
        exact=lambda x, y: at_l(x, y) - sqrt(x * x + y * y),
    ),
    "cubic": Problem(
        L_SHAPE,
        lambda u, x, y: laplace(u) - 5 * u**3 + 5 * at_l(x, y) ** 3,
        [Dirichlet(at_l, on=L_SHAPE.boundary)],
        exact=at_l,
    ),
}


@pytest.mark.parametrize("name", CORNERS)
def test_what_is_singular_at_a_corner_is_right(name):
    require_right(CORNERS[name], 1e-2)


@pytest.mark.parametrize(
    ("size", "coupling"), [(1e-8, 1e3), (1e-12, 0.0), (1e8, 1e-9), (1e-5, 1.0), (1e12, 0.0)]
)
def test_a_second_unknown_is_right_in_its_own_size(size, coupling):
    exact = {"u": lambda x: sin(3 * x), "v": lambda x: size * cos(20 * x)}
    equation = manufactured(lambda u, v: (-u.xx + coupling * v, -v.xx + v), exact, ("x",))
    conditions = [Dirichlet(f, on=LINE.boundary, unknown=name) for name, f in exact.items()]
    require_right(Problem(LINE, equation, conditions, exact=exact), 1e-4)
