"""Limits of time are kept in the middle of a step, and what was reached is kept."""

import time
from itertools import count

import pytest
from test_march import warm_body

from pdesolve import Box, Initial, Neumann, Problem, Rectangle, TimeInterval, laplace
from pdesolve.errors import OutOfTimeError, SolveError
from pdesolve.marching.march import march
from pdesolve.runs.monitor import Monitor

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


def test_slabs_that_were_solved_are_kept_with_their_estimate():
    """Once there are two, a second passes at each look at the clock: the time is over within the third."""
    monitor, looks = Monitor(), count()
    monitor.time_limit, monitor.started = 5.0, 0.0
    monitor.clock = lambda: float(next(looks)) if len(monitor.history) >= 2 else 0.0
    result = march(spiral(), 1e-4, monitor)
    assert next(looks) < 20  # heard within the slab: at its end there have been ninety
    assert len(monitor.history) == 2
    assert not result.converged
    assert "time limit of 5 s passed" in result.status
    assert 0 < max(result.estimates) < 1e-3


@pytest.mark.slow
def test_where_not_one_slab_is_solved_in_time_that_is_said():
    begin = time.process_time()
    with pytest.raises((OutOfTimeError, SolveError), match="time limit of 1 s passed"):
        march(warm_body(Box((0, 0, 0), (1, 1, 1))), 1e-8, Monitor(time_limit=1, clock=time.process_time))
    assert time.process_time() - begin < 1 + 2 * LATE
