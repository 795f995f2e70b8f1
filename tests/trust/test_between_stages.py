"""What the right-hand side of an ordinary equation does for a moment along the path lies between two stages."""

import math

import pytest
import torch
from torch import exp

from pdesolve import Initial, Problem, TimeInterval, solve

TIME = TimeInterval(0, 3)


def values_at(solution, t):
    return solution.approximator.jet(torch.tensor([[t]], dtype=torch.float64), ((0,),))[0, :, 0].tolist()


def gap(width, delay=0.5):
    """u' = 1, but at u = 1.5, within this width, it waits for `delay`: from dt/du = 1 + a bell curve of that area."""
    height = delay / (width * math.sqrt(math.pi))
    return Problem(TIME, lambda u: u.t - 1 / (1 + height * exp(-(((u - 1.5) / width) ** 2))), [Initial(0)])


@pytest.mark.parametrize("width", [1e-2, 1e-3, 1e-4])
@pytest.mark.parametrize("tol", [1e-2, 1e-5])
def test_a_gap_in_which_an_unknown_waits_is_not_stepped_over(width, tol):
    solution = solve(gap(width), tol=tol, time_limit=20)
    assert solution.converged, solution.status
    assert values_at(solution, 3.0)[0] == pytest.approx(2.5, abs=9 * tol)


def test_a_gap_narrower_than_the_times_of_a_first_march_is_not_stepped_over():
    solution = solve(gap(1e-5), tol=1e-2, time_limit=60)
    assert solution.converged, solution.status
    assert values_at(solution, 3.0)[0] == pytest.approx(2.5, abs=9e-2)


@pytest.mark.parametrize("width", [1e-2, 1e-3, 1e-4])
def test_a_slide_along_the_path_is_not_stepped_over(width):
    """u' = 1 + h e^{-((t - 1)/w)²} in a phase v of its own, v' = 1: what is added is 1/2."""
    height = 0.5 / (width * math.sqrt(math.pi))
    problem = Problem(
        TIME,
        lambda u, v: (u.t - 1 - height * exp(-(((v - 1.234) / width) ** 2)), v.t - 1),
        [Initial(0, unknown="u"), Initial(0, unknown="v")],
    )
    solution = solve(problem, tol=1e-3, time_limit=20)
    assert solution.converged, solution.status
    assert values_at(solution, 3.0)[0] == pytest.approx(3.5, abs=9e-3)


@pytest.mark.parametrize("width", [1e-2, 1e-3])
def test_a_kick_at_a_place_is_not_stepped_over(width):
    """u'' = -V'(u) over a narrow step of the potential, by 3/2: the speed goes from 1 to 2."""

    def force(u):
        return 1.5 / (width * math.sqrt(math.pi)) * exp(-(((u - 1) / width) ** 2))

    problem = Problem(TIME, lambda u: u.tt - force(u), [Initial(0), Initial(1, order=1)])
    solution = solve(problem, tol=1e-3, time_limit=20)
    assert solution.converged, solution.status
    assert values_at(solution, 3.0)[0] == pytest.approx(1 + 2 * 2, abs=1.5e-2)


def test_an_unstable_balance_is_left_when_it_is():
    """u' = u - u³ from 1e-6: an implicit method may stay near zero in a step that is long beside the growth."""
    problem = Problem(TimeInterval(0, 100), lambda u: u.t - 20 * (u - u**3), [Initial(1e-9)])
    solution = solve(problem, tol=1e-3, time_limit=20)
    expected = lambda t: 1 / math.sqrt(1 + (1e18 - 1) * math.exp(-40 * t))  # noqa: E731
    assert solution.converged, solution.status
    for t in (0.9, 1.0, 1.1, 50.0):
        assert values_at(solution, t)[0] == pytest.approx(expected(t), abs=0.02)
