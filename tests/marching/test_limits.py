"""Limits of time are kept in the middle of a step, and what was reached is kept."""

import time

import pytest
from test_march import warm_body

from pdesolve import Box, Initial, Neumann, Problem, Rectangle, TimeInterval, laplace, solve
from pdesolve.errors import OutOfTimeError, SolveError

LATE = 2.0  # seconds that a limit may be passed by


def spiral():
    """Two reacting substances on an insulated square, which need more and more patches."""
    plate = Rectangle((0, 0), (1, 1))

    def kinetics(u, v):
        return (
            u.t - 0.002 * laplace(u) - u**2 * v + 4.4 * u - 1,
            v.t - 0.002 * laplace(v) + u**2 * v - 3.4 * u,
        )

    return Problem(
        plate * TimeInterval(0, 2),
        kinetics,
        [
            Initial(lambda y: 1 - 0.5 * (3 * y).cos(), unknown="u"),
            Initial(lambda x: 3.5 - 2.5 * (3 * x).cos(), unknown="v"),
            Neumann(0, on=plate.boundary, unknown="u"),
            Neumann(0, on=plate.boundary, unknown="v"),
        ],
    )


@pytest.mark.slow
def test_slabs_that_were_solved_are_kept_with_their_estimate():
    begin = time.perf_counter()
    solution = solve(spiral(), tol=1e-4, time_limit=5)
    assert time.perf_counter() - begin < 5 + LATE
    assert not solution.converged
    assert "time limit" in solution.status
    assert 0 < solution.estimated_error < 1e-3


@pytest.mark.slow
def test_where_not_one_slab_is_solved_in_time_that_is_said():
    begin = time.perf_counter()
    with pytest.raises((OutOfTimeError, SolveError), match="time limit of 1 s passed"):
        solve(warm_body(Box((0, 0, 0), (1, 1, 1))), tol=1e-8, time_limit=1)
    assert time.perf_counter() - begin < 1 + 2 * LATE
