"""A path through a state from which it may go on in several ways is not the solution."""

import pytest
import torch

from pdesolve import Initial, Problem, TimeInterval, solve

TIME = TimeInterval(0, 4)


def root(v):
    return v.abs().sqrt()


SEVERAL = {
    "it falls to zero, and stays or falls on": (lambda u: u.t + root(u), 1),
    "it rises to zero, and stays or rises on": (lambda u: u.t - 3 * u.abs() ** (2 / 3), -1),
    "the state moves": (lambda u, t: u.t - 2 * t + root(u - t * t), 1),
}
ONE = {
    "it crosses at a speed of its own": (lambda u: u.t - 1 - root(u), -1),
    "it crosses slowly": (lambda u: u.t - 3 * u.abs() ** (2 / 3) - 1e-3, -1),
    "it comes to rest": (lambda u: u.t + u.clamp(min=0).sqrt(), 1),
    "it is not defined beside the path": (lambda u: u.t - torch.sqrt(u) + u, 1e-3),
    "it is a logarithm that is not defined there": (lambda u: u.t + 5 * u * torch.log(u), 1e-6),
    "its derivative grows like a logarithm": (lambda u: u.t - u * torch.log(u.abs() + 1e-300), 0.5),
}


@pytest.mark.parametrize("tol", [1e-2, 1e-4])
@pytest.mark.parametrize("name", SEVERAL)
def test_what_may_go_on_in_several_ways_is_not_verified(name, tol):
    equation, start = SEVERAL[name]
    solution = solve(Problem(TIME, equation, [Initial(start)]), tol=tol)
    assert not solution.converged
    assert "several ways" in solution.status


@pytest.mark.parametrize("name", ONE)
def test_what_goes_on_in_one_way_is_verified(name):
    equation, start = ONE[name]
    solution = solve(Problem(TIME, equation, [Initial(start)]), tol=1e-3)
    assert solution.converged, solution.status


def test_the_sentence_names_the_time_and_the_value():
    equation, start = SEVERAL["it falls to zero, and stays or falls on"]
    status = solve(Problem(TIME, equation, [Initial(start)]), tol=1e-4).status
    assert "from t = 2" in status
    assert "u = 0 there" in status
