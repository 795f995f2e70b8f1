"""Slabs: what is marched, what a slab hands over, how many there are, and what remains where one cannot be solved."""

import pytest
from evolutions import heat, ring, rod, second, wave
from torch import cos, exp, pi, sin

from pdesolve import (
    Condition,
    Dirichlet,
    Initial,
    Interval,
    Neumann,
    Periodic,
    Problem,
    Rectangle,
    TimeInterval,
    UsageError,
    laplace,
)
from pdesolve.errors import OutOfMemoryError
from pdesolve.marching.evolution import Evolution
from pdesolve.marching.march import can_march, march
from pdesolve.marching.stage_solver import StageSolver
from pdesolve.runs.monitor import Monitor
from pdesolve.solver import solve


def late_insulation():
    """Which part of the boundary has a value depends on time."""
    domain = rod * second
    return Problem(
        domain,
        lambda u: u.t - u.xx,
        [
            Initial(lambda x: cos(pi * x / 2)),
            Dirichlet(0, on=rod.right),
            Neumann(0, on=domain.boundary.where(lambda x, t: (x < 0.5) & (t < 0.5))),
            Dirichlet(
                lambda t: exp(-(pi**2) / 4 * t), on=domain.boundary.where(lambda x, t: (x < 0.5) & (t >= 0.5))
            ),
        ],
        exact=lambda x, t: exp(-(pi**2) / 4 * t) * cos(pi * x / 2),
    )


def test_only_evolutions_from_initial_values_march():
    assert can_march(heat())
    domain = rod * second
    walls = Dirichlet(0, on=rod.boundary)
    assert can_march(heat(conditions=[walls, Dirichlet(0, on=domain.initial)], exact=None))
    assert not can_march(heat(conditions=[walls, Dirichlet(0, on=domain.final)], exact=None))
    assert not can_march(heat(conditions=[walls, Condition(lambda u: u**2, on=domain.initial)], exact=None))
    square = Rectangle((0, 0), (1, 1))
    assert not can_march(Problem(square, lambda u: laplace(u) - 1, [Dirichlet(0, on=square.boundary)]))
    assert not can_march(late_insulation())


def test_what_is_not_marched_is_solved_on_all_times_at_once():
    solution = solve(late_insulation(), tol=1e-6)
    assert solution.converged
    assert solution.relative_l2_error() <= 3e-6


def test_breaks_in_time_are_refused_where_nothing_is_followed_in_time():
    problem = Problem(
        rod * TimeInterval(0, 1, breaks=[0.5]),
        lambda u: u.t - u.xx,
        [Initial(1), Dirichlet(0, on=(rod * second).final), Dirichlet(0, on=rod.boundary)],
    )
    with pytest.raises(
        UsageError, match="all times at once: something is prescribed at the first or the last time"
    ):
        solve(problem, tol=1e-2)


@pytest.mark.parametrize(("problem", "depth"), [(heat(), 1), (wave(), 2), (ring(1), 1)])
def test_a_slab_hands_over_as_many_time_derivatives_as_the_order_in_time(problem, depth):
    assert Evolution.of(problem).depth == depth


def test_third_order_in_time_is_marched():
    """τ u_ttt + u_tt - u_xx - b u_xxt = 0 (Moore, Gibson, Thompson) with e^{λt} sin πx."""
    tau, b = 0.3, 0.5
    rate = 2.3310875954432286  # τ λ³ - λ² + b π² λ - π² = 0
    assert abs(tau * rate**3 - rate**2 + b * pi**2 * rate - pi**2) < 1e-9
    problem = Problem(
        rod * second,
        lambda u: tau * u.ttt + u.tt - u.xx - b * u.xxt,
        [
            Initial(lambda x: sin(pi * x)),
            Initial(lambda x: -rate * sin(pi * x), order=1),
            Initial(lambda x: rate**2 * sin(pi * x), order=2),
            Dirichlet(0, on=rod.boundary),
        ],
        exact=lambda x, t: exp(-rate * t) * sin(pi * x),
    )
    assert can_march(problem)
    solution = solve(problem, tol=1e-7)
    assert solution.converged
    assert solution.relative_l2_error() <= 3e-7


@pytest.mark.parametrize("problem", [heat(), wave(), ring(3)], ids=["heat", "wave", "advection"])
@pytest.mark.parametrize("slabs", [1, 4])
def test_error_and_estimate_agree_whatever_the_number_of_slabs(problem, slabs):
    solution = solve(problem, tol=1e-6, slabs=slabs)
    assert solution.converged
    assert solution.relative_l2_error() <= 3e-6
    assert 0.1 <= solution.estimated_error / solution.relative_l2_error() <= 10


def test_equal_slabs_of_a_linear_problem_share_their_factors(monkeypatch):
    made = []
    original = StageSolver.factor
    monkeypatch.setattr(StageSolver, "factor", lambda self, *a: made.append(1) or original(self, *a))
    lengths = march(ring(40), 1e-6).expansion.times.diff()
    repeated = int((lengths.diff().abs() < 1e-9).sum())
    assert repeated >= 8
    # Each slab was solved twice, for u and for v.
    assert len(made) <= 2 * len(lengths) - repeated


def test_a_march_that_runs_out_of_memory_keeps_the_slabs_that_it_has(monkeypatch):
    original = StageSolver.factor
    made = []

    def fifth_fails(self, *arguments):
        made.append(1)
        if len(made) > 4:
            message = "the factorisation needs 5 GB, 4 GB are free"
            raise OutOfMemoryError(message)
        return original(self, *arguments)

    burgers = Problem(
        Interval(-1, 1) * second,
        lambda u: u.t + u * u.x - u.xx / 20,
        [Initial(lambda x: -sin(pi * x)), Dirichlet(0, on=Interval(-1, 1).boundary)],
    )
    monkeypatch.setattr(StageSolver, "factor", fifth_fails)
    stopped = march(burgers, 1e-3)
    assert not stopped.converged
    assert 0 < stopped.expansion.times[-1] < 1
    assert "needs 5 GB" in stopped.status


def test_patches_are_given_up_where_they_are_no_longer_needed():
    """A narrow pulse spreads: the last slab needs fewer patches than the first."""
    problem = heat(
        domain=rod * TimeInterval(0, 2),
        conditions=[Initial(lambda x: exp(-2000 * (x - 0.5) ** 2)), Dirichlet(0, on=rod.boundary)],
        exact=None,
    )
    slabs = march(problem, 1e-4).expansion.slabs
    patches = [len(slab.host) for slab in slabs]
    assert patches[-1] < max(patches)


@pytest.mark.slow
def test_slabs_are_short_where_a_kink_is_smoothed_out():
    """Periodic initial values x² have a kink at the ends: the error there falls with the length of the first slab."""
    kinked = Problem(
        Interval(-1, 1) * TimeInterval(0, 0.1),
        lambda u: u.t - u.xx,
        [Initial(lambda x: x**2), Periodic("x")],
        exact=lambda x, t: (
            1 / 3
            + sum(
                (-1) ** k * 4 / (k * pi) ** 2 * cos(k * pi * x) * exp(-((k * pi) ** 2) * t)
                for k in range(1, 200)
            )
        ),
    )
    solution = solve(kinked, tol=1e-4, monitor=Monitor(time_limit=60))
    ends = solution.approximator.times
    assert solution.converged
    assert solution.relative_l2_error() < 3e-4
    assert ends[1] - ends[0] < 0.1 * (ends[-1] - ends[-2])


def test_an_unknown_that_begins_with_nothing_is_measured_by_what_it_becomes():
    """U = cos t, v = sin t: near t = 0 a relative error of v would be out of reach of any slab."""
    turning = Problem(
        rod * TimeInterval(0, 1),
        lambda u, v, x: (u.t + v + 0 * x, v.t - u),
        [Initial(1, unknown="u"), Initial(0, unknown="v")],
        exact={"u": lambda t: cos(t), "v": lambda t: sin(t)},
    )
    solution = solve(turning, tol=1e-6)
    assert solution.converged
    assert max(solution.relative_l2_error("u"), solution.relative_l2_error("v")) <= 3e-6
    assert len(solution.approximator.slabs) < 20


def test_the_most_unknowns_are_honoured_and_a_highest_degree_is_refused():
    steep = heat(
        conditions=[Initial(lambda x: exp(-2000 * (x - 0.5) ** 2)), Dirichlet(0, on=rod.boundary)],
        exact=None,
        equation=lambda u: u.t + 5 * u.x - u.xx / 1000,
    )
    stopped = solve(steep, tol=1e-8, max_unknowns=150)
    assert not stopped.converged
    assert "unknowns in space would be more than 150; raise max_unknowns" in stopped.status
    with pytest.raises(UsageError, match="an evolution keeps one degree"):
        solve(steep, tol=1e-4, max_degree=20)
