"""Limits of time are heard in the middle of a step, and what was reached before is kept."""

import time
from itertools import count

import pytest
import torch

from pdesolve import Ball, Box, Dirichlet, Initial, Interval, Problem, Rectangle, TimeInterval, laplace, solve
from pdesolve.adaptive.discretisation import Discretisation
from pdesolve.cli.interrupt import StoppableMonitor
from pdesolve.errors import OutOfTimeError, SolveError
from pdesolve.least_squares.sparse.condensed_cholesky import CondensedCholesky
from pdesolve.least_squares.sparse.row_blocks import Columns, RowBlocks
from pdesolve.marching.march import march
from pdesolve.patches.space import Space
from pdesolve.quadrature import bisect
from pdesolve.runs.deadline import check_deadline, enforced
from pdesolve.runs.monitor import Monitor

OVERRUN = 2.0  # seconds by which a limit may be passed
SQUARE = Rectangle((0, 0), (1, 1))
# One sharp peak after another: refined for minutes before 1e-12 is met.
PEAKS = Problem(
    SQUARE,
    lambda u, x, y: laplace(u) + 1 / (1e-3 + torch.sin(9 * x * y) ** 2 + torch.cos(11 * x - y) ** 2),
    [Dirichlet(0, on=SQUARE.boundary)],
)


def test_outside_a_block_nothing_is_asked():
    check_deadline()


def test_within_a_block_the_sentence_ends_the_work():
    with pytest.raises(OutOfTimeError, match="enough"), enforced(lambda: "enough"):
        check_deadline()
    check_deadline()


def test_an_inner_block_does_not_hide_the_outer_one():
    with pytest.raises(OutOfTimeError, match="outer"), enforced(lambda: "outer"), enforced(lambda: None):
        check_deadline()


def test_running_out_of_time_is_no_failure_of_a_solve():
    assert not issubclass(OutOfTimeError, SolveError)


def test_a_first_step_has_a_grace_and_no_longer():
    seconds = [0.0]
    monitor = Monitor(time_limit=10.0, clock=lambda: seconds[0])
    with monitor.enforce(ready=lambda: False):
        seconds[0] = 11.0
        check_deadline()
        seconds[0] = 10.0 + OVERRUN
        with pytest.raises(OutOfTimeError, match="before the first solution"):
            check_deadline()


def test_a_factorisation_ends_where_the_time_does():
    layout = Columns(torch.full((4,), 3))
    at = torch.arange(4)
    rows = [RowBlocks.make(layout, (at,), (torch.eye(3, dtype=torch.float64).expand(4, 3, 3),))]
    scale = torch.ones(layout.total, dtype=torch.float64)
    with pytest.raises(OutOfTimeError, match="limit of 0 s"), Monitor(time_limit=0.0).enforce():
        CondensedCholesky(layout, torch.arange(4.0)[:, None].numpy(), rows, scale)


@pytest.mark.slow
def test_a_limit_is_kept_and_what_was_reached_is_returned():
    """Of seconds of the processor after the first solution, which takes a slow machine the longer."""
    monitor = Monitor()
    monitor.time_limit, monitor.started = 1.0, 0.0
    monitor.clock = lambda: time.process_time() - first[0] if first else 0.0
    first: list[float] = []
    monitor.on_record = lambda _: first or first.append(time.process_time())
    solution = solve(PEAKS, tol=1e-12, monitor=monitor)
    # A machine five times slower passes it by two seconds; unheard, it would be passed by minutes.
    assert monitor.seconds < 1.0 + 2 * OVERRUN
    assert not solution.converged
    assert "time limit" in solution.status
    assert torch.isfinite(solution.evaluate(torch.rand(100, 2, dtype=torch.float64))).all()


def test_a_table_of_the_basis_ends_where_the_time_does():
    space = Discretisation(PEAKS, 1e-3, Monitor(), "cpu", {})
    patches, q = space.roots()
    space = Space(patches, q, space.statement.orders)
    with pytest.raises(OutOfTimeError, match="enough"), enforced(lambda: "enough"):
        space.fit(lambda y: y[:, :1])


def test_a_march_that_has_no_time_says_so():
    rod = Interval(0, 1)
    heat = Problem(
        rod * TimeInterval(0, 1), lambda u: u.t - u.xx, [Initial(1), Dirichlet(0, on=rod.boundary)]
    )
    with pytest.raises(OutOfTimeError, match="limit"):
        march(heat, 1e-8, Monitor(time_limit=1e-6, clock=iter(range(10**6)).__next__))


def test_who_asks_to_stop_gets_no_grace():
    monitor = StoppableMonitor()
    monitor.stop()
    with (
        monitor.enforce(ready=lambda: False),
        pytest.raises(OutOfTimeError, match=r"limit of .* passed"),
    ):
        check_deadline()


def test_a_root_in_a_cut_cell_is_looked_for_until_the_time_is_over():
    with enforced(lambda: "time is up"), pytest.raises(OutOfTimeError):
        bisect(lambda x: x > 0.3, torch.zeros(1), torch.ones(1))


def test_time_that_ends_within_the_checks_is_no_mistake_of_the_problem():
    """The rule of a cut face asks for the time; checks take errors for those of the problem, but not this one."""
    cube = Box((-1, -1, -1), (1, 1, 1)) - Ball((1, 1, 1), 0.6)
    problem = Problem(cube, lambda u: -laplace(u) - 1, [Dirichlet(0, on=cube.boundary)])
    seconds = count(0, 10)
    with pytest.raises(OutOfTimeError):
        solve(problem, tol=1e-3, monitor=Monitor(1.0, clock=lambda: float(next(seconds))))
