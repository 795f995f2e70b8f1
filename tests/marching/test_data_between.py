"""Whether an equation can hold data that lie between points or stages is told by its arguments and operations."""

import math

import pytest
from torch import exp, sin

from pdesolve import Dirichlet, Initial, Interval, Neumann, Problem, TimeInterval, solve
from pdesolve.marching.unseen import holds_data
from pdesolve.statement.residual import compile_problem

LINE = Interval(0, 1)


def held(equation):
    conditions = [Initial(0), Dirichlet(0, on=LINE.boundary)]
    stated = Problem(LINE * TimeInterval(0, 1), equation, conditions, constants={"k": 2.0})
    return holds_data(compile_problem(stated)[0])


def test_only_an_equation_that_takes_a_coordinate_or_is_no_polynomial_holds_data():
    assert not held(lambda u, k: u.t - k * u.xx)
    assert not held(lambda u: u.t + u * u.x - u.xx + u**3 - u)
    assert held(lambda u, t: u.t - u.xx - sin(t))
    assert held(lambda u, x: u.t - u.xx - x)
    assert held(lambda u: u.t - u.xx - sin(u))
    assert held(lambda u: u.t - u.xx - 1 / (1 + u**2))
    assert held(lambda u: u.t - u.xx - u**40)


@pytest.mark.parametrize("width", [1e-2, 1e-4])
def test_a_moment_in_which_an_unknown_waits_is_seen_without_coordinates(width):
    """u_t = u_xx + 1/(1 + h e^{-((u - 3/2)/w)²}), uniform: u = t up to 3/2, then a delay of h w √π = 1/2."""
    height = 0.5 / (width * math.sqrt(math.pi))

    def waiting(u):
        return u.t - u.xx - 1 / (1 + height * exp(-(((u - 1.5) / width) ** 2)))

    conditions = [Initial(0.0), Neumann(0.0, on=LINE.boundary)]
    solution = solve(Problem(LINE * TimeInterval(0, 3), waiting, conditions), tol=1e-2)
    assert solution.converged
    assert solution(0.5, 3.0) == pytest.approx(2.5, abs=0.03)
