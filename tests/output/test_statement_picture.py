"""The picture of a problem: every condition has its dots where it holds, and a name in the legend."""

import numpy as np
import pytest

from pdesolve import (
    Box,
    Dirichlet,
    Disk,
    Initial,
    Interface,
    Interval,
    Neumann,
    Piecewise,
    Point,
    Problem,
    Rectangle,
    TimeInterval,
    laplace,
    plot,
)
from pdesolve.errors import UsageError

SQUARE = Rectangle((0, 0), (2, 2))
DISK = Disk((1, 1), 0.5)


def poisson(u):
    return -laplace(u) - 1


def heat(u):
    return u.t - u.xx


def drawn(problem):
    """Names and dots (n, k) of what is drawn."""
    (axes,) = plot(problem).axes
    return {dots.get_label(): np.ma.getdata(dots.get_offsets()) for dots in axes.collections}


def test_each_condition_is_drawn_where_it_holds():
    sides = [Dirichlet(0, on=SQUARE.left), Neumann(1, on=SQUARE.right | SQUARE.top | SQUARE.bottom)]
    found = drawn(Problem(SQUARE, poisson, sides))
    assert list(found) == ["Dirichlet on left", "Neumann on right | top | bottom"]
    left, others = found.values()
    assert (left[:, 0] == 0).all()
    assert np.ptp(left[:, 1]) > 1.9
    assert ((others[:, 0] == 2) | (others[:, 1] == 0) | (others[:, 1] == 2)).all()


def test_conditions_of_one_place_share_its_dots():
    conditions = [Dirichlet(0, on=SQUARE.boundary, unknown=name) for name in "uv"]
    system = Problem(SQUARE, lambda u, v: (laplace(u) - v, laplace(v) - u), conditions)
    assert list(drawn(system)) == ["Dirichlet of u, Dirichlet of v on boundary"]


def test_an_interface_and_a_point_inside_are_drawn():
    k = Piecewise({DISK: 10.0}, otherwise=1.0)
    conditions = [Dirichlet(0, on=SQUARE.boundary), Interface(k=k, on=DISK.boundary)]
    found = drawn(Problem(SQUARE, lambda u, x, y: -k(x, y) * laplace(u) - 1, conditions))
    circle = found["Interface on Disk((1, 1), 0.5).boundary"]
    assert np.hypot(*(circle - 1).T) == pytest.approx(0.5)
    pinned = Problem(SQUARE, poisson, [Neumann(0, on=SQUARE.boundary), Dirichlet(0, on=Point((1, 1)))])
    assert drawn(pinned)["Dirichlet on point (1, 1)"].tolist() == [[1, 1]]


def test_interfaces_are_drawn_through_time_and_in_parts():
    rod = Interval(0, 1) * TimeInterval(0, 3)
    core = Interval(0.4, 0.6)
    k = Piecewise({core: 10.0}, otherwise=1.0)
    held = [Initial(1), Dirichlet(0, on=rod.boundary)]
    for place in (core.boundary, core.left | core.right, core.boundary.where(lambda x: x > 0)):
        problem = Problem(rod, lambda u, x: u.t - k(x) * u.xx, [*held, Interface(k=k, on=place)])
        (dots,) = [points for name, points in drawn(problem).items() if name.startswith("Interface")]
        assert set(dots[:, 0].round(9)) == {0.4, 0.6}
        assert np.ptp(dots[:, 1]) > 2.5


def test_an_interval_with_time_is_a_rectangle_and_a_longer_evolution_is_drawn_in_space():
    rod = Interval(0, 1) * TimeInterval(0, 3)
    found = drawn(Problem(rod, heat, [Initial(1), Dirichlet(0, on=rod.boundary)]))
    start, ends = found.values()
    assert (start[:, 1] == 0).all()
    assert set(ends[:, 0]) == {0.0, 1.0}
    plate = SQUARE * TimeInterval(0, 3)
    conditions = [Initial(1), Dirichlet(0, on=plate.boundary)]
    (rim,) = drawn(Problem(plate, lambda u: u.t - laplace(u), conditions)).values()
    assert ((rim == 0) | (rim == 2)).any(axis=1).all()


def test_a_solid_is_drawn_in_three_dimensions(tmp_path):
    cube = Box((0, 0, 0), (1, 1, 1))
    problem = Problem(cube, poisson, [Dirichlet(0, on=cube.boundary)])
    assert plot(problem).axes[0].name == "3d"
    assert plot(problem, tmp_path / "cube.png").stat().st_size > 1000


def test_a_notebook_shows_the_picture_below_the_table():
    shown = Problem(SQUARE, poisson, [Dirichlet(0, on=SQUARE.boundary)])._repr_html_()
    assert shown.index("<table>") < shown.index('src="data:image/png;base64,')


def test_a_problem_has_no_patches_and_no_film(tmp_path):
    problem = Problem(SQUARE, poisson, [Dirichlet(0, on=SQUARE.boundary)])
    with pytest.raises(UsageError, match="received a problem and mesh=; expected a solution: solve it first"):
        plot(problem, mesh=True)
    with pytest.raises(UsageError, match="gif"):
        plot(problem, tmp_path / "u.gif")
