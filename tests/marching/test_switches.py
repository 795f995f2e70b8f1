"""Data that jump in time: steps end there, whether the jumps are stated or found."""

import pytest
import torch
from torch import exp, pi, sin

from pdesolve import Dirichlet, Initial, Interval, Problem, ProblemError, TimeInterval, solve
from pdesolve.marching.evolution import Evolution
from pdesolve.marching.switches import breaks_of

ROD = Interval(0, 1)
JUMP = 0.3141


def switched(breaks=()):
    """A source sin πx (1 + k π² (t - b)) that is switched on at b; u = sin πx (e^{-kπ²t} + max(t - b, 0))."""
    k = 0.1

    def late(t):
        return torch.where(t < JUMP, 0 * t, t - JUMP)

    def source(x, t):
        return torch.where(t < JUMP, 0 * t, 1 + k * pi**2 * (t - JUMP)) * sin(pi * x)

    return Problem(
        ROD * TimeInterval(0, 1, breaks=breaks),
        lambda u, x, t: u.t - k * u.xx - source(x, t),
        [Initial(lambda x: sin(pi * x)), Dirichlet(0, on=ROD.boundary)],
        exact=lambda x, t: (exp(-k * pi**2 * t) + late(t)) * sin(pi * x),
    )


@pytest.mark.parametrize("breaks", [(), (JUMP,), (0.2, JUMP)])
def test_steps_end_where_a_source_is_switched_on(breaks):
    solution = solve(switched(breaks), tol=1e-7)
    ends = solution.approximator.times.tolist()
    assert solution.converged
    assert solution.relative_l2_error() <= 3e-7
    assert min(abs(t - JUMP) for t in ends) < 1e-11
    assert all(b in ends for b in breaks)
    assert len(ends) < 8


def test_a_boundary_value_that_jumps_is_followed():
    """After the jump, heat flows in from an end at 1: the series of the step response."""
    k = torch.arange(1, 100, dtype=torch.float64)

    def response(x, s):
        modes = 2 / (pi * k) * sin(pi * k * x[:, None]) * exp(-(pi**2) * k**2 * s.clamp_min(0)[:, None])
        return torch.where(s > 0, 1 - x - modes.sum(1), 0 * x)

    problem = Problem(
        ROD * TimeInterval(0, 1),
        lambda u: u.t - u.xx,
        [
            Initial(0),
            Dirichlet(lambda t: torch.where(t < 0.5, 0 * t, 0 * t + 1), on=ROD.left),
            Dirichlet(0, on=ROD.right),
        ],
        exact=lambda x, t: response(x, t - 0.5),
    )
    solution = solve(problem, tol=1e-3)
    assert solution.converged
    assert solution.relative_l2_error() <= 3e-3


def test_a_front_that_passes_by_is_no_switch():
    moving = Problem(
        ROD * TimeInterval(0, 1),
        lambda u, x, t: u.t - u.xx - torch.where(x < t, 1 + 0 * x, 0 * x),
        [Initial(0), Dirichlet(0, on=ROD.boundary)],
    )
    assert breaks_of(Evolution.of(moving), 1e-6) == ()


def test_ordinary_equations_end_steps_at_stated_breaks():
    problem = Problem(
        TimeInterval(0, 3, breaks=[1, 2]),
        lambda u, t: u.t - torch.where((t < 1) | (t >= 2), 0 * t, 0 * t + 1),
        [Initial(0)],
        exact=lambda t: (t - 1).clamp(0, 1),
    )
    solution = solve(problem, tol=1e-9)
    assert {1.0, 2.0} <= set(solution.approximator.times.tolist())
    assert solution.relative_l2_error() <= 1e-9


@pytest.mark.parametrize(
    ("breaks", "sentence"),
    [
        ([0.5, 3], "the break 3, expected times between 0 and 2"),
        ([0], "the break 0, expected times between 0 and 2"),
        ([1, 0.5], "the breaks 1 and 0.5 one after the other"),
        ([1, 1], "the breaks 1 and 1 one after the other"),
        ([float("nan")], "expected finite numbers"),
        (["noon"], "expected numbers"),
        (1.0, "expected a list of times such as"),
        ("1", "expected a list of times such as"),
    ],
)
def test_breaks_that_are_none_get_a_sentence(breaks, sentence):
    with pytest.raises(ProblemError, match=sentence):
        TimeInterval(0, 2, breaks=breaks)


def test_an_interval_shows_its_breaks():
    assert repr(TimeInterval(0, 2, breaks=[0.5, 1])) == "TimeInterval(0, 2, breaks=[0.5, 1])"
