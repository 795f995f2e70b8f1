"""Whether an equation can hold data that lie between points or stages is told by its arguments."""

from torch import sin

from pdesolve import Dirichlet, Initial, Interval, Problem, TimeInterval
from pdesolve.marching.unseen import holds_data

LINE = Interval(0, 1)


def stated(equation):
    conditions = [Initial(0), Dirichlet(0, on=LINE.boundary)]
    return Problem(LINE * TimeInterval(0, 1), equation, conditions, constants={"k": 2.0})


def test_only_an_equation_that_takes_a_coordinate_holds_data():
    assert not holds_data(stated(lambda u, k: u.t - k * u.xx))
    assert holds_data(stated(lambda u, t: u.t - u.xx - sin(t)))
    assert holds_data(stated(lambda u, x: u.t - u.xx - x))
