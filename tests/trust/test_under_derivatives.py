"""Under a derivative stands a function of place and jet that autograd sees, or the problem is refused."""

import numpy as np
import pytest
import torch
from torch import pi, sin
from verdicts import LINE, SQUARE, require_refused, require_right, stated

from pdesolve import (
    Condition,
    Dirichlet,
    Disk,
    Initial,
    Interface,
    Interval,
    Neumann,
    Periodic,
    Piecewise,
    Problem,
    TimeInterval,
    div,
    grad,
    laplace,
    vector,
)
from pdesolve.checks.check import check

X = np.linspace(0, 1, 50)
where = torch.where


def table(x):
    return torch.as_tensor(np.interp(x.detach().numpy(), X, 1 + np.sin(3 * X)))


def nearest(x):
    return torch.as_tensor((1 + np.sin(3 * X))[(x.detach().numpy() * 49).round().astype(int)])


def on_the_line(equation, *conditions):
    return Problem(LINE, equation, conditions or [Dirichlet(0, on=LINE.boundary)])


def in_the_plane(equation, *conditions):
    return Problem(SQUARE, equation, conditions or [Dirichlet(0, on=SQUARE.boundary)])


LOST = {
    "table": on_the_line(lambda u, x: -(table(x) * u.x).x - 1),
    "detach": on_the_line(lambda u, x: -((1 + x**2).detach() * u.x).x - 1),
    "detach in the plane": in_the_plane(lambda u, x, y: -div((1 + x * y).detach() * grad(u)) - 1),
    "a hundredth": in_the_plane(lambda u, x, y: -div((1 + 0.01 * (x * y).detach()) * grad(u)) - 1),
    "detach of the unknown": on_the_line(lambda u: -((1 + u.detach() ** 2) * u.x).x - 1),
    "reaction, detached": on_the_line(lambda u: -u.xx + u.detach() ** 3 - 1),
    "reaction, numpy": on_the_line(lambda u: -u.xx + torch.as_tensor(np.sin(u.tensor.detach().numpy())) - 1),
    "condition": on_the_line(
        lambda u: -u.xx,
        Dirichlet(0, on=LINE.left),
        Condition(lambda u, x: (table(x) * u).x - 1, on=LINE.right),
    ),
}


@pytest.mark.parametrize("name", LOST)
def test_a_derivative_that_autograd_does_not_see_is_missed(name):
    require_refused(LOST[name], "autograd does not see")


JUMPS = {
    "where": on_the_line(lambda u, x: -(where(x < 0.4, 1.0, 2.0) * u.x).x - 1),
    "five per mille": on_the_line(lambda u, x: -(where(x < 0.42, 1.0, 1.005) * u.x).x - 1),
    "sign": on_the_line(lambda u, x: -((2 + torch.sign(x - 0.3)) * u.x).x - 1),
    "floor": on_the_line(lambda u, x: -((1 + torch.floor(3 * x)) * u.x).x - 1),
    "nearest value of a table": on_the_line(lambda u, x: -(nearest(x) * u.x).x - 1),
    "velocity": on_the_line(lambda u, x: -u.xx + (where(x < 0.5, 1.0, -1.0) * u).x - 1),
    "disk": in_the_plane(
        lambda u, x, y: -div(where((x - 0.5) ** 2 + (y - 0.5) ** 2 < 4e-4, 10.0, 1.0) * grad(u)) - 1
    ),
    "across y only": in_the_plane(lambda u, y: -(where(y < 0.4, 1.0, 2.0) * u.y).y - u.xx - 1),
    "periodic seam": on_the_line(lambda u, x: -((1 + x) * u.x).x + u - 1, Periodic("x")),
    "in time": Problem(
        LINE * TimeInterval(0, 1),
        lambda u, t: (where(t < 0.5, 1.0, 2.0) * u).t - u.xx,
        [Initial(0), Dirichlet(0, on=LINE.boundary)],
    ),
}


@pytest.mark.parametrize("name", JUMPS)
def test_a_flux_that_jumps_with_the_place_is_refused(name):
    require_refused(JUMPS[name], " jumps at", "Interface(")


LAYERS = {
    "sigmoid": on_the_line(lambda u, x: -((1 + torch.sigmoid((x - 0.37) * 1e7)) * u.x).x - 1),
    "clamp": on_the_line(lambda u, x: -((1 + ((x - 0.37) * 1e8).clamp(0, 1)) * u.x).x - 1),
    "tanh, oblique": in_the_plane(lambda u, x, y: -div((2 + torch.tanh((x + y - 0.37) * 1e7)) * grad(u)) - 1),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_that_no_point_meets_is_refused(name):
    require_refused(LAYERS[name], "a layer that no collocation point meets")


WITH_THE_UNKNOWN = {
    "conductivity": on_the_line(lambda u: -(where(u < 0.5, 1.0, 3.0) * u.x).x - 1),
    "at a melting point": on_the_line(lambda u: -(where(u < 1687.0, 1.0, 3.0) * u.x).x - 1),
    "near zero": on_the_line(lambda u: -(where(u < 1e-4, 1.0, 3.0) * u.x).x - 1),
    "two phases": on_the_line(lambda u: -where(u > 0, u, 3 * u).xx - 1),
    "total variation": on_the_line(lambda u: -u.xx - torch.sign(u.x).x - 1),
}


@pytest.mark.parametrize("name", WITH_THE_UNKNOWN)
def test_a_flux_that_jumps_with_the_unknown_is_refused(name):
    require_refused(WITH_THE_UNKNOWN[name], "jumps where u")


LEFT, DISK = Interval(0, 0.5), Disk((0.5, 0.5), 0.2)
K = Piecewise({LEFT: 1.0}, otherwise=2.0)
K_DISK = Piecewise({DISK: 10.0}, otherwise=1.0)


def divided(equation, left, right):
    k = Piecewise({LEFT: left}, otherwise=right)
    ends = [Dirichlet(1, on=LINE.left), Dirichlet(0, on=LINE.right)]
    return Problem(LINE, equation, [*ends, Interface(k, on=LEFT.right)])


def with_disk(equation, inside):
    k = Piecewise({DISK: inside}, otherwise=1.0)
    return in_the_plane(equation, Dirichlet(0, on=SQUARE.boundary), Interface(k, on=DISK.boundary))


CONTRADICTIONS = {
    "slip of the pen": divided(lambda u, x: (K(x) * u.x).x, 1.0, 5.0),
    "coefficient of the unknown": divided(lambda u, x: (where(x < 0.5, 1 + u, 2.0) * u.x).x, 1.0, 2.0),
    "smooth coefficient": divided(lambda u, x: ((1 + x) * u.x).x, 1.0, 2.0),
    "velocity that jumps": divided(lambda u, x: u.xx - (where(x < 0.5, 1.0, 2.0) * u).x, 1.0, 1.0),
    "in the plane": with_disk(lambda u, x, y: -div(K_DISK(x, y) * grad(u)) - 1, 20.0),
    "two conductivities": with_disk(
        lambda u, x, y: -div(vector(K_DISK(x, y) * u.x, 2 * K_DISK(x, y) ** 2 * u.y)) - 1, 10.0
    ),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_an_interface_that_contradicts_the_equation_is_refused(name):
    require_refused(CONTRADICTIONS[name], "Interface and equation contradict each other")


FINE = {
    "table of a source": on_the_line(lambda u, x: -u.xx - table(x)),
    "table of a reaction": on_the_line(lambda u, x: -u.xx + table(x) * u),
    "jump along another axis": in_the_plane(lambda u, y: -(where(y < 0.4, 1.0, 2.0) * u.x).x - u.yy - 1),
    "jump without a flux": in_the_plane(lambda u, x: -where(x < 0.4, 1.0, 2.0) * laplace(u) - 1),
    "jump of a source": on_the_line(lambda u, x: -((1 + x) * u.x).x - where(x < 0.3, 1.0, 0.0)),
    "steep, but seen": on_the_line(lambda u, x: -((1 + torch.sigmoid((x - 0.37) * 1e3)) * u.x).x - 1),
    "degenerate": on_the_line(lambda u, x: -(x.sqrt() * u.x).x - 1),
    "many decades": on_the_line(lambda u, x: -(torch.exp(20 * x) * u.x).x - 1),
    "porous medium": on_the_line(lambda u: -(u**3 * u.x).x - 1),
    "kink": on_the_line(lambda u: -(abs(u.x) * u.x).x - 1),
    "constant made a tensor": on_the_line(lambda u, x: -(torch.ones_like(x) * u).xx - 1),
    "interface": divided(lambda u, x: (K(x) * u.x).x, 1.0, 2.0),
    "interface, scaled": divided(lambda u, x: (K(x) * u.x).x, 3.0, 6.0),
    "common factor of the unknown": divided(lambda u, x: (K(x) * (1 + u) * u.x).x, 1.0, 2.0),
    "interface without a flux": divided(lambda u, x: K(x) * u.xx, 1.0, 5.0),
    "interface of equals": divided(lambda u, x: ((1 + x) * u.x).x - where(x < 0.5, 1.0, 0.0), 1.0, 1.0),
    "interface in the plane": with_disk(lambda u, x, y: -div(K_DISK(x, y) * grad(u)) - 1, 10.0),
}


@pytest.mark.parametrize("name", FINE)
def test_what_is_no_error_is_not_refused(name):
    assert check(FINE[name]).ok, check(FINE[name])


def test_pieces_that_fill_the_domain_are_an_interface():
    right = Interval(0.5, 1)
    k = Piecewise({LEFT: 1.0, right: 2.0})
    problem = Problem(
        LINE,
        lambda u, x: (k(x) * u.x).x,
        [Dirichlet(1, on=LINE.left), Dirichlet(0, on=LINE.right), Interface(k, on=LEFT.right)],
        exact=lambda x: where(x < 0.5, 1 - 4 / 3 * x, 2 / 3 - 2 / 3 * x),
    )
    require_right(problem, 1e-8)


def test_a_variable_coefficient_in_large_units_is_that_of_every_cell():
    ocean = Interval(0, 1e7)
    exact = lambda x: sin(3e-7 * x)  # noqa: E731
    require_right(stated(lambda u, x: -u.xx + 1e-14 * (1 + x / 1e7) * u, exact, ocean), 1e-8)


@pytest.mark.parametrize("length", [1e-9, 1e-6, 1.0, 4e6])
@pytest.mark.parametrize("size", [1e-20, 1e20])
def test_units_change_nothing(length, size):
    line = Interval(0, length)
    exact = lambda x: size * sin(3 * x / length)  # noqa: E731

    def operator(u, x):
        D = 1e-18 * (1 + 0.5 * sin(2 * pi * x / length))
        return -(D * u.x).x + 1e-18 / length**2 * (1 + x / length) * u

    require_right(stated(operator, exact, line), 1e-8)


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e160])
def test_sizes_whose_squares_are_no_numbers_are_refused(size):
    problem = Problem(LINE, lambda u: -u.xx - size, [Dirichlet(0, on=LINE.left), Neumann(0, on=LINE.right)])
    require_refused(problem, "too far from one")
