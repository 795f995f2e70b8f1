"""Conditions on the first time that give values there are initial values, in whatever way they are written."""

import pytest
import torch
from torch import cos, pi, sin

from pdesolve import (
    Condition,
    Dirichlet,
    Initial,
    Interval,
    Neumann,
    Problem,
    Rectangle,
    Robin,
    TimeInterval,
    laplace,
    solve,
)
from pdesolve.checks.check import check
from pdesolve.errors import ProblemError
from pdesolve.statement.evolving import cannot_march

ROD = Interval(0, 1)
SPAN = ROD * TimeInterval(0.5, 1)
HELD = Dirichlet(0, on=ROD.boundary)
POINTS = torch.tensor([[0.2, 0.5], [0.7, 0.5]], dtype=torch.float64)


def heat(u):
    return u.t - u.xx


def wave(u):
    return u.tt - u.xx


def string(*starts, equation=wave, constants=None):
    return Problem(SPAN, equation, [HELD, *starts], constants=constants)


def initial_values(problem):
    """(unknown, order) ↦ values at two points."""
    starts = [c for c in problem.conditions if isinstance(c, Initial)]
    return {
        (problem.unknown_of(c), c.order): problem.values({problem.unknown_of(c): c.value}, POINTS)
        for c in starts
    }


@pytest.mark.parametrize(
    "start",
    [
        Dirichlet(lambda x: sin(pi * x), on=SPAN.initial),
        Dirichlet(lambda x: sin(pi * x), on=SPAN.part("initial")),
        Condition(lambda u, x: u - sin(pi * x), on=SPAN.initial),
        Condition(lambda u, x, t: 4 * t * (sin(pi * x) - u), on=SPAN.initial),
    ],
)
def test_a_value_at_the_first_time_is_an_initial_value(start):
    found = initial_values(string(start, equation=heat))
    assert list(found) == [("u", 0)]
    torch.testing.assert_close(found["u", 0][:, 0], sin(pi * POINTS[:, 0]))


def test_a_rate_at_the_first_time_is_one_of_order_one_and_the_march_takes_it():
    problem = string(Initial(lambda x: sin(pi * x)), Condition(lambda u: u.t, on=SPAN.initial))
    assert cannot_march(problem) is None
    assert not check(problem).warnings
    found = solve(problem, tol=1e-6)
    assert found.converged
    assert found(0.5, 1.0) == pytest.approx(float(cos(torch.tensor(pi / 2))), abs=3e-6)


def test_several_values_in_one_condition_are_several_initial_values():
    both = Condition(lambda u, v, x: (u - x, 2 * v.t + x), on=SPAN.initial)
    system = Problem(SPAN, lambda u, v: (u.t - v, v.tt - u.xx), [both])
    found = initial_values(system)
    torch.testing.assert_close(found["u", 0][:, 0], POINTS[:, 0])
    torch.testing.assert_close(found["v", 1][:, 1], -POINTS[:, 0] / 2)


def test_a_product_of_unknowns_gives_no_value():
    """With v = 0 it reads u - 1, and u(0) was 1 instead of 1/4."""
    product = Condition(lambda u, v: u * (1 + v) - 1, on=SPAN.initial)
    system = Problem(SPAN, lambda u, v: (u.t - v.xx, v.t - u.xx), [Initial(3, unknown="v"), product])
    assert system.conditions[1] is product


def test_other_values_of_constants_reach_them():
    problem = string(Condition(lambda u, a: u - a, on=SPAN.initial), equation=heat, constants={"a": 1.0})
    other = initial_values(problem.with_constants({"a": 3.0}))
    assert other["u", 0].tolist() == [[3.0], [3.0]]


@pytest.mark.parametrize(
    "start",
    [
        Condition(lambda u: u**2 - 1, on=SPAN.initial),
        Condition(lambda u, x: (x - 0.5) * u, on=SPAN.initial),
        Condition(lambda u: u.x, on=SPAN.initial),
        Condition(lambda u: u + u.t, on=SPAN.initial),
        Condition(lambda u: abs(u) - 1, on=SPAN.initial),
        Condition(lambda u: (u * u).t, on=SPAN.initial),
        Condition(lambda u: u.t + u * u.x, on=SPAN.initial),
        Condition(lambda u: u - torch.relu(u - 2) - 1, on=SPAN.initial),
        Dirichlet(0, on=SPAN.final),
    ],
)
def test_what_gives_no_value_stays_as_it_is(start):
    assert string(start, equation=heat).conditions[1] is start


@pytest.mark.parametrize("condition", [Neumann(0, on=SPAN.initial), Robin(1, 0, on=SPAN.final)])
def test_a_derivative_along_the_normal_at_an_end_of_time_is_refused(condition):
    with pytest.raises(ProblemError, match=r"derivative in space, .*write Initial\(value, order=1\)"):
        string(condition)


def test_a_drum_at_rest_is_marched_however_its_rest_is_stated():
    plate = Rectangle((0, 0), (1, 1))
    drum = plate * TimeInterval(0, 0.2)
    shape = lambda x, y: sin(pi * x) * sin(pi * y)  # noqa: E731
    edge = Dirichlet(0, on=plate.boundary)
    rest = Condition(lambda u: u.t, on=drum.initial)
    found = solve(Problem(drum, lambda u: u.tt - laplace(u), [edge, Initial(shape), rest]), tol=1e-3)
    assert "march" in found.status
    assert found(0.5, 0.5, 0.2) == pytest.approx(float(cos(torch.tensor(2**0.5 * pi * 0.2))), abs=3e-3)
