"""The times at which an evolution is written: exactly those that were asked for, to the accuracy of the solution."""

from xml.etree import ElementTree

import meshio
import numpy as np
import pytest
from torch import cos, exp, pi, sin

from pdesolve import Dirichlet, Initial, Interval, Problem, Rectangle, TimeInterval, export
from pdesolve.errors import UsageError
from pdesolve.output.growing import GrowingSeries
from pdesolve.solver import solve

ROD = Interval(0, 1)
TIMES = (0.0, 0.1, 0.77, 1.0)


@pytest.fixture(scope="module")
def heat():
    problem = Problem(
        ROD * TimeInterval(0, 1),
        lambda u: u.t - u.xx / 4,
        [Initial(lambda x: sin(pi * x)), Dirichlet(0, on=ROD.boundary)],
        exact=lambda x, t: exp(-(pi**2) * t / 4) * sin(pi * x),
    )
    return solve(problem, tol=1e-8, times=TIMES)


@pytest.fixture(scope="module")
def turning():
    problem = Problem(
        TimeInterval(0, 2),
        lambda u: u.tt + u,
        [Initial(1), Initial(0, order=1)],
        exact=lambda t: cos(t),
    )
    return solve(problem, tol=1e-8, times=[0, 0.5, 2])


def steps_of(path):
    root = ElementTree.parse(path).getroot()
    return {float(step.get("timestep")): path.parent / step.get("file") for step in root.iter("DataSet")}


def test_a_collection_has_the_times_asked_for_and_values_as_good_as_the_solution(heat, tmp_path):
    export(heat, tmp_path / "u.pvd")
    steps = steps_of(tmp_path / "u.pvd")
    assert tuple(steps) == TIMES
    for t, file in steps.items():
        mesh = meshio.read(file)
        x = mesh.points[:, 0]
        exact = np.exp(-(np.pi**2) * t / 4) * np.sin(np.pi * x)
        assert np.abs(mesh.point_data["u"] - exact).max() < 1e-7


def test_a_number_of_steps_goes_before_the_times_of_the_solution(heat, tmp_path):
    export(heat, tmp_path / "u.pvd", steps=3)
    assert tuple(steps_of(tmp_path / "u.pvd")) == (0.0, 0.5, 1.0)
    export(heat, tmp_path / "v.pvd", times=[0.3])
    assert tuple(steps_of(tmp_path / "v.pvd")) == (0.3,)


def test_tables_have_the_times_asked_for(heat, turning, tmp_path):
    export(heat, tmp_path / "u.csv")
    table = np.genfromtxt(tmp_path / "u.csv", delimiter=",", names=True)
    assert tuple(np.unique(table["t"])) == TIMES
    export(turning, tmp_path / "v.csv")
    table = np.genfromtxt(tmp_path / "v.csv", delimiter=",", names=True)
    assert tuple(table["t"]) == (0.0, 0.5, 2.0)
    assert np.abs(table["u"] - np.cos(table["t"])).max() < 1e-7


def test_a_growing_collection_has_the_times_asked_for(heat, tmp_path):
    series = GrowingSeries(heat.problem, tmp_path / "u.pvd", TIMES)
    assert series.moments == list(TIMES)


def test_times_are_kept_with_the_solution(heat, tmp_path):
    heat.save(tmp_path)
    assert type(heat).load(tmp_path, heat.problem).times == TIMES


def test_a_solution_at_one_time_is_a_function_of_space(heat):
    x = np.linspace(0, 1, 11)
    assert np.array_equal(heat.at(0.3)(x), heat(x, 0.3))
    with pytest.raises(UsageError, match="outside the problem's times, expected 0 to 1"):
        heat.at(1.5)


@pytest.mark.parametrize(
    ("times", "sentence"),
    [
        ([0, 2], "the time 2 lies outside the problem's times, expected 0 to 1"),
        ([0, 0.5, 0.2], "0.5 and 0.2 follow each other; expected each later"),
        ([0, float("nan")], "expected a finite number"),
        ([], "expected a list of times"),
        ("0,1", "expected a list of times"),
        (0.5, "expected a list of times"),
    ],
)
def test_times_that_are_none_get_a_sentence(heat, times, sentence):
    with pytest.raises(UsageError, match=sentence):
        solve(heat.problem, tol=1e-2, times=times)


def test_a_steady_problem_has_no_times():
    square = Rectangle((0, 0), (1, 1))
    steady = Problem(square, lambda u: u.xx + u.yy - 1, [Dirichlet(0, on=square.boundary)])
    with pytest.raises(UsageError, match="no time interval"):
        solve(steady, times=[0])
